//! Booking's copy of shows follows the catalog.

use events::Envelope;
use events::show::{ShowCancelled, ShowSnapshot};
use platform::HandlerError;

use super::{App, AppError};
use crate::store::shows::{show_cancel, show_upsert};

impl App {
    /// Applies `show.scheduled` and `show.changed`. An older revision changes nothing, so neither
    /// repeats nor the order matter. A repetition still sees to the seat map: the first one may
    /// have died before it did.
    ///
    /// # Errors
    /// When the store or Redis is away.
    pub async fn show_follow(&self, show: &ShowSnapshot) -> Result<(), AppError> {
        show_upsert(&self.deps.pg, show).await?;
        self.seats.show_changed(show.show_id, show.revision).await?;
        Ok(())
    }

    /// Applies `show.cancelled`: nothing is sold from now on, and everybody gets their money back.
    ///
    /// # Errors
    /// When it has to come again; also when it overtook the event that tells of the show.
    pub async fn show_cancelled(&self, envelope: &Envelope) -> Result<(), HandlerError> {
        let ShowCancelled { show_id, revision, reason } = envelope.decode()?;
        let reason = reason.as_deref();
        if !show_cancel(&self.deps.pg, show_id, revision, reason).await.map_err(AppError::from)? {
            return Err(AppError::UnknownShow(show_id).into());
        }
        self.shows.forget(show_id).await;
        self.bookings_cancel_all(show_id).await?;
        Ok(())
    }
}
