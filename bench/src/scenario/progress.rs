//! How far bookings are that wait for the worker.

use std::{collections::BTreeSet, time::Duration};

use anyhow::{Context, Result, ensure};
use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, Statement};
use tokio::time::sleep;
use uuid::Uuid;

use super::till::Customer;
use crate::stand::Stand;

/// How often it is looked how far the worker is: each look costs what is measured.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// The part at the beginning, in which the worker warms up, and the one at the end, in which its
/// lanes run dry, are left out.
const MIDDLE: (f64, f64) = (0.15, 0.9);

/// When a booking is done.
#[derive(Debug, Clone, Copy)]
pub enum End {
    /// It is CONFIRMED.
    Confirmed,
    /// And its mail is written.
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

/// How far some bookings are, of shows that nobody else buys from and of people who buy nothing else.
#[derive(Debug)]
pub struct Progress {
    end: End,
    keys: Vec<Uuid>,
    since: DateTime<Utc>,
    bookings: usize,
}

impl Progress {
    /// From now on.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn new(stand: &Stand, end: End, customers: &[Customer]) -> Result<Self> {
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

    /// How many are done.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn done(&self, stand: &Stand) -> Result<usize> {
        let ask = self.ask(stand, "select count(*) from done");
        let row = stand.pg.query_one_raw(ask).await?.context("a count has a row")?;
        Ok(usize::try_from(row.try_get_by_index::<i64>(0)?)?)
    }

    /// Waits until all is done.
    ///
    /// # Errors
    /// When it is not in time.
    pub async fn complete(&self, stand: &Stand) -> Result<()> {
        stand
            .until("all bookings are done", async |stand| {
                let is_complete = self.done(stand).await? >= self.bookings;
                if !is_complete {
                    sleep(LOOK_EVERY).await;
                }
                Ok(is_complete)
            })
            .await
    }

    /// Bookings per second in the middle part.
    ///
    /// # Errors
    /// When there were too few.
    pub async fn rate(&self, stand: &Stand) -> Result<f64> {
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
