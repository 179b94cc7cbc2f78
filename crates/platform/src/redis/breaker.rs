//! Is Redis away? One answer for the whole process, so that nobody has to find out by waiting.
//!
//! A probe asks all the time, whether there is traffic or not. It writes, because a server that
//! only answers is no help: a replica that was not promoted yet, one whose disk is full. Two
//! probes in a row decide, in both directions: one lost answer is no outage, one answer no
//! recovery. A server that goes away again soon after it came back has to prove itself for longer
//! each time, because every return costs work: shows are loaded anew.

use std::{
    fmt,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{Notify, watch},
    time::{Instant, sleep, timeout},
};

/// From one probe to the next.
const EVERY: Duration = Duration::from_millis(200);
/// The same when the last one contradicts what is believed.
const SOON: Duration = Duration::from_millis(100);
/// The same when a command found nobody, however many do: a probe must not add to a backlog.
const LEAST: Duration = Duration::from_millis(50);
/// Before the first one, so that connections can be made.
const FIRST: Duration = Duration::from_millis(500);
/// A probe without an answer within this time has failed. So Redis that hangs is away after at
/// most `EVERY + PATIENCE + SOON + PATIENCE`, less than a second.
pub(super) const PATIENCE: Duration = Duration::from_millis(300);
/// Probes in a row that turn the verdict.
const AGREE: u32 = 2;
/// The most that a server that comes and goes needs to be believed: about five seconds.
const AGREE_AT_MOST: u32 = 50;
/// How often it is said that Redis is still away, and why.
const REMIND: Duration = Duration::from_secs(5);
/// Who goes away within this time after coming back was not back.
const STEADY: Duration = Duration::from_secs(10);

/// A time without Redis, as this process saw it.
///
/// Instants, because wall clocks jump: `since.elapsed()` before the present time of any clock is
/// when it was by that clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outage {
    /// Counted from one since the process started, as in [`super::Redis::outages`].
    pub number: u64,
    /// Redis was last seen serving, steadily: whatever was written there before this is no loss of
    /// this outage, what came after may be. Earlier than `opened`. The start of the process when
    /// Redis was not seen before; of outages that follow each other within seconds the first
    /// one's.
    pub since: Instant,
    /// The breaker opened.
    pub opened: Instant,
    /// The breaker closed, if it has.
    pub closed: Option<Instant>,
}

/// What the process believes about Redis.
#[derive(Debug)]
pub(super) struct Breaker {
    away: watch::Sender<bool>,
    /// The same, for every command to look at.
    is_away: AtomicBool,
    outages: AtomicU64,
    last: Mutex<Option<Outage>>,
    suspicion: Notify,
}

/// What the watch over Redis remembers from probe to probe.
struct Course {
    /// The last successful probe began.
    served: Instant,
    /// Probes in a row that contradict what is believed.
    against: u32,
    /// Probes that have to agree for Redis to be back.
    agree: u32,
    /// When it was last said that Redis is away.
    said: Instant,
}

impl Breaker {
    pub(super) fn new() -> Self {
        metrics::gauge!("redis_away").set(0.0);
        Self {
            away: watch::Sender::new(false),
            is_away: AtomicBool::new(false),
            outages: AtomicU64::new(0),
            last: Mutex::default(),
            suspicion: Notify::new(),
        }
    }

    pub(super) fn is_away(&self) -> bool {
        self.is_away.load(Ordering::Acquire)
    }

    pub(super) fn outages(&self) -> u64 {
        self.outages.load(Ordering::Acquire)
    }

    pub(super) fn last_outage(&self) -> Option<Outage> {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<bool> {
        self.away.subscribe()
    }

    /// A command found nobody: it is time for a probe.
    pub(super) fn suspect(&self) {
        if !self.is_away() {
            self.suspicion.notify_one();
        }
    }

    /// Probes without an end.
    pub(super) async fn watch<F, E>(&self, probe: impl Fn() -> F)
    where
        F: Future<Output = Result<(), E>>,
        E: fmt::Display,
    {
        let now = Instant::now();
        let mut course = Course { served: now, against: 0, agree: AGREE, said: now };
        sleep(FIRST).await;
        loop {
            let began = Instant::now();
            let failure = match timeout(PATIENCE, probe()).await {
                Ok(Ok(())) => None,
                Ok(Err(error)) => Some(error.to_string()),
                Err(_) => Some("no answer".to_owned()),
            };
            let away = self.is_away();
            course.against = if failure.is_some() == away { 0 } else { course.against + 1 };
            if course.against == if away { course.agree } else { AGREE } {
                course.against = 0;
                match &failure {
                    Some(reason) => self.open(&mut course, reason),
                    None => self.close(),
                }
            }
            match failure {
                None => course.served = began,
                Some(reason) if self.is_away() && course.said.elapsed() >= REMIND => {
                    course.said = Instant::now();
                    tracing::warn!(reason, "Redis is still away");
                }
                Some(_) => {}
            }
            if course.against > 0 {
                // It is being looked into: suspicion is no news.
                sleep(SOON).await;
            } else {
                sleep(LEAST).await;
                let _ = timeout(EVERY - LEAST, self.suspicion.notified()).await;
            }
        }
    }

    fn open(&self, course: &mut Course, reason: &str) {
        let now = Instant::now();
        let mut since = course.served;
        course.agree = match self.last_outage() {
            Some(Outage { since: first, closed: Some(closed), .. }) if now - closed < STEADY => {
                since = first;
                (course.agree * 2).min(AGREE_AT_MOST)
            }
            _ => AGREE,
        };
        course.said = now;
        let number = self.outages() + 1;
        self.note(Outage { number, since, opened: now, closed: None });
        // First the number: who sees that Redis is away, or was, sees that it changed.
        self.outages.store(number, Ordering::Release);
        metrics::gauge!("redis_away").set(1.0);
        metrics::counter!("redis_outages_total").increment(1);
        tracing::warn!(reason, "Redis is away: the circuit breaker is open");
        self.tell(true);
    }

    fn close(&self) {
        if let Some(outage) = self.last_outage() {
            self.note(Outage { closed: Some(Instant::now()), ..outage });
        }
        metrics::gauge!("redis_away").set(0.0);
        tracing::info!("Redis is back: the circuit breaker is closed");
        self.tell(false);
    }

    fn note(&self, outage: Outage) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(outage);
    }

    fn tell(&self, away: bool) {
        self.is_away.store(away, Ordering::Release);
        self.away.send_replace(away);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, atomic::AtomicU32};

    use super::*;

    /// A breaker over a server that can be made to refuse or to hang.
    struct Bench {
        breaker: Arc<Breaker>,
        refuses: Arc<AtomicBool>,
        hangs: Arc<AtomicBool>,
        probes: Arc<AtomicU32>,
    }

    impl Bench {
        fn new() -> Self {
            let bench = Self {
                breaker: Arc::new(Breaker::new()),
                refuses: Arc::default(),
                hangs: Arc::default(),
                probes: Arc::default(),
            };
            let breaker = Arc::clone(&bench.breaker);
            let (refuses, hangs, probes) =
                (Arc::clone(&bench.refuses), Arc::clone(&bench.hangs), Arc::clone(&bench.probes));
            let probe = move || {
                let (refuses, hangs) = (refuses.load(Ordering::SeqCst), hangs.load(Ordering::SeqCst));
                probes.fetch_add(1, Ordering::SeqCst);
                async move {
                    if hangs {
                        std::future::pending::<()>().await;
                    }
                    if refuses { Err("refused") } else { Ok(()) }
                }
            };
            tokio::spawn(async move { breaker.watch(probe).await });
            bench
        }

        /// How long it takes until the verdict is `away`.
        async fn turns(&self, away: bool) -> Duration {
            let start = Instant::now();
            let mut verdict = self.breaker.subscribe();
            verdict.wait_for(|verdict| *verdict == away).await.unwrap();
            start.elapsed()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn opens_and_closes_within_a_second_without_traffic() {
        let bench = Bench::new();
        sleep(Duration::from_secs(5)).await;
        assert!(!bench.breaker.is_away());
        for (switch, outages) in [(&bench.refuses, 1), (&bench.hangs, 2)] {
            switch.store(true, Ordering::SeqCst);
            assert!(bench.turns(true).await < Duration::from_secs(1));
            assert_eq!(bench.breaker.outages(), outages);
            sleep(Duration::from_secs(5)).await;
            switch.store(false, Ordering::SeqCst);
            assert!(bench.turns(false).await < Duration::from_secs(1));
            sleep(STEADY).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_outage_is_on_record_before_anybody_is_told_of_it() {
        let bench = Bench::new();
        sleep(Duration::from_secs(5)).await;
        assert_eq!(bench.breaker.last_outage(), None);
        let broken = Instant::now();
        bench.refuses.store(true, Ordering::SeqCst);
        bench.turns(true).await;
        let outage = bench.breaker.last_outage().unwrap();
        assert_eq!((outage.number, outage.opened, outage.closed), (1, Instant::now(), None));
        assert!(outage.since <= broken && broken - outage.since <= EVERY, "{outage:?}");
        sleep(Duration::from_secs(5)).await;
        assert_eq!(bench.breaker.last_outage(), Some(outage), "nothing new");
        bench.refuses.store(false, Ordering::SeqCst);
        bench.turns(false).await;
        let closed = Some(Instant::now());
        assert_eq!(bench.breaker.last_outage(), Some(Outage { closed, ..outage }));
    }

    #[tokio::test(start_paused = true)]
    async fn who_was_never_there_is_away_since_the_start() {
        let start = Instant::now();
        let bench = Bench::new();
        bench.refuses.store(true, Ordering::SeqCst);
        assert!(bench.turns(true).await < Duration::from_secs(1));
        assert_eq!(bench.breaker.last_outage().unwrap().since, start);
    }

    #[tokio::test(start_paused = true)]
    async fn who_comes_and_goes_is_believed_later_each_time() {
        let bench = Bench::new();
        sleep(Duration::from_secs(5)).await;
        let mut least = Duration::ZERO;
        let mut first = None;
        for number in 1..10 {
            bench.refuses.store(true, Ordering::SeqCst);
            assert!(bench.turns(true).await < Duration::from_secs(1), "it opens as soon as ever");
            let outage = bench.breaker.last_outage().unwrap();
            assert_eq!(outage.number, number);
            assert_eq!(outage.since, *first.get_or_insert(outage.since), "it was not back");
            sleep(Duration::from_secs(1)).await;
            bench.refuses.store(false, Ordering::SeqCst);
            let closed = bench.turns(false).await;
            assert!(closed >= least && closed < Duration::from_millis(5_500), "{closed:?} after {least:?}");
            least = SOON * ((AGREE << number).min(AGREE_AT_MOST) - 1);
        }
        assert_eq!(least, SOON * (AGREE_AT_MOST - 1));
        sleep(STEADY).await;
        let back = Instant::now();
        bench.refuses.store(true, Ordering::SeqCst);
        bench.turns(true).await;
        assert!(back - bench.breaker.last_outage().unwrap().since <= EVERY, "an outage of its own");
        bench.refuses.store(false, Ordering::SeqCst);
        assert!(bench.turns(false).await < Duration::from_secs(1));
    }

    #[tokio::test(start_paused = true)]
    async fn one_failure_begins_the_proof_anew() {
        let bench = Bench::new();
        bench.refuses.store(true, Ordering::SeqCst);
        bench.turns(true).await;
        for _ in 0..20 {
            let before = bench.probes.load(Ordering::SeqCst);
            bench.refuses.store(false, Ordering::SeqCst);
            while bench.probes.load(Ordering::SeqCst) == before {
                sleep(Duration::from_millis(1)).await;
            }
            bench.refuses.store(true, Ordering::SeqCst);
            sleep(Duration::from_secs(1)).await;
            assert!(bench.breaker.is_away());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn one_lost_answer_is_no_outage() {
        let bench = Bench::new();
        for _ in 0..10 {
            bench.hangs.store(true, Ordering::SeqCst);
            let before = bench.probes.load(Ordering::SeqCst);
            while bench.probes.load(Ordering::SeqCst) == before {
                sleep(Duration::from_millis(1)).await;
            }
            bench.hangs.store(false, Ordering::SeqCst);
            sleep(Duration::from_secs(1)).await;
        }
        assert_eq!(bench.breaker.outages(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn suspicion_hastens_the_verdict_but_is_none() {
        let bench = Bench::new();
        sleep(Duration::from_secs(1)).await;
        let (start, before) = (Instant::now(), bench.probes.load(Ordering::SeqCst));
        while start.elapsed() < Duration::from_secs(1) {
            bench.breaker.suspect();
            sleep(Duration::from_millis(1)).await;
        }
        let probes = bench.probes.load(Ordering::SeqCst) - before;
        assert!((15..=21).contains(&probes), "{probes} probes in a second");
        assert_eq!(bench.breaker.outages(), 0);
        bench.refuses.store(true, Ordering::SeqCst);
        bench.breaker.suspect();
        assert!(bench.turns(true).await <= LEAST + SOON);
    }
}
