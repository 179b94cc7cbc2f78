//! Reconciliation: records of the same thing, kept in two places, are compared and brought together.
//!
//! * [`intents`] and [`refunds`]: the provider's lists against ours, in both directions.
//! * [`bookings`]: what was paid against what was given for it, and what should have ended.
//! * [`oversold`]: who has tickets against who owns seats.
//! * [`seats`]: who owns seats against what the seat maps show.
//! * [`backlog`]: events and messages that nobody takes.
//!
//! A difference becomes a finding. Those that can be repaired are, by the very message or call that
//! was lost; a finding ends when it is looked at again and the records agree. The others wait for a
//! person ([`queue`]).
//!
//! * Two passes at once, or one that is repeated: findings are unique by cause and subject, and what
//!   a repair tells has an id that follows from what it tells of.
//! * The process dies in between: a repair that is only a message commits with the note that it was
//!   tried; any other is tried again, and may be.
//! * Something under way is taken for lost: what changed within the grace is left alone, and what is
//!   told twice is applied once.

mod backlog;
mod bookings;
mod intents;
mod oversold;
mod pass;
mod queue;
mod recheck;
mod refunds;
mod seats;
mod walk;

use platform::{Queue, faults};

use super::{App, AppError};
pub use pass::{Found, Repair, Report, Skipped, Why};
pub use queue::ResolveError;

use pass::Pass;

impl App {
    /// Makes all comparisons once, and tells what came of it. `queues` are those whose dead letters
    /// are counted. A comparison that something away keeps from being made is skipped.
    ///
    /// # Errors
    /// When PostgreSQL is away.
    pub async fn reconcile(&self, queues: &[Queue]) -> Result<Report, AppError> {
        let mut pass = Pass::begin(self).await?;
        let done = pass.intents().await;
        pass.note("intents", done);
        faults::reach("reconcile.intents").await;
        let done = pass.refunds().await;
        pass.note("refunds", done);
        faults::reach("reconcile.refunds").await;
        let done = pass.bookings().await;
        pass.note("bookings", done);
        faults::reach("reconcile.bookings").await;
        let done = pass.oversold().await;
        pass.note("oversold", done);
        let done = pass.seats().await;
        pass.note("seats", done);
        let done = pass.outbox().await;
        pass.note("outbox", done);
        let done = pass.dead_letters(queues).await;
        pass.note("dead_letters", done);
        let done = pass.recheck().await;
        pass.note("recheck", done);
        pass.finish().await
    }
}
