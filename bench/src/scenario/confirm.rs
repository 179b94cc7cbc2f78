//! The consumer of `payment.succeeded` alone, beside `pgbench` of its transaction: everything waits
//! in the outbox while the worker is down, then it comes up.

use anyhow::{Context, Result};
use tokio::time::{Instant, sleep};

use super::{
    Plan,
    pgbench::{Pgbench, Script},
    till::{customers, serve_all},
};
use crate::{
    load::Done,
    measure::{Goal, Outcome, Pair},
    stand::{Stand, count},
};

const CONFIRMED: &str = "select count(*) from booking.bookings where status = 'CONFIRMED'";
/// Nothing takes them away while the worker is down.
const PAID: &str = "select count(*) from booking.outbox where name = 'payment.succeeded'";
/// How often the bookings are counted.
const LOOK_EVERY: std::time::Duration = std::time::Duration::from_millis(20);
/// The part at the beginning, in which the worker warms up, and the one at the end, in which its
/// lanes run dry, are left out.
const MIDDLE: (f64, f64) = (0.15, 0.9);

/// See the module.
pub async fn run(stand: &mut Stand, plan: Plan) -> Result<Vec<Outcome>> {
    let bookings = plan.of(3_000, 200);
    let raw_bookings = plan.of(20_000, 2_000);
    let mut pgbench = Pgbench::default();
    let mut outcome = Outcome::new("confirm", "bookings/s", Some(Goal::Ratio(0.6)));
    for _ in 0..plan.pairs {
        let first = pgbench.prepare(stand, Script::Confirm, raw_bookings).await?;
        let raw = stand.metered(async { pgbench.run(stand, Script::Confirm, first, raw_bookings) }).await?;

        let customers = customers(stand, bookings).await?;
        stand.settle().await?;
        let before = count(&stand.pg, CONFIRMED).await?;
        stand.stop_process("worker").await?;
        serve_all(stand, &customers).await?;
        stand
            .until("all webhooks came", async |stand| Ok(count(&stand.pg, PAID).await? >= bookings as i64))
            .await?;
        stand.start_process("worker").await?;
        let mut our_figure = 0.0;
        let work = async {
            let (done, rate) = confirmed(stand, before, bookings as i64).await?;
            our_figure = rate;
            Ok(done)
        };
        let ours = stand.metered(work).await?;
        let raw_figure = raw.rate();
        outcome.pairs.push(Pair { raw, ours, raw_figure, our_figure });
    }
    outcome.note(
        "the worker also relays the events, tells Redis, keeps the history and writes the mails meanwhile; the raw side \
         is the transaction alone, with 16 clients",
    );
    Ok(vec![outcome])
}

/// Waits until all are confirmed; what was done, and the rate in the middle part of that.
async fn confirmed(stand: &Stand, before: i64, bookings: i64) -> Result<(Done, f64)> {
    let mut seen: Vec<(Instant, i64)> = Vec::new();
    let start = Instant::now();
    stand
        .until("all bookings are confirmed", async |stand| {
            let now = count(&stand.pg, CONFIRMED).await? - before;
            seen.push((Instant::now(), now));
            sleep(LOOK_EVERY).await;
            Ok(now >= bookings)
        })
        .await?;
    let reached = |part: f64| {
        let least = bookings as f64 * part;
        seen.iter().find(|(_, count)| *count as f64 >= least).copied().context("never so many")
    };
    let ((begin, first), (end, last)) = (reached(MIDDLE.0)?, reached(MIDDLE.1)?);
    let rate = (last - first) as f64 / (end - begin).as_secs_f64().max(f64::EPSILON);
    Ok((Done { operations: bookings.unsigned_abs(), seconds: start.elapsed().as_secs_f64() }, rate))
}
