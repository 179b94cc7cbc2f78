//! The one error of the store.

use sea_orm::DbErr;

/// Why the store could not do it.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum StoreError {
    /// PostgreSQL refused or is away.
    #[error("database: {0}")]
    Db(#[from] DbErr),
    /// A stored value breaks a rule of the domain: a bug, or a hand in the database.
    #[error("stored {what} is not valid: {value}")]
    Corrupt {
        /// Which column.
        what: &'static str,
        /// What was found.
        value: String,
    },
}

impl StoreError {
    pub(crate) fn corrupt(what: &'static str, value: impl std::fmt::Display) -> Self {
        Self::Corrupt { what, value: value.to_string() }
    }

    /// Whether the same request may work later.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::Db(error) => platform::pg::is_unavailable(error) || platform::pg::is_contention(error),
            Self::Corrupt { .. } => false,
        }
    }
}
