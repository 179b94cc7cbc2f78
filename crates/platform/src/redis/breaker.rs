//! Is Redis away? One answer for the whole process, so that nobody has to find out by waiting.
//!
//! A probe asks all the time, whether there is traffic or not. It writes, because a server that
//! only answers is no help: a replica that was not promoted yet, one whose disk is full. Two
//! probes in a row decide, in both directions: one lost answer is no outage, one answer no
//! recovery.

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use tokio::{
    sync::{Notify, watch},
    time::timeout,
};

/// From one probe to the next.
const EVERY: Duration = Duration::from_millis(200);
/// The same when the last one contradicts what is believed.
const SOON: Duration = Duration::from_millis(100);
/// Before the first one, so that connections can be made.
const FIRST: Duration = Duration::from_millis(500);
/// A probe without an answer within this time has failed. So Redis that hangs is away after at
/// most `EVERY + PATIENCE + SOON + PATIENCE`, less than a second.
const PATIENCE: Duration = Duration::from_millis(300);
/// Probes in a row that turn the verdict.
const AGREE: u32 = 2;

/// What the process believes about Redis.
#[derive(Debug)]
pub(super) struct Breaker {
    away: watch::Sender<bool>,
    outages: AtomicU64,
    suspicion: Notify,
}

impl Breaker {
    pub(super) fn new() -> Self {
        metrics::gauge!("redis_away").set(0.0);
        Self { away: watch::Sender::new(false), outages: AtomicU64::new(0), suspicion: Notify::new() }
    }

    pub(super) fn is_away(&self) -> bool {
        *self.away.borrow()
    }

    pub(super) fn outages(&self) -> u64 {
        self.outages.load(Ordering::Acquire)
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
        let mut against = 0;
        let mut pause = FIRST;
        loop {
            // Whichever comes first; while a probe is doubted, suspicion is no news.
            let suspected = timeout(pause, self.suspicion.notified()).await.is_ok();
            if suspected && against > 0 {
                tokio::time::sleep(SOON).await;
            }
            let failure = match timeout(PATIENCE, probe()).await {
                Ok(Ok(())) => None,
                Ok(Err(error)) => Some(error.to_string()),
                Err(_) => Some("no answer".to_owned()),
            };
            against = if failure.is_some() == self.is_away() { 0 } else { against + 1 };
            if against == AGREE {
                against = 0;
                self.turn(failure.as_deref());
            }
            pause = if against > 0 { SOON } else { EVERY };
        }
    }

    fn turn(&self, failure: Option<&str>) {
        match failure {
            Some(reason) => {
                // First the number: who sees that Redis is away, or was, sees that it changed.
                self.outages.fetch_add(1, Ordering::AcqRel);
                metrics::gauge!("redis_away").set(1.0);
                metrics::counter!("redis_outages_total").increment(1);
                tracing::warn!(reason, "Redis is away: the circuit breaker is open");
            }
            None => {
                metrics::gauge!("redis_away").set(0.0);
                tracing::info!("Redis is back: the circuit breaker is closed");
            }
        }
        self.away.send_replace(failure.is_some());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32},
    };

    use tokio::time::{Instant, sleep};

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
        for _ in 0..100 {
            bench.breaker.suspect();
        }
        sleep(Duration::from_secs(1)).await;
        assert_eq!(bench.breaker.outages(), 0);
        bench.refuses.store(true, Ordering::SeqCst);
        bench.breaker.suspect();
        assert!(bench.turns(true).await <= SOON);
    }
}
