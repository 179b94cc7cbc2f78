//! A cancelled show: every booking that owns seats ends, and what was paid comes back in full.
//!
//! Done in batches, each in a transaction; a batch takes only bookings that still own seats, so
//! after a crash between any two of them the message comes again and goes on with the rest. A
//! checkout or a payment at the same moment is seen here, or sees the show cancelled: a booking
//! made in between gets its money back when it is paid, and ends when it is not.

use events::booking::RefundCause;
use kernel::{BookingId, ShowId};
use platform::faults::{mutant, reach};
use platform::outbox;
use sea_orm::TransactionTrait;

use super::cancel::Terms;
use super::expire::group;
use super::{App, AppError};
use crate::domain::audit::Actor;
use crate::domain::booking::Booking;
use crate::domain::show::Show;
use crate::store::booking_seats::booking_seat_list;
use crate::store::bookings::booking_lock_owning;
use crate::store::{SCHEMA, StoreError};

/// Bookings that end in one transaction.
const BATCH: u32 = 100;

/// One way through the bookings of a show.
#[derive(Default)]
struct Pass {
    cancelled: usize,
    /// A booking that is confirmed without a payment. The others do not wait for it.
    unpaid: Option<BookingId>,
}

impl App {
    /// Cancels all bookings of a show that own seats. `actor` is who does it.
    ///
    /// # Errors
    /// When the store is away; and in the end, when a booking could not be cancelled.
    pub(crate) async fn bookings_cancel_all(&self, id: ShowId, actor: &Actor) -> Result<(), AppError> {
        let show = self.show(id).await?;
        // Checkouts that still saw the show on sale may commit meanwhile, with any number.
        loop {
            let pass = self.bookings_cancel_pass(&show, actor).await?;
            if pass.cancelled == 0 {
                return match pass.unpaid {
                    None => Ok(()),
                    Some(id) => Err(StoreError::corrupt("confirmed booking without payment", id).into()),
                };
            }
        }
    }

    async fn bookings_cancel_pass(&self, show: &Show, actor: &Actor) -> Result<Pass, AppError> {
        let terms = Terms { percent: 100, cause: RefundCause::ShowCancelled, actor: actor.clone() };
        let mut pass = Pass::default();
        let mut after = None;
        loop {
            let txn = self.deps.pg.begin().await?;
            let bookings = booking_lock_owning(&txn, show.id, after, BATCH).await?;
            let Some(last) = bookings.last().filter(|_| !mutant("keep_bookings")) else {
                txn.rollback().await?;
                return Ok(pass);
            };
            after = Some(last.id);
            let ids: Vec<_> = bookings.iter().map(|booking| booking.id).collect();
            let seats = group(booking_seat_list(&txn, &ids).await?);
            let all = self.cancel_locked(&txn, show, &bookings, &seats, &terms).await?;
            outbox::append_all(&txn, SCHEMA, &all.events).await?;
            reach("show_cancel.batch_updated").await;
            txn.commit().await?;
            outbox::wake(SCHEMA);
            reach("show_cancel.batch_committed").await;
            let cancelled: Vec<Booking> = all.done.into_iter().map(|done| done.booking).collect();
            metrics::counter!("booking_cancellations_total", "initiator" => "theater")
                .increment(cancelled.len() as u64);
            tracing::info!(show = %show.id, bookings = cancelled.len(), "bookings of a cancelled show ended");
            for id in &all.unpaid {
                tracing::error!(booking = %id, "confirmed without a payment: a person has to look at it");
            }
            pass.cancelled += cancelled.len();
            pass.unpaid = pass.unpaid.or_else(|| all.unpaid.first().copied());
            self.announce_all(&cancelled, &seats).await;
        }
    }
}
