//! Latencies as histograms.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// Three digits are right, whatever the size.
const DIGITS: u8 = 3;
/// Longer than any request may take, in microseconds.
const MOST_US: u64 = 120_000_000;

/// Percentiles in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// Half of all.
    pub p50_ms: f64,
    /// All but one in a hundred.
    pub p99_ms: f64,
    /// All but one in a thousand.
    pub p999_ms: f64,
    /// The slowest.
    pub most_ms: f64,
    /// How many were measured.
    pub count: u64,
}

/// Takes latencies from many tasks. Clones share what they record.
#[derive(Debug, Clone)]
pub struct Recorder(Arc<Mutex<Histogram<u64>>>);

impl Recorder {
    /// An empty one.
    ///
    /// # Errors
    /// Never with these bounds.
    pub fn new() -> anyhow::Result<Self> {
        Ok(Self(Arc::new(Mutex::new(Histogram::new_with_bounds(1, MOST_US, DIGITS)?))))
    }

    /// Adds one.
    pub fn record(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(MOST_US);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).saturating_record(micros.max(1));
    }

    /// What was recorded so far; `None` when nothing was.
    pub fn latency(&self) -> Option<Latency> {
        let histogram = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let ms = |quantile| histogram.value_at_quantile(quantile) as f64 / 1_000.0;
        (!histogram.is_empty()).then(|| Latency {
            p50_ms: ms(0.5),
            p99_ms: ms(0.99),
            p999_ms: ms(0.999),
            most_ms: histogram.max() as f64 / 1_000.0,
            count: histogram.len(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_what_was_recorded() {
        let recorder = Recorder::new().unwrap();
        assert_eq!(recorder.latency(), None);
        (1..=1_000).for_each(|ms| recorder.record(Duration::from_millis(ms)));
        let latency = recorder.latency().unwrap();
        assert!((latency.p50_ms - 500.0).abs() < 1.0, "{latency:?}");
        assert!((latency.p99_ms - 990.0).abs() < 1.0, "{latency:?}");
        assert_eq!(latency.count, 1_000);
    }
}
