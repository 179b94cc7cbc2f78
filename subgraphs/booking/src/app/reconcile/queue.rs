//! The queue of a person: what reconciliation found and could not repair.

use kernel::FindingId;

use crate::app::{App, AppError};
use crate::domain::finding::Finding;
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

    /// Ends a finding that a person has dealt with. It comes back when what both sides say changes.
    ///
    /// # Errors
    /// [`ResolveError`].
    pub async fn finding_resolve(&self, id: FindingId, note: &str) -> Result<Finding, ResolveError> {
        let note = note.trim();
        if note.is_empty() {
            return Err(ResolveError::EmptyNote);
        }
        let (pg, now) = (&self.deps.pg, self.deps.clock.now());
        let done = finding_resolve(pg, id, note, now).await.map_err(AppError::from)?;
        let finding = finding_get(pg, id).await.map_err(AppError::from)?.ok_or(ResolveError::Unknown(id))?;
        if !done {
            return Err(ResolveError::Resolved(Box::new(finding)));
        }
        tracing::info!(finding = %id, cause = finding.cause.as_str(), "resolved by a person");
        Ok(finding)
    }
}
