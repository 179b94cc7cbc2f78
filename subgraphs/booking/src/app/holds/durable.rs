//! Giving durable holds, while Redis is away.
//!
//! * Twice at once, or repeated after a lost answer: the id of the hold follows from the request,
//!   and one transaction at a time gives holds to a user. The others do not wait for it in
//!   PostgreSQL: one user could take all connections.
//! * A late repetition of what Redis gave, and what is a booking by now: the booking knows its hold.
//! * Two want one seat: the primary key of the allocations decides.
//! * A seat of a hold or claim that is over: that ends first, in its own transaction (see
//!   [`give_way`](super::give_way)), and then it is tried again.
//! * The process dies after the commit: the hold stands. The repetition finds it, and the job that
//!   tells Redis does, too.

use std::time::Duration;

use graphql_kit::Identity;
use kernel::SeatState;
use platform::faults::reach;
use sea_orm::{ConnectionTrait, TransactionTrait};
use tokio::time::{Instant, sleep};

use super::super::seats::request::{body_digest, hold_id, key_digest};
use super::super::seats::{Given, Hold, HoldRefusal, Limit, SeatsError, replay_durable};
use crate::app::App;
use crate::domain::audit::{Actor, Reason};
use crate::domain::best_available::{self, Plan};
use crate::domain::hold::{HoldEnd, twin};
use crate::domain::seats::taken;
use crate::domain::show::Show;
use crate::store::StoreError;
use crate::store::allocations::Owner;
use crate::store::hold_lists::{booking_list_owned, hold_usage};
use crate::store::holds::{DurableHold, Inserted, NewHold, hold_find_earlier, hold_insert, hold_lock_user};
use crate::store::seats::Wanted;

/// Attempts: each further one follows somebody who was faster, or something that was just ended.
const ATTEMPTS: usize = 5;
/// How long the requests of one user wait for each other.
const PATIENCE: Duration = Duration::from_secs(3);
/// From one look at whether they are done to the next, and as much again by chance.
const LOOK_MS: u64 = 10;
/// Who ends what is over, so that somebody can have its seats.
const HOLDER: Actor = Actor::system("hold");

/// How one attempt ended without an answer.
enum Again {
    /// The same request was answered before, or its key belongs to another.
    Earlier(Box<DurableHold>),
    /// The same request was answered before, and that is a booking by now.
    Booked,
    /// Another request of the same user is being answered.
    Busy,
    /// Seats have to be taken from these, whose time is over.
    Overdue(Vec<Owner>),
    /// Somebody was faster.
    Raced,
}

impl App {
    /// Holds what is wanted in PostgreSQL.
    pub(super) async fn hold_durable(
        &self,
        who: &Identity,
        show: &Show,
        wanted: Wanted<'_>,
        key: &str,
    ) -> Result<Given, HoldRefusal> {
        let key_digest = key_digest(key)?;
        let quantity = self.seats.check(show, wanted)?;
        let request_digest = body_digest(show.id, wanted);
        let (ttl, _) = self.seats.lifetimes();
        let new = NewHold {
            id: twin(hold_id(who.user_id, show.id, key)),
            owner: who.user_id,
            seats: &[],
            key_digest: &key_digest,
            request_digest: &request_digest,
            ttl,
        };
        let deadline = Instant::now() + PATIENCE;
        let mut attempts = 0;
        while attempts < ATTEMPTS {
            let txn = self.deps.pg.begin().await.map_err(StoreError::from)?;
            let attempt = self.hold_durable_once(&txn, who, show, wanted, quantity, &new).await;
            match attempt {
                Ok(Ok(hold)) => {
                    reach("durable_hold.inserted").await;
                    txn.commit().await.map_err(StoreError::from)?;
                    self.seats.stored_changed(show.id);
                    reach("durable_hold.committed").await;
                    tracing::info!(hold = %hold.id, seats = hold.seats.len(), "durable hold");
                    return Ok(Given { hold, is_new: true });
                }
                other => {
                    // Now, so that neither a further attempt nor others wait for what it locked.
                    txn.rollback().await.map_err(StoreError::from)?;
                    match other? {
                        Err(Again::Overdue(owners)) => {
                            self.owners_end_overdue(show, &owners, HOLDER).await?;
                        }
                        Err(Again::Earlier(first)) => return replay_durable(*first, new.request_digest),
                        Err(Again::Booked) => return Err(HoldRefusal::Gone(HoldEnd::Consumed)),
                        Err(Again::Busy) if Instant::now() < deadline => {
                            let pause = LOOK_MS + self.deps.ids.local() % LOOK_MS;
                            sleep(Duration::from_millis(pause)).await;
                            continue;
                        }
                        Err(Again::Busy) => return Err(SeatsError::Busy.into()),
                        Ok(_) | Err(Again::Raced) => {}
                    }
                    attempts += 1;
                }
            }
        }
        let map = self.seats.stored_map(&self.deps.pg, show).await?;
        Err(HoldRefusal::taken(show, &contended(map.states, wanted), wanted))
    }

    async fn hold_durable_once<C: ConnectionTrait>(
        &self,
        conn: &C,
        who: &Identity,
        show: &Show,
        wanted: Wanted<'_>,
        quantity: u16,
        new: &NewHold<'_>,
    ) -> Result<Result<Hold, Again>, HoldRefusal> {
        if !hold_lock_user(conn, new.owner).await? {
            return Ok(Err(Again::Busy));
        }
        if let Some(first) = hold_find_earlier(conn, new, self.seats.remember()).await? {
            return Ok(Err(Again::Earlier(Box::new(first))));
        }
        let usage = hold_usage(conn, new.owner).await?;
        self.seats.check_limits(show.id, quantity, &usage)?;
        if let Some(grant) = &who.grant {
            let here = usage.iter().filter(|(other, _)| *other == show.id).map(|(_, seats)| seats);
            let owned = booking_list_owned(conn, show.id, new.owner).await?;
            let paid = owned.iter().filter(|owned| owned.paid).map(|owned| &owned.seats);
            if here.chain(paid).sum::<u32>() + u32::from(quantity) > grant.seats_per_show {
                return Err(HoldRefusal::Limit(Limit::Allotment { max: grant.seats_per_show }));
            }
        }
        let map = self.seats.stored_map(conn, show).await?;
        let seats = pick(show, &map.states, wanted)?;
        let overdue: Vec<Owner> = map.overdue(&seats).map(|taken| taken.owner).collect();
        if !overdue.is_empty() {
            return Ok(Err(Again::Overdue(overdue)));
        }
        reach("durable_hold.chosen").await;
        let cause = Actor::User(new.owner).because(Reason::Held);
        Ok(match hold_insert(conn, &NewHold { seats: &seats, ..new.clone() }, &cause).await? {
            Inserted::Done(hold) => Ok(hold),
            Inserted::Booked => Err(Again::Booked),
            Inserted::SeatsTaken | Inserted::Earlier => Err(Again::Raced),
        })
    }
}

/// The seats to hold, as they are now.
fn pick(show: &Show, states: &[u8], wanted: Wanted<'_>) -> Result<Vec<u16>, HoldRefusal> {
    let picked = match wanted {
        Wanted::Seats(seats) => taken(states, seats).is_empty().then(|| seats.to_vec()),
        Wanted::Best { quantity, kind } => {
            best_available::choose(&Plan::new(&show.layout), states, quantity.into(), kind)
                .map(Iterator::collect)
        }
    };
    picked.ok_or_else(|| HoldRefusal::taken(show, states, wanted))
}

/// Seats that look free, and that others got again and again: they are not offered once more.
fn contended(mut states: Vec<u8>, wanted: Wanted<'_>) -> Vec<u8> {
    if let Wanted::Seats(seats) = wanted {
        for seat in seats {
            if let Some(letter) = states.get_mut(usize::from(*seat)) {
                *letter = SeatState::Held.byte();
            }
        }
    }
    states
}
