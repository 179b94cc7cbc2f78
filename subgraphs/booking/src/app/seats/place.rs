//! Taking seats for a hold, and room for them with their user.
//!
//! Two places in Redis take part: the user's limits, then the show. Where one Redis has both, a hold is one
//! script. In a cluster they are on two nodes perhaps: room is reserved with the user first, and given back
//! when the show refuses. A crash in between leaves room reserved until the deadline that the hold would have
//! had; and the repetition of the request carries on, because the id of the hold follows from the request.

use graphql_kit::Identity;
use kernel::ShowId;
use platform::faults::reach;

use super::{HoldRefusal, Limit, Rules, Seats, SeatsError, request};
use crate::domain::{
    hold::{Hold, twin},
    show::Show,
};
use crate::store::{
    hold_lists::booking_list_owned,
    holds::{DurableHold, hold_get},
    seats::{Allotment, Counted, HoldRecord, HoldRequest, Placed, Replace, Reservation, Reserved, Wanted},
};

/// Attempts when the show is not loaded, or loaded from an older revision.
const ATTEMPTS: usize = 3;

/// What a request to hold was given.
pub(crate) struct Given {
    pub(crate) hold: Hold,
    /// False when an earlier request was given it, and this one repeats that.
    pub(crate) is_new: bool,
}

/// A request to hold, as both places have to know it.
struct Asked<'a> {
    show: &'a Show,
    wanted: Wanted<'a>,
    request: HoldRequest,
    reservation: Reservation,
}

impl Seats {
    /// Takes what is wanted, all or nothing, or finds what an earlier request of the same key was given.
    pub(super) async fn place(
        &self,
        who: &Identity,
        show: &Show,
        wanted: Wanted<'_>,
        key: &str,
    ) -> Result<Given, HoldRefusal> {
        let key_digest = request::key_digest(key)?;
        let seats = self.check(show, wanted)?;
        let Rules { ttl, limits, .. } = self.inner.rules.clone();
        let request = HoldRequest {
            id: request::hold_id(who.user_id, show.id, key),
            owner: who.user_id,
            digest: request::body_digest(show.id, wanted),
            ttl,
            revision: show.revision,
        };
        let reservation = Reservation {
            hold: request.id,
            user: who.user_id,
            seats,
            key_digest,
            digest: request.digest.clone(),
            attempt: format!("{:016x}", self.inner.ids.local()),
            ttl,
            remember: self.inner.rules.remember(),
            allotment: self.allotment(who, show.id).await?,
        };
        let asked = Asked { show, wanted, request, reservation };
        let mut counted = self.count_and_place(&asked, false).await?;
        if counted == Counted::Refused(Reserved::Repeated) {
            if let Some(answer) = self.answered(&asked.request).await? {
                return answer;
            }
            // The first one is under way still, or died, or the seats were refused to it.
            counted = self.count_and_place(&asked, true).await?;
        }
        match counted {
            Counted::Placed(placed) => self.given(&asked, placed).await,
            Counted::Refused(Reserved::TooManySeats) => {
                Err(HoldRefusal::Limit(Limit::Seats { max: limits.seats }))
            }
            Counted::Refused(Reserved::TooManyShows) => {
                Err(HoldRefusal::Limit(Limit::Shows { max: limits.shows }))
            }
            Counted::Refused(Reserved::OverAllotment) => {
                let max = asked.reservation.allotment.map_or(0, |allotment| allotment.max);
                Err(HoldRefusal::Limit(Limit::Allotment { max }))
            }
            // Of a request that was said to be no repetition these are all that is left.
            Counted::Refused(Reserved::KeyReused | Reserved::Repeated | Reserved::Done) => {
                Err(HoldRefusal::KeyReused)
            }
        }
    }

    /// The answer to a repetition, if the first request was answered.
    async fn answered(
        &self,
        request: &HoldRequest,
    ) -> Result<Option<Result<Given, HoldRefusal>>, HoldRefusal> {
        let first = self.inner.store.hold_get(request.id).await?;
        if let Some(record @ HoldRecord::Live { .. }) = first {
            return Ok(Some(replay(record, &request.digest)));
        }
        // It may have been answered, or answered again, while Redis was away.
        if let Some(durable) = hold_get(&self.inner.pg, twin(request.id)).await? {
            return Ok(Some(replay_durable(durable, &request.digest)));
        }
        Ok(first.map(|record| replay(record, &request.digest)))
    }

    /// Takes seats, and room for them with their user: both or neither.
    async fn count_and_place(&self, asked: &Asked<'_>, repeated: bool) -> Result<Counted, HoldRefusal> {
        let (store, limits) = (&self.inner.store, self.inner.rules.limits);
        if !store.is_apart() {
            let counted = self.place_loaded(asked, Some(repeated)).await?;
            if repeated && !counted.is_held() {
                // The hold got lost, with its show. It counts no more.
                self.give_room_back(&[(asked.request.id, asked.request.owner)]).await;
            }
            return Ok(counted);
        }
        match store.user_reserve(&asked.reservation, limits, repeated).await? {
            Reserved::Done => {}
            refused => return Ok(Counted::Refused(refused)),
        }
        reach("hold.reserved").await;
        // After a failure nobody knows whether the seats are held: then the room stays taken until
        // the deadline, or until the repetition finds out.
        let counted = self.place_loaded(asked, None).await?;
        reach("hold.placed").await;
        if !counted.is_held()
            && let Err(error) = store.user_cancel(&asked.reservation).await
        {
            tracing::warn!(%error, "the limits of a user are tight for a while");
        }
        Ok(counted)
    }

    /// Takes seats, when the show is loaded as we know it; and room for them, if `counting` says whether
    /// the request is a repetition that has no hold.
    async fn place_loaded(&self, asked: &Asked<'_>, counting: Option<bool>) -> Result<Counted, HoldRefusal> {
        let Asked { show, wanted, request, reservation } = asked;
        let (store, limits) = (&self.inner.store, self.inner.rules.limits);
        for _ in 0..ATTEMPTS {
            let counted = match counting {
                Some(repeated) => store.hold_counted(request, *wanted, reservation, limits, repeated).await?,
                None => Counted::Placed(store.hold(request, *wanted).await?),
            };
            let replace = match counted {
                Counted::Placed(Placed::NotLoaded) => Replace::Never,
                Counted::Placed(Placed::Outdated) => Replace::Below(show.revision),
                counted => return Ok(counted),
            };
            self.inner.loader.load(show.id, replace).await?;
        }
        Err(SeatsError::LoadTimeout(show.id).into())
    }

    /// What the buyer is told of a request that was counted.
    async fn given(&self, asked: &Asked<'_>, placed: Placed) -> Result<Given, HoldRefusal> {
        let store = &self.inner.store;
        match placed {
            Placed::Held { hold, is_new, ends_first } => {
                reach("hold.held").await;
                if ends_first && let Err(error) = store.sweep_note(asked.show.id, hold.expires_at).await {
                    tracing::debug!(%error, "the sweeper does not know of a hold");
                }
                if !is_new && !store.is_apart() {
                    // The hold was there, and nothing of its user's room and key.
                    store.user_reserve(&asked.reservation, self.inner.rules.limits, true).await?;
                }
                Ok(Given { hold, is_new })
            }
            Placed::Taken { states } => Err(HoldRefusal::taken(asked.show, &states, asked.wanted)),
            Placed::Gone(end) => Err(HoldRefusal::Gone(end)),
            Placed::Reused => Err(HoldRefusal::KeyReused),
            Placed::NotLoaded | Placed::Outdated => Err(SeatsError::LoadTimeout(asked.show.id).into()),
        }
    }

    /// What limits the seats of a show that an API key may have; nothing for persons.
    async fn allotment(&self, who: &Identity, show: ShowId) -> Result<Option<Allotment>, HoldRefusal> {
        let Some(grant) = &who.grant else { return Ok(None) };
        let owned = booking_list_owned(&self.inner.pg, show, who.user_id).await?;
        Ok(Some(Allotment {
            max: grant.seats_per_show,
            booked: owned.iter().map(|owned| owned.seats).sum(),
            holds: owned.into_iter().map(|owned| owned.hold).collect(),
        }))
    }
}

/// The answer to a request that was answered before.
fn replay(record: HoldRecord, digest: &str) -> Result<Given, HoldRefusal> {
    match record {
        HoldRecord::Live { digest: first, .. } | HoldRecord::Gone { digest: first, .. }
            if first != digest =>
        {
            Err(HoldRefusal::KeyReused)
        }
        HoldRecord::Live { hold, .. } => Ok(Given { hold, is_new: false }),
        HoldRecord::Gone { end, .. } => Err(HoldRefusal::Gone(end)),
    }
}

/// The same for a hold that PostgreSQL keeps.
pub(crate) fn replay_durable(durable: DurableHold, digest: &str) -> Result<Given, HoldRefusal> {
    if durable.request_digest != digest {
        return Err(HoldRefusal::KeyReused);
    }
    match durable.end() {
        Some(end) => Err(HoldRefusal::Gone(end)),
        None => Ok(Given { hold: durable.hold, is_new: false }),
    }
}
