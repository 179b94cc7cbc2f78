//! The section `gateway.answers` of the configuration.

use garde::Validate;
use serde::Deserialize;

/// Whole answers that everybody may share are kept for as long as subgraphs say.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct PreparedAnswers {
    /// Whether any are kept.
    #[garde(skip)]
    pub enabled: bool,
    /// How much memory they may take, in bytes; those that are asked for least go first.
    #[garde(range(min = 1))]
    pub max_bytes: u64,
    /// Larger ones are not kept, in bytes.
    #[garde(range(min = 1))]
    pub max_entry_bytes: u32,
    /// How many that are asked for often may wait to be fetched anew before they end, and when they were
    /// dropped because something has changed; 0 fetches none.
    #[garde(range(max = 10_000))]
    pub warm: usize,
}

impl Default for PreparedAnswers {
    fn default() -> Self {
        Self { enabled: true, max_bytes: 64 * 1024 * 1024, max_entry_bytes: 1024 * 1024, warm: 32 }
    }
}
