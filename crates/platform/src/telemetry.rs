//! Logs, metrics and the trace context of the work at hand.
//!
//! Metrics go through the `metrics` facade; [`Telemetry`] renders them for `/metrics`. Durations
//! are histograms in seconds.

use std::{future::Future, io::IsTerminal, time::Duration};

use garde::Validate;
use kernel::source::{IdSource, SystemIds};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use serde::Deserialize;
use tracing_subscriber::{EnvFilter, util::TryInitError};

use crate::Shutdown;

/// Upper bounds of all histograms, in seconds: half a millisecond to half a minute.
const BUCKETS: [f64; 15] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.4, 0.8, 1.5, 5.0, 10.0, 30.0];
/// The router and its runtime tell of their own parts at length. lapin reports what this crate
/// reports too, and quotes messages.
const DEFAULT_FILTER: &str =
    "info,lapin=off,ntex_rt=warn,ntex_server=warn,ntex_service=warn,router=warn,sqlx=warn";
/// How often samples that nobody has scraped are folded into their buckets.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);

/// Section `[telemetry]`.
#[derive(Clone, Debug, Deserialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct TelemetryConfig {
    /// For people or for machines.
    #[garde(skip)]
    pub format: LogFormat,
    /// What is logged, as `tracing-subscriber` directives: `info,booking=debug`.
    #[garde(custom(filter_is_valid))]
    pub filter: String,
}

impl Default for TelemetryConfig {
    fn default() -> Self {
        Self { format: LogFormat::Text, filter: DEFAULT_FILTER.to_owned() }
    }
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One line of text.
    #[default]
    Text,
    /// One JSON object, with the fields of all spans.
    Json,
}

fn filter_is_valid(filter: &str, _: &()) -> garde::Result {
    EnvFilter::try_new(filter)
        .map(drop)
        .map_err(|_| garde::Error::new("not a list of directives such as `info,booking=debug`"))
}

/// Telemetry cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// `telemetry.filter` cannot be parsed.
    #[error("telemetry.filter is not a list of directives such as `info,booking=debug`")]
    Filter,
    /// Something has installed a subscriber before.
    #[error("logging is already set up: {0}")]
    Subscriber(#[from] TryInitError),
    /// Something has installed a recorder before, or the buckets are unusable.
    #[error("metrics are already set up: {0}")]
    Recorder(#[from] metrics_exporter_prometheus::BuildError),
}

/// The metrics of this process; clones share them.
#[derive(Clone, Debug)]
pub struct Telemetry {
    metrics: PrometheusHandle,
}

/// Sets up logs (to standard error) and metrics for the whole process. Call once, in `main`.
///
/// # Errors
/// [`TelemetryError`].
pub fn init(config: &TelemetryConfig) -> Result<Telemetry, TelemetryError> {
    use tracing_subscriber::util::SubscriberInitExt;

    let filter = EnvFilter::try_new(&config.filter).map_err(|_| TelemetryError::Filter)?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    match config.format {
        LogFormat::Text => lines.finish().try_init()?,
        LogFormat::Json => lines.json().flatten_event(true).finish().try_init()?,
    }
    Ok(Telemetry { metrics: recorder()?.install_recorder()? })
}

fn recorder() -> Result<PrometheusBuilder, TelemetryError> {
    Ok(PrometheusBuilder::new().set_buckets(&BUCKETS)?)
}

impl Telemetry {
    /// A recorder that nothing records to: for tests, where many apps share a process.
    ///
    /// # Errors
    /// Never in practice: the buckets are fixed.
    pub fn detached() -> Result<Self, TelemetryError> {
        Ok(Self { metrics: recorder()?.build_recorder().handle() })
    }

    /// All metrics in Prometheus's text format.
    #[must_use]
    pub fn render(&self) -> String {
        self.metrics.render()
    }

    /// Keeps memory bounded when nobody scrapes. Call once, in `main`.
    pub fn keep(&self, shutdown: &Shutdown) {
        let metrics = self.metrics.clone();
        let hard = shutdown.hard();
        shutdown.spawn_background("metrics-upkeep", async move {
            let upkeep = async {
                loop {
                    tokio::time::sleep(UPKEEP_EVERY).await;
                    metrics.run_upkeep();
                }
            };
            hard.run_until_cancelled(upkeep).await;
        });
    }
}

tokio::task_local! {
    static TRACE: Option<String>;
}

/// Runs `work` on behalf of the request with this W3C `traceparent`, so that events appended by
/// it ([`crate::outbox::append`]) carry the trace on.
pub async fn with_trace<T>(trace: Option<String>, work: impl Future<Output = T>) -> T {
    TRACE.scope(trace, work).await
}

/// A `traceparent` for work that begins here, such as a webhook or a run of a job: version 00, a
/// new trace, sampled (<https://www.w3.org/TR/trace-context/#traceparent-header>).
#[must_use]
pub fn new_trace() -> String {
    let mut bytes = [0; 24];
    // Names of work are no part of it: no test has to decide them.
    SystemIds.fill(&mut bytes);
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let (trace, span) = hex.split_at(32);
    format!("00-{trace}-{span}-01")
}

/// The `traceparent` of the work at hand, if any.
#[must_use]
pub fn current_trace() -> Option<String> {
    TRACE.try_with(Clone::clone).ok().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_trace_is_known_inside_and_not_outside() {
        let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let seen = with_trace(Some(trace.to_owned()), async { current_trace() }).await;
        assert_eq!(seen.as_deref(), Some(trace));
        assert_eq!(current_trace(), None);
    }

    #[test]
    fn each_new_trace_is_another() {
        let (one, other) = (new_trace(), new_trace());
        assert_ne!(one, other);
        let lengths: Vec<usize> = one.split('-').map(str::len).collect();
        assert_eq!(lengths, [2, 32, 16, 2]);
    }

    #[test]
    fn filters_are_checked() {
        assert!(filter_is_valid(DEFAULT_FILTER, &()).is_ok());
        assert!(filter_is_valid("info,booking=debug", &()).is_ok());
        assert!(filter_is_valid("info,booking=loud", &()).is_err());
    }
}
