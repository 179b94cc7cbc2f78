//! Telling Redis what PostgreSQL decided.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use fred::interfaces::HashesInterface as _;
use kernel::{BookingId, HoldId, UserId};
use platform::redis::RedisError;

use super::{SeatStore, booking_field, hold_field, ms, reply, runs};

/// How long a decision about a show that is not loaded is kept for its loader. Longer than any
/// loader may take ([`super::load::LOCK`]) between reading PostgreSQL and loading.
pub(super) const NOTE: Duration = Duration::from_secs(60);

/// What a booking has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ownership {
    /// Its seats until then, while it is not paid.
    Claimed {
        /// When the claim lapses.
        until: DateTime<Utc>,
    },
    /// Its seats for good.
    Sold,
    /// No seats any more.
    Freed,
}

/// What PostgreSQL decided about a booking.
#[derive(Debug, Clone, Copy)]
pub struct Decision<'a> {
    /// Which booking.
    pub booking: BookingId,
    /// Its version, which grows with each decision.
    pub version: i64,
    /// All of its seats, ascending.
    pub seats: &'a [u16],
    /// What it has of them.
    pub ownership: Ownership,
    /// The hold that became the booking: if it lives, it ends, also when the claim was never told.
    pub origin: Option<HoldId>,
}

/// What came of telling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Applied {
    /// The seats are as decided.
    Done {
        /// Holds that ended by it: the one that became the booking, and those that lost a seat.
        ended: Vec<(HoldId, UserId)>,
        /// Nothing of the show ends before this claim.
        ends_first: bool,
    },
    /// A newer decision about the booking, or this one, came before.
    Stale,
    /// The show is not loaded; whoever loads it will know.
    Noted,
    /// Redis believes that another booking has a seat: load the show anew.
    Conflict {
        /// The life of the seat map in which it believes so.
        epoch: Arc<str>,
    },
}

impl SeatStore {
    /// The version in which a loaded show's ledger has a booking.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn booking_version(&self, booking: BookingId) -> Result<Option<i64>, RedisError> {
        self.redis.available()?;
        let [ledger, ..] = self.keys(booking.show()).core();
        let record: Option<String> = self.redis.pool().hget(ledger, booking_field(booking)).await?;
        let Some(record) = record else { return Ok(None) };
        let version = record.split('|').next().and_then(|version| version.parse().ok());
        version.map(Some).ok_or_else(|| reply::unexpected("a booking's record", record))
    }

    /// Makes the seats of a show as was decided about one of its bookings.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn booking_apply(&self, decision: Decision<'_>) -> Result<Applied, RedisError> {
        let Decision { booking, version, seats, ownership, origin } = decision;
        let show = booking.show();
        let (letter, until) = match ownership {
            Ownership::Claimed { until } => ("C", until.timestamp_millis()),
            Ownership::Sold => ("S", 0),
            Ownership::Freed => ("F", 0),
        };
        let seats = if ownership == Ownership::Freed { &[] } else { seats };
        let args = [
            version.into(),
            letter.into(),
            until.into(),
            origin.map(hold_field).unwrap_or_default().into(),
            ms(NOTE).into(),
            runs::format(seats).into(),
        ];
        let notes = self.keys(show).notes();
        let reply = self.run(&self.scripts.apply, show, &booking_field(booking), [notes], args).await?;
        match reply.word()? {
            "APPLIED" => {
                Ok(Applied::Done { ended: ended_holds(show, &reply.texts(2)?)?, ends_first: reply.flag(1)? })
            }
            "STALE" => Ok(Applied::Stale),
            "NOTED" => Ok(Applied::Noted),
            "CONFLICT" => Ok(Applied::Conflict { epoch: reply.text(1)?.into() }),
            _ => Err(reply.unknown()),
        }
    }
}

/// Pairs of hold and user.
pub(super) fn ended_holds(show: kernel::ShowId, pairs: &[&str]) -> Result<Vec<(HoldId, UserId)>, RedisError> {
    pairs
        .chunks(2)
        .map(|pair| match pair {
            [hold, user] => {
                let local = u64::from_str_radix(hold, 16).ok();
                let user = user.parse().ok();
                local.zip(user).map(|(local, user)| (HoldId::new(show, local), user))
            }
            _ => None,
        })
        .collect::<Option<_>>()
        .ok_or_else(|| reply::unexpected("pairs of hold and user", pairs))
}
