//! Other prices for a show.

use events::show::ShowChanged;
use graphql_kit::Identity;
use kernel::{SeatKind, ShowId};
use rust_decimal::Decimal;

use super::{App, Outcome, Refusal, authorise_scheduling, prices, show_lock};
use crate::{
    domain::{Show, ShowStatus},
    store,
};

/// What seats are to cost from now on. Who has a hold or a booking keeps its price.
#[derive(Debug, Clone)]
pub struct UpdateShowPrices {
    /// Which show.
    pub show_id: ShowId,
    /// What a regular seat costs; with it, kinds that are not in `prices` are derived anew.
    pub base_price: Option<Decimal>,
    /// What kinds cost.
    pub prices: Vec<(SeatKind, Decimal)>,
}

impl App {
    /// Changes the prices of a show that has not begun. Prices that are already so change
    /// nothing and tell nobody.
    ///
    /// # Errors
    /// [`super::Failure`].
    pub async fn update_show_prices(&self, actor: &Identity, wanted: UpdateShowPrices) -> Outcome<Show> {
        authorise_scheduling(actor)?;
        let transaction = self.begin().await?;
        let Some(locked) = show_lock(&transaction, wanted.show_id).await? else {
            return Ok(Err(Refusal::not_found("showId", "show")));
        };
        let mut show = locked.show;
        let now = self.now();
        if show.status_at(now) == ShowStatus::Cancelled {
            return Ok(Err(Refusal::not_allowed("SHOW_CANCELLED", "the show is cancelled")));
        }
        if show.timing.starts_at <= now {
            return Ok(Err(Refusal::not_allowed("SHOW_BEGUN", "the show has begun; its prices stay")));
        }
        let list = match wanted.base_price {
            Some(base) => prices::list(&locked.screen.layout, show.currency, base, &wanted.prices),
            None => prices::changed(&show.prices, show.currency, &wanted.prices),
        };
        match list {
            Err(refusal) => return Ok(Err(refusal)),
            Ok(list) if list == show.prices => return Ok(Ok(show)),
            Ok(list) => show.prices = list,
        }
        show.revision += 1;
        store::show::show_update(&transaction, &show).await?;
        let event = ShowChanged(show.snapshot(&locked.movie, &locked.theater, &locked.screen));
        self.commit_with(transaction, show.id, &event).await?;
        tracing::info!(show = %show.id, user = %actor.user_id, "prices of a show changed");
        Ok(Ok(show))
    }
}
