//! `marquee audit`: who changed what of a show or a booking.

use std::path::Path;

use anyhow::{Context, Result};
use booking::app::audit::{OperatorPage, OperatorQuery, audit_read};
use booking::domain::audit::Recorded;
use booking::domain::show::Show;
use clap::ArgGroup;
use kernel::{BookingId, ShowId};

use crate::commands::{database, say};

/// What to print.
#[derive(Debug, clap::Args)]
#[command(group = ArgGroup::new("of").required(true).args(["booking", "show"]))]
pub struct Args {
    /// Of this booking.
    #[arg(long)]
    booking: Option<BookingId>,
    /// Of this show.
    #[arg(long)]
    show: Option<ShowId>,
    /// Only what is about this seat, such as `A5`.
    #[arg(long)]
    seat: Option<String>,
    /// At most so many entries, the newest.
    #[arg(long, default_value_t = 100)]
    limit: u64,
}

/// Prints entries, the oldest first.
///
/// # Errors
/// The database does not answer, or there is no such show or seat.
pub async fn run(file: Option<&Path>, args: &Args) -> Result<()> {
    let pg = database(file).await?;
    let show = args.show.or(args.booking.map(BookingId::show)).context("say which --booking or --show")?;
    let query = OperatorQuery { show, booking: args.booking, seat: args.seat.as_deref(), limit: args.limit };
    let OperatorPage { show, entries, total } = audit_read(&pg, &query).await?;
    let older = total.saturating_sub_unsigned(entries.len() as u64);
    if older > 0 {
        say(&format!("({older} older entries: see --limit)"));
    }
    for entry in entries.iter().rev() {
        say(&line(&show, entry));
    }
    if entries.is_empty() {
        say("nothing was recorded");
    }
    Ok(())
}

/// `time id: from -> to [seats], reason by actor (trace)`
fn line(show: &Show, recorded: &Recorded) -> String {
    let Recorded { time, entry, trace, .. } = recorded;
    let change = &entry.change;
    let labels: Vec<String> = entry
        .seats
        .iter()
        .map(|seat| show.layout.label(*seat).unwrap_or_else(|| format!("#{seat}")))
        .collect();
    let seats = if labels.is_empty() { String::new() } else { format!(" [{}]", labels.join(" ")) };
    let trace = trace.as_ref().map(|trace| format!(" (trace {trace})")).unwrap_or_default();
    format!(
        "{} {}: {} -> {}{seats}, {} by {} {}{trace}",
        time.format("%FT%T%.3fZ"),
        change.id(),
        change.from().unwrap_or("new"),
        change.to(),
        entry.cause.reason.as_str(),
        entry.cause.actor.kind().as_str(),
        entry.cause.actor.name(),
    )
}
