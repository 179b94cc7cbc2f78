//! Telling Redis what PostgreSQL decided.

use kernel::{BookingId, HoldId, UserId};
use platform::faults::mutant;

use super::{Seats, SeatsError, count_ended};
use crate::domain::hold::HoldEnd;
use crate::store::seats::{Applied, Decision, Replace};

pub use crate::store::seats::Ownership as Target;

/// Attempts when Redis believes that another booking has a seat.
const ATTEMPTS: usize = 4;

impl Seats {
    /// Does Redis know this version of a booking, or a later one? Then all that it stands for is done in
    /// the seat map of a loaded show.
    ///
    /// # Errors
    /// [`SeatsError`].
    pub async fn is_told(&self, booking: BookingId, version: i64) -> Result<bool, SeatsError> {
        let told = self.inner.store.booking_version(booking).await?;
        Ok(told.is_some_and(|told| told >= version))
    }

    /// Tells Redis what was committed about a booking: from `version` on it has all of `seats`
    /// as `target` says, and no others.
    ///
    /// It may be told any number of times, late and in any order: of each booking the highest
    /// version stands. A hold that loses a seat by it is broken up. A show that is not loaded
    /// stays so: whoever loads it will know.
    ///
    /// `origin` is the hold that became the booking, and whose it was. Until the booking is paid
    /// or over, its seats count against what that user may hold: else one could claim a whole
    /// show, hold by hold, without paying.
    ///
    /// # Errors
    /// [`SeatsError`]; then it has to be told again.
    pub async fn apply(
        &self,
        booking: BookingId,
        version: i64,
        seats: &[u16],
        target: Target,
        origin: Option<(HoldId, UserId)>,
    ) -> Result<(), SeatsError> {
        if mutant("redis_not_told") {
            return Ok(());
        }
        let mut seats = seats.to_vec();
        seats.sort_unstable();
        let hold = origin.map(|(hold, _)| hold);
        let decision = Decision { booking, version, seats: &seats, ownership: target, origin: hold };
        if !matches!(target, Target::Claimed { .. }) {
            // Whatever Redis knows of it already: giving back twice is as good as once.
            self.give_room_back(origin.as_slice()).await;
        }
        for _ in 0..ATTEMPTS {
            match self.inner.store.booking_apply(decision).await? {
                Applied::Done { mut ended, ends_first } => {
                    if let (true, Target::Claimed { until }) = (ends_first, target)
                        && let Err(error) = self.inner.store.sweep_note(booking.show(), until).await
                    {
                        tracing::debug!(%error, "the sweeper does not know of a claim");
                    }
                    // Only here: a claim that is told late may have been paid for in the meantime.
                    if let (Target::Claimed { until }, Some((hold, user))) = (target, origin) {
                        ended.retain(|(other, _)| *other != hold);
                        self.keep_room(hold, user, until).await;
                    }
                    let lost = ended.iter().filter(|(other, _)| Some(*other) != hold).count();
                    count_ended(HoldEnd::Lost, lost);
                    self.give_room_back(&ended).await;
                    return Ok(());
                }
                Applied::Stale | Applied::Noted => return Ok(()),
                // One of two bookings is told of late. What PostgreSQL says now was committed after
                // both; a load by another that began before that is found out by the next attempt.
                Applied::Conflict { epoch } => {
                    self.inner.loader.load(booking.show(), Replace::Epoch(epoch)).await?;
                }
            }
        }
        // The show was just loaded with what PostgreSQL says, so nothing is wrong that buyers
        // could notice; but seats of a booking that are no seats of its show are worth a look.
        tracing::error!(%booking, version, "a booking has seats that its show does not give it");
        Ok(())
    }
}
