//! `[booking.seat_map]`

use garde::Validate;
use serde::Deserialize;

/// How seat maps are kept and shown.
#[derive(Debug, Clone, Deserialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct SeatMapConfig {
    /// Changes within this time, in milliseconds, are sent as one; 0 sends each at once.
    #[garde(range(max = 50))]
    pub conflate_ms: u32,
    /// How often those who watch are told that nothing was missed, in milliseconds.
    #[garde(range(min = 100, max = 60_000))]
    pub heartbeat_ms: u32,
    /// How old the availability of a show in a list may be, in milliseconds. The gateway keeps it for up
    /// to ten seconds more, and it is half a minute at most.
    #[garde(range(max = 20_000))]
    pub availability_max_age_ms: u32,
    /// How often the end of overdue holds is made visible, in milliseconds.
    #[garde(range(min = 100, max = 60_000))]
    pub sweep_every_ms: u32,
}

impl Default for SeatMapConfig {
    fn default() -> Self {
        Self { conflate_ms: 25, heartbeat_ms: 10_000, availability_max_age_ms: 10_000, sweep_every_ms: 1_000 }
    }
}
