//! After a commit: Redis and watchers learn what PostgreSQL decided.
//!
//! The process may die between the commit and this. Then the event about the commit, which is in
//! the outbox, does the same through [`App::booking_sync`]; the booking's version makes whichever
//! comes later a no-op.

use kernel::BookingId;
use platform::faults::reach;

use super::checkout::seat_numbers;
use super::seats::Target;
use super::{App, AppError};
use crate::domain::booking::{Booking, BookingStatus, claim_shown_until};
use crate::store::booking_seats::booking_seats;
use crate::store::bookings::booking_get;

impl App {
    /// Tells Redis and watchers of a committed state. What fails is left to the event.
    pub(crate) async fn announce(&self, booking: &Booking, seats: &[u16]) {
        self.seats.stored_changed(booking.id.show());
        if self.seats.is_away() {
            return;
        }
        if let Err(error) = self.announce_now(booking, seats).await {
            metrics::counter!("booking_announcements_failed_total").increment(1);
            tracing::warn!(booking = %booking.id, %error, "announcement left to the event");
        }
    }

    async fn announce_now(&self, booking: &Booking, seats: &[u16]) -> Result<(), AppError> {
        let target = match booking.status {
            BookingStatus::PendingPayment => Target::Claimed { until: claim_shown_until(booking.expires_at) },
            BookingStatus::Confirmed => Target::Sold,
            BookingStatus::Cancelled
            | BookingStatus::Refunded
            | BookingStatus::Expired
            | BookingStatus::Failed => Target::Freed,
        };
        let origin = Some((booking.hold, booking.user));
        reach("announce.begun").await;
        self.seats.apply(booking.id, booking.version, seats, target, origin).await?;
        reach("announce.applied").await;
        self.live.publish(booking.id).await?;
        Ok(())
    }

    /// Makes sure that Redis and watchers know of this version of a booking. Nearly always Redis does, by
    /// whoever decided it; then nothing has to be read.
    ///
    /// # Errors
    /// When PostgreSQL or Redis is away.
    pub async fn booking_sync_version(&self, id: BookingId, version: i64) -> Result<(), AppError> {
        if !self.seats.is_told(id, version).await? {
            return self.booking_sync(id).await;
        }
        // Whoever told Redis may have died before it told the watchers.
        self.live.publish(id).await?;
        Ok(())
    }

    /// Tells Redis and watchers how a booking stands now.
    ///
    /// # Errors
    /// When PostgreSQL or Redis is away.
    pub async fn booking_sync(&self, id: BookingId) -> Result<(), AppError> {
        let Some(booking) = booking_get(&self.deps.pg, id).await? else { return Ok(()) };
        let seats = booking_seats(&self.deps.pg, id).await?;
        self.announce_now(&booking, &seat_numbers(&seats)).await
    }
}
