//! Making, extending, releasing and finding holds.

use std::time::Duration;

use bytes::Bytes;
use kernel::{HoldId, SeatKind, UserId};
use platform::redis::RedisError;

use super::{
    SeatStore, hold_field, moment, ms,
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

impl SeatStore {
    /// Holds seats, all or none.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn hold(&self, request: &HoldRequest, wanted: Wanted<'_>) -> Result<Placed, RedisError> {
        let mut args = vec![
            request.owner.to_string().into(),
            request.digest.as_str().into(),
            ms(request.ttl).into(),
            request.revision.into(),
        ];
        let (show, field) = (request.id.show(), hold_field(request.id));
        let reply = match wanted {
            Wanted::Seats(seats) => {
                args.extend(
                    runs::runs(seats).into_iter().flat_map(|(first, last)| [first.into(), last.into()]),
                );
                self.run(&self.scripts.hold, show, &field, [], args).await?
            }
            Wanted::Best { quantity, kind } => {
                args.push(quantity.into());
                args.push(kind.map(|kind| kind.code().to_string()).unwrap_or_default().into());
                let plan = self.keys(show).plan();
                self.run(&self.scripts.best_available, show, &field, [plan], args).await?
            }
        };
        match reply.word()? {
            "HELD" => Ok(Placed::Held {
                hold: hold(&reply, request.id, request.owner)?,
                is_new: reply.flag(4)?,
                ends_first: reply.flag(5)?,
            }),
            "TAKEN" => Ok(Placed::Taken { states: reply.bytes(1)? }),
            "GONE" => Ok(Placed::Gone(end(&reply)?)),
            "REUSED" => Ok(Placed::Reused),
            "NOT_LOADED" => Ok(Placed::NotLoaded),
            "OUTDATED" => Ok(Placed::Outdated),
            _ => Err(reply.unknown()),
        }
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
