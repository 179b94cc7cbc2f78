//! Making, extending, releasing and finding holds.

use std::time::Duration;

use bytes::Bytes;
use fred::types::Value;
use kernel::{HoldId, SeatKind, UserId};
use platform::{Script, redis::RedisError};

use super::{
    Limits, Reservation, Reserved, SeatStore, hold_field, moment, ms,
    reply::{self, Reply},
    runs,
};
use crate::domain::hold::{Hold, HoldEnd};

/// Who wants to hold, under which id, and for how long.
#[derive(Debug, Clone)]
pub struct HoldRequest {
    /// The id that the hold will have; the same for a repetition of the request.
    pub id: HoldId,
    /// Who holds.
    pub owner: UserId,
    /// Digest of all that was asked for: another digest under the same id is another request.
    pub digest: String,
    /// How long the hold lives.
    pub ttl: Duration,
    /// The revision of the show that the caller knows.
    pub revision: i64,
}

/// Which seats.
#[derive(Debug, Clone, Copy)]
pub enum Wanted<'a> {
    /// These, ascending.
    Seats(&'a [u16]),
    /// The best block of adjacent ones.
    Best {
        /// How many.
        quantity: u16,
        /// Of which kind; any but wheelchair and companion places when nobody says.
        kind: Option<SeatKind>,
    },
}

/// The answer to a [`HoldRequest`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Placed {
    /// The hold lives.
    Held {
        /// It.
        hold: Hold,
        /// False when an earlier request of the same id made it.
        is_new: bool,
        /// Nothing of the show ends before this hold.
        ends_first: bool,
    },
    /// Some of the seats, or all blocks, are taken.
    Taken {
        /// All seats as they are now, a letter each.
        states: Bytes,
    },
    /// The hold was made before, and has ended.
    Gone(HoldEnd),
    /// The id belongs to a request for something else.
    Reused,
    /// The show is not loaded.
    NotLoaded,
    /// What is loaded is older than the caller's revision of the show.
    Outdated,
}

/// The answer to a [`HoldRequest`] that is counted in the same step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Counted {
    /// It may be held, as far as the limits of the user go.
    Placed(Placed),
    /// It may not, or the request is a repetition. Nothing was done.
    Refused(Reserved),
}

/// The answer to the wish to hold for longer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Extended {
    /// The hold, with its new deadline.
    Held(Hold),
    /// It lives, and may not live longer than that.
    Limit,
    /// It has ended.
    Gone(HoldEnd),
    /// The user has no such hold.
    None,
}

/// The answer to the wish to give seats back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Released {
    /// They are free.
    Done,
    /// The hold had ended before.
    Gone(HoldEnd),
    /// The user has no such hold.
    None,
}

/// What is known of a hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HoldRecord {
    /// It lives.
    Live {
        /// It.
        hold: Hold,
        /// Digest of the request that made it.
        digest: String,
    },
    /// It has ended.
    Gone {
        /// How.
        end: HoldEnd,
        /// Digest of the request that made it.
        digest: String,
    },
}

impl Counted {
    /// The hold lives.
    pub fn is_held(&self) -> bool {
        matches!(self, Self::Placed(Placed::Held { .. }))
    }
}

impl SeatStore {
    /// Holds seats, all or none.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn hold(&self, request: &HoldRequest, wanted: Wanted<'_>) -> Result<Placed, RedisError> {
        let script = match wanted {
            Wanted::Seats(_) => &self.scripts.hold,
            Wanted::Best { .. } => &self.scripts.best_available,
        };
        placed(&self.run_hold(script, request, wanted, [], []).await?, request)
    }

    /// Holds seats, all or none, and counts them against the limits of their user in the same step. As
    /// [`user_reserve`](Self::user_reserve) does, it does nothing for a repetition, unless it is known that that
    /// has no hold. Only where [both are in one place](Self::is_apart).
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn hold_counted(
        &self,
        request: &HoldRequest,
        wanted: Wanted<'_>,
        reservation: &Reservation,
        limits: Limits,
        without_hold: bool,
    ) -> Result<Counted, RedisError> {
        let script = match wanted {
            Wanted::Seats(_) => &self.scripts.hold_counted,
            Wanted::Best { .. } => &self.scripts.best_available_counted,
        };
        let (keys, args) = (self.reservation_keys(reservation), reservation.args(limits, without_hold));
        let reply = self.run_hold(script, request, wanted, keys, args).await?;
        match Reserved::from_word(reply.word()?) {
            Some(refused) => Ok(Counted::Refused(refused)),
            None => Ok(Counted::Placed(placed(&reply, request)?)),
        }
    }

    async fn run_hold(
        &self,
        script: &Script,
        request: &HoldRequest,
        wanted: Wanted<'_>,
        more_keys: impl IntoIterator<Item = String>,
        more_args: impl IntoIterator<Item = Value>,
    ) -> Result<Reply, RedisError> {
        let show = request.id.show();
        let mut args: Vec<Value> = vec![
            request.owner.to_string().into(),
            request.digest.as_str().into(),
            ms(request.ttl).into(),
            request.revision.into(),
        ];
        let plan = match wanted {
            Wanted::Seats(seats) => {
                args.extend(
                    runs::runs(seats).into_iter().flat_map(|(first, last)| [first.into(), last.into()]),
                );
                None
            }
            Wanted::Best { quantity, kind } => {
                args.push(quantity.into());
                args.push(kind.map(|kind| kind.code().to_string()).unwrap_or_default().into());
                Some(self.keys(show).plan())
            }
        };
        args.extend(more_args);
        self.run(script, show, &hold_field(request.id), plan.into_iter().chain(more_keys), args).await
    }

    /// Lets a hold live for `ttl` from now, but no longer than `longest` since it was made.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn hold_extend(
        &self,
        id: HoldId,
        owner: UserId,
        ttl: Duration,
        longest: Duration,
    ) -> Result<Extended, RedisError> {
        let args = [owner.to_string().into(), ms(ttl).into(), ms(longest).into()];
        let reply = self.run(&self.scripts.extend, id.show(), &hold_field(id), [], args).await?;
        match reply.word()? {
            "HELD" => Ok(Extended::Held(hold(&reply, id, owner)?)),
            "LIMIT" => Ok(Extended::Limit),
            "GONE" => Ok(Extended::Gone(end(&reply)?)),
            "NONE" => Ok(Extended::None),
            _ => Err(reply.unknown()),
        }
    }

    /// Frees the seats of a hold.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn hold_release(&self, id: HoldId, owner: UserId) -> Result<Released, RedisError> {
        let args = [owner.to_string().into()];
        let reply = self.run(&self.scripts.release, id.show(), &hold_field(id), [], args).await?;
        match reply.word()? {
            "RELEASED" => Ok(Released::Done),
            "GONE" => Ok(Released::Gone(end(&reply)?)),
            "NONE" => Ok(Released::None),
            _ => Err(reply.unknown()),
        }
    }

    /// Finds a hold, alive or not.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn hold_get(&self, id: HoldId) -> Result<Option<HoldRecord>, RedisError> {
        let reply = self.run(&self.scripts.lookup, id.show(), &hold_field(id), [], []).await?;
        match reply.word()? {
            "HELD" => {
                let owner = reply.text(4)?;
                let owner = owner.parse().map_err(|_| reply::unexpected("a user", owner))?;
                let digest = reply.text(5)?.to_owned();
                Ok(Some(HoldRecord::Live { hold: hold(&reply, id, owner)?, digest }))
            }
            "GONE" => Ok(Some(HoldRecord::Gone { end: end(&reply)?, digest: reply.text(2)?.to_owned() })),
            "NONE" => Ok(None),
            _ => Err(reply.unknown()),
        }
    }
}

/// What became of a request.
fn placed(reply: &Reply, request: &HoldRequest) -> Result<Placed, RedisError> {
    match reply.word()? {
        "HELD" => Ok(Placed::Held {
            hold: hold(reply, request.id, request.owner)?,
            is_new: reply.flag(4)?,
            ends_first: reply.flag(5)?,
        }),
        "TAKEN" => Ok(Placed::Taken { states: reply.bytes(1)? }),
        "GONE" => Ok(Placed::Gone(end(reply)?)),
        "REUSED" => Ok(Placed::Reused),
        "NOT_LOADED" => Ok(Placed::NotLoaded),
        "OUTDATED" => Ok(Placed::Outdated),
        _ => Err(reply.unknown()),
    }
}

/// `HELD CREATED DEADLINE SEATS …`
fn hold(reply: &Reply, id: HoldId, owner: UserId) -> Result<Hold, RedisError> {
    let seats = reply.text(3)?;
    Ok(Hold {
        id,
        owner,
        seats: runs::parse(seats).ok_or_else(|| reply::unexpected("runs of seats", seats))?,
        created_at: moment(reply.number(1)?.saturating_mul(1_000))?,
        expires_at: moment(reply.number(2)?)?,
    })
}

/// `GONE STATUS …`
fn end(reply: &Reply) -> Result<HoldEnd, RedisError> {
    let letter = reply.letter(1)?;
    HoldEnd::from_letter(letter).ok_or_else(|| reply::unexpected("the end of a hold", letter))
}
