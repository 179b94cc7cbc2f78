//! The consumer of `payment.succeeded`, beside `pgbench` of its transaction: alone, with the relay, and
//! with all that a worker does. Payments come while the worker is down; then it comes up.

use anyhow::Result;
use tokio::time::Instant;

use super::{
    Plan,
    pgbench::{Pgbench, Script},
    progress::{End, Progress},
    till::{customers, order_all, settle_all},
};
use crate::{
    load::Done,
    measure::{Goal, Outcome, Pair, Sample},
    stand::{Stand, count},
};

/// Nothing takes them away while the worker is down.
const PAID: &str = "select count(*) from booking.outbox where name = 'payment.succeeded'";

/// What the worker does of its role.
struct Side {
    name: &'static str,
    parts: &'static [&'static str],
    /// Where the messages wait: in RabbitMQ, or in the outbox.
    queued: bool,
    goal: Option<Goal>,
    end: End,
    note: &'static str,
}

const SIDES: [Side; 3] = [
    Side {
        name: "confirm",
        parts: &["booking"],
        queued: true,
        goal: Some(Goal::Ratio(0.6)),
        end: End::Confirmed,
        note: "the queue's consumer alone: messages wait in RabbitMQ, and what it writes to the outbox stays there, as \
               on the raw side, which is the transaction alone, with 16 clients",
    },
    Side {
        name: "confirm and relay",
        parts: &["booking", "relay"],
        queued: false,
        goal: None,
        end: End::Confirmed,
        note: "messages wait in the outbox; the worker also relays all events, and by `booking.confirmed` tells Redis \
               again and keeps the history",
    },
    Side {
        name: "confirm, whole worker",
        parts: &["booking", "notifications", "relay", "user"],
        queued: false,
        goal: None,
        end: End::Mailed,
        note: "from the outbox until the mail is written, with everything in between",
    },
];

/// See the module.
pub async fn run(stand: &mut Stand, plan: Plan, found: &mut Vec<Outcome>) -> Result<()> {
    let bookings = plan.of(4_000, 120);
    let raw_bookings = plan.of(20_000, 2_000);
    let mut pgbench = Pgbench::default();
    let mut outcomes: Vec<Outcome> = SIDES
        .iter()
        .map(|side| {
            let mut outcome = Outcome::new(side.name, "bookings/s", side.goal);
            outcome.note(side.note);
            outcome
        })
        .collect();
    for _ in 0..plan.pairs {
        for (side, outcome) in SIDES.iter().zip(&mut outcomes) {
            let first = pgbench.prepare(stand, Script::Confirm, raw_bookings).await?;
            let raw =
                stand.metered(async { pgbench.run(stand, Script::Confirm, first, raw_bookings) }).await?;
            let (ours, our_figure) = confirm(stand, side, bookings).await?;
            let raw_figure = raw.rate();
            outcome.pairs.push(Pair { raw, ours, raw_figure, our_figure });
        }
    }
    found.extend(outcomes);
    Ok(())
}

/// Lets a worker with these parts do what waits; what it cost, and the rate in the middle of it.
async fn confirm(stand: &mut Stand, side: &Side, bookings: usize) -> Result<(Sample, f64)> {
    let customers = customers(stand, bookings).await?;
    let dues = order_all(stand, &customers).await?;
    stand.settle().await?;
    stand.stop_process("worker").await?;
    settle_all(stand, &dues).await?;
    let waiting = bookings as i64;
    stand.until("all webhooks came", async |stand| Ok(count(&stand.pg, PAID).await? >= waiting)).await?;
    if side.queued {
        stand.start_worker(&["relay"]).await?;
        stand.settle().await?;
        stand.stop_process("worker").await?;
    }
    let progress = Progress::new(stand, side.end, &customers).await?;
    let mails = Progress::new(stand, End::Mailed, &customers).await?;
    stand.start_worker(side.parts).await?;
    let work = async {
        // It began as soon as it was up: what it did before is not in the cost.
        let (start, before) = (Instant::now(), progress.done(stand).await?);
        progress.complete(stand).await?;
        Ok(Done { operations: (bookings - before) as u64, seconds: start.elapsed().as_secs_f64() })
    };
    let ours = stand.metered(work).await?;
    let rate = progress.rate(stand).await?;

    stand.stop_process("worker").await?;
    stand.start_process("worker").await?;
    // What this side left to others must not be in the way of the next one.
    mails.complete(stand).await?;
    Ok((ours, rate))
}
