//! Telling Redis of the holds that PostgreSQL keeps.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use kernel::{HoldId, UserId};
use platform::redis::RedisError;

use super::{
    SeatStore,
    apply::{NOTE, ended_holds},
    hold_field, keys, ms, runs,
};
use crate::store::holds::DurableHold;

/// What a hold takes of the limits of its user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Room {
    /// Its seats, until then.
    Until(DateTime<Utc>),
    /// Nothing: it is over.
    Free,
    /// What it takes already: its booking sees to that.
    Kept,
}

/// What came of telling of a durable hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DurableTold {
    /// The seats are as PostgreSQL says.
    Done {
        /// Holds of Redis that ended, because PostgreSQL gave a seat of theirs away.
        ended: Vec<(HoldId, UserId)>,
        /// Nothing of the show ends before this hold.
        ends_first: bool,
    },
    /// Redis knew that.
    Known,
    /// Redis knows what came later.
    Stale,
    /// The show is not loaded; whoever loads it will know.
    Noted,
    /// Redis believes that a booking or another durable hold has a seat: load the show anew.
    Conflict {
        /// The life of the seat map in which it believes so.
        epoch: Arc<str>,
    },
}

impl SeatStore {
    /// Makes the seats of a show as PostgreSQL decided about a durable hold.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn durable_hold_apply(&self, durable: &DurableHold) -> Result<DurableTold, RedisError> {
        let id = durable.hold.id;
        let args = [record(durable).into(), ms(NOTE).into()];
        let notes = self.keys(id.show()).notes();
        let script = &self.scripts.durable_hold;
        let reply = self.run(script, id.show(), &hold_field(id), [notes], args).await?;
        match reply.word()? {
            "APPLIED" => Ok(DurableTold::Done {
                ended: ended_holds(id.show(), &reply.texts(2)?)?,
                ends_first: reply.flag(1)?,
            }),
            "KNOWN" => Ok(DurableTold::Known),
            "STALE" => Ok(DurableTold::Stale),
            "NOTED" => Ok(DurableTold::Noted),
            "CONFLICT" => Ok(DurableTold::Conflict { epoch: reply.text(1)?.into() }),
            _ => Err(reply.unknown()),
        }
    }

    /// Counts a hold that PostgreSQL gave, or the claim that it became, against the limits of its
    /// user, and remembers its idempotency key, whatever became of it.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn user_note(
        &self,
        durable: &DurableHold,
        room: Room,
        remember: Duration,
    ) -> Result<(), RedisError> {
        let hold = &durable.hold;
        let keys = vec![
            keys::user_holds(&self.redis, hold.owner),
            keys::user_key(&self.redis, hold.owner, &durable.key_digest),
        ];
        let seats = i64::try_from(hold.seats.len()).unwrap_or(i64::MAX);
        let args = vec![
            durable.request_digest.as_str().into(),
            hold.id.to_string().into(),
            hold.id.show().to_string().into(),
            seats.into(),
            match room {
                Room::Until(deadline) => deadline.timestamp_millis().into(),
                Room::Free => "FREE".into(),
                Room::Kept => "KEPT".into(),
            },
            ms(remember).into(),
        ];
        self.redis.eval(&self.scripts.user_note, keys, args).await?;
        Ok(())
    }
}

/// `status|user|digest|created|deadline|seats`
pub(super) fn record(durable: &DurableHold) -> String {
    let hold = &durable.hold;
    format!(
        "{}|{}|{}|{}|{}|{}",
        durable.end().map_or('L', |end| end.letter()),
        hold.owner,
        durable.request_digest,
        hold.created_at.timestamp(),
        hold.expires_at.timestamp_millis(),
        runs::format(&hold.seats),
    )
}
