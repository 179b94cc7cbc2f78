//! Seats for a booking that was paid too late for its own, as its buyer agreed to.
//!
//! * Somebody wants the same seats: whose claim is first has them, and the other looks again. Each try is a
//!   savepoint of its own: what a try got is given back before the next one claims anything, so that all
//!   claim in ascending order and none waits for another in a circle.
//! * Somebody holds them: nobody's hold is broken up for this, as far as Redis can tell of holds. One that
//!   begins in this very moment ends as any that a booking outranks.

use kernel::{BookingId, SeatState};
use platform::faults::reach;
use sea_orm::{DatabaseTransaction, TransactionTrait};

use super::{App, AppError};
use crate::domain::booking::BookedSeat;
use crate::domain::equivalent::{equivalent, reseat};
use crate::domain::seats::{is_available, pack};
use crate::domain::show::Show;
use crate::store::allocations::{allocation_claim_free, allocation_list_taken};
use crate::store::booking_seats::booking_seats_replace;

/// Others may be faster so often.
const TRIES: u32 = 4;

impl App {
    /// The letters of a show's seats in Redis. Nothing when Redis is away: then PostgreSQL keeps the holds.
    pub(super) async fn seats_in_redis(&self, show: &Show) -> Option<Vec<u8>> {
        match self.seats.snapshot(show.id).await {
            Ok(map) => (!map.degraded).then(|| map.states.to_vec()),
            Err(error) => {
                tracing::warn!(show = %show.id, %error, "seats are looked for without the holds of Redis");
                None
            }
        }
    }

    /// Gives a locked booking, which owns no seats any more, others that are as good as the `booked` ones,
    /// and claims them. `None`, and nothing was done, when there are none.
    ///
    /// `in_redis` are the letters of all seats there, when they are known.
    pub(super) async fn seats_replace(
        &self,
        txn: &DatabaseTransaction,
        show: &Show,
        booking: BookingId,
        booked: &[BookedSeat],
        in_redis: Option<&[u8]>,
    ) -> Result<Option<Vec<BookedSeat>>, AppError> {
        for _ in 0..TRIES {
            let taken = allocation_list_taken(txn, show.id).await?;
            let taken = taken.into_iter().map(|taken| taken.seat_no);
            let held = (0..show.layout.seat_count() as u16)
                .filter(|seat| in_redis.is_some_and(|states| !is_available(states, *seat)));
            // What is over belongs to somebody, too, until it has been ended.
            let states = pack(show, taken.chain(held).map(|seat| (seat, SeatState::Held)));
            let Some(numbers) = equivalent(&show.layout, &states, booked) else { return Ok(None) };
            let Some(seats) = reseat(&show.layout, booked, &numbers) else { return Ok(None) };
            let attempt = txn.begin().await?;
            booking_seats_replace(&attempt, booking, &seats).await?;
            if allocation_claim_free(&attempt, booking, &numbers).await? == numbers.len() as u64 {
                attempt.commit().await?;
                reach("confirm.equivalent_claimed").await;
                return Ok(Some(seats));
            }
            attempt.rollback().await?;
        }
        Ok(None)
    }
}
