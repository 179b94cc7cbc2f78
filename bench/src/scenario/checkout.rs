//! From a hold to a confirmed booking, with the payment sandbox and RabbitMQ, beside `pgbench` of the
//! transactions of checkout, webhook and confirm.

use anyhow::Result;
use tokio::time::Instant;

use super::{
    Plan,
    pgbench::{Pgbench, Script},
    progress::{End, Progress},
    till::{customers, serve_all},
};
use crate::{
    load::Done,
    measure::{Outcome, Pair},
    stand::Stand,
};

/// See the module.
pub async fn run(stand: &mut Stand, plan: Plan, found: &mut Vec<Outcome>) -> Result<()> {
    let bookings = plan.of(2_000, 150);
    let raw_bookings = plan.of(10_000, 1_000);
    let mut pgbench = Pgbench::starting_at(1_000_000_000);
    let mut outcome = Outcome::new("checkout to confirmed", "bookings/s", None);
    for _ in 0..plan.pairs {
        let first = pgbench.prepare(stand, Script::Whole, raw_bookings).await?;
        let raw = stand.metered(async { pgbench.run(stand, Script::Whole, first, raw_bookings) }).await?;

        let customers = customers(stand, bookings).await?;
        let confirmed = Progress::new(stand, End::Confirmed, &customers).await?;
        let mailed = Progress::new(stand, End::Mailed, &customers).await?;
        let sale = async {
            let begin = Instant::now();
            serve_all(stand, &customers).await?;
            confirmed.complete(stand).await?;
            Ok(Done { operations: bookings as u64, seconds: begin.elapsed().as_secs_f64() })
        };
        let ours = stand.metered(sale).await?;
        outcome.pairs.push(Pair::of_rates(raw, ours));
        // The raw side that comes next has the machine to itself, as this one had.
        mailed.complete(stand).await?;
    }
    outcome.note(
        "ours: 32 customers at a time hold, check out and pay; then until the last is CONFIRMED. The sandbox, its \
         webhooks, holds and messages are no part of the raw side, so that there is no goal for the whole",
    );
    found.push(outcome);
    Ok(())
}
