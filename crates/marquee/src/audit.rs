//! `marquee audit`: who changed what of a show or a booking.

use std::path::Path;

use anyhow::{Context, Result};
use booking::domain::audit::Recorded;
use booking::domain::show::Show;
use booking::store::audit::{AuditFilter, audit_count, audit_list};
use booking::store::shows::show_get;
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
    let show = show_get(&pg, show).await?.context("there is no such show")?;
    let seat = args.seat.as_deref().map(|label| seat_of(&show, label)).transpose()?;
    let filter = AuditFilter { show: show.id, booking: args.booking, seat };
    let entries = audit_list(&pg, filter, None, args.limit).await?;
    let older = audit_count(&pg, filter).await?.saturating_sub_unsigned(entries.len() as u64);
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

fn seat_of(show: &Show, label: &str) -> Result<u16> {
    let mut seats = show.layout.seats().iter().map(|seat| seat.index);
    seats
        .find(|seat| show.layout.label(*seat).is_some_and(|name| name.eq_ignore_ascii_case(label)))
        .with_context(|| format!("the show has no seat `{label}`"))
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
