//! What one user may hold at a time, and which request used which idempotency key.

use std::time::Duration;

use chrono::{DateTime, Utc};
use fred::interfaces::HashesInterface;
use fred::types::Value;
use kernel::{HoldId, UserId};
use platform::redis::RedisError;

use super::{SeatStore, keys, ms, reply::Reply};

/// How much one user may hold at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Seats, over all shows.
    pub seats: u16,
    /// Shows.
    pub shows: u16,
}

/// Room for a coming hold.
#[derive(Debug, Clone)]
pub struct Reservation {
    /// The hold.
    pub hold: HoldId,
    /// Its owner.
    pub user: UserId,
    /// How many seats.
    pub seats: u16,
    /// Digest of the idempotency key.
    pub key_digest: String,
    /// Digest of all that was asked for.
    pub digest: String,
    /// Names this attempt: only it may take the reservation back.
    pub attempt: String,
    /// How long the hold will live, unless it is extended.
    pub ttl: Duration,
    /// How long the key is remembered.
    pub remember: Duration,
    /// How many seats of this show, held and booked, there may be with this hold.
    pub allotment: Option<Allotment>,
}

/// How many seats of one show somebody may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allotment {
    /// Held and booked together.
    pub max: u32,
    /// How many are booked.
    pub booked: u32,
    /// The holds that those bookings were made of, which count no second time.
    pub holds: Vec<HoldId>,
}

/// The answer to a [`Reservation`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reserved {
    /// There is room, and it is taken.
    Done,
    /// The same request came before. Nothing was taken.
    Repeated,
    /// The key belongs to another request.
    KeyReused,
    /// Too many seats with this hold.
    TooManySeats,
    /// Too many shows with this hold.
    TooManyShows,
    /// Too many seats of this show with this hold.
    OverAllotment,
}

impl Reservation {
    /// The last arguments of each script that has `user_room.lua`.
    pub(super) fn args(&self, limits: Limits, without_hold: bool) -> [Value; 13] {
        let (max, booked, holds) = match &self.allotment {
            Some(Allotment { max, booked, holds }) => {
                let holds = holds.iter().fold(String::from(","), |holds, hold| format!("{holds}{hold},"));
                (i64::from(*max).into(), *booked, holds)
            }
            None => ("".into(), 0, String::new()),
        };
        [
            self.digest.as_str().into(),
            self.hold.to_string().into(),
            self.hold.show().to_string().into(),
            self.seats.into(),
            ms(self.ttl).into(),
            ms(self.remember).into(),
            limits.seats.into(),
            limits.shows.into(),
            self.attempt.as_str().into(),
            i64::from(without_hold).into(),
            max,
            i64::from(booked).into(),
            holds.into(),
        ]
    }
}

impl Reserved {
    /// What `user_room.lua` says of a reservation.
    pub(super) fn from_word(word: &str) -> Option<Self> {
        Some(match word {
            "RESERVED" => Self::Done,
            "REPEATED" => Self::Repeated,
            "REUSED" => Self::KeyReused,
            "SEATS" => Self::TooManySeats,
            "SHOWS" => Self::TooManyShows,
            "ALLOTMENT" => Self::OverAllotment,
            _ => return None,
        })
    }
}

impl SeatStore {
    /// Takes room for a hold from its user's limits. A repetition takes nothing, unless it is
    /// known that it has no hold.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn user_reserve(
        &self,
        reservation: &Reservation,
        limits: Limits,
        without_hold: bool,
    ) -> Result<Reserved, RedisError> {
        let args = reservation.args(limits, without_hold).into();
        let keys = self.reservation_keys(reservation).into();
        let reply = Reply::new(self.redis.eval(&self.scripts.user_reserve, keys, args).await?);
        Reserved::from_word(reply.word()?).ok_or_else(|| reply.unknown())
    }

    /// Gives the room back, and forgets the key: nothing came of the request.
    ///
    /// # Errors
    /// When Redis is away; then the room comes back with the time.
    pub async fn user_cancel(&self, reservation: &Reservation) -> Result<(), RedisError> {
        let args = vec![reservation.hold.to_string().into(), reservation.attempt.as_str().into()];
        let keys = self.reservation_keys(reservation).into();
        self.redis.eval(&self.scripts.user_cancel, keys, args).await?;
        Ok(())
    }

    /// The hold, or the claim that it became, lives until `deadline`, and so does its room. Room
    /// that was given back stays so.
    ///
    /// # Errors
    /// When Redis is away; then the room comes back too early.
    pub async fn user_extend(
        &self,
        hold: HoldId,
        user: UserId,
        deadline: DateTime<Utc>,
        remember: Duration,
    ) -> Result<(), RedisError> {
        let keys = vec![keys::user_holds(&self.redis, user)];
        let args = vec![hold.to_string().into(), deadline.timestamp_millis().into(), ms(remember).into()];
        self.redis.eval(&self.scripts.user_extend, keys, args).await?;
        Ok(())
    }

    /// The hold has ended: its room is free. The key stays known.
    ///
    /// # Errors
    /// When Redis is away; then the room comes back with the time.
    pub async fn user_release(&self, hold: HoldId, user: UserId) -> Result<(), RedisError> {
        self.redis.available()?;
        let _: i64 = self.redis.pool().hdel(keys::user_holds(&self.redis, user), hold.to_string()).await?;
        Ok(())
    }

    /// The last keys of each script that has `user_room.lua`.
    pub(super) fn reservation_keys(&self, reservation: &Reservation) -> [String; 2] {
        [
            keys::user_holds(&self.redis, reservation.user),
            keys::user_key(&self.redis, reservation.user, &reservation.key_digest),
        ]
    }
}
