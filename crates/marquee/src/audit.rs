//! `marquee audit`: who changed what of a show or a booking.

use std::{path::Path, str::FromStr};

use anyhow::{Context, Result, bail};
use booking::app::audit::{OperatorPage, OperatorQuery, audit_read, bookings_with_reference};
use booking::domain::audit::Recorded;
use booking::domain::reference::Reference;
use booking::domain::show::Show;
use clap::ArgGroup;
use kernel::{BookingId, ShowId};
use sea_orm::DatabaseConnection;

use crate::commands::{database, say};

/// What to print.
#[derive(Debug, clap::Args)]
#[command(group = ArgGroup::new("of").required(true).args(["booking", "show"]))]
pub struct Args {
    /// Of this booking: its id, or the reference that its buyer reads out.
    #[arg(long)]
    booking: Option<Named>,
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

/// A booking as people name it.
#[derive(Debug, Clone)]
enum Named {
    Id(BookingId),
    Reference(Reference),
}

impl FromStr for Named {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let id = text.parse().ok().map(Self::Id);
        id.or_else(|| Reference::parse(text).map(Self::Reference))
            .ok_or("neither the id of a booking, such as booking_…, nor a reference, such as K7MPQ2X")
    }
}

/// The booking that is meant. References are unique within a show, and nearly so over all.
async fn identify(pg: &DatabaseConnection, named: &Named) -> Result<BookingId> {
    let reference = match named {
        Named::Id(id) => return Ok(*id),
        Named::Reference(reference) => reference,
    };
    let found = bookings_with_reference(pg, reference).await?;
    match found[..] {
        [] => bail!("there is no booking with the reference {reference}"),
        [id] => Ok(id),
        _ => {
            let ids: Vec<_> = found.iter().map(ToString::to_string).collect();
            bail!("several bookings have the reference {reference}; say which: {}", ids.join(", "))
        }
    }
}

/// Prints entries, the oldest first.
///
/// # Errors
/// The database does not answer, or there is no such show or seat.
pub async fn run(file: Option<&Path>, args: &Args) -> Result<()> {
    let pg = database(file).await?;
    let booking = match &args.booking {
        Some(named) => Some(identify(&pg, named).await?),
        None => None,
    };
    let show = args.show.or(booking.map(BookingId::show)).context("say which --booking or --show")?;
    let query = OperatorQuery { show, booking, seat: args.seat.as_deref(), limit: args.limit };
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
