//! Where time and randomness come from.
#![expect(
    clippy::disallowed_methods,
    reason = "paysim stands for a provider outside the platform, with a clock and ids of its own"
)]

use std::time::{SystemTime, UNIX_EPOCH};

use rand::{
    RngExt,
    distr::{Alphanumeric, SampleString},
};

/// Seconds since the Unix epoch, the unit of every time in Stripe's API.
pub(crate) fn unix_now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs().cast_signed())
}

/// A new id such as `pi_` with 24 random letters and digits.
pub(crate) fn new_id(prefix: &str) -> String {
    format!("{prefix}_{}", token(24))
}

/// `length` random letters and digits.
pub(crate) fn token(length: usize) -> String {
    Alphanumeric.sample_string(&mut rand::rng(), length)
}

/// True with the given probability (0 to 1).
pub(crate) fn chance(probability: f64) -> bool {
    probability > 0.0 && rand::rng().random_bool(probability.min(1.0))
}
