//! Bookings to look at: who may see which, and what belongs to them.

use graphql_kit::{Identity, Role, Scope};
use kernel::{BookingId, UserId};

use super::live::Watcher;
use super::{App, AppError};
use crate::domain::booking::{BookedSeat, Booking};
use crate::domain::payment::{Payment, Refund};
use crate::domain::ticket::Ticket;
use crate::store::booking_seats::booking_seat_list;
use crate::store::bookings::{booking_get, booking_list};
use crate::store::payments::payment_list;
use crate::store::refunds::refund_list;
use crate::store::tickets::ticket_list;

/// Those who help at the counter or on the phone.
const HELPERS: [Role; 2] = [Role::Staff, Role::Admin];

/// May the caller see what this account booked?
pub(crate) fn may_see_of(caller: &Identity, account: UserId) -> bool {
    is_own(caller, account) || caller.has_any(&HELPERS)
}

/// May the caller see this booking?
pub(crate) fn may_see(caller: &Identity, booking: &Booking) -> bool {
    may_see_of(caller, booking.user)
}

/// Is it the account of the caller, who may see its bookings?
fn is_own(caller: &Identity, account: UserId) -> bool {
    account == caller.user_id && caller.may(Scope::BookingsWrite)
}

impl App {
    /// A booking for its owner or for staff. For everybody else it does not exist.
    ///
    /// # Errors
    /// When the store is away.
    pub async fn booking_visible(
        &self,
        caller: &Identity,
        id: BookingId,
    ) -> Result<Option<Booking>, AppError> {
        let booking = booking_get(&self.deps.pg, id).await?;
        Ok(booking.filter(|booking| may_see(caller, booking)))
    }

    /// Begins to watch a booking; for its owner only.
    ///
    /// # Errors
    /// When the store is away.
    pub async fn booking_watch(
        &self,
        caller: &Identity,
        id: BookingId,
    ) -> Result<Option<BookingWatch>, AppError> {
        // First the watcher, then the state: a change in between is noticed.
        let watcher = self.live.watch(id);
        let booking = booking_get(&self.deps.pg, id).await?;
        Ok(booking
            .filter(|booking| is_own(caller, booking.user))
            .map(|current| BookingWatch { current, watcher }))
    }

    /// Those of these bookings that exist, in no order. Whoever asks decides who may see them.
    ///
    /// # Errors
    /// When the store is away.
    pub async fn bookings(&self, ids: &[BookingId]) -> Result<Vec<Booking>, AppError> {
        Ok(booking_list(&self.deps.pg, ids).await?)
    }

    /// The seats of these bookings, ascending within a booking.
    ///
    /// # Errors
    /// When the store is away.
    pub async fn seats_of(&self, ids: &[BookingId]) -> Result<Vec<(BookingId, BookedSeat)>, AppError> {
        Ok(booking_seat_list(&self.deps.pg, ids).await?)
    }

    /// The payments of these bookings, the latest of a booking last.
    ///
    /// # Errors
    /// When the store is away.
    pub async fn payments_of(&self, ids: &[BookingId]) -> Result<Vec<Payment>, AppError> {
        Ok(payment_list(&self.deps.pg, ids).await?)
    }

    /// The refunds of these bookings, the latest of a booking last.
    ///
    /// # Errors
    /// When the store is away.
    pub async fn refunds_of(&self, ids: &[BookingId]) -> Result<Vec<Refund>, AppError> {
        Ok(refund_list(&self.deps.pg, ids).await?)
    }

    /// The valid tickets of these bookings, ascending by seat within a booking.
    ///
    /// # Errors
    /// When the store is away.
    pub async fn tickets_of(&self, ids: &[BookingId]) -> Result<Vec<Ticket>, AppError> {
        Ok(ticket_list(&self.deps.pg, ids).await?)
    }
}

/// A booking that its owner watches.
pub struct BookingWatch {
    current: Booking,
    watcher: Watcher,
}

impl BookingWatch {
    /// The booking as it was seen last.
    pub fn current(&self) -> &Booking {
        &self.current
    }

    /// Waits for the next change, and gives the booking as it is then.
    ///
    /// # Errors
    /// When the store is away.
    pub async fn next(&mut self, app: &App) -> Result<&Booking, AppError> {
        loop {
            self.watcher.changed().await;
            let now = booking_get(&app.deps.pg, self.current.id).await?;
            // A repeated message tells nothing new.
            if let Some(now) = now.filter(|now| now.version > self.current.version) {
                self.current = now;
                return Ok(&self.current);
            }
        }
    }
}
