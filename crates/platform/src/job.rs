//! Periodic jobs.

use std::{fmt, future::Future, time::Duration};

use sea_orm::{DatabaseConnection, DbErr};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};
use tracing::field::Empty;

use crate::{
    Shutdown,
    backoff::Backoff,
    pg::Leader,
    telemetry::{TARGET, in_span},
};

/// How often a process that is not the leader tries to become it.
const STANDBY: Duration = Duration::from_secs(1);

/// Runs `work` now and then every `period`, in this process, until the soft step of `shutdown`. A
/// run that takes longer delays the next; an error is logged and counted, and the next run comes
/// as planned.
pub fn every<F, Fut, E>(name: &'static str, period: Duration, shutdown: &Shutdown, mut work: F)
where
    F: FnMut() -> Fut + Send + 'static,
    Fut: Future<Output = Result<(), E>> + Send,
    E: fmt::Display,
{
    let soft = shutdown.token();
    shutdown.spawn(name, async move {
        let mut ticks = interval(period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while soft.run_until_cancelled(ticks.tick()).await.is_some() {
            run(name, &mut work).await;
        }
    });
}

/// Like [`every`], in one process at a time: the one that holds the advisory lock of the job's
/// name. When that process or its connection is lost, another takes over within about a second,
/// and within about six when the process hangs. The run that was under way ends where it stands,
/// and the next may overlap with that end: the work itself has to be safe to repeat.
pub fn every_as_leader<F, Fut, E>(
    name: &'static str,
    period: Duration,
    pg: DatabaseConnection,
    shutdown: &Shutdown,
    mut work: F,
) where
    F: FnMut() -> Fut + Send + 'static,
    Fut: Future<Output = Result<(), E>> + Send,
    E: fmt::Display,
{
    let soft = shutdown.token();
    let leads = metrics::gauge!("job_leader", "job" => name);
    leads.set(0.0);
    shutdown.spawn(name, async move {
        let mut backoff = Backoff::for_connections();
        let mut ticks = interval(period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !soft.is_cancelled() {
            let wait = match Leader::elect(&pg, &format!("job:{name}")).await {
                Ok(Some(mut leader)) => {
                    backoff.reset();
                    leads.set(1.0);
                    let led: Result<(), DbErr> = async {
                        while leader.hold_while(soft.run_until_cancelled(ticks.tick())).await?.is_some() {
                            leader.confirm().await?;
                            leader.hold_while(run(name, &mut work)).await?;
                        }
                        Ok(())
                    }
                    .await;
                    leads.set(0.0);
                    leader.resign().await;
                    match led {
                        Ok(()) => return,
                        Err(error) => tracing::warn!(job = name, %error, "lost the lead of a job"),
                    }
                    backoff.next()
                }
                Ok(None) => STANDBY,
                Err(error) => {
                    tracing::warn!(job = name, %error, "cannot stand for leader");
                    backoff.next()
                }
            };
            soft.run_until_cancelled(sleep(wait)).await;
        }
    });
}

async fn run<F, Fut, E>(name: &'static str, work: &mut F)
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<(), E>>,
    E: fmt::Display,
{
    let start = Instant::now();
    let span = tracing::info_span!(
        target: TARGET,
        "job",
        otel.name = format_args!("job {name}"),
        otel.status_code = Empty,
    );
    // On the heap: a build without optimisation copies what is around it many times on the stack.
    let outcome = match in_span(span.clone(), None, Box::pin(work())).await {
        Ok(()) => "done",
        Err(error) => {
            span.record("otel.status_code", "ERROR");
            tracing::error!(job = name, %error, "job failed; it runs again in its time");
            "failed"
        }
    };
    metrics::counter!("job_runs_total", "job" => name, "outcome" => outcome).increment(1);
    metrics::histogram!("job_duration_seconds", "job" => name).record(start.elapsed());
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    };

    #[tokio::test(start_paused = true)]
    async fn runs_at_once_and_then_each_period_errors_or_not() {
        let shutdown = Shutdown::new();
        let runs = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&runs);
        let token = shutdown.token();
        every("count", Duration::from_secs(60), &shutdown, move || {
            if counted.fetch_add(1, Ordering::Relaxed) == 2 {
                token.cancel();
            }
            async { Err::<(), _>("on purpose") }
        });
        let start = Instant::now();
        shutdown.token().cancelled().await;
        assert_eq!(runs.load(Ordering::Relaxed), 3);
        assert_eq!(start.elapsed().as_secs(), 120);
    }
}
