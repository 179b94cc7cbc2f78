//! A cancelled show: every booking that owns seats ends, and what was paid comes back in full.
//!
//! Done in batches, each in a transaction; a batch takes only bookings that still own seats, so
//! it can be repeated after a crash. A checkout or a payment at the same moment sees the show
//! cancelled, or is seen here.

use events::booking::RefundCause;
use kernel::ShowId;
use platform::outbox;
use sea_orm::TransactionTrait;

use super::expire::group;
use super::{App, AppError};
use crate::store::SCHEMA;
use crate::store::booking_seats::booking_seat_list;
use crate::store::bookings::booking_lock_owning;

const BATCH: u32 = 50;

impl App {
    /// Cancels all bookings of a show that own seats.
    pub(crate) async fn bookings_cancel_all(&self, id: ShowId) -> Result<(), AppError> {
        let show = self.show(id).await?;
        loop {
            let txn = self.deps.pg.begin().await?;
            let bookings = booking_lock_owning(&txn, id, BATCH).await?;
            if bookings.is_empty() {
                txn.rollback().await?;
                return Ok(());
            }
            let ids: Vec<_> = bookings.iter().map(|booking| booking.id).collect();
            let seats = group(booking_seat_list(&txn, &ids).await?);
            let mut events = Vec::new();
            let mut cancelled = Vec::with_capacity(bookings.len());
            for booking in &bookings {
                let seats = seats.get(&booking.id).map_or(&[][..], Vec::as_slice);
                let (done, told) =
                    self.cancel_locked(&txn, &show, booking, seats, 100, RefundCause::ShowCancelled).await?;
                cancelled.push(done.booking);
                events.extend(told);
            }
            outbox::append_all(&txn, SCHEMA, &events).await?;
            txn.commit().await?;
            outbox::wake(SCHEMA);
            metrics::counter!("booking_cancellations_total", "initiator" => "theater")
                .increment(cancelled.len() as u64);
            tracing::info!(show = %id, bookings = cancelled.len(), "bookings of a cancelled show ended");
            self.announce_all(&cancelled, &seats).await;
        }
    }
}
