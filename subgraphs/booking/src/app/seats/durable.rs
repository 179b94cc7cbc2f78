//! What Redis learns of durable holds, and what the use cases of durable holds learn of Redis.

use std::time::Duration;

use kernel::ShowId;
use sea_orm::ConnectionTrait;

use super::{Seats, SeatsError, count_ended, stored::StoredMap};
use crate::domain::{audit::HoldState, hold::HoldEnd, show::Show};
use crate::store::{
    StoreError,
    holds::DurableHold,
    seats::{DurableTold, Replace, Room},
};

/// Attempts when Redis believes that somebody else has a seat.
const ATTEMPTS: usize = 4;

impl Seats {
    /// Does Redis not serve?
    pub(crate) fn is_away(&self) -> bool {
        self.inner.store.is_away()
    }

    /// How long a hold lives, and how long it can when it is extended.
    pub(crate) fn lifetimes(&self) -> (Duration, Duration) {
        (self.inner.rules.ttl, self.inner.rules.longest)
    }

    /// How long the idempotency key of a hold is remembered.
    pub(crate) fn remember(&self) -> Duration {
        self.inner.rules.remember()
    }

    /// The seats as PostgreSQL knows them now.
    pub(crate) async fn stored_map<C: ConnectionTrait>(
        &self,
        conn: &C,
        show: &Show,
    ) -> Result<StoredMap, StoreError> {
        self.inner.stored.read(conn, show).await
    }

    /// Seats of the show changed hands in PostgreSQL: whoever reads them there from now on sees it.
    pub(crate) fn stored_changed(&self, show: ShowId) {
        self.inner.stored.changed(show);
    }

    /// Tells Redis what was committed about a durable hold. It may be told any number of times, late
    /// and in any order: the later state stands. Holds of Redis that want a seat of it are broken
    /// up.
    ///
    /// # Errors
    /// [`SeatsError`]; then it has to be told again.
    pub(crate) async fn durable_hold_tell(&self, durable: &DurableHold) -> Result<(), SeatsError> {
        let hold = &durable.hold;
        self.stored_changed(hold.id.show());
        for _ in 0..ATTEMPTS {
            match self.inner.store.durable_hold_apply(durable).await? {
                DurableTold::Done { ended, ends_first } => {
                    if ends_first
                        && let Err(error) = self.inner.store.sweep_note(hold.id.show(), hold.expires_at).await
                    {
                        tracing::debug!(%error, "the sweeper does not know of a hold");
                    }
                    count_ended(HoldEnd::Lost, ended.len());
                    self.give_room_back(&ended).await;
                    return self.durable_hold_count(durable).await;
                }
                DurableTold::Known | DurableTold::Noted => return self.durable_hold_count(durable).await,
                DurableTold::Stale => return Ok(()),
                // What PostgreSQL says now was committed after all that contradicts itself here.
                DurableTold::Conflict { epoch } => {
                    self.inner.loader.load(hold.id.show(), Replace::Epoch(epoch)).await?;
                }
            }
        }
        // The show was just loaded with what PostgreSQL says: nothing is left to tell.
        tracing::warn!(hold = %hold.id, "a durable hold has seats that its show does not give it");
        Ok(())
    }

    /// The hold counts against the limits of its owner exactly while it lives, or while the booking
    /// that it became is not paid; the latter is seen to when Redis is told of the booking. Its
    /// request stays known, whatever became of it.
    async fn durable_hold_count(&self, durable: &DurableHold) -> Result<(), SeatsError> {
        let room = match durable.state {
            HoldState::Held => Room::Until(durable.hold.expires_at),
            HoldState::Consumed => Room::Kept,
            HoldState::Released | HoldState::Expired | HoldState::Lost => Room::Free,
        };
        Ok(self.inner.store.user_note(durable, room, self.remember()).await?)
    }

    /// Loads a show anew, if it is loaded.
    ///
    /// # Errors
    /// [`SeatsError`]; then the show stays as it is.
    pub(crate) async fn reload_if_loaded(&self, show: ShowId) -> Result<(), SeatsError> {
        match self.inner.store.expire(show).await? {
            Some(_) => self.reload(show).await,
            None => Ok(()),
        }
    }
}
