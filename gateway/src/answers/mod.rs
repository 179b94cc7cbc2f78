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
//!
//! Architecture invariant: every operation is admitted first. Whether there is an answer changes nothing
//! in who may ask, how often, and what is counted.

mod answer;
mod config;
mod habit;
mod packed;
mod question;
mod warm;

use std::{
    cell::Cell,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use moka::future::Cache;
use ntex::{
    http::{
        HeaderMap,
        header::{self, HeaderName, HeaderValue},
    },
    util::Bytes,
    web::{Error, WebResponse},
};
use platform::telemetry::CacheMeter;
use tokio::sync::mpsc::{self, Receiver, Sender};

use crate::{
    Config,
    settings::{AUTHORIZATION, caller_headers},
};
use answer::{Asked, Life};
use question::Digest;

pub use config::PreparedAnswers;

pub(crate) use answer::{Answer, is_for_all};
pub(crate) use habit::Habit;
pub(crate) use packed::GZIP;
pub(crate) use question::Question;

/// The name in metrics.
const NAME: &str = "gateway.answers";

/// The answers of all threads.
pub(crate) struct Answers {
    kept: Cache<Key, Arc<Answer>>,
    /// How often everything was dropped.
    generation: AtomicU64,
    /// Headers that decide what the answer is, but for the caller's token.
    deciding: Vec<HeaderName>,
    /// What HTTP is told of what decides.
    pub(crate) vary: HeaderValue,
    largest: u32,
    meter: CacheMeter,
    warm: Sender<Arc<Answer>>,
    waiting: Mutex<Option<Receiver<Arc<Answer>>>>,
}

/// What an answer is kept under.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    digest: Digest,
    /// That in which it was asked.
    pub(crate) generation: u64,
}

/// What has come of asking for everybody.
pub(crate) enum Fetched {
    /// An answer for everybody.
    ForAll(Arc<Answer>),
    /// What a stranger gets, and who is not one cannot use.
    ForStrangers(WebResponse),
}

/// The answer was not for all, or is too large to be kept.
struct NotKept;

impl Answers {
    /// `None` where no answers are kept.
    pub(crate) fn new(config: &Config) -> Option<Arc<Self>> {
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
                    .build(),
                generation: AtomicU64::new(0),
                vary: HeaderValue::try_from(vary.as_str()).unwrap_or(HeaderValue::from_static("*")),
                deciding,
                largest: max_entry_bytes,
                meter: CacheMeter::new(NAME),
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
        let answer = self.kept.get(key).await?;
        let left = answer.left()?;
        self.meter.hit();
        if answer.give(left) && self.warm.try_send(Arc::clone(&answer)).is_err() {
            // Too many do. Whoever asks next tries again.
            answer.does_not_wait();
        }
        Some(answer)
    }

    /// The answer that `ask` gets, or that somebody else is getting; `ask` has to ask for nobody in
    /// particular. `None` when somebody else has found that it is not for all. When the one who asks goes
    /// away, the next one does.
    pub(crate) async fn fetch(
        &self,
        key: Key,
        question: &Question,
        headers: &HeaderMap,
        body: &Bytes,
        ask: impl Future<Output = Result<WebResponse, Error>>,
    ) -> Option<Fetched> {
        let (mine, asking) = (Cell::new(None), Cell::new(false));
        let flight = async {
            asking.set(true);
            self.meter.miss();
            let begun = Instant::now();
            let response = ask.await.map_err(|error| {
                tracing::error!(%error, "the router failed on a query");
                NotKept
            })?;
            let asked = Asked { digest: key.digest, body: body.clone(), headers: self.deciding(headers) };
            let answer = Answer::of(&response, begun, &asked, 1).map(Arc::new);
            question.habit().learn(answer.is_some());
            match answer {
                Some(answer) if answer.weight() <= self.largest => return Ok(answer),
                Some(answer) => mine.set(Some(Fetched::ForAll(answer))),
                None => mine.set(Some(Fetched::ForStrangers(response))),
            }
            Err(NotKept)
        };
        match self.kept.try_get_with(key, flight).await {
            Ok(answer) => {
                if !asking.get() {
                    self.meter.shared();
                }
                Some(Fetched::ForAll(answer))
            }
            Err(_) => mine.take(),
        }
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
