//! Holds, wherever they are kept.
//!
//! Redis gives and keeps them. While it is away PostgreSQL gives durable ones under the same rules,
//! which it keeps until they end, whatever Redis does meanwhile: the id of a hold says who keeps
//! it. The seats of durable holds are in the table whose primary key decides about sales, so a
//! seat of one can be neither held durably nor sold to anybody else. To holds of Redis it is as
//! with bookings: whoever has a seat in PostgreSQL outranks them.
//!
//! * [`durable`]: giving holds; [`lives`]: extending, releasing and finding them.
//! * [`give_way`]: ending holds and claims that are over, or outranked.
//! * [`follow`]: telling Redis.

mod durable;
mod follow;
mod give_way;
mod lives;

use std::sync::atomic::{AtomicU64, Ordering};

use graphql_kit::{Identity, Scope};
use kernel::{SeatId, SeatKind};
use tokio::sync::Mutex;

use follow::Reload;

use super::App;
use super::challenge::HoldKey;
use super::seats::request::{body_digest, hold_id};
use super::seats::{Hold, HoldRefusal, label, replay_durable};
use crate::domain::hold::twin;
use crate::domain::show::Show;
use crate::store::hold_lists::hold_is_any_untold;
use crate::store::holds::hold_get;
use crate::store::seats::Wanted;

/// Refuses an API key that was not made for holding seats.
pub(crate) fn may_hold(who: &Identity) -> Result<(), HoldRefusal> {
    if who.may(Scope::HoldsWrite) { Ok(()) } else { Err(HoldRefusal::Forbidden) }
}

/// What this process knows of the outages of Redis.
#[derive(Debug, Default)]
pub(super) struct Outages {
    /// How many there had been when Redis knew all durable holds.
    caught_up: AtomicU64,
    /// What has to be loaded anew.
    reload: Mutex<Reload>,
}

impl App {
    /// Holds the seats of these ids, all or none. The same request again gives the same hold.
    ///
    /// # Errors
    /// [`HoldRefusal`].
    pub async fn hold_chosen(
        &self,
        who: &Identity,
        show: &Show,
        seats: &[SeatId],
        key: impl Into<HoldKey<'_>>,
    ) -> Result<Hold, HoldRefusal> {
        let seats = self.seats.choose(show, seats)?;
        self.hold(who, show, Wanted::Seats(&seats), key).await
    }

    /// Holds the best block of `quantity` adjacent seats: of `kind`, or of any kind but
    /// wheelchair and companion places. What is best, [`crate::domain::best_available`] says.
    ///
    /// # Errors
    /// [`HoldRefusal`].
    pub async fn hold_best(
        &self,
        who: &Identity,
        show: &Show,
        quantity: u16,
        kind: Option<SeatKind>,
        key: impl Into<HoldKey<'_>>,
    ) -> Result<Hold, HoldRefusal> {
        self.hold(who, show, Wanted::Best { quantity, kind }, key).await
    }

    /// Holds what is wanted, in Redis, or durably while it is away.
    ///
    /// # Errors
    /// [`HoldRefusal`].
    pub async fn hold(
        &self,
        who: &Identity,
        show: &Show,
        wanted: Wanted<'_>,
        key: impl Into<HoldKey<'_>>,
    ) -> Result<Hold, HoldRefusal> {
        let ask = key.into();
        may_hold(who)?;
        self.challenge_pass(who, show, wanted, ask).await?;
        let key = ask.key;
        if !self.seats.is_away() {
            if let Some(answer) = self.hold_answered(who, show, wanted, key).await? {
                return answer;
            }
            match self.seats.hold_wanted(who, show, wanted, key).await {
                // Whether Redis holds the seats is not known, but a durable hold outranks that.
                Err(HoldRefusal::Failed(error)) if error.is_redis_away() && self.seats.is_away() => {}
                answer => return answer,
            }
        }
        let answer = self.hold_durable(who, show, wanted, key).await;
        metrics::counter!("booking_durable_holds_total", "outcome" => label(&answer)).increment(1);
        answer.map(|given| given.hold)
    }

    /// What was answered to the same request during an outage that has just ended. It takes a moment
    /// until Redis knows all durable holds; until then PostgreSQL is asked.
    async fn hold_answered(
        &self,
        who: &Identity,
        show: &Show,
        wanted: Wanted<'_>,
        key: &str,
    ) -> Result<Option<Result<Hold, HoldRefusal>>, HoldRefusal> {
        let outages = self.deps.redis.outages();
        if self.outages.caught_up.load(Ordering::Acquire) == outages {
            return Ok(None);
        }
        let all_told = match self.deps.redis.last_outage().map(|outage| outage.closed) {
            // Holds that were given since then do not count: only what was given without Redis was
            // not remembered there.
            Some(Some(back)) => !hold_is_any_untold(&self.deps.pg, back.elapsed()).await?,
            Some(None) => false,
            None => true,
        };
        let id = twin(hold_id(who.user_id, show.id, key));
        if let Some(durable) = hold_get(&self.deps.pg, id).await? {
            let answer = replay_durable(durable, &body_digest(show.id, wanted));
            metrics::counter!("booking_durable_holds_total", "outcome" => label(&answer)).increment(1);
            return Ok(Some(answer.map(|given| given.hold)));
        }
        // Another outage may have begun meanwhile.
        if all_told && !self.seats.is_away() && self.deps.redis.outages() == outages {
            self.outages.caught_up.store(outages, Ordering::Release);
        }
        Ok(None)
    }
}
