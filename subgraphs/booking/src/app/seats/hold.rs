//! Holding seats.
//!
//! How seats and their user's limits are kept together, [`super::place`] says.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use graphql_kit::Identity;
use kernel::{HoldId, SeatId, SeatKind, ShowId, UserId};
use platform::faults::reach;

use super::{HoldRefusal, Limit, Seats, SeatsError, place::Given};
use crate::domain::{
    hold::{Hold, HoldEnd, is_durable},
    seats::choose,
    show::{Show, ShowStatus},
};
use crate::store::{
    holds::hold_get,
    seats::{Extended, HoldRecord, Released, Room, Wanted},
};

impl Seats {
    /// The show that somebody wants seats of.
    ///
    /// # Errors
    /// [`HoldRefusal::UnknownShow`], [`HoldRefusal::Failed`].
    pub async fn show_to_hold(&self, id: ShowId) -> Result<Arc<Show>, HoldRefusal> {
        self.show(id).await.map_err(|error| match error {
            SeatsError::UnknownShow(_) => HoldRefusal::UnknownShow,
            error => error.into(),
        })
    }

    /// The seats of these ids, if they can ever be held together.
    ///
    /// # Errors
    /// [`HoldRefusal::Choice`].
    pub(crate) fn choose(&self, show: &Show, seats: &[SeatId]) -> Result<Vec<u16>, HoldRefusal> {
        Ok(choose(show, seats, self.inner.rules.max_seats)?)
    }

    /// Holds `seats` (ascending), all or none. The same request again gives the same hold.
    ///
    /// # Errors
    /// [`HoldRefusal`].
    pub async fn hold(
        &self,
        who: &Identity,
        show: &Show,
        seats: &[u16],
        key: &str,
    ) -> Result<Hold, HoldRefusal> {
        self.hold_wanted(who, show, Wanted::Seats(seats), key).await
    }

    /// Holds the best block of `quantity` adjacent seats: of `kind`, or of any kind but
    /// wheelchair and companion places. What is best, [`crate::domain::best_available`] says.
    ///
    /// # Errors
    /// [`HoldRefusal`].
    pub async fn best_available(
        &self,
        who: &Identity,
        show: &Show,
        quantity: u16,
        kind: Option<SeatKind>,
        key: &str,
    ) -> Result<Hold, HoldRefusal> {
        self.hold_wanted(who, show, Wanted::Best { quantity, kind }, key).await
    }

    /// Either of the two.
    ///
    /// # Errors
    /// [`HoldRefusal`].
    pub(crate) async fn hold_wanted(
        &self,
        who: &Identity,
        show: &Show,
        wanted: Wanted<'_>,
        key: &str,
    ) -> Result<Hold, HoldRefusal> {
        let given = self.place(who, show, wanted, key).await;
        metrics::counter!("booking_holds_total", "outcome" => label(&given)).increment(1);
        given.map(|given| given.hold)
    }

    /// Lets a hold live for another full time, within the longest life of a hold.
    ///
    /// # Errors
    /// [`HoldRefusal`].
    pub async fn extend(&self, who: &Identity, id: HoldId) -> Result<Hold, HoldRefusal> {
        let rules = &self.inner.rules;
        match self.inner.store.hold_extend(id, who.user_id, rules.ttl, rules.longest).await? {
            Extended::Held(hold) => {
                reach("extend.extended").await;
                self.keep_room(id, who.user_id, hold.expires_at).await;
                Ok(hold)
            }
            Extended::Limit => Err(self.too_long()),
            Extended::Gone(end) => Err(HoldRefusal::Gone(end)),
            Extended::None => Err(HoldRefusal::NotFound),
        }
    }

    /// A hold has lived as long as it may.
    pub(crate) fn too_long(&self) -> HoldRefusal {
        HoldRefusal::Limit(Limit::Life { minutes: self.inner.rules.longest.as_secs().div_ceil(60) })
    }

    /// Gives the seats of a hold back. Once is as good as twice.
    ///
    /// # Errors
    /// [`HoldRefusal`].
    pub async fn release(&self, who: &Identity, id: HoldId) -> Result<(), HoldRefusal> {
        match self.inner.store.hold_release(id, who.user_id).await? {
            done @ (Released::Done | Released::Gone(HoldEnd::Released)) => {
                if done == Released::Done {
                    count_ended(HoldEnd::Released, 1);
                }
                reach("release.released").await;
                self.give_room_back(&[(id, who.user_id)]).await;
                Ok(())
            }
            Released::Gone(end) => Err(HoldRefusal::Gone(end)),
            Released::None => Err(HoldRefusal::NotFound),
        }
    }

    /// A hold of Redis that lives now.
    ///
    /// # Errors
    /// [`SeatsError`].
    pub async fn hold_get(&self, id: HoldId) -> Result<Option<Hold>, SeatsError> {
        Ok(match self.inner.store.hold_get(id).await? {
            Some(HoldRecord::Live { hold, .. }) => Some(hold),
            Some(HoldRecord::Gone { .. }) | None => None,
        })
    }

    /// The holds have ended: their owners may hold as much again.
    pub(super) async fn give_room_back(&self, ended: &[(HoldId, UserId)]) {
        for (hold, user) in ended {
            if let Err(error) = self.inner.store.user_release(*hold, *user).await {
                tracing::warn!(%hold, %error, "the limits of a user are tight for a while");
            }
        }
    }

    /// The seats of the hold count against the limits of its owner until then. Room that was
    /// given back stays so.
    pub(super) async fn keep_room(&self, hold: HoldId, user: UserId, until: DateTime<Utc>) {
        if let Err(error) = self.try_keep_room(hold, user, until).await {
            tracing::warn!(%hold, %error, "the limits of a user are loose for a while");
        }
    }

    async fn try_keep_room(
        &self,
        hold: HoldId,
        user: UserId,
        until: DateTime<Utc>,
    ) -> Result<(), SeatsError> {
        let left = (until - self.inner.clock.now()).to_std().unwrap_or_default();
        let remember = self.inner.rules.remember().max(left);
        if is_durable(hold) {
            // Redis may not have heard of it before.
            if let Some(durable) = hold_get(&self.inner.pg, hold).await? {
                self.inner.store.user_note(&durable, Room::Until(until), remember).await?;
            }
        } else {
            self.inner.store.user_extend(hold, user, until, remember).await?;
        }
        Ok(())
    }

    /// Whether Redis knows of a hold, or of what became of it.
    pub(crate) async fn hold_is_known(&self, id: HoldId) -> Result<bool, SeatsError> {
        Ok(self.inner.store.hold_get(id).await?.is_some())
    }

    /// Refuses a hold of so many seats to somebody who has these in each show already.
    pub(crate) fn check_limits(
        &self,
        show: ShowId,
        seats: u16,
        usage: &[(ShowId, u32)],
    ) -> Result<(), HoldRefusal> {
        let limits = self.inner.rules.limits;
        let others = usage.iter().filter(|(other, _)| *other != show).count();
        if usage.iter().map(|(_, seats)| seats).sum::<u32>() + u32::from(seats) > limits.seats.into() {
            return Err(HoldRefusal::Limit(Limit::Seats { max: limits.seats }));
        }
        if others >= limits.shows.into() {
            return Err(HoldRefusal::Limit(Limit::Shows { max: limits.shows }));
        }
        Ok(())
    }

    /// Refuses what can never be held. Tells how many seats there would be.
    pub(crate) fn check(&self, show: &Show, wanted: Wanted<'_>) -> Result<u16, HoldRefusal> {
        let max = self.inner.rules.max_seats;
        let quantity = match wanted {
            Wanted::Seats(seats) => u16::try_from(seats.len()).unwrap_or(u16::MAX),
            Wanted::Best { quantity, .. } => quantity,
        };
        if !(1..=max).contains(&quantity) {
            return Err(HoldRefusal::InvalidQuantity { max });
        }
        if show.status == ShowStatus::Cancelled {
            return Err(HoldRefusal::ShowCancelled);
        }
        if !show.is_open(self.inner.clock.now()) {
            return Err(HoldRefusal::ShowStarted);
        }
        Ok(quantity)
    }
}

/// How a request to hold ended, for metrics: a repetition is no further hold.
pub(crate) fn label(given: &Result<Given, HoldRefusal>) -> &'static str {
    match given {
        Ok(Given { is_new: true, .. }) => "held",
        Ok(Given { is_new: false, .. }) => "repeated",
        Err(refusal) => refusal.label(),
    }
}

/// Holds have ended in this way, each for the first time.
pub(crate) fn count_ended(end: HoldEnd, holds: usize) {
    if holds > 0 {
        metrics::counter!("booking_holds_ended_total", "reason" => end.label()).increment(holds as u64);
    }
}
