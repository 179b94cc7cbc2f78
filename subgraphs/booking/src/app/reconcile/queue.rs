//! The queue of a person: what reconciliation found and could not repair.

use kernel::FindingId;
use sea_orm::TransactionTrait;

use crate::app::{App, AppError};
use crate::domain::audit::{Actor, Change, Entry, FindingState, Reason};
use crate::domain::finding::Finding;
use crate::store::audit::audit_append;
use crate::store::findings::{finding_get, finding_list, finding_list_open, finding_resolve};

/// Findings that are listed at once.
const MOST_LISTED: u32 = 1_000;

/// Why a finding was not resolved.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// There is no such finding.
    #[error("there is no finding {0}")]
    Unknown(FindingId),
    /// It came to its end before.
    #[error("{} is resolved already", .0.id)]
    Resolved(Box<Finding>),
    /// A person who has dealt with something has something to say.
    #[error("say in the note what was done")]
    EmptyNote,
    /// And a name.
    #[error("say by whom it was done")]
    Nobody,
    /// It could not be carried out.
    #[error(transparent)]
    App(#[from] AppError),
}

impl App {
    /// Open findings, the oldest first; with `all` also those that are resolved, the latest first.
    ///
    /// # Errors
    /// When the store is away.
    pub async fn findings(&self, all: bool) -> Result<Vec<Finding>, AppError> {
        if all {
            return Ok(finding_list(&self.deps.pg, MOST_LISTED).await?);
        }
        let mut open = finding_list_open(&self.deps.pg, MOST_LISTED).await?;
        open.sort_by_key(|finding| (finding.first_seen, finding.id));
        Ok(open)
    }

    /// Ends a finding that the person `by` has dealt with, and tells the audit trail of the booking
    /// that it names. It comes back when what both sides say changes.
    ///
    /// # Errors
    /// [`ResolveError`].
    pub async fn finding_resolve(
        &self,
        id: FindingId,
        note: &str,
        by: &str,
    ) -> Result<Finding, ResolveError> {
        let (note, by) = (note.trim(), by.trim());
        if note.is_empty() {
            return Err(ResolveError::EmptyNote);
        }
        if by.is_empty() {
            return Err(ResolveError::Nobody);
        }
        let txn = self.deps.pg.begin().await.map_err(AppError::from)?;
        let done = finding_resolve(&txn, id, note, by).await.map_err(AppError::from)?;
        let finding =
            finding_get(&txn, id).await.map_err(AppError::from)?.ok_or(ResolveError::Unknown(id))?;
        if !done {
            return Err(ResolveError::Resolved(Box::new(finding)));
        }
        if let Some(booking) = finding.booking().filter(|booking| booking.show() == id.show()) {
            let (from, to) = (Some(FindingState::Open), FindingState::Resolved);
            let change = Change::Finding { id, booking, from, to };
            let cause = Actor::Operator(by.to_owned()).because(Reason::Resolved);
            let entry = Entry { change, seats: Vec::new(), cause };
            audit_append(&txn, &[entry]).await.map_err(AppError::from)?;
        }
        txn.commit().await.map_err(AppError::from)?;
        tracing::info!(finding = %id, cause = finding.cause.as_str(), by, "resolved by a person");
        Ok(finding)
    }
}
