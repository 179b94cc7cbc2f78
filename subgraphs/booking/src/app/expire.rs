//! Claims that lapsed unpaid.
//!
//! Nothing depends on this being done in time: an overdue claim gives way to whoever wants the
//! seats, see [`App::checkout`], and a late payment finds its way. It makes seats visibly free.

use std::collections::BTreeMap;
use std::time::Duration;

use events::Envelope;
use events::booking::BookingExpired;
use futures::future::try_join_all;
use futures::{StreamExt, stream};
use kernel::{BookingId, ShowId};
use platform::faults::{mutant, reach};
use platform::outbox;
use sea_orm::TransactionTrait;

use super::checkout::seat_numbers;
use super::facts::{booking_facts, show_facts};
use super::{App, AppError};
use crate::domain::audit::{Actor, Reason};
use crate::domain::booking::{BookedSeat, Booking, BookingStatus};
use crate::domain::show::Show;
use crate::store::SCHEMA;
use crate::store::booking_seats::booking_seat_list;
use crate::store::claims::{booking_list_overdue, booking_lock_overdue};
use crate::store::sales::booking_release;

/// Who ends claims that nobody else wants.
const JOB: Actor = Actor::system("booking-claim-expiry");
/// Claims ended in one transaction, and looked for at a time.
const BATCH: u32 = 200;
/// Bookings that Redis is told of at the same time.
const ANNOUNCED_AT_ONCE: usize = 16;

impl App {
    /// Ends all claims that are overdue now, batch by batch.
    ///
    /// # Errors
    /// When the store is away.
    pub async fn claims_expire_all(&self) -> Result<(), AppError> {
        loop {
            let overdue = booking_list_overdue(&self.deps.pg, Duration::ZERO, BATCH).await?;
            let found = overdue.len();
            let mut by_show: BTreeMap<ShowId, Vec<BookingId>> = BTreeMap::new();
            for booking in overdue {
                by_show.entry(booking.show()).or_default().push(booking);
            }
            let mut ended = 0;
            let mut failure = None;
            for (show, bookings) in by_show {
                match self.claims_expire_of(show, &bookings).await {
                    Ok(expired) => ended += expired,
                    // One show must not hold up the others.
                    Err(error) => failure = Some(error),
                }
            }
            if let Some(error) = failure {
                return Err(error);
            }
            // None ended: what is left is being worked on by others.
            if found < BATCH as usize || ended == 0 {
                return Ok(());
            }
        }
    }

    async fn claims_expire_of(&self, show: ShowId, bookings: &[BookingId]) -> Result<usize, AppError> {
        let show = self.show(show).await?;
        Ok(self.claims_expire(&show, bookings, JOB).await?.len())
    }

    /// Ends those of these bookings of one show that are overdue, and tells which they were.
    /// Those that another transaction works on are left alone. `actor` is who wants them to end.
    pub(crate) async fn claims_expire(
        &self,
        show: &Show,
        bookings: &[BookingId],
        actor: Actor,
    ) -> Result<Vec<BookingId>, AppError> {
        if bookings.is_empty() {
            return Ok(Vec::new());
        }
        let txn = self.deps.pg.begin().await?;
        let overdue = booking_lock_overdue(&txn, show.id, bookings).await?;
        if overdue.is_empty() {
            txn.rollback().await?;
            return Ok(Vec::new());
        }
        reach("expire.locked").await;
        let expired = overdue
            .iter()
            .map(|booking| booking.advance(BookingStatus::Expired))
            .collect::<Result<Vec<_>, _>>()?;
        let ids: Vec<BookingId> = expired.iter().map(|booking| booking.id).collect();
        let seats = group(booking_seat_list(&txn, &ids).await?);
        booking_release(&txn, show.id, &expired, &actor.because(Reason::ClaimLapsed)).await?;
        let events = expired
            .iter()
            .map(|booking| {
                let seats = seats.get(&booking.id).map_or(&[][..], Vec::as_slice);
                self.envelope(&BookingExpired {
                    booking: booking_facts(show, booking, seats),
                    show: show_facts(show),
                })
            })
            .collect::<Result<Vec<_>, _>>()?;
        if !self.published_early(&events).await {
            outbox::append_all(&txn, SCHEMA, &events).await?;
        }
        reach("expire.updated").await;
        txn.commit().await?;
        outbox::wake(SCHEMA);
        reach("expire.committed").await;
        metrics::counter!("booking_claims_expired_total").increment(expired.len() as u64);
        self.announce_all(&expired, &seats).await;
        Ok(ids)
    }

    /// The deliberate bug `publish_before_commit`: whoever reads the booking because of its event finds
    /// it as it was.
    async fn published_early(&self, events: &[Envelope]) -> bool {
        if !mutant("publish_before_commit") {
            return false;
        }
        let publishing = events.iter().map(|event| self.deps.rabbit.publish(event));
        try_join_all(publishing).await.is_ok()
    }

    /// Tells Redis and watchers of several bookings.
    pub(crate) async fn announce_all(
        &self,
        bookings: &[Booking],
        seats: &BTreeMap<BookingId, Vec<BookedSeat>>,
    ) {
        let announce = async |booking: &Booking| {
            let seats = seats.get(&booking.id).map(|seats| seat_numbers(seats)).unwrap_or_default();
            self.announce(booking, &seats).await;
        };
        stream::iter(bookings).for_each_concurrent(ANNOUNCED_AT_ONCE, announce).await;
    }
}

/// Seats by booking.
pub(crate) fn group(seats: Vec<(BookingId, BookedSeat)>) -> BTreeMap<BookingId, Vec<BookedSeat>> {
    let mut by_booking: BTreeMap<BookingId, Vec<BookedSeat>> = BTreeMap::new();
    for (booking, seat) in seats {
        by_booking.entry(booking).or_default().push(seat);
    }
    by_booking
}
