//! Uses of API keys of which Redis does not know yet: those of the time while it is away.
//!
//! Each gateway counts what it lets through, gives a key its daily quota once more, and tells Redis
//! when that is back. What may have been counted there already (Redis broke off before it answered) is
//! not counted again: a partner rather has a use for nothing than pays for it twice. A gateway that
//! ends before Redis is back takes its counts along.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use chrono::{Days, NaiveDate};
use fred::types::Value;
use futures::future::join_all;
use kernel::ApiKeyId;
use platform::{Redis, Script, auth::usage_key};

use super::demand::Counts;

/// Keys of which uses are remembered, each on each day; those of more are not counted.
const MOST: usize = 10_000;
/// Redis forgets counts after so many days.
const KEPT: Days = Days::new(3);
/// Adds what was counted here, once.
const ADD: &str = include_str!("add.lua");

/// What Redis does not know yet.
#[derive(Debug)]
pub(super) struct Uses {
    script: Script,
    /// Tells this process from others, which number their batches as well.
    process: String,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    open: HashMap<(ApiKeyId, NaiveDate), Counts>,
    /// Told to Redis, without an answer.
    told: Vec<Batch>,
    number: u64,
    /// Whether somebody tells them now.
    telling: bool,
}

/// Uses of a key on a day that are told together, however often, and counted once.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Batch {
    number: u64,
    key: ApiKeyId,
    day: NaiveDate,
    counts: Counts,
}

impl Uses {
    /// None, in the process that has this name.
    pub(super) fn new(process: String) -> Self {
        Self { script: Script::new(ADD).named("add_uses"), process, state: Mutex::default() }
    }

    /// Counts uses of a key, if that stays within its quota as far as this process knows.
    pub(super) fn count(&self, key: ApiKeyId, quota: u32, counts: Counts, day: NaiveDate) -> bool {
        let mut state = self.state();
        let known = state.known(key, day);
        if known.saturating_add(counts.total()) > quota {
            return false;
        }
        if !state.open.contains_key(&(key, day)) {
            state.open.retain(|(_, then), _| *then + KEPT > day);
            if state.open.len() >= MOST {
                return true;
            }
        }
        state.open.entry((key, day)).or_default().add_all(counts);
        true
    }

    /// Tells Redis, which is there, in the background.
    pub(super) fn tell(self: &Arc<Self>, redis: &Redis) {
        if let Some(batches) = self.begin() {
            let (uses, redis) = (Arc::clone(self), redis.clone());
            tokio::spawn(async move { uses.send(&redis, batches).await });
        }
    }

    /// What there is to tell, for whoever tells it alone.
    fn begin(&self) -> Option<Vec<Batch>> {
        let mut state = self.state();
        if state.telling || (state.open.is_empty() && state.told.is_empty()) {
            return None;
        }
        state.telling = true;
        let mut batches = std::mem::take(&mut state.told);
        let State { open, number, .. } = &mut *state;
        batches.extend(open.drain().map(|((key, day), counts)| {
            *number += 1;
            Batch { number: *number, key, day, counts }
        }));
        Some(batches)
    }

    async fn send(&self, redis: &Redis, batches: Vec<Batch>) {
        let answers = join_all(batches.iter().map(|batch| self.add(redis, batch))).await;
        let unanswered = batches.into_iter().zip(answers).filter(|(_, answered)| !answered);
        let mut state = self.state();
        state.told = unanswered.map(|(batch, _)| batch).collect();
        state.telling = false;
    }

    /// Whether Redis has answered.
    async fn add(&self, redis: &Redis, batch: &Batch) -> bool {
        let hash = usage_key(batch.key, batch.day);
        let mark = format!("{hash}:{}-{}", self.process, batch.number);
        let classes = batch.counts.classes();
        let args = classes.flat_map(|(class, count)| [Value::from(class.as_str()), i64::from(count).into()]);
        let answer = redis.eval(&self.script, vec![redis.key(&hash), redis.key(&mark)], args.collect()).await;
        match answer {
            Err(error) if error.is_unavailable() => false,
            Ok(_) => true,
            Err(error) => {
                // It would not take them later either.
                tracing::error!(%error, "Redis does not count uses of an API key");
                true
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The uses of a key on a day.
    fn known(&self, key: ApiKeyId, day: NaiveDate) -> u32 {
        let open = self.open.get(&(key, day)).map_or(0, |counts| counts.total());
        let told = self.told.iter().filter(|batch| (batch.key, batch.day) == (key, day));
        told.fold(open, |known, batch| known.saturating_add(batch.counts.total()))
    }
}

#[cfg(test)]
mod tests {
    use kernel::source::{IdSource as _, SystemIds};

    use super::{
        super::{
            demand::Class,
            tests::{connected, redis},
        },
        *,
    };

    fn day(day: &str) -> NaiveDate {
        day.parse().unwrap()
    }

    #[test]
    fn a_key_has_its_quota_each_day() {
        let uses = Uses::new("here".to_owned());
        let key = ApiKeyId::from_uuid(SystemIds.uuid());
        let count = |on: &str| uses.count(key, 2, Counts::one(Class::Hold), day(on));
        assert!(count("2026-11-20") && count("2026-11-20") && !count("2026-11-20"));
        // What is told and not answered counts as well.
        let batches = uses.begin().unwrap();
        assert!(uses.begin().is_none(), "two would tell the same");
        uses.state().told = batches;
        assert!(!count("2026-11-20") && count("2026-11-21"));
        // Nobody would ask for days that are long over.
        assert!(count("2026-11-24"));
        assert_eq!(uses.state().open.len(), 1);
    }

    #[tokio::test]
    async fn what_is_told_twice_counts_once() {
        let shutdown = platform::Shutdown::new();
        let redis = redis(&shutdown);
        connected(&redis).await;
        let uses = Uses::new(SystemIds.uuid().simple().to_string());
        let key = ApiKeyId::from_uuid(SystemIds.uuid());
        let mut mixed = Counts::one(Class::General);
        mixed.add(Class::Hold);
        mixed.add(Class::Hold);
        assert!(uses.count(key, 100, mixed, day("2026-11-20")));
        let batches = uses.begin().unwrap();
        uses.send(&redis, batches.clone()).await;
        assert!(uses.begin().is_none(), "it was told");
        uses.state().told = batches;
        let again = uses.begin().unwrap();
        uses.send(&redis, again).await;
        // What comes later is another batch.
        assert!(uses.count(key, 100, Counts::one(Class::Hold), day("2026-11-20")));
        let later = uses.begin().unwrap();
        uses.send(&redis, later).await;
        let script = Script::new(
            "return {redis.call('HGET', KEYS[1], 'general'), redis.call('HGET', KEYS[1], 'hold')}",
        );
        let hash = redis.key(&usage_key(key, day("2026-11-20")));
        let found = redis.eval(&script, vec![hash], Vec::new()).await.unwrap();
        assert_eq!(found.convert::<(u32, u32)>().unwrap(), (1, 3));
        shutdown.finish(std::time::Duration::ZERO).await;
    }

    #[tokio::test]
    async fn what_has_no_answer_is_told_again() {
        let shutdown = platform::Shutdown::new();
        let nowhere = platform::redis::RedisConfig {
            url: "redis://127.0.0.1:1".into(),
            ..platform::redis::RedisConfig::default()
        };
        let away = Redis::connect(&nowhere, &shutdown).unwrap();
        let uses = Uses::new("here".to_owned());
        let key = ApiKeyId::from_uuid(SystemIds.uuid());
        assert!(uses.count(key, 100, Counts::one(Class::Hold), day("2026-11-20")));
        let batches = uses.begin().unwrap();
        uses.send(&away, batches.clone()).await;
        assert_eq!(uses.begin(), Some(batches), "with the same number");
        shutdown.finish(std::time::Duration::ZERO).await;
    }
}
