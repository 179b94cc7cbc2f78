//! `marquee dlq`: what to do about messages that could not be handled.

use anyhow::{Result, bail, ensure};
use clap::{ArgGroup, Subcommand};
use platform::{Rabbit, rabbit::DeadLetter};

use crate::{commands::say, serve};

/// Dead letters: messages that were refused, or that failed too often.
#[derive(Debug, Subcommand)]
pub enum DlqCommand {
    /// Print the queues that have dead letters, with their number.
    List,
    /// Print the oldest dead letters of a queue: what they say and why they are here.
    Show {
        /// Such as `booking.payments`.
        queue: String,
        /// At most this many.
        #[arg(long, default_value_t = 20)]
        limit: usize,
    },
    /// Put dead letters into their queue again, with all their attempts before them.
    #[command(group = ArgGroup::new("which").required(true).args(["id", "all"]))]
    Replay {
        /// Such as `booking.payments`.
        queue: String,
        /// Only the one with this id, as `show` prints it.
        #[arg(long)]
        id: Option<String>,
        /// All that are there now.
        #[arg(long)]
        all: bool,
    },
}

/// Does it, on a connected broker.
///
/// # Errors
/// The queue or the dead letter does not exist, or the broker failed; then some letters may have
/// been replayed.
pub async fn run(rabbit: &Rabbit, command: DlqCommand) -> Result<()> {
    match command {
        DlqCommand::List => list(rabbit).await,
        DlqCommand::Show { queue, limit } => show(rabbit, known(&queue)?, limit).await,
        DlqCommand::Replay { queue, id, .. } => replay(rabbit, known(&queue)?, id.as_deref()).await,
    }
}

/// The queue of this name.
fn known(name: &str) -> Result<&'static str> {
    let names: Vec<&'static str> = serve::queues().iter().map(|queue| queue.name).collect();
    match names.iter().find(|known| **known == name) {
        Some(known) => Ok(known),
        None => bail!("there is no queue `{name}`; there are {}", names.join(", ")),
    }
}

/// How many messages are in a queue: none, where no worker has declared it yet.
///
/// # Errors
/// The broker failed.
pub async fn depth(rabbit: &Rabbit, name: &str) -> Result<u32> {
    match rabbit.depth(name).await {
        Err(error) if error.is_not_found() => Ok(0),
        depth => Ok(depth?),
    }
}

async fn list(rabbit: &Rabbit) -> Result<()> {
    let mut none = true;
    for queue in serve::queues() {
        let count = depth(rabbit, &format!("{}.dead", queue.name)).await?;
        if count > 0 {
            none = false;
            say(&format!("{:<24} {count:>8}", queue.name));
        }
    }
    if none {
        say("no dead letters");
    }
    Ok(())
}

async fn show(rabbit: &Rabbit, queue: &str, limit: usize) -> Result<()> {
    let letters = rabbit.dead_letters(queue, limit).await?;
    if letters.is_empty() {
        say("no dead letters");
    }
    for letter in &letters {
        say(&text(letter)?);
    }
    Ok(())
}

/// A few lines, with an empty one after them.
fn text(letter: &DeadLetter) -> Result<String> {
    let DeadLetter { id, event, payload, attempts, failure } = letter;
    let mut lines = vec![format!("{id}")];
    let body = match event {
        Some(event) => {
            lines.push(format!("  event     {} version {}", event.name, event.version));
            lines.push(format!("  time      {}", event.time.to_rfc3339()));
            lines.push(format!("  key       {}", event.key));
            lines.extend(event.trace.iter().map(|trace| format!("  trace     {trace}")));
            serde_json::to_string(&event.body)?
        }
        None => String::from_utf8_lossy(payload).into_owned(),
    };
    lines.push(format!("  attempts  {attempts}"));
    lines.push(format!("  failure   {failure}"));
    lines.push(format!("  body      {body}"));
    lines.push(String::new());
    Ok(lines.join("\n"))
}

async fn replay(rabbit: &Rabbit, queue: &str, id: Option<&str>) -> Result<()> {
    let count = match id {
        Some(id) => {
            ensure!(rabbit.replay_one(queue, id).await?, "`{queue}` has no dead letter {id}");
            1
        }
        None => rabbit.replay(queue, usize::MAX).await?,
    };
    say(&format!("{count} replayed"));
    Ok(())
}
