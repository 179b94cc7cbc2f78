//! Start and end of a process: one [`Shutdown`] is made in `main` and given to every role.
//!
//! Shutting down has two steps. The *soft* step stops taking work: listeners stop accepting,
//! consumers cancel their subscription, and what was begun is finished. The *hard* step gives up
//! on whatever is left. Everything that is left is safe to lose, because effects are committed
//! together with their inbox row and messages are acknowledged after that.

use std::{
    future::Future,
    panic::AssertUnwindSafe,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures::FutureExt;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::Instrument;

/// How long connections may take to close themselves after the hard step.
const CLOSE_GRACE: Duration = Duration::from_secs(1);

/// The life of this process; clones share it.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    soft: CancellationToken,
    hard: CancellationToken,
    work: TaskTracker,
    background: TaskTracker,
    failed: Arc<AtomicBool>,
}

impl Shutdown {
    /// A process that runs until [`Shutdown::begin`] or a signal.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Cancelled when the process stops taking work. Long-lived handlers (WebSockets, consumers,
    /// jobs) watch it and finish what they have begun.
    #[must_use]
    pub fn token(&self) -> CancellationToken {
        self.soft.clone()
    }

    /// Cancelled when the time to finish is over: drop everything.
    #[must_use]
    pub fn hard(&self) -> CancellationToken {
        self.hard.clone()
    }

    /// True from the soft step on. [`crate::http::Readiness`] answers 503 then.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.soft.is_cancelled()
    }

    /// True from the hard step on.
    pub(crate) fn is_over(&self) -> bool {
        self.hard.is_cancelled()
    }

    /// True when a task of this process panicked; `main` then exits with an error.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }

    /// Takes the soft step without waiting for anything.
    pub fn begin(&self) {
        self.soft.cancel();
    }

    /// Runs work that [`Shutdown::finish`] waits for. The future has to end by itself once
    /// [`Shutdown::token`] is cancelled; it is dropped when [`Shutdown::hard`] is.
    ///
    /// A panic in it ends the process in order, because a role without one of its tasks would
    /// look healthy and do nothing.
    pub fn spawn(&self, name: &'static str, work: impl Future<Output = ()> + Send + 'static) {
        let guarded = self.guard(name, work);
        let hard = self.hard.clone();
        self.work.spawn(
            async move {
                if hard.run_until_cancelled(guarded).await.is_none() {
                    tracing::warn!(task = name, "task dropped before it had finished");
                }
            }
            .instrument(tracing::info_span!("task", name)),
        );
    }

    /// The same for work that comes by the thousand and has a name of its own where it matters: without a
    /// span in logs. A panic is the caller's to catch.
    pub(crate) fn spawn_one_of_many(&self, work: impl Future<Output = ()> + Send + 'static) {
        let hard = self.hard.clone();
        self.work.spawn(async move {
            if hard.run_until_cancelled(work).await.is_none() {
                tracing::warn!("a request was dropped before it was answered");
            }
        });
    }

    /// Runs something that the tracked work needs until its very end, such as a connection. The
    /// future has to end by itself soon after [`Shutdown::hard`] is cancelled.
    pub fn spawn_background(&self, name: &'static str, work: impl Future<Output = ()> + Send + 'static) {
        let guarded = self.guard(name, work);
        self.background.spawn(guarded.instrument(tracing::info_span!("background", name)));
    }

    /// Returns at the first SIGTERM or SIGINT, or when the shutdown begins for another reason.
    ///
    /// # Errors
    /// The operating system refused to install the signal handlers.
    pub async fn wait_for_signal(&self) -> std::io::Result<()> {
        let mut signals = Signals::new()?;
        tokio::select! {
            name = signals.next() => tracing::info!(signal = name, "shutting down"),
            () = self.soft.cancelled() => {}
        }
        Ok(())
    }

    /// Takes the soft step, waits up to `grace` for the tracked work, then takes the hard step.
    /// A second signal cuts the waiting short. True when all work ended by itself.
    pub async fn finish(&self, grace: Duration) -> bool {
        self.soft.cancel();
        self.work.close();
        self.background.close();
        let second_signal = async {
            match Signals::new() {
                Ok(mut signals) => signals.next().await,
                Err(_) => std::future::pending().await,
            }
        };
        let drained = tokio::select! {
            result = timeout(grace, self.work.wait()) => result.is_ok(),
            name = second_signal => {
                tracing::warn!(signal = name, "second signal: not waiting any longer");
                false
            }
        };
        if !drained {
            tracing::warn!(tasks = self.work.len(), "work left after the grace period is dropped");
        }
        self.hard.cancel();
        let closed = async {
            self.work.wait().await;
            self.background.wait().await;
        };
        if timeout(CLOSE_GRACE, closed).await.is_err() {
            tracing::warn!(connections = self.background.len(), "connections left open at exit");
        }
        drained
    }

    fn guard(
        &self,
        name: &'static str,
        work: impl Future<Output = ()> + Send + 'static,
    ) -> impl Future<Output = ()> + Send + 'static {
        let shutdown = self.clone();
        async move {
            if AssertUnwindSafe(work).catch_unwind().await.is_err() {
                tracing::error!(task = name, "task panicked; shutting down");
                metrics::counter!("task_panics_total", "task" => name).increment(1);
                shutdown.failed.store(true, Ordering::Relaxed);
                shutdown.begin();
            }
        }
    }
}

/// The two signals that ask a process to end.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn finish_waits_for_work_that_heeds_the_soft_token() {
        let shutdown = Shutdown::new();
        let token = shutdown.token();
        shutdown.spawn("polite", async move { token.cancelled().await });
        assert!(!shutdown.is_draining());
        assert!(shutdown.finish(Duration::from_secs(5)).await);
        assert!(shutdown.is_draining());
    }

    #[tokio::test]
    async fn finish_drops_work_that_does_not_end() {
        let shutdown = Shutdown::new();
        shutdown.spawn("stubborn", std::future::pending());
        assert!(!shutdown.finish(Duration::from_millis(10)).await);
        assert!(shutdown.hard().is_cancelled());
    }

    #[tokio::test]
    async fn background_outlives_the_drain_and_ends_with_the_hard_step() {
        let shutdown = Shutdown::new();
        let (soft, hard) = (shutdown.token(), shutdown.hard());
        shutdown.spawn_background("connection", async move {
            hard.cancelled().await;
            assert!(soft.is_cancelled());
        });
        assert!(shutdown.finish(Duration::from_secs(5)).await);
        assert!(shutdown.background.is_empty());
        assert!(!shutdown.has_failed());
    }

    #[tokio::test]
    async fn a_panic_begins_the_shutdown() {
        let shutdown = Shutdown::new();
        shutdown.spawn("broken", async { panic!("on purpose") });
        shutdown.token().cancelled().await;
        assert!(shutdown.has_failed());
    }
}
