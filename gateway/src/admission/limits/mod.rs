//! How much callers may ask for: buckets of tokens in Redis, for all gateways together.
//!
//! One call of one script for each operation takes from all buckets that it concerns, or from none
//! ([`demand`] says which), and counts the uses of API keys. A caller who is known to lack tokens is
//! refused without asking Redis. While Redis is away or does not answer in time, the same buckets
//! are kept in this process ([`table`]): each gateway then gives the whole limit, and daily quotas
//! wait.

mod bucket;
mod demand;
mod table;

use std::{net::IpAddr, time::Duration};

use chrono::{DateTime, Utc};
use fred::types::Value;
use platform::{Redis, Script, auth::usage_key, redis::RedisError};
use tokio::time::timeout;

pub(crate) use demand::{Class, Counts, Subject};

use super::config::{RateLimits, Store};
use demand::{Demand, Short, demands};
use table::Table;

/// The rule; [`bucket`] has it too.
const TAKE: &str = include_str!("take.lua");
/// The time of Redis, so that clocks of gateways need not agree.
const NOW: &str = "local time = redis.call('TIME')\nlocal now = time[1] * 1000000 + time[2]\n";
/// An operation does not wait longer for its tokens.
const PATIENCE: Duration = Duration::from_millis(150);

/// The limits of all callers.
pub(crate) struct RateLimiter {
    limits: RateLimits,
    redis: Option<Redis>,
    script: Script,
    table: Table,
}

/// Why an operation has to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Limited {
    /// There will be enough tokens after this time.
    Until(Duration),
    /// There will never be so many tokens at once: the limit is `most`.
    TooMuch { class: Class, most: u64 },
    /// The quota of the key is used up for this day; the time until the next.
    Quota(Duration),
}

impl RateLimiter {
    pub(crate) fn new(limits: RateLimits, redis: Option<Redis>) -> Self {
        let redis = redis.filter(|_| limits.store == Store::Redis);
        Self { limits, redis, script: Script::new(&format!("{NOW}{TAKE}")), table: Table::new() }
    }

    /// The class of a root field.
    pub(crate) fn class(&self, field: &str) -> Class {
        self.limits.class(field)
    }

    /// Takes the tokens of an operation.
    pub(crate) async fn take(
        &self,
        subject: &Subject,
        address: IpAddr,
        counts: Counts,
        now: DateTime<Utc>,
    ) -> Result<(), Limited> {
        if !self.limits.enabled {
            return Ok(());
        }
        let demands = demands(&self.limits, subject, address, counts);
        let taken = match self.table.look(&demands) {
            Err(short) => Err(limited(&demands, short)),
            Ok(()) => match self.take_shared(&demands, subject, counts, now).await {
                Some(taken) => taken,
                None => self.table.take(&demands).map_err(|short| limited(&demands, short)),
            },
        };
        if let Err(limited) = taken {
            let class = match limited {
                Limited::Quota(_) => "quota",
                Limited::Until(_) | Limited::TooMuch { .. } => worst(counts).as_str(),
            };
            metrics::counter!("gateway_rate_limited_total", "class" => class).increment(1);
        }
        taken
    }

    /// Takes the tokens in Redis; `None` when Redis cannot tell.
    async fn take_shared(
        &self,
        demands: &[Demand],
        subject: &Subject,
        counts: Counts,
        now: DateTime<Utc>,
    ) -> Option<Result<(), Limited>> {
        let redis = self.redis.as_ref().filter(|redis| !redis.is_away())?;
        let (keys, args) = call(|key| redis.key(key), demands, subject, counts, now);
        let answer = match timeout(PATIENCE, redis.eval(&self.script, keys, args)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => {
                if !matches!(error, RedisError::Unavailable(_)) {
                    tracing::error!(%error, "Redis does not run the script of the rate limits");
                }
                metrics::counter!("gateway_rate_limits_local_total").increment(1);
                return None;
            }
            Err(_) => {
                metrics::counter!("gateway_rate_limits_local_total").increment(1);
                return None;
            }
        };
        let (which, wait) = answer.convert::<(i64, u64)>().ok()?;
        match usize::try_from(which) {
            Ok(0) => Some(Ok(())),
            Ok(bucket) => {
                let short = Short { index: bucket - 1, wait };
                let limited = limited(demands, short);
                if let (Limited::Until(_), Some(demand)) = (limited, demands.get(short.index)) {
                    self.table.learn(demand, wait);
                }
                Some(Err(limited))
            }
            Err(_) => Some(Err(Limited::Quota(until_tomorrow(now)))),
        }
    }
}

impl std::fmt::Debug for RateLimiter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RateLimiter").field("limits", &self.limits).finish_non_exhaustive()
    }
}

/// The keys and arguments of the script.
fn call(
    key: impl Fn(&str) -> String,
    demands: &[Demand],
    subject: &Subject,
    counts: Counts,
    now: DateTime<Utc>,
) -> (Vec<String>, Vec<Value>) {
    let mut keys: Vec<_> = demands.iter().map(|demand| key(&demand.key)).collect();
    let mut args: Vec<Value> = Vec::with_capacity(1 + 3 * demands.len());
    // The numbers are small: limits of a minute.
    let number = |number: u64| Value::Integer(i64::try_from(number).unwrap_or(i64::MAX));
    args.push(number(demands.len() as u64));
    for demand in demands {
        args.extend([demand.bucket.interval, demand.bucket.burst, demand.cost].map(number));
    }
    if let Subject::Key { id, daily_quota, .. } = subject {
        keys.push(key(&usage_key(*id, now.date_naive())));
        args.push(number((*daily_quota).into()));
        for (class, count) in counts.classes() {
            args.push(Value::from(class.as_str()));
            args.push(number(count.into()));
        }
    }
    (keys, args)
}

/// What a bucket without enough tokens means for the caller.
fn limited(demands: &[Demand], short: Short) -> Limited {
    match demands.get(short.index) {
        Some(demand) if demand.cost > demand.bucket.burst => {
            let class = demand.key.rsplit(':').next().unwrap_or_default();
            let class = Class::ALL.into_iter().find(|known| known.as_str() == class);
            Limited::TooMuch { class: class.unwrap_or(Class::General), most: demand.bucket.burst }
        }
        _ => Limited::Until(Duration::from_micros(short.wait)),
    }
}

/// The class by which an operation is counted in metrics.
fn worst(counts: Counts) -> Class {
    counts.classes().last().map_or(Class::General, |(class, _)| class)
}

fn until_tomorrow(now: DateTime<Utc>) -> Duration {
    let tomorrow = now.date_naive().succ_opt().and_then(|day| day.and_hms_opt(0, 0, 0));
    let left = tomorrow.map(|midnight| midnight.and_utc() - now);
    left.and_then(|left| left.to_std().ok()).unwrap_or(Duration::from_hours(1))
}

#[cfg(test)]
mod tests;
