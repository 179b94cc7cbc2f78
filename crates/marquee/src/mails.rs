//! `marquee mails`: messages to people that were given up.

use std::{path::Path, time::Duration};

use anyhow::{Result, ensure};
use clap::{ArgGroup, Subcommand};
use kernel::EventId;
use notifications::{GivenUp, Which, given_up_list, given_up_retry};
use sea_orm::DatabaseConnection;

use crate::commands::{database, say};

/// Messages that were given up: refused for good, or tried for about a day in vain.
#[derive(Debug, Subcommand)]
pub enum MailsCommand {
    /// Print the latest that were given up, and why.
    List {
        /// At most this many.
        #[arg(long, default_value_t = 20)]
        limit: u32,
    },
    /// Make some due again, with all their attempts before them; the workers send them.
    #[command(group = ArgGroup::new("which").required(true).args(["id", "hours"]))]
    Retry {
        /// Only the message about this event, as `list` prints it.
        #[arg(long)]
        id: Option<EventId>,
        /// All that were given up within so many hours. What is older may be no news any more.
        #[arg(long)]
        hours: Option<u32>,
    },
}

/// Does it; it needs the database only.
///
/// # Errors
/// The database does not answer, or there is no such message.
pub async fn run(file: Option<&Path>, command: &MailsCommand) -> Result<()> {
    let pg = database(file).await?;
    match *command {
        MailsCommand::List { limit } => list(&pg, limit).await,
        MailsCommand::Retry { id, hours } => retry(&pg, id, hours).await,
    }
}

async fn list(pg: &DatabaseConnection, limit: u32) -> Result<()> {
    let (given_up, count) = given_up_list(pg, limit).await?;
    for message in &given_up {
        say(&text(message));
    }
    let older = count.saturating_sub(given_up.len() as u64);
    if count == 0 {
        say("no message was given up");
    } else if older > 0 {
        say(&format!("({older} older ones: see --limit)"));
    }
    Ok(())
}

/// A few lines, with an empty one after them.
fn text(message: &GivenUp) -> String {
    let GivenUp { event, user, kind, attempts, created_at, given_up_at, reason } = message;
    let mut lines = vec![
        event.to_string(),
        format!("  about     {kind}"),
        format!("  for       {user}"),
        format!("  due       {}", created_at.to_rfc3339()),
        format!("  given up  {}, after attempt {attempts}", given_up_at.to_rfc3339()),
    ];
    lines.extend(reason.iter().map(|reason| format!("  reason    {reason}")));
    lines.push(String::new());
    lines.join("\n")
}

async fn retry(pg: &DatabaseConnection, id: Option<EventId>, hours: Option<u32>) -> Result<()> {
    let which = match id {
        Some(id) => Which::Event(id),
        None => Which::Within(Duration::from_hours(hours.unwrap_or_default().into())),
    };
    let count = given_up_retry(pg, which).await?;
    if let Some(id) = id {
        ensure!(count > 0, "no message about {id} was given up");
    }
    say(&format!("{count} due again"));
    Ok(())
}
