//! How much callers may ask for: buckets of tokens in Redis, for all gateways together.
//!
//! One call of one script for each operation takes from all buckets that it concerns, or from none
//! ([`demand`] says which), and counts the uses of API keys. A cluster of Redis has the buckets of a user
//! and of an address in different places: there it is one call for each of them at the same time, and
//! when one of them refuses, the other gets its tokens back. A caller who is known to lack tokens is
//! refused without asking Redis. While Redis is away or does not answer in time, the same buckets
//! are kept in this process ([`table`]), and so are uses of API keys ([`uses`]): each gateway then gives
//! the whole limit.

mod bucket;
mod demand;
mod table;
mod uses;

use std::{net::IpAddr, sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use fred::types::Value;
use futures::future::{join_all, try_join_all};
use kernel::error::ErrorCode;
use platform::{Redis, Script, auth::usage_key, redis::RedisError};
use tokio::time::timeout;

pub(crate) use demand::{Class, Counts, Subject};

use super::config::{RateLimits, Store};
use crate::refusal::Refusal;
use demand::{Demand, Short, demands};
use table::Table;
use uses::Uses;

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
    uses: Arc<Uses>,
    /// Whether each owner of buckets is asked for apart, even where one Redis has them all.
    apart: bool,
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

impl Limited {
    /// What whoever has to wait is told.
    pub(crate) fn refusal(self) -> Refusal {
        let (message, seconds) = match self {
            Self::Until(wait) => {
                let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
                (format!("Too many requests: try again in {seconds} s."), seconds)
            }
            Self::TooMuch { class, most } => {
                let class = class.as_str();
                let message = format!(
                    "This is too much for one operation: {most} root fields of the class `{class}` may be asked \
                     for in a minute."
                );
                (message, 60)
            }
            Self::Quota(wait) => {
                let message = "The API key has used up its quota of this day (UTC).";
                (message.to_owned(), wait.as_secs().max(1))
            }
        };
        Refusal::new(ErrorCode::RateLimited, message).with_retry_after(seconds)
    }
}

/// What Redis says.
enum Shared {
    Answered(Result<(), Limited>),
    /// Nothing, and it was not asked.
    Away,
    /// Nothing, but it may have done what it was asked.
    Silent,
}

/// What the script says of some buckets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Given,
    Short(Short),
    QuotaUsedUp,
}

impl RateLimiter {
    /// With the name of this process.
    pub(crate) fn new(limits: RateLimits, redis: Option<Redis>, process: String) -> Self {
        let redis = redis.filter(|_| limits.store == Store::Redis);
        let script = Script::new(&format!("{NOW}{TAKE}")).named("rate_limits");
        let uses = Arc::new(Uses::new(process));
        Self { limits, redis, script, table: Table::new(), uses, apart: false }
    }

    /// The class of a root field.
    pub(crate) fn class(&self, field: &str) -> Class {
        self.limits.class(field)
    }

    /// Whether an operation would have to wait, as far as this process knows. Nothing is taken.
    pub(crate) fn look(&self, subject: &Subject, address: IpAddr, counts: Counts) -> Result<(), Limited> {
        if !self.limits.enabled {
            return Ok(());
        }
        let demands = demands(&self.limits, subject, address, counts);
        let looked = self.table.look(&demands).map_err(|short| limited(&demands, short));
        if let Err(limited) = looked {
            count(limited, counts);
        }
        looked
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
                Shared::Answered(taken) => taken,
                Shared::Away => self.take_here(&demands, Some((subject, counts, now))),
                Shared::Silent => self.take_here(&demands, None),
            },
        };
        if let Err(limited) = taken {
            count(limited, counts);
        }
        taken
    }

    /// Takes the tokens in this process, and counts uses that nobody has counted.
    fn take_here(
        &self,
        demands: &[Demand],
        uncounted: Option<(&Subject, Counts, DateTime<Utc>)>,
    ) -> Result<(), Limited> {
        if self.redis.is_some() {
            metrics::counter!("gateway_rate_limits_local_total").increment(1);
        }
        self.table.take(demands).map_err(|short| limited(demands, short))?;
        match uncounted {
            Some((Subject::Key { id, daily_quota, .. }, counts, now))
                if !self.uses.count(*id, *daily_quota, counts, now.date_naive()) =>
            {
                Err(Limited::Quota(until_tomorrow(now)))
            }
            _ => Ok(()),
        }
    }

    /// Takes the tokens in Redis.
    async fn take_shared(
        &self,
        demands: &[Demand],
        subject: &Subject,
        counts: Counts,
        now: DateTime<Utc>,
    ) -> Shared {
        let Some(redis) = self.redis.as_ref().filter(|redis| !redis.is_away()) else { return Shared::Away };
        let parts = parts(demands, self.apart || redis.is_clustered());
        let use_of = Use::of(subject, counts, now);
        let calls = parts.iter().map(|part| self.call(redis, part, use_of.as_ref(), 1));
        let verdicts = match timeout(PATIENCE, try_join_all(calls)).await {
            Ok(Ok(verdicts)) => verdicts,
            Ok(Err(error)) => {
                if !matches!(error, RedisError::Unavailable(_)) {
                    tracing::error!(%error, "Redis does not run the script of the rate limits");
                }
                return Shared::Silent;
            }
            Err(_) => return Shared::Silent,
        };
        self.uses.tell(redis);
        if verdicts.iter().all(|verdict| *verdict == Verdict::Given) {
            return Shared::Answered(Ok(()));
        }
        // Nothing is taken from anybody for what is refused.
        let given = parts.iter().zip(&verdicts).filter(|(_, verdict)| **verdict == Verdict::Given);
        let back = given.map(|(part, _)| self.call(redis, part, None, -1));
        let _ = timeout(PATIENCE, join_all(back)).await;
        Shared::Answered(Err(self.refused(&parts, &verdicts, now)))
    }

    /// Why an operation with these verdicts on its parts has to wait: for what lacks the most time.
    fn refused(&self, parts: &[Vec<&Demand>], verdicts: &[Verdict], now: DateTime<Utc>) -> Limited {
        let short = parts.iter().zip(verdicts).filter_map(|(part, verdict)| match verdict {
            Verdict::Short(short) => Some((*part.get(short.index)?, short.wait)),
            Verdict::Given | Verdict::QuotaUsedUp => None,
        });
        let Some((demand, wait)) = short.max_by_key(|(_, wait)| *wait) else {
            return Limited::Quota(until_tomorrow(now));
        };
        let limited = lacking(demand, wait);
        if let Limited::Until(_) = limited {
            self.table.learn(demand, wait);
        }
        limited
    }

    /// Takes tokens (`sign` is 1) from buckets of Redis, or gives them back (-1).
    async fn call(
        &self,
        redis: &Redis,
        demands: &[&Demand],
        use_of: Option<&Use>,
        sign: i64,
    ) -> Result<Verdict, RedisError> {
        // The numbers are small: limits of a minute.
        let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let mut keys: Vec<_> = demands.iter().map(|demand| redis.key(&demand.key)).collect();
        let mut args: Vec<Value> = Vec::with_capacity(1 + 3 * demands.len());
        args.push(number(demands.len() as u64).into());
        for Demand { bucket, cost, .. } in demands {
            let numbers = [number(bucket.interval), number(bucket.burst), sign * number(*cost)];
            args.extend(numbers.map(Value::from));
        }
        if let Some(Use { hash, quota, counts }) = use_of {
            keys.push(redis.key(hash));
            args.push(i64::from(*quota).into());
            for (class, count) in counts.classes() {
                args.extend([Value::from(class.as_str()), i64::from(count).into()]);
            }
        }
        let answer = redis.eval(&self.script, keys, args).await?;
        let (which, wait) = answer.convert::<(i64, u64)>().map_err(RedisError::Command)?;
        Ok(match usize::try_from(which) {
            Ok(0) => Verdict::Given,
            Ok(bucket) => Verdict::Short(Short { index: bucket - 1, wait }),
            Err(_) => Verdict::QuotaUsedUp,
        })
    }
}

impl std::fmt::Debug for RateLimiter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RateLimiter").field("limits", &self.limits).finish_non_exhaustive()
    }
}

/// A use of an API key, as Redis counts it: in the place of the buckets of the key.
struct Use {
    hash: String,
    quota: u32,
    counts: Counts,
}

impl Use {
    fn of(subject: &Subject, counts: Counts, now: DateTime<Utc>) -> Option<Self> {
        let Subject::Key { id, daily_quota, .. } = subject else { return None };
        Some(Self { hash: usage_key(*id, now.date_naive()), quota: *daily_quota, counts })
    }
}

/// What is asked for in one call: all, or what belongs to one owner.
fn parts(demands: &[Demand], apart: bool) -> Vec<Vec<&Demand>> {
    if !apart {
        return vec![demands.iter().collect()];
    }
    let mut parts: Vec<Vec<&Demand>> = Vec::with_capacity(2);
    for demand in demands {
        match parts.iter_mut().find(|part| part.iter().any(|other| other.owner() == demand.owner())) {
            Some(part) => part.push(demand),
            None => parts.push(vec![demand]),
        }
    }
    parts
}

/// What a bucket without enough tokens means for the caller.
fn limited(demands: &[Demand], short: Short) -> Limited {
    let until = Limited::Until(Duration::from_micros(short.wait));
    demands.get(short.index).map_or(until, |demand| lacking(demand, short.wait))
}

/// The same of one that lacks tokens for `wait` microseconds.
fn lacking(demand: &Demand, wait: u64) -> Limited {
    if demand.cost > demand.bucket.burst {
        let class = demand.key.rsplit(':').next().unwrap_or_default();
        let class = Class::ALL.into_iter().find(|known| known.as_str() == class);
        return Limited::TooMuch { class: class.unwrap_or(Class::General), most: demand.bucket.burst };
    }
    Limited::Until(Duration::from_micros(wait))
}

/// Counts somebody who has to wait.
fn count(limited: Limited, counts: Counts) {
    let class = match limited {
        Limited::Quota(_) => "quota",
        Limited::Until(_) | Limited::TooMuch { .. } => worst(counts).as_str(),
    };
    metrics::counter!("gateway_rate_limited_total", "class" => class).increment(1);
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
