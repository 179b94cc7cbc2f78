//! What the relay tells of its outbox.

use std::{sync::Mutex, time::Duration};

use metrics::Gauge;
use tokio::time::Instant;

/// Counting a long table takes a while, and changes nothing.
const COUNT_EVERY: Duration = Duration::from_secs(5);

/// The gauges of one schema.
pub(super) struct Gauges {
    leader: Gauge,
    /// Of the oldest event, in seconds.
    pub(super) oldest: Gauge,
    pub(super) waiting: Gauge,
    counted: Mutex<Option<Instant>>,
}

impl Gauges {
    /// Of a relay that does not lead, yet.
    pub(super) fn new(schema: &'static str) -> Self {
        let gauges = Self {
            leader: metrics::gauge!("outbox_leader", "schema" => schema),
            oldest: metrics::gauge!("outbox_oldest_age_seconds", "schema" => schema),
            waiting: metrics::gauge!("outbox_events_waiting", "schema" => schema),
            counted: Mutex::default(),
        };
        gauges.leader.set(0.0);
        gauges
    }

    /// Who does not lead knows nothing of what waits, and must not go on telling what was.
    pub(super) fn leads(&self, leads: bool) {
        self.leader.set(if leads { 1.0 } else { 0.0 });
        if !leads {
            self.oldest.set(0.0);
            self.waiting.set(0.0);
        }
    }

    /// Whether it is time to count again.
    pub(super) fn may_count(&self) -> bool {
        let mut counted = self.counted.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let due = counted.is_none_or(|counted| counted.elapsed() >= COUNT_EVERY);
        if due {
            *counted = Some(Instant::now());
        }
        due
    }
}
