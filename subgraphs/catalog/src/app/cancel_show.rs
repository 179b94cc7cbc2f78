//! A show that will not take place.

use events::show::ShowCancelled;
use graphql_kit::Identity;
use kernel::ShowId;

use super::{App, Outcome, Refusal, authorise_scheduling, show_lock};
use crate::{
    domain::{Show, ShowStatus},
    store,
};

/// Longer reasons are none.
const MAX_REASON: usize = 500;

/// What is not to be shown.
#[derive(Debug, Clone)]
pub struct CancelShow {
    /// Which show.
    pub show_id: ShowId,
    /// Why, in words for the audience.
    pub reason: Option<String>,
}

impl App {
    /// Cancels a show that is not over. Cancelling twice changes nothing and tells nobody.
    ///
    /// # Errors
    /// [`super::Failure`].
    pub async fn cancel_show(&self, actor: &Identity, wanted: CancelShow) -> Outcome<Show> {
        authorise_scheduling(actor)?;
        let reason = wanted.reason.map(|reason| reason.trim().to_owned()).filter(|reason| !reason.is_empty());
        if reason.as_ref().is_some_and(|reason| reason.chars().count() > MAX_REASON) {
            let message = format!("a reason must have at most {MAX_REASON} characters");
            return Ok(Err(Refusal::invalid("reason", message)));
        }
        let transaction = self.begin().await?;
        let Some(locked) = show_lock(&transaction, wanted.show_id).await? else {
            return Ok(Err(Refusal::not_found("showId", "show")));
        };
        let mut show = locked.show;
        match show.status_at(self.now()) {
            ShowStatus::Scheduled => {}
            ShowStatus::Cancelled => return Ok(Ok(show)),
            ShowStatus::Completed => {
                return Ok(Err(Refusal::not_allowed(
                    "SHOW_OVER",
                    "the show is over; it cannot be cancelled",
                )));
            }
        }
        show.revision += 1;
        show.stored_status = ShowStatus::Cancelled;
        show.cancel_reason = reason.clone();
        store::show::show_update(&transaction, &show).await?;
        let event = ShowCancelled { show_id: show.id, revision: show.revision, reason };
        self.commit_with(transaction, show.id, &event).await?;
        tracing::info!(show = %show.id, user = %actor.user_id, "show cancelled");
        Ok(Ok(show))
    }
}
