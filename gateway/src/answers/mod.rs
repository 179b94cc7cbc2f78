//! Prepared answers: whole answers to queries whose every part everybody may share for a while. Whoever
//! asks the same gets them without a router, once admitted.
//!
//! Subgraphs say what may be shared, in `Cache-Control`; [`crate::plugins::cache_policy`] finds the
//! strictest of what they say. What is kept was asked **for nobody in particular**, without the caller's
//! token: even a subgraph that says it wrongly cannot show one caller what another may see.
//!
//! * Equal questions at the same time are asked once; the others wait. When it turns out that the answer
//!   is not for all, they ask for themselves, and the gateway remembers for which operations that is so
//!   ([`Habit`]).
//! * When the catalog says that something has changed, all answers go. They have a generation: what was
//!   asked before the change is given to those who asked before, and to nobody after.
//! * What is asked for often is fetched anew before it ends ([`warm`]).
//! * What changes at any moment, such as seats, is kept with validators, and their subgraph is asked each time
//!   whether they still hold ([`validators`]). Nobody gets of it what was so only before they asked, whether
//!   it was there or somebody else was fetching it.
//!
//! Architecture invariant: every operation is admitted first. Whether there is an answer changes nothing
//! in who may ask, how often, and what is counted.

mod answer;
mod config;
mod flights;
mod habit;
mod packed;
mod question;
mod validators;
mod warm;

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use ahash::RandomState;
use metrics::Counter;
use moka::sync::Cache;
use ntex::{
    http::{
        HeaderMap,
        header::{self, HeaderName, HeaderValue},
    },
    util::Bytes,
    web::{Error, HttpResponse},
};
use platform::{
    cache::validator::{Validator, Validators},
    telemetry::CacheMeter,
};
use tokio::sync::mpsc::{self, Receiver, Sender};

use crate::{
    Config,
    settings::{AUTHORIZATION, caller_headers},
};
use answer::{Asked, Fetch, Life};
use flights::Flights;
use question::Digest;

pub use config::PreparedAnswers;

pub(crate) use answer::{Answer, is_for_all};
pub(crate) use habit::Habit;
pub(crate) use packed::GZIP;
pub(crate) use question::Question;
pub(crate) use validators::Noted;

/// The name in metrics.
const NAME: &str = "gateway.answers";

/// The answers of all threads.
pub(crate) struct Answers {
    kept: Cache<Key, Arc<Answer>, RandomState>,
    /// What is being asked for everybody; nothing comes of it when it is not for everybody, or fails.
    in_flight: Flights<Key, Option<Arc<Answer>>>,
    /// How often everything was dropped.
    generation: AtomicU64,
    /// Headers that decide what the answer is, but for the caller's token.
    deciding: Vec<HeaderName>,
    /// What HTTP is told of what decides.
    pub(crate) vary: HeaderValue,
    largest: u32,
    /// Reads what answers hold by; without it none are kept that hold by anything.
    validators: Option<Arc<dyn Validators>>,
    meter: CacheMeter,
    /// Counts those that did not hold any more.
    stale: Counter,
    flights: AtomicU64,
    warm: Sender<Arc<Answer>>,
    waiting: Mutex<Option<Receiver<Arc<Answer>>>>,
}

/// What an answer is kept under.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    digest: Digest,
    /// That in which it was asked.
    generation: u64,
}

/// A query that is asked for everybody.
pub(crate) struct Flight<'f> {
    pub(crate) question: &'f Question,
    pub(crate) headers: &'f HeaderMap,
    /// The operation as JSON.
    pub(crate) body: &'f Bytes,
    /// Where it is noted what the answer holds by.
    pub(crate) noted: Option<Noted>,
}

/// What has come of asking for everybody.
pub(crate) enum Fetched {
    /// An answer for everybody.
    ForAll(Arc<Answer>),
    /// What a stranger gets, and who is not one cannot use.
    ForStrangers(HttpResponse),
}

impl Answers {
    /// `None` where no answers are kept.
    pub(crate) fn new(config: &Config, validators: Option<Arc<dyn Validators>>) -> Option<Arc<Self>> {
        let PreparedAnswers { enabled, max_bytes, max_entry_bytes, warm } = config.answers;
        let names = caller_headers(config).into_iter().filter(|name| name != AUTHORIZATION);
        let deciding: Vec<_> = names.filter_map(|name| HeaderName::try_from(name.as_str()).ok()).collect();
        let vary: Vec<_> =
            [header::ACCEPT, header::ORIGIN].iter().chain(&deciding).map(HeaderName::as_str).collect();
        let vary = vary.join(", ");
        // A channel has room for one at least.
        let (sender, receiver) = mpsc::channel(warm.max(1));
        enabled.then(|| {
            Arc::new(Self {
                kept: Cache::builder()
                    .max_capacity(max_bytes)
                    .weigher(|_, answer: &Arc<Answer>| answer.weight())
                    .expire_after(Life)
                    .build_with_hasher(RandomState::new()),
                in_flight: Flights::new(),
                generation: AtomicU64::new(0),
                vary: HeaderValue::try_from(vary.as_str()).unwrap_or(HeaderValue::from_static("*")),
                deciding,
                largest: max_entry_bytes,
                validators,
                meter: CacheMeter::new(NAME),
                stale: metrics::counter!("gateway_answers_stale_total"),
                flights: AtomicU64::new(0),
                warm: sender,
                waiting: Mutex::new((warm > 0).then_some(receiver)),
            })
        })
    }

    /// What the answer to a question with these headers is kept under, from now on.
    pub(crate) fn key(&self, question: &Question, headers: &HeaderMap) -> Key {
        self.key_of(question.asked_with(headers, &self.deciding))
    }

    fn key_of(&self, digest: Digest) -> Key {
        Key { digest, generation: self.generation.load(Ordering::Acquire) }
    }

    /// The answer that is there.
    pub(crate) async fn get(&self, key: &Key) -> Option<Arc<Answer>> {
        let answer = self.kept.get(key)?;
        let left = answer.left()?;
        if !self.holds(key, &answer).await {
            return None;
        }
        self.meter.hit();
        if answer.give(left) && self.warm.try_send(Arc::clone(&answer)).is_err() {
            // Too many do. Whoever asks next tries again.
            answer.does_not_wait();
        }
        Some(answer)
    }

    /// Whether an answer still holds. One that does not goes.
    async fn holds(&self, key: &Key, answer: &Arc<Answer>) -> bool {
        if answer.holds().await {
            return true;
        }
        self.stale.increment(1);
        // Somebody may have put another one in its place.
        if self.kept.get(key).is_some_and(|kept| Arc::ptr_eq(&kept, answer)) {
            self.kept.invalidate(key);
        }
        false
    }

    /// Whether somebody who asked at this moment may have what has come of asking. It may have been asked
    /// for somebody else, before.
    pub(crate) async fn is_of(&self, moment: Instant, key: &Key, answer: &Arc<Answer>) -> bool {
        answer.is_of(moment) || self.holds(key, answer).await
    }

    /// Names what is asked for everybody: no two that are executed at the same time share anything.
    pub(crate) fn next_flight(&self) -> u64 {
        self.flights.fetch_add(1, Ordering::Relaxed)
    }

    /// Where it can be noted what an answer holds by; of no use to anybody where nobody reads that.
    pub(crate) fn noting(&self) -> Option<Noted> {
        self.validators.as_ref().map(|_| Noted::default())
    }

    /// The answer that `ask` gets, or that somebody else is getting; `ask` has to ask for nobody in
    /// particular. `None` when somebody else has found that it is not for all, or has failed. When the one who
    /// asks goes away, the next one does.
    pub(crate) async fn fetch(
        &self,
        key: Key,
        flight: Flight<'_>,
        ask: impl Future<Output = Result<HttpResponse, Error>>,
    ) -> Option<Fetched> {
        let Flight { question, headers, body, noted } = flight;
        let mut own = None;
        let asking = async {
            // Somebody else may have been faster since it was looked whether it is there; they hardly ever were,
            // and this look costs less when it is not.
            if self.kept.contains_key(&key)
                && let Some(answer) = self.kept.get(&key)
            {
                self.meter.shared();
                return Some(answer);
            }
            self.meter.miss();
            let begun = Instant::now();
            let response = ask.await;
            let failed = |error: &Error| tracing::error!(%error, "the router failed on a query");
            let response = response.inspect_err(failed).ok()?;
            let validators = noted.map(|noted| noted.take()).unwrap_or_default();
            let answer = self.validator(&validators).and_then(|validator| {
                let asked = Asked { digest: key.digest, body: body.clone(), headers: self.deciding(headers) };
                let fetch = Fetch { begun, asked, given: 1, validator };
                Answer::of(&response, fetch).map(Arc::new)
            });
            question.habit().learn(answer.is_some());
            match &answer {
                Some(answer) => _ = self.keep(key, answer),
                None => own = Some(response),
            }
            answer
        };
        let (answer, asked) = self.in_flight.share(key, asking).await;
        let Some(answer) = answer else { return own.map(Fetched::ForStrangers) };
        if !asked {
            self.meter.shared();
        }
        Some(Fetched::ForAll(answer))
    }

    /// Keeps an answer, unless it is too large; whether it does.
    fn keep(&self, key: Key, answer: &Arc<Answer>) -> bool {
        let fits = answer.weight() <= self.largest;
        if fits {
            self.kept.insert(key, Arc::clone(answer));
        }
        fits
    }

    /// Drops everything: something has changed. What is asked for often is fetched anew at once.
    pub(crate) fn forget(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
        let mut often: Vec<_> =
            self.kept.iter().map(|(_, answer)| answer).filter(|answer| answer.should_wait()).collect();
        self.kept.invalidate_all();
        metrics::counter!("gateway_answers_dropped_total").increment(1);
        often.sort_by_key(|answer| std::cmp::Reverse(answer.given()));
        // As many as there is room for.
        let _ = often.into_iter().try_for_each(|answer| self.warm.try_send(answer));
    }

    /// What has these validators; `None` when nobody can read them.
    fn validator(&self, validators: &[String]) -> Option<Option<Box<dyn Validator>>> {
        match validators {
            [] => Some(None),
            validators => self.validators.as_ref()?.read(validators).map(Some),
        }
    }

    fn deciding(&self, headers: &HeaderMap) -> HeaderMap {
        let mut deciding = HeaderMap::new();
        for name in &self.deciding {
            for value in headers.get_all(name) {
                deciding.append(name.clone(), value.clone());
            }
        }
        deciding
    }

    /// Those that wait to be fetched anew; the first who asks gets them.
    fn waiting(&self) -> Option<Receiver<Arc<Answer>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
