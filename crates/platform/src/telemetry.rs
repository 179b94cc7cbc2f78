//! Logs, metrics and traces.
//!
//! Metrics go through the `metrics` facade; [`Telemetry`] renders them for `/metrics`. Durations
//! are histograms in seconds. Traces are made of the spans of `tracing` with the target [`TARGET`],
//! and leave by OTLP when [`TracesConfig::endpoint`] is set.

mod cache;
mod context;
mod lines;
mod private;
mod process;
mod traces;

use std::{io::IsTerminal, time::Duration};

use garde::Validate;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use opentelemetry_otlp::ExporterBuildError;
use serde::Deserialize;
use tracing_subscriber::{
    EnvFilter, Layer, Registry,
    filter::{FilterExt as _, LevelFilter, filter_fn},
    layer::SubscriberExt as _,
    util::{SubscriberInitExt as _, TryInitError},
};

pub use cache::CacheMeter;
pub use context::{TARGET, current_trace, in_span, new_trace, unrecorded, with_trace};
pub(crate) use context::{is_traced, record_call};
pub use traces::TracesConfig;

use crate::Shutdown;
use traces::Traces;

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
    /// Where traces go.
    #[garde(dive)]
    pub traces: TracesConfig,
}

impl Default for TelemetryConfig {
    fn default() -> Self {
        Self { format: LogFormat::Text, filter: DEFAULT_FILTER.to_owned(), traces: TracesConfig::default() }
    }
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One line of text.
    #[default]
    Text,
    /// One JSON object, with the fields of all spans, and the trace.
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
    /// Spans cannot be sent to `telemetry.traces.endpoint`.
    #[error("telemetry.traces cannot be used: {0}")]
    Traces(#[from] ExporterBuildError),
}

/// The metrics and traces of this process; clones share them.
#[derive(Clone, Debug)]
pub struct Telemetry {
    metrics: PrometheusHandle,
    traces: Option<Traces>,
}

/// Sets up logs (to standard error), metrics and traces for the whole process. Call once, in `main`.
///
/// # Errors
/// [`TelemetryError`].
pub fn init(config: &TelemetryConfig) -> Result<Telemetry, TelemetryError> {
    let filter = EnvFilter::try_new(&config.filter).map_err(|_| TelemetryError::Filter)?;
    // Spans of traces are no part of logs, nor are those that nobody wants. So when traces are off they
    // are not even made. The hint leaves it to `telemetry.filter` which levels there are: without one every
    // event of every library would be looked at.
    let filter = filter.and(filter_fn(traces::is_of_logs).with_max_level_hint(LevelFilter::TRACE));
    let lines = tracing_subscriber::fmt::layer()
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    let lines: Box<dyn Layer<Registry> + Send + Sync> = match config.format {
        LogFormat::Text => lines.with_filter(filter).boxed(),
        LogFormat::Json => {
            lines.json().flatten_event(true).map_event_format(lines::WithTrace).with_filter(filter).boxed()
        }
    };
    let traces = Traces::start(&config.traces)?;
    let subscriber = tracing_subscriber::registry().with(lines);
    match &traces {
        Some(traces) => subscriber.with(traces.layer()).try_init()?,
        // A layer that is none would count as one that wants every span.
        None => subscriber.try_init()?,
    }
    Ok(Telemetry { metrics: recorder()?.install_recorder()?, traces })
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
        Ok(Self { metrics: recorder()?.build_recorder().handle(), traces: None })
    }

    /// All metrics in Prometheus's text format.
    #[must_use]
    pub fn render(&self) -> String {
        process::observe();
        self.metrics.render()
    }

    /// Whether spans of traces are made and sent.
    #[must_use]
    pub const fn has_traces(&self) -> bool {
        self.traces.is_some()
    }

    /// Sends the spans that still wait. Call once, last in `main`.
    pub async fn finish(self) {
        if let Some(traces) = self.traces {
            traces.finish().await;
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_checked() {
        assert!(filter_is_valid(DEFAULT_FILTER, &()).is_ok());
        assert!(filter_is_valid("info,booking=debug", &()).is_ok());
        assert!(filter_is_valid("info,booking=loud", &()).is_err());
    }
}
