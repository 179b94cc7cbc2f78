//! Durable holds and claims that give way: their time is over, or somebody outranks them.
//!
//! Each ends in a transaction that locks only what belongs to it, never in that of whoever wants
//! the seats: see ADR 6. Nothing depends on the job's being done in time.

use std::collections::{BTreeMap, BTreeSet};

use kernel::{BookingId, HoldId, ShowId};
use platform::faults::reach;

use crate::app::seats::count_ended;
use crate::app::{App, AppError};
use crate::domain::audit::{Actor, Reason};
use crate::domain::show::Show;
use crate::store::allocations::{Owner, allocation_owners};
use crate::store::hold_lists::{hold_list_of_show, hold_list_overdue};
use crate::store::holds::{DurableHold, Ending, hold_end};

/// Who ends holds that nobody else wants.
const JOB: Actor = Actor::system("booking-durable-holds");
/// Holds ended at a time.
const BATCH: u32 = 200;

impl App {
    /// Ends those of these owners of one show whose time is over, and tells which they were.
    pub(crate) async fn owners_end_overdue(
        &self,
        show: &Show,
        owners: &[Owner],
        actor: Actor,
    ) -> Result<BTreeSet<Owner>, AppError> {
        let (bookings, holds) = apart(owners);
        let cause = actor.clone().because(Reason::HoldLapsed);
        let expired = hold_end(&self.deps.pg, show.id, &holds, Ending::Expired, &cause).await?;
        self.holds_ended(&expired).await;
        let lapsed = self.claims_expire(show, &bookings, actor).await?;
        let holds = expired.iter().map(|durable| Owner::Hold(durable.hold.id));
        Ok(holds.chain(lapsed.into_iter().map(Owner::Booking)).collect())
    }

    /// Makes way for a booking whose money was captured: claims to its seats that are over end, and
    /// then, unless another booking owns a seat, the durable holds (ADR 10). Tells whether the way was
    /// free then.
    pub(crate) async fn owners_outrank(
        &self,
        show: &Show,
        booking: BookingId,
        seats: &[u16],
        actor: Actor,
    ) -> Result<bool, AppError> {
        let owners = self.owners_besides(show.id, booking, seats).await?;
        self.owners_end_overdue(show, &owners, actor.clone()).await?;
        // That took its time: others may have come.
        let (bookings, holds) = apart(&self.owners_besides(show.id, booking, seats).await?);
        if !bookings.is_empty() {
            return Ok(false);
        }
        let cause = actor.because(Reason::Outranked);
        let lost = hold_end(&self.deps.pg, show.id, &holds, Ending::Lost, &cause).await?;
        self.holds_ended(&lost).await;
        Ok(true)
    }

    /// Who else has these seats.
    async fn owners_besides(
        &self,
        show: ShowId,
        booking: BookingId,
        seats: &[u16],
    ) -> Result<Vec<Owner>, AppError> {
        let owners = allocation_owners(&self.deps.pg, show, seats).await?;
        let others =
            owners.into_iter().map(|(_, owner)| owner).filter(|owner| *owner != Owner::Booking(booking));
        Ok(others.collect())
    }

    /// Ends all durable holds of a show that was called off.
    pub(crate) async fn holds_end_of_show(&self, show: ShowId, actor: &Actor) -> Result<(), AppError> {
        let holds: Vec<HoldId> =
            hold_list_of_show(&self.deps.pg, show).await?.iter().map(|durable| durable.hold.id).collect();
        let cause = actor.clone().because(Reason::ShowCancelled);
        let lost = hold_end(&self.deps.pg, show, &holds, Ending::Lost, &cause).await?;
        self.holds_ended(&lost).await;
        Ok(())
    }

    /// Ends all durable holds whose time is over.
    pub(super) async fn holds_expire_all(&self) -> Result<(), AppError> {
        let cause = JOB.because(Reason::HoldLapsed);
        loop {
            let overdue = hold_list_overdue(&self.deps.pg, BATCH).await?;
            let found = overdue.len();
            let mut by_show: BTreeMap<ShowId, Vec<HoldId>> = BTreeMap::new();
            for hold in overdue {
                by_show.entry(hold.show()).or_default().push(hold);
            }
            let mut ended = 0;
            let mut outcome = Ok(());
            for (show, holds) in by_show {
                // A show in which that fails does not hold up the others.
                match hold_end(&self.deps.pg, show, &holds, Ending::Expired, &cause).await {
                    Ok(expired) => {
                        ended += expired.len();
                        self.holds_ended(&expired).await;
                    }
                    Err(error) => outcome = Err(error),
                }
            }
            outcome?;
            // None ended: others did that.
            if found < BATCH as usize || ended == 0 {
                return Ok(());
            }
        }
    }

    async fn holds_ended(&self, ended: &[DurableHold]) {
        if ended.is_empty() {
            return;
        }
        reach("durable_hold.ended").await;
        metrics::counter!("booking_durable_holds_ended_total").increment(ended.len() as u64);
        for end in ended.iter().filter_map(DurableHold::end) {
            count_ended(end, 1);
        }
        for durable in ended {
            self.hold_tell(durable).await;
        }
    }
}

fn apart(owners: &[Owner]) -> (Vec<BookingId>, Vec<HoldId>) {
    let (mut bookings, mut holds) = (BTreeSet::new(), BTreeSet::new());
    for owner in owners {
        match owner {
            Owner::Booking(booking) => drop(bookings.insert(*booking)),
            Owner::Hold(hold) => drop(holds.insert(*hold)),
        }
    }
    (bookings.into_iter().collect(), holds.into_iter().collect())
}
