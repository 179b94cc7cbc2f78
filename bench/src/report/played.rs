//! What came of a scenario.

use serde::{Deserialize, Serialize};

use crate::{measure::Outcome, scenario::Kind};

/// From so many cores on that others use, figures are rough.
pub const BUSY: f64 = 0.15;

/// A scenario that was played.
#[derive(Debug, Serialize, Deserialize)]
pub struct Played {
    /// Which.
    pub scenario: Kind,
    /// When it began, UTC.
    pub at: String,
    /// How long it took, with all preparations.
    pub seconds: f64,
    /// Cores that everything else on the machine used meanwhile, on average.
    pub others_cores: f64,
    /// Why it ended early.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// What it found; before it ended, if it did so early.
    pub outcomes: Vec<Outcome>,
}

impl Played {
    /// Whether somebody else used too much of the machine.
    pub fn was_disturbed(&self) -> bool {
        self.others_cores > BUSY
    }
}
