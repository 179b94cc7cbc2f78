//! Who owns seats against what the seat maps of loaded shows tell the audience.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use kernel::{BookingId, ShowId};
use serde_json::{Value, json};

use super::pass::{MOST_BATCHES, Pass};
use crate::app::AppError;
use crate::domain::finding::{Cause, Subject};
use crate::domain::reconcile::{SeatDifferences, seat_differences};
use crate::store::allocations::allocation_list;
use crate::store::cursors::{cursor_get, cursor_set};
use crate::store::seats::SeatStore;
use crate::store::standings::{seat_last_changes, show_list_current};

const CURSOR: &str = "seats";
/// How long after its end a show may still be loaded.
const KEPT: TimeDelta = TimeDelta::days(1);

impl Pass<'_> {
    /// Compares loaded shows, going on where the last pass stopped.
    pub(super) async fn seats(&mut self) -> Result<(), AppError> {
        let kept = cursor_get(&self.app.deps.pg, CURSOR).await?;
        let mut after: Option<ShowId> = kept.and_then(|text| text.parse().ok());
        for _ in 0..MOST_BATCHES {
            let shows = show_list_current(&self.app.deps.pg, after, self.now - KEPT, self.batch()).await?;
            self.seats_compare(&shows).await?;
            after = shows.last().copied().filter(|_| shows.len() == self.batch() as usize);
            let position = after.map(|show| show.to_string());
            cursor_set(&self.app.deps.pg, CURSOR, position.as_deref()).await?;
            if after.is_none() {
                return Ok(());
            }
        }
        self.unfinished(CURSOR);
        Ok(())
    }

    /// Compares those of `shows` that are loaded; the others show nothing, so nothing wrong.
    pub(super) async fn seats_compare(&mut self, shows: &[ShowId]) -> Result<(), AppError> {
        let loaded = SeatStore::new(self.app.deps.redis.clone()).states_of(shows).await?;
        for show in shows {
            let done = self.show_compare(*show, loaded.get(show).map(AsRef::as_ref)).await;
            self.note_one(CURSOR, show, done)?;
        }
        Ok(())
    }

    async fn show_compare(&mut self, show: ShowId, loaded: Option<&[u8]>) -> Result<(), AppError> {
        let differences = match loaded {
            // Most agree at first sight. What does not may have changed while we looked.
            Some(states) if self.differences(show, states).await? != SeatDifferences::default() => {
                let states = self.app.seats.snapshot(show).await?.states;
                let differences = self.differences(show, &states).await?;
                self.settled(show, differences).await?
            }
            _ => SeatDifferences::default(),
        };
        self.seats_judge(show, &differences).await
    }

    async fn differences(&self, show: ShowId, states: &[u8]) -> Result<SeatDifferences, AppError> {
        Ok(seat_differences(states, &self.owned(show).await?.keys().copied().collect::<Vec<_>>()))
    }

    /// Seats with an owner, and whether they are paid; without claims that have lapsed or are about
    /// to, which may be shown as free. (Redis has a clock of its own.)
    async fn owned(&self, show: ShowId) -> Result<BTreeMap<(u16, bool), BookingId>, AppError> {
        let allocations = allocation_list(&self.app.deps.pg, show).await?;
        let grace = self.app.config.reconcile.grace();
        let lasting =
            allocations.into_iter().filter(|a| a.claimed_until.is_none_or(|until| until > a.read_at + grace));
        Ok(lasting.map(|allocation| ((allocation.seat_no, allocation.sold), allocation.booking)).collect())
    }

    /// Those of the seats that no booking did anything about for a while: of the others Redis may
    /// be told right now.
    async fn settled(&self, show: ShowId, found: SeatDifferences) -> Result<SeatDifferences, AppError> {
        let changes = seat_last_changes(&self.app.deps.pg, show, &found.seats()).await?;
        let changes: BTreeMap<u16, DateTime<Utc>> = changes.into_iter().collect();
        let settled_before = self.settled_before();
        Ok(found.only(|seat| changes.get(&seat).is_none_or(|changed_at| *changed_at < settled_before)))
    }

    async fn seats_judge(&mut self, show: ShowId, found: &SeatDifferences) -> Result<(), AppError> {
        let mut causes = Vec::new();
        if !found.shown_free.is_empty() {
            causes.push(Cause::SeatsShownFree);
        }
        if !found.shown_sold.is_empty() {
            causes.push(Cause::SeatsShownSold);
        }
        let subject = Subject::Show(show);
        if causes.is_empty() && !self.is_open(&subject) {
            return Ok(());
        }
        for due in self.judge(show, &subject, &causes, &detail(found)).await? {
            let done = match due.cause {
                Cause::SeatsShownFree => self.owners_announce(show, &found.shown_free).await,
                _ => self.show_reload(show).await,
            };
            self.attempted(due, done).await?;
        }
        Ok(())
    }

    /// Tells Redis again of the bookings that own these seats. If it thinks that it knows better, the
    /// show is loaded anew.
    async fn owners_announce(&self, show: ShowId, seats: &[u16]) -> Result<bool, AppError> {
        let owned = self.owned(show).await?;
        let owners = owned.iter().filter(|((seat, _), _)| seats.contains(seat));
        for owner in owners.map(|(_, booking)| *booking).collect::<BTreeSet<_>>() {
            self.app.booking_sync(owner).await?;
        }
        let states = self.app.seats.snapshot(show).await?.states;
        if self.differences(show, &states).await?.shown_free.is_empty() {
            return Ok(true);
        }
        self.show_reload(show).await
    }

    async fn show_reload(&self, show: ShowId) -> Result<bool, AppError> {
        self.app.seats.reload(show).await?;
        Ok(true)
    }
}

fn detail(found: &SeatDifferences) -> Value {
    json!({ "shown_free": found.shown_free, "shown_sold": found.shown_sold })
}
