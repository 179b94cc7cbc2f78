//! `[booking.reconcile]`

use std::time::Duration;

use chrono::TimeDelta;
use garde::Validate;
use serde::Deserialize;

/// How our records are compared with the provider's, with Redis, and with each other.
#[derive(Debug, Clone, Deserialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct ReconcileConfig {
    /// How often, in seconds.
    #[garde(range(min = 1, max = 86_400))]
    pub every_seconds: u32,
    /// What changed less than so many seconds ago is left alone: it may be under way. What should
    /// end by itself is a finding when it has not for five times as long.
    #[garde(range(min = 1, max = 86_400))]
    pub grace_seconds: u32,
    /// What the provider made, and what changed here, longer ago than this is not looked at, in
    /// hours.
    #[garde(range(min = 1, max = 2_160))]
    pub window_hours: u32,
    /// A pass reads what the provider made since the last one; all that it made in the window is read
    /// so often, in seconds.
    #[garde(range(min = 1, max = 86_400))]
    pub whole_every_seconds: u32,
    /// Objects read at a time. Providers list at most 100.
    #[garde(range(min = 1, max = 100))]
    pub batch: u32,
}

impl Default for ReconcileConfig {
    fn default() -> Self {
        Self {
            every_seconds: 5 * 60,
            grace_seconds: 2 * 60,
            window_hours: 72,
            whole_every_seconds: 60 * 60,
            batch: 100,
        }
    }
}

/// How many times the grace is "too long".
const PATIENCE: i32 = 5;

impl ReconcileConfig {
    /// How often.
    pub fn every(&self) -> Duration {
        Duration::from_secs(self.every_seconds.into())
    }

    /// How often the provider's lists are read to their ends.
    pub fn whole_every(&self) -> TimeDelta {
        TimeDelta::seconds(self.whole_every_seconds.into())
    }

    /// What is younger may be under way.
    pub fn grace(&self) -> TimeDelta {
        TimeDelta::seconds(self.grace_seconds.into())
    }

    /// What should have ended by itself is late after this.
    pub fn patience(&self) -> TimeDelta {
        self.grace() * PATIENCE
    }

    /// What is older is left alone.
    pub fn window(&self) -> TimeDelta {
        TimeDelta::hours(self.window_hours.into())
    }
}
