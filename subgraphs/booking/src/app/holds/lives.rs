//! Extending, releasing and finding holds. Whoever keeps a hold decides; of a durable one Redis is
//! told afterwards.

use graphql_kit::Identity;
use kernel::HoldId;
use platform::faults::reach;

use super::super::seats::{Hold, HoldRefusal, count_ended};
use super::may_hold;
use crate::app::{App, AppError};
use crate::domain::audit::{Actor, Reason};
use crate::domain::hold::{HoldEnd, is_durable};
use crate::store::holds::{Ending, hold_end, hold_extend, hold_get};

impl App {
    /// Lets a hold live for another full time, within the longest life of a hold.
    ///
    /// # Errors
    /// [`HoldRefusal`].
    pub async fn hold_extend(&self, who: &Identity, id: HoldId) -> Result<Hold, HoldRefusal> {
        may_hold(who)?;
        let extended = self.hold_extend_kept(who, id).await;
        let outcome = extended.as_ref().map_or_else(HoldRefusal::label, |_| "extended");
        metrics::counter!("booking_hold_extensions_total", "outcome" => outcome).increment(1);
        extended
    }

    async fn hold_extend_kept(&self, who: &Identity, id: HoldId) -> Result<Hold, HoldRefusal> {
        if !is_durable(id) {
            return self.seats.extend(who, id).await;
        }
        let (ttl, longest) = self.seats.lifetimes();
        if let Some(extended) = hold_extend(&self.deps.pg, id, who.user_id, ttl, longest).await? {
            reach("durable_extend.committed").await;
            self.hold_tell(&extended).await;
            return Ok(extended.hold);
        }
        Err(self.hold_end_of(who, id).await?.map_or_else(|| self.seats.too_long(), HoldRefusal::Gone))
    }

    /// Gives the seats of a hold back. Once is as good as twice.
    ///
    /// # Errors
    /// [`HoldRefusal`].
    pub async fn hold_release(&self, who: &Identity, id: HoldId) -> Result<(), HoldRefusal> {
        may_hold(who)?;
        if !is_durable(id) {
            return self.seats.release(who, id).await;
        }
        let cause = Actor::User(who.user_id).because(Reason::Released);
        let ending = Ending::Released(who.user_id);
        let released = hold_end(&self.deps.pg, id.show(), &[id], ending, &cause).await?;
        if let Some(released) = released.first() {
            reach("durable_release.committed").await;
            metrics::counter!("booking_durable_holds_ended_total").increment(1);
            count_ended(HoldEnd::Released, 1);
            self.hold_tell(released).await;
            return Ok(());
        }
        match self.hold_end_of(who, id).await? {
            Some(HoldEnd::Released) => Ok(()),
            // It lived just then, and its time ended between two looks.
            None => Err(HoldRefusal::Gone(HoldEnd::Expired)),
            Some(end) => Err(HoldRefusal::Gone(end)),
        }
    }

    /// A hold that lives now.
    ///
    /// # Errors
    /// When whoever keeps it is away.
    pub async fn hold_get(&self, id: HoldId) -> Result<Option<Hold>, AppError> {
        if !is_durable(id) {
            return Ok(self.seats.hold_get(id).await?);
        }
        let durable = hold_get(&self.deps.pg, id).await?;
        Ok(durable.filter(|durable| durable.end().is_none()).map(|durable| durable.hold))
    }

    /// How a durable hold of the caller ended, if it has.
    async fn hold_end_of(&self, who: &Identity, id: HoldId) -> Result<Option<HoldEnd>, HoldRefusal> {
        let durable = hold_get(&self.deps.pg, id).await?;
        let own = durable.filter(|durable| durable.hold.owner == who.user_id);
        own.map(|durable| durable.end()).ok_or(HoldRefusal::NotFound)
    }
}
