//! Booking's copy of shows follows the catalog.

use events::Envelope;
use events::show::{ShowCancelled, ShowSnapshot};
use platform::HandlerError;
use platform::faults::reach;

use super::{App, AppError};
use crate::domain::audit::{Actor, Reason};
use crate::store::shows::{show_cancel, show_upsert};

const CONSUMER: &str = "booking.shows";

impl App {
    /// Applies `show.scheduled` and `show.changed`. An older revision changes nothing, so neither
    /// repeats nor the order matter. A repetition still sees to the seat map: the first one may
    /// have died before it did.
    ///
    /// # Errors
    /// When the store or Redis is away.
    pub async fn show_follow(&self, show: &ShowSnapshot) -> Result<(), AppError> {
        show_upsert(&self.deps.pg, show).await?;
        reach("show.stored").await;
        self.seats.show_changed(show.show_id, show.revision).await?;
        Ok(())
    }

    /// Applies `show.cancelled`: the seat map closes, nothing is sold from now on, and everybody gets
    /// their money back.
    ///
    /// # Errors
    /// When it has to come again; also when it overtook the event that tells of the show.
    pub async fn show_cancelled(&self, envelope: &Envelope) -> Result<(), HandlerError> {
        let ShowCancelled { show_id, revision, reason } = envelope.decode()?;
        let reason = reason.as_deref();
        let actor = Actor::system(CONSUMER);
        let cause = actor.clone().because(Reason::ShowCancelled);
        let cancelled = show_cancel(&self.deps.pg, show_id, revision, reason, &cause).await;
        let Some(revision) = cancelled.map_err(AppError::from)? else {
            return Err(AppError::UnknownShow(show_id).into());
        };
        // First the map, so that nobody goes on choosing; but nobody waits for their money because
        // Redis is away.
        reach("show_cancel.stored").await;
        let closed = self.seats.show_changed(show_id, revision).await;
        reach("show_cancel.closed").await;
        self.holds_end_of_show(show_id, &actor).await?;
        self.bookings_cancel_all(show_id, &actor).await?;
        Ok(closed.map_err(AppError::from)?)
    }
}
