//! `[booking.holds]`

use garde::Validate;
use serde::Deserialize;

/// Limits and lifetimes of holds.
#[derive(Debug, Clone, Deserialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct HoldsConfig {
    /// How long a hold lasts, in seconds.
    #[garde(range(min = 1, max = 86_400))]
    pub ttl_seconds: u32,
    /// How long a hold can last when it is extended, in seconds since it was made. A hold that is
    /// never extended lasts `ttl_seconds`, even if that is more.
    #[garde(range(min = 1, max = 86_400))]
    pub longest_seconds: u32,
    /// Seats in one hold at most.
    #[garde(range(min = 1, max = 100))]
    pub max_seats: u16,
    /// Seats that one user may hold at a time, over all shows. Booked seats count until they are
    /// paid for.
    #[garde(range(min = 1, max = 1_000))]
    pub max_seats_per_user: u16,
    /// Shows in which one user may hold seats at a time. Booked seats count until they are paid
    /// for.
    #[garde(range(min = 1, max = 1_000))]
    pub max_shows_per_user: u16,
    /// Looks at users and shows as if they were in different places, which they may be in a cluster of Redis.
    /// For tests, no setting.
    #[serde(skip)]
    #[garde(skip)]
    pub apart: bool,
}

impl Default for HoldsConfig {
    fn default() -> Self {
        Self {
            ttl_seconds: 10 * 60,
            longest_seconds: 20 * 60,
            max_seats: 10,
            max_seats_per_user: 10,
            max_shows_per_user: 3,
            apart: false,
        }
    }
}
