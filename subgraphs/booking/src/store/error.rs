//! The one error of the storage layer.

use sea_orm::DbErr;

/// Why the store could not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// PostgreSQL refused or is away; `platform::pg::is_unavailable` tells which.
    #[error("database: {0}")]
    Db(#[from] DbErr),
    /// A stored value breaks a rule of the domain: a bug or tampering.
    #[error("stored {what} is not valid: {value}")]
    Corrupt {
        /// Which column or document.
        what: &'static str,
        /// What was found.
        value: String,
    },
    /// A row that this transaction had locked was not as it had read it: a bug.
    #[error("changed {changed} rows instead of {expected}")]
    Stale {
        /// Rows that changed.
        changed: u64,
        /// Rows that should have.
        expected: u64,
    },
}

impl StoreError {
    /// A stored value that does not parse.
    pub(crate) fn corrupt(what: &'static str, value: impl std::fmt::Display) -> Self {
        Self::Corrupt { what, value: value.to_string() }
    }

    /// Fails unless a statement changed as many rows as it had to.
    pub(crate) fn expect_rows(changed: u64, expected: u64) -> Result<(), Self> {
        if changed == expected { Ok(()) } else { Err(Self::Stale { changed, expected }) }
    }

    /// Is PostgreSQL away (as opposed to refusing)?
    pub fn is_unavailable(&self) -> bool {
        matches!(self, Self::Db(error) if platform::pg::is_unavailable(error))
    }

    /// Did PostgreSQL give a statement up because it took too long?
    pub fn is_statement_timeout(&self) -> bool {
        matches!(self, Self::Db(error) if platform::pg::is_statement_timeout(error))
    }

    /// Did the transaction lose against another one? Then it may be run again from its start.
    pub fn is_contention(&self) -> bool {
        matches!(self, Self::Db(error) if platform::pg::is_contention(error))
    }
}
