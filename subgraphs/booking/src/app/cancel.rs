//! Cancelling a booking: seats free, tickets void, money on its way back.
//!
//! * Repeated, with whatever key: the booking is cancelled already, and the answer is the refund
//!   that the first time decided.
//! * At the same time as a payment: one comes first. A payment that comes second finds the
//!   booking cancelled and goes back.
//! * The process dies after the commit: `refund.requested` and `booking.cancelled` are in the
//!   outbox; the one moves the money, the other tells Redis.

use chrono::{DateTime, Utc};
use events::Envelope;
use events::booking::{BookingCancelled, RefundCause};
use kernel::{BookingId, UserId};
use platform::outbox;
use sea_orm::{ConnectionTrait, TransactionTrait};

use super::checkout::{is_key, seat_numbers};
use super::facts::{booking_facts, show_facts};
use super::{App, AppError};
use crate::domain::booking::{BookedSeat, Booking, BookingStatus};
use crate::domain::payment::{PaymentStatus, Refund};
use crate::domain::refund_policy::{self, Initiator};
use crate::domain::show::{Show, ShowStatus};
use crate::store::booking_seats::booking_seats;
use crate::store::bookings::{booking_lock, booking_set_cancel_key};
use crate::store::payments::payment_list;
use crate::store::refunds::refund_list;
use crate::store::sales::booking_release;
use crate::store::{SCHEMA, StoreError};

/// Who wants to cancel what.
#[derive(Debug, Clone)]
pub struct CancelRequest {
    /// The caller.
    pub user: UserId,
    /// The booking.
    pub booking: BookingId,
    /// The client's key for this cancellation.
    pub idempotency_key: String,
}

/// A cancelled booking.
#[derive(Debug, Clone)]
pub struct Cancelled {
    /// The booking.
    pub booking: Booking,
    /// What comes back; nothing when nothing was paid.
    pub refund: Option<Refund>,
}

/// Why a booking is not cancelled.
#[derive(Debug, thiserror::Error)]
pub enum CancelError {
    /// The idempotency key is empty, too long or has control characters.
    #[error("not an idempotency key")]
    InvalidKey,
    /// The caller has no such booking.
    #[error("no such booking")]
    NotFound,
    /// It is too late.
    #[error("cancelling closed at {until}")]
    Closed {
        /// The last instant at which it could be cancelled.
        until: DateTime<Utc>,
    },
    /// It ended before it was paid: there is nothing to cancel.
    #[error("the booking ended unpaid")]
    Ended,
    /// The key was used to cancel another booking.
    #[error("the idempotency key was used for another request")]
    KeyReused,
    /// It could not be carried out.
    #[error(transparent)]
    App(#[from] AppError),
}

impl From<StoreError> for CancelError {
    fn from(error: StoreError) -> Self {
        Self::App(error.into())
    }
}

impl From<sea_orm::DbErr> for CancelError {
    fn from(error: sea_orm::DbErr) -> Self {
        Self::App(error.into())
    }
}

impl App {
    /// Cancels a booking for its owner.
    ///
    /// # Errors
    /// [`CancelError`].
    pub async fn booking_cancel(&self, request: &CancelRequest) -> Result<Cancelled, CancelError> {
        if !is_key(&request.idempotency_key) {
            return Err(CancelError::InvalidKey);
        }
        let show = match self.show(request.booking.show()).await {
            Ok(show) => show,
            Err(AppError::UnknownShow(_)) => return Err(CancelError::NotFound),
            Err(error) => return Err(error.into()),
        };
        let txn = self.deps.pg.begin().await?;
        let booking = booking_lock(&txn, request.booking)
            .await?
            .filter(|booking| booking.user == request.user)
            .ok_or(CancelError::NotFound)?;
        if matches!(booking.status, BookingStatus::Cancelled | BookingStatus::Refunded) {
            let refund = refund_list(&txn, &[booking.id]).await?.pop();
            txn.rollback().await?;
            return Ok(Cancelled { booking, refund });
        }
        let percent = self.cancellable(&booking, &show)?;
        if !booking_set_cancel_key(&txn, booking.id, &request.idempotency_key).await? {
            return Err(CancelError::KeyReused);
        }
        let seats = booking_seats(&txn, booking.id).await?;
        let (cancelled, events) =
            self.cancel_locked(&txn, &show, &booking, &seats, percent, RefundCause::Cancelled).await?;
        outbox::append_all(&txn, SCHEMA, &events).await?;
        txn.commit().await?;
        outbox::wake(SCHEMA);
        metrics::counter!("booking_cancellations_total", "initiator" => "buyer").increment(1);
        tracing::info!(booking = %booking.id, percent, "booking cancelled");
        self.announce(&cancelled.booking, &seat_numbers(&seats)).await;
        Ok(cancelled)
    }

    /// How many percent come back when the buyer cancels now.
    fn cancellable(&self, booking: &Booking, show: &Show) -> Result<u32, CancelError> {
        let initiator = match show.status {
            ShowStatus::Scheduled => Initiator::Buyer,
            ShowStatus::Cancelled => Initiator::Theater,
        };
        match booking.status {
            // Nothing was paid yet.
            BookingStatus::PendingPayment => Ok(100),
            BookingStatus::Confirmed => {
                refund_policy::refund_percent(initiator, self.deps.clock.now(), show.starts_at)
                    .ok_or(CancelError::Closed { until: refund_policy::cancellable_until(show.starts_at) })
            }
            _ => Err(CancelError::Ended),
        }
    }

    /// Cancels a locked booking that owns seats. Gives the events to append.
    pub(crate) async fn cancel_locked<C: ConnectionTrait>(
        &self,
        conn: &C,
        show: &Show,
        booking: &Booking,
        seats: &[BookedSeat],
        percent: u32,
        cause: RefundCause,
    ) -> Result<(Cancelled, Vec<Envelope>), AppError> {
        let cancelled = booking.advance(BookingStatus::Cancelled, self.deps.clock.now())?;
        booking_release(conn, show.id, std::slice::from_ref(&cancelled)).await?;
        let mut events = Vec::with_capacity(2);
        let mut refund = None;
        if booking.status == BookingStatus::Confirmed && booking.total.minor() > 0 {
            let paid = payment_list(conn, &[booking.id])
                .await?
                .into_iter()
                .find(|payment| payment.status == PaymentStatus::Succeeded && payment.amount == booking.total)
                .ok_or_else(|| StoreError::corrupt("confirmed booking without payment", booking.id))?;
            let amount = refund_policy::refund_amount(paid.amount, percent)?;
            if amount.minor() > 0 {
                let (owed, event) = self.refund_owe(conn, &paid, amount, cause).await?;
                refund = Some(owed);
                events.extend(event);
            }
        }
        events.push(self.envelope(&BookingCancelled {
            booking: booking_facts(show, &cancelled, seats),
            show: show_facts(show),
            refund: refund.as_ref().map(|refund| refund.amount),
            cause,
        })?);
        Ok((Cancelled { booking: cancelled, refund }, events))
    }
}
