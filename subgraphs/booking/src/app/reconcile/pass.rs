//! One pass of reconciliation: what it knows, what it found, and how findings begin and end.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use events::{Envelope, Event};
use kernel::{EventId, FindingId, ShowId};
use platform::{faults, outbox};
use sea_orm::TransactionTrait;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::app::{App, AppError};
use crate::domain::audit::Actor;
use crate::domain::finding::{Cause, Finding, Resolution, Scope, Subject};
use crate::payments::Range;
use crate::store::findings::{
    Seen, finding_close, finding_counts, finding_list_open, finding_mark_repaired, finding_record,
};
use crate::store::{SCHEMA, now};

/// Who repairs.
pub(super) const ACTOR: Actor = Actor::system("booking.reconcile");
/// Batches that one comparison reads in one pass; the next pass goes on.
pub(super) const MOST_BATCHES: usize = 500;
/// Open findings that one pass knows of.
const MOST_OPEN: u32 = 1_000;

/// What came of a pass.
#[derive(Debug, Default)]
pub struct Report {
    /// What is wrong, found now or before.
    pub found: Vec<Found>,
    /// What is right again.
    pub resolved: Vec<(FindingId, Cause, Resolution)>,
    /// Comparisons that could not be made, or not to the end.
    pub skipped: Vec<Skipped>,
    /// Seats of coming shows that more than one can claim; `None` when they were not counted.
    pub oversold: Option<u64>,
}

/// Something that is wrong.
#[derive(Debug, Clone)]
pub struct Found {
    /// The finding.
    pub id: FindingId,
    /// Why it is one.
    pub cause: Cause,
    /// What it is about.
    pub subject: Subject,
    /// Is it news?
    pub is_new: bool,
    /// What came of its repair, if this pass tried one.
    pub repair: Option<Repair>,
}

/// What came of a repair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repair {
    /// It was made. Whether that worked is seen by the next pass.
    Made,
    /// There was nothing that it could do; the next pass tries again.
    Void,
    /// It could not be made; the next pass tries again.
    Failed,
}

impl Repair {
    /// The name in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Made => "made",
            Self::Void => "void",
            Self::Failed => "failed",
        }
    }
}

/// A comparison that could not be made, or not to the end.
#[derive(Debug)]
pub struct Skipped {
    /// Which one.
    pub comparison: &'static str,
    /// Of what, when it was made of everything else.
    pub subject: Option<String>,
    /// Why.
    pub why: Why,
}

/// Why something was not compared.
#[derive(Debug, thiserror::Error)]
pub enum Why {
    /// There was more than one pass reads; the next goes on.
    #[error("not to the end: the next pass goes on")]
    Unfinished,
    /// It could not be read, or what was found could not be written down.
    #[error(transparent)]
    Failed(#[from] AppError),
}

/// A finding that is to be repaired now.
#[derive(Debug, Clone, Copy)]
pub(super) struct Due {
    pub id: FindingId,
    pub cause: Cause,
}

/// One pass.
pub(super) struct Pass<'a> {
    pub app: &'a App,
    /// When it began, by the clock of the database, as are all times that it compares.
    pub now: DateTime<Utc>,
    /// What was open when it began, those first that were not seen for longest.
    pub open: Vec<Finding>,
    /// The shows of the open findings of a subject.
    shows: BTreeMap<Subject, BTreeSet<ShowId>>,
    /// Subjects of open findings that this pass has looked at.
    pub looked_at: BTreeSet<Subject>,
    pub(super) report: Report,
}

impl<'a> Pass<'a> {
    pub(super) async fn begin(app: &'a App) -> Result<Self, AppError> {
        let open = finding_list_open(&app.deps.pg, MOST_OPEN).await?;
        let mut shows: BTreeMap<Subject, BTreeSet<ShowId>> = BTreeMap::new();
        for finding in &open {
            shows.entry(finding.subject.clone()).or_default().insert(finding.id.show());
        }
        let now = now(&app.deps.pg).await?;
        Ok(Self { app, now, open, shows, looked_at: BTreeSet::new(), report: Report::default() })
    }

    /// What changed since then may be under way.
    pub(super) fn settled_before(&self) -> DateTime<Utc> {
        self.now - self.app.config.reconcile.grace()
    }

    /// What should have ended by itself is late when it has not since then.
    pub(super) fn late_before(&self) -> DateTime<Utc> {
        self.now - self.app.config.reconcile.patience()
    }

    /// What is older is not looked at.
    pub(super) fn window_from(&self) -> DateTime<Utc> {
        self.now - self.app.config.reconcile.window()
    }

    pub(super) fn batch(&self) -> u32 {
        self.app.config.reconcile.batch
    }

    /// The part of a provider's list that comes after `after`.
    pub(super) fn range<'b>(&self, after: Option<&'b str>) -> Range<'b> {
        Range { from: self.window_from(), before: self.settled_before(), after, limit: self.batch() }
    }

    /// Are there open findings about it?
    pub(super) fn is_open(&self, subject: &Subject) -> bool {
        self.shows.contains_key(subject)
    }

    /// Takes the outcome of a comparison: one that fails must not keep the others from being made.
    pub(super) fn note(&mut self, comparison: &'static str, done: Result<(), AppError>) {
        let Err(error) = done else { return };
        if error.is_unavailable() {
            tracing::warn!(comparison, %error, "not compared now");
        } else {
            tracing::error!(comparison, %error, "cannot be compared");
        }
        self.skip(comparison, None, error.into());
    }

    /// Takes the outcome of one thing's comparison: one that cannot be compared must not keep the
    /// others from it for good.
    ///
    /// # Errors
    /// When something is away, and with it the others.
    pub(super) fn note_one(
        &mut self,
        comparison: &'static str,
        subject: &impl ToString,
        done: Result<(), AppError>,
    ) -> Result<(), AppError> {
        match done {
            Err(error) if !error.is_unavailable() => {
                let subject = subject.to_string();
                tracing::error!(comparison, subject, %error, "cannot be compared");
                self.skip(comparison, Some(subject), error.into());
                Ok(())
            }
            done => done,
        }
    }

    /// There is more than one pass reads.
    pub(super) fn unfinished(&mut self, comparison: &'static str) {
        tracing::info!(comparison, "not compared to the end: the next pass goes on");
        self.skip(comparison, None, Why::Unfinished);
    }

    fn skip(&mut self, comparison: &'static str, subject: Option<String>, why: Why) {
        metrics::counter!("booking_reconciliation_skipped_total", "comparison" => comparison).increment(1);
        self.report.skipped.push(Skipped { comparison, subject, why });
    }

    /// Writes down what is wrong with `subject` now, by all `causes` of its scope, and ends what was
    /// wrong and no longer is. Gives what is to be repaired: not what was repaired a moment ago, as
    /// that may be under way, nor what a person has dealt with.
    pub(super) async fn judge(
        &mut self,
        show: ShowId,
        subject: &Subject,
        causes: &[Cause],
        detail: &Value,
    ) -> Result<Vec<Due>, AppError> {
        let mut due = Vec::new();
        for cause in causes {
            let id = FindingId::new(show, self.app.deps.ids.local());
            let seen = Seen { id, cause: *cause, subject, detail };
            let known = finding_record(&self.app.deps.pg, &seen).await?;
            if known.is_settled {
                continue;
            }
            let (id, cause, is_new) = (known.id, *cause, known.is_new);
            if is_new {
                metrics::counter!("booking_reconciliation_findings_total", "cause" => cause.as_str())
                    .increment(1);
                tracing::warn!(finding = %id, cause = cause.as_str(), %subject, %detail, "records disagree");
            }
            // A booking may be looked at for more than one reason.
            if !self.report.found.iter().any(|found| found.id == id) {
                self.report.found.push(Found { id, cause, subject: subject.clone(), is_new, repair: None });
            }
            let rests = known.repaired_at.is_some_and(|at| at > self.late_before());
            if cause.is_repairable() && !rests {
                due.push(Due { id, cause });
            }
        }
        self.close(show, subject, causes).await?;
        Ok(due)
    }

    /// Ends what was found of `subject`, except by `causes`.
    async fn close(&mut self, show: ShowId, subject: &Subject, causes: &[Cause]) -> Result<(), AppError> {
        let mut shows = self.shows.get(subject).cloned().unwrap_or_default();
        if !shows.is_empty() {
            self.looked_at.insert(subject.clone());
        }
        // What a person has acknowledged of these is over when it is over, and news when it comes
        // back; there are few of them.
        if matches!(subject.scope(), Scope::Outbox | Scope::Queue) {
            shows.insert(show);
        }
        for of_show in shows {
            let right: Vec<Cause> = Cause::ALL
                .iter()
                .copied()
                .filter(|cause| cause.scope() == subject.scope())
                .filter(|cause| of_show != show || !causes.contains(cause))
                .collect();
            for closed in finding_close(&self.app.deps.pg, of_show, subject, &right).await? {
                let (id, cause, resolution) = closed;
                tracing::info!(
                    finding = %id,
                    cause = cause.as_str(),
                    %subject,
                    resolution = resolution.as_str(),
                    "records agree again"
                );
                self.report.resolved.push(closed);
            }
        }
        Ok(())
    }

    /// An event that a repair tells. Its id follows from `what` it tells of and from when that last
    /// changed here, so that telling it again is as good as telling it once, and yet is news when
    /// what it led to was undone.
    pub(super) fn event<E: Event>(
        &self,
        what: &[&str],
        changed_at: DateTime<Utc>,
        event: &E,
    ) -> Result<Envelope, AppError> {
        let what = format!("{}\n{}", what.join("\n"), changed_at.timestamp_micros());
        let digest = Sha256::digest(what.as_bytes());
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest[..16]);
        // RFC 9562, 5.8: a UUID of our own making is of version 8.
        let id = uuid::Builder::from_custom_bytes(bytes).into_uuid();
        Ok(Envelope::new(EventId::from_uuid(id), self.now, event)?)
    }

    /// Repairs by a message, in one transaction with the note of it.
    pub(super) async fn tell(&mut self, due: Due, event: &Envelope) -> Result<(), AppError> {
        let txn = self.app.deps.pg.begin().await?;
        outbox::append(&txn, SCHEMA, event).await?;
        finding_mark_repaired(&txn, due.id).await?;
        faults::reach("reconcile.told").await;
        txn.commit().await?;
        outbox::wake(SCHEMA);
        self.repaired(due, Repair::Made);
        Ok(())
    }

    /// Takes the outcome of any other repair: whether it changed anything. One that fails is tried
    /// again by the next pass; it must not keep the others from being made.
    pub(super) async fn attempted(&mut self, due: Due, done: Result<bool, AppError>) -> Result<(), AppError> {
        match done {
            Ok(true) => {
                faults::reach("reconcile.repaired").await;
                finding_mark_repaired(&self.app.deps.pg, due.id).await?;
                self.repaired(due, Repair::Made);
            }
            Ok(false) => self.repaired(due, Repair::Void),
            Err(error @ AppError::Store(_)) if error.is_unavailable() => return Err(error),
            Err(error) => {
                tracing::warn!(finding = %due.id, cause = due.cause.as_str(), %error, "not repaired");
                self.repaired(due, Repair::Failed);
            }
        }
        Ok(())
    }

    fn repaired(&mut self, due: Due, repair: Repair) {
        let (cause, outcome) = (due.cause.as_str(), repair.as_str());
        metrics::counter!("booking_reconciliation_repairs_total", "cause" => cause, "outcome" => outcome)
            .increment(1);
        match repair {
            Repair::Made => tracing::info!(finding = %due.id, cause, "repair made"),
            Repair::Void => tracing::info!(finding = %due.id, cause, "nothing could be repaired"),
            Repair::Failed => {}
        }
        for found in self.report.found.iter_mut().filter(|found| found.id == due.id) {
            found.repair = Some(repair);
        }
    }

    pub(super) async fn finish(self) -> Result<Report, AppError> {
        let counts: BTreeMap<Cause, u64> = finding_counts(&self.app.deps.pg).await?.into_iter().collect();
        for cause in Cause::ALL {
            let open = counts.get(cause).copied().unwrap_or_default();
            metrics::gauge!("booking_reconciliation_findings_open", "cause" => cause.as_str())
                .set(open as f64);
        }
        // Another process may lead by now: what the latest pass says holds.
        metrics::gauge!("booking_reconciliation_last_pass_timestamp_seconds")
            .set(self.now.timestamp() as f64);
        Ok(self.report)
    }
}

/// An id that was put into the detail of a finding.
pub(super) fn in_detail<T: std::str::FromStr>(detail: &Value, key: &str) -> Option<T> {
    detail.get(key)?.as_str()?.parse().ok()
}
