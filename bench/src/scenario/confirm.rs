//! The consumer of `payment.succeeded`, beside `pgbench` of its transaction: alone, with the relay, and
//! with all that a worker does. Payments come while the worker is down; then it comes up.

use std::{collections::BTreeSet, time::Duration};

use anyhow::{Context, Result, ensure};
use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, Statement};
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::{
    Plan,
    pgbench::{Pgbench, Script},
    till::{Customer, customers, order_all, settle_all},
};
use crate::{
    load::Done,
    measure::{Goal, Outcome, Pair, Sample},
    stand::{Stand, count},
};

/// Nothing takes them away while the worker is down.
const PAID: &str = "select count(*) from booking.outbox where name = 'payment.succeeded'";
/// How often it is looked how far the worker is: each look costs what is measured.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// The part at the beginning, in which the worker warms up, and the one at the end, in which its
/// lanes run dry, are left out.
const MIDDLE: (f64, f64) = (0.15, 0.9);

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

/// When a booking is done.
#[derive(Debug, Clone, Copy)]
enum End {
    Confirmed,
    Mailed,
}

impl End {
    /// When, of the bookings with these keys, since some moment; all by the clock of the database.
    const fn times(self) -> &'static str {
        match self {
            Self::Confirmed => {
                "select updated_at as at from booking.bookings
                  where show_id = any($1) and status = 'CONFIRMED' and updated_at >= $2"
            }
            Self::Mailed => {
                "select settled_at as at from notification.deliveries
                  where user_id = any($1) and state = 'SENT' and settled_at >= $2"
            }
        }
    }

    fn key(self, customer: &Customer) -> Uuid {
        match self {
            Self::Confirmed => customer.show.id.uuid(),
            Self::Mailed => customer.person.id.uuid(),
        }
    }
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
pub async fn run(stand: &mut Stand, plan: Plan) -> Result<Vec<Outcome>> {
    let bookings = plan.of(2_000, 120);
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
    Ok(outcomes)
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
        let start = Instant::now();
        progress.complete(stand).await?;
        Ok(Done { operations: bookings as u64, seconds: start.elapsed().as_secs_f64() })
    };
    let ours = stand.metered(work).await?;
    let rate = progress.rate(stand).await?;

    stand.stop_process("worker").await?;
    stand.start_process("worker").await?;
    // What this side left to others must not be in the way of the next one.
    mails.complete(stand).await?;
    Ok((ours, rate))
}

/// How far a worker is with some bookings.
struct Progress {
    end: End,
    keys: Vec<Uuid>,
    since: DateTime<Utc>,
    bookings: usize,
}

impl Progress {
    /// From now on.
    async fn new(stand: &Stand, end: End, customers: &[Customer]) -> Result<Self> {
        let keys: BTreeSet<Uuid> = customers.iter().map(|customer| end.key(customer)).collect();
        let now = Statement::from_string(stand.pg.get_database_backend(), "select clock_timestamp()");
        let since = stand.pg.query_one_raw(now).await?.context("now is a row")?.try_get_by_index(0)?;
        Ok(Self { end, keys: keys.into_iter().collect(), since, bookings: customers.len() })
    }

    fn ask(&self, stand: &Stand, what: &str) -> Statement {
        let sql = format!("with done as ({}) {what}", self.end.times());
        let values = [self.keys.clone().into(), self.since.into()];
        Statement::from_sql_and_values(stand.pg.get_database_backend(), sql, values)
    }

    /// Waits until all is done.
    async fn complete(&self, stand: &Stand) -> Result<()> {
        stand
            .until("all bookings are done", async |stand| {
                let ask = self.ask(stand, "select count(*) from done");
                let row = stand.pg.query_one_raw(ask).await?.context("a count has a row")?;
                let done: i64 = row.try_get_by_index(0)?;
                sleep(LOOK_EVERY).await;
                Ok(done >= self.bookings as i64)
            })
            .await
    }

    /// Bookings per second in the middle part.
    async fn rate(&self, stand: &Stand) -> Result<f64> {
        let all = stand.pg.query_all_raw(self.ask(stand, "select at from done order by at")).await?;
        let at = |part: f64| -> Result<(usize, DateTime<Utc>)> {
            let place = (self.bookings as f64 * part) as usize;
            Ok((place, all.get(place).context("never so many")?.try_get_by_index(0)?))
        };
        let ((first, begin), (last, end)) = (at(MIDDLE.0)?, at(MIDDLE.1)?);
        ensure!(end > begin, "too few bookings to tell a rate");
        Ok((last - first) as f64 / (end - begin).as_seconds_f64())
    }
}
