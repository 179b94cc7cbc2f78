//! Cancelling a booking: seats free, tickets void, money on its way back.
//!
//! * Repeated, with whatever key: the booking is cancelled already, and the answer is the refund
//!   that the first time decided. The key is used for this booking from then on. A refusal uses none.
//! * At the same time as a payment: one comes first. A payment that comes second finds the
//!   booking cancelled and goes back.
//! * The process dies after the commit: `refund.requested` and `booking.cancelled` are in the
//!   outbox; the one moves the money, the other tells Redis.

use std::collections::{BTreeMap, BTreeSet};
use std::slice;

use chrono::{DateTime, Utc};
use events::Envelope;
use events::booking::{BookingCancelled, RefundCause};
use graphql_kit::{Identity, Scope};
use kernel::{BookingId, Money, PaymentId};
use platform::faults::reach;
use platform::outbox;
use sea_orm::{ConnectionTrait, TransactionTrait};

use super::checkout::is_key;
use super::facts::{booking_facts, show_facts};
use super::{App, AppError};
use crate::domain::audit::Actor;
use crate::domain::booking::{BookedSeat, Booking, BookingStatus};
use crate::domain::payment::{Payment, PaymentStatus, Refund};
use crate::domain::refund_policy::{self, Initiator};
use crate::domain::show::{Show, ShowStatus};
use crate::store::booking_seats::booking_seats;
use crate::store::bookings::booking_lock;
use crate::store::cancel_keys::cancel_key_use;
use crate::store::payments::payment_list;
use crate::store::refunds::refund_list;
use crate::store::sales::booking_release;
use crate::store::{SCHEMA, StoreError};

/// Who wants to cancel what.
#[derive(Debug, Clone)]
pub struct CancelRequest {
    /// The caller.
    pub who: Identity,
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

/// On which terms bookings are cancelled, and by whom.
pub(crate) struct Terms {
    /// How much of what was paid comes back.
    pub percent: u32,
    /// Why.
    pub cause: RefundCause,
    /// Who cancels.
    pub actor: Actor,
}

/// What became of bookings that were to be cancelled together.
#[derive(Default)]
pub(crate) struct CancelledAll {
    /// Those that are.
    pub done: Vec<Cancelled>,
    /// What to tell of them.
    pub events: Vec<Envelope>,
    /// Those that are confirmed although no payment of theirs is kept: a person has to look.
    pub unpaid: Vec<BookingId>,
}

/// Why a booking is not cancelled.
#[derive(Debug, thiserror::Error)]
pub enum CancelError {
    /// The idempotency key is empty, too long or has control characters.
    #[error("not an idempotency key")]
    InvalidKey,
    /// The caller may not cancel.
    #[error("this API key may not cancel bookings")]
    Forbidden,
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
        if !request.who.may(Scope::BookingsWrite) {
            return Err(CancelError::Forbidden);
        }
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
            .filter(|booking| booking.user == request.who.user_id)
            .ok_or(CancelError::NotFound)?;
        let key = &request.idempotency_key;
        if cancel_key_use(&txn, booking.user, key, booking.id).await? != booking.id {
            return Err(CancelError::KeyReused);
        }
        if matches!(booking.status, BookingStatus::Cancelled | BookingStatus::Refunded) {
            let refund = refund_list(&txn, &[booking.id]).await?.into_iter().max_by_key(is_of_cancellation);
            txn.commit().await?;
            return Ok(Cancelled { booking, refund });
        }
        reach("cancel.booking_locked").await;
        let percent = self.cancellable(&booking, &show)?;
        let seats = BTreeMap::from([(booking.id, booking_seats(&txn, booking.id).await?)]);
        let terms = Terms { percent, cause: RefundCause::Cancelled, actor: Actor::User(request.who.user_id) };
        let all = self.cancel_locked(&txn, &show, slice::from_ref(&booking), &seats, &terms).await?;
        let [cancelled] = <[_; 1]>::try_from(all.done)
            .map_err(|_| StoreError::corrupt("confirmed booking without payment", booking.id))?;
        outbox::append_all(&txn, SCHEMA, &all.events).await?;
        reach("cancel.updated").await;
        txn.commit().await?;
        outbox::wake(SCHEMA);
        reach("cancel.committed").await;
        metrics::counter!("booking_cancellations_total", "initiator" => "buyer").increment(1);
        tracing::info!(booking = %booking.id, percent, "booking cancelled");
        self.announce_all(slice::from_ref(&cancelled.booking), &seats).await;
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
                refund_policy::refund_percent(initiator, booking.read_at, show.starts_at)
                    .ok_or(CancelError::Closed { until: refund_policy::cancellable_until(show.starts_at) })
            }
            _ => Err(CancelError::Ended),
        }
    }

    /// Cancels locked bookings of one show that own seats, in as many statements as for one.
    pub(crate) async fn cancel_locked<C: ConnectionTrait>(
        &self,
        conn: &C,
        show: &Show,
        bookings: &[Booking],
        seats: &BTreeMap<BookingId, Vec<BookedSeat>>,
        terms: &Terms,
    ) -> Result<CancelledAll, AppError> {
        let paid = self.paid_for(conn, bookings).await?;
        let (can, cannot): (Vec<&Booking>, Vec<&Booking>) =
            bookings.iter().partition(|booking| !is_paid(booking) || paid.contains_key(&booking.id));
        let cancelled = can
            .iter()
            .map(|booking| booking.advance(BookingStatus::Cancelled))
            .collect::<Result<Vec<_>, _>>()?;
        let cause = terms.actor.clone().because(terms.cause.into());
        booking_release(conn, show.id, &cancelled, &cause).await?;
        reach("cancel.released").await;

        let mut owed = Vec::with_capacity(paid.len());
        for payment in can.iter().filter_map(|booking| paid.get(&booking.id)) {
            let amount = refund_policy::refund_amount(payment.amount, terms.percent)?;
            if amount.minor() > 0 {
                owed.push((payment, amount));
            }
        }
        let now = cancelled.iter().map(|booking| booking.read_at).max().unwrap_or_default();
        let owed = self.refunds_owe(conn, &owed, now, terms.cause, &terms.actor).await?;
        reach("cancel.refund_owed").await;
        let mut refunds: BTreeMap<BookingId, (Refund, Option<Envelope>)> =
            owed.into_iter().map(|(refund, event)| (refund.booking, (refund, event))).collect();

        let mut all = CancelledAll {
            unpaid: cannot.iter().map(|booking| booking.id).collect(),
            ..CancelledAll::default()
        };
        for booking in cancelled {
            let (refund, event) = refunds.remove(&booking.id).unzip();
            all.events.extend(event.flatten());
            all.events.push(self.envelope(&BookingCancelled {
                booking: booking_facts(show, &booking, seats.get(&booking.id).map_or(&[], Vec::as_slice)),
                show: show_facts(show),
                refund: refund.as_ref().map(|refund| refund.amount),
                cause: terms.cause,
            })?);
            all.done.push(Cancelled { booking, refund });
        }
        Ok(all)
    }

    /// What was paid for each of these bookings that costs something: the payment that bought the
    /// tickets. A booking may have others, which bought nothing: they were of another amount, or
    /// went back when they came.
    async fn paid_for<C: ConnectionTrait>(
        &self,
        conn: &C,
        bookings: &[Booking],
    ) -> Result<BTreeMap<BookingId, Payment>, AppError> {
        let totals: BTreeMap<BookingId, Money> =
            bookings.iter().filter(|booking| is_paid(booking)).map(|b| (b.id, b.total)).collect();
        let ids: Vec<BookingId> = totals.keys().copied().collect();
        let returned: BTreeSet<PaymentId> =
            refund_list(conn, &ids).await?.into_iter().map(|refund| refund.payment).collect();
        let mut paid = BTreeMap::new();
        for payment in payment_list(conn, &ids).await? {
            if payment.status == PaymentStatus::Succeeded
                && totals.get(&payment.booking) == Some(&payment.amount)
                && !returned.contains(&payment.id)
            {
                paid.entry(payment.booking).or_insert(payment);
            }
        }
        Ok(paid)
    }
}

/// Does it give back what the tickets cost? (Others give back what bought none.)
fn is_of_cancellation(refund: &Refund) -> bool {
    matches!(refund.cause, RefundCause::Cancelled | RefundCause::ShowCancelled)
}

/// Was money taken for it?
fn is_paid(booking: &Booking) -> bool {
    booking.status == BookingStatus::Confirmed && booking.total.minor() > 0
}
