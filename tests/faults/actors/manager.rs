//! Who runs the theater: calls a show off in the middle of its sale, and makes sure that it is over.

use std::{sync::Arc, time::Duration};

use kernel::{IdSource, SystemIds};
use tokio::time::{Instant, sleep};

use super::{Cast, desk::Desk, recorder::Recorder, target::Target};
use crate::history::{Action, Outcome};

/// The manager's number among the actors.
const NUMBER: usize = 10_000;
/// What a regular seat costs shortly before there is none any more.
const PRICE: u32 = 13;
/// How long somebody insists who gets no answer: longer than all faults last.
const INSISTS: Duration = Duration::from_secs(40);
const PAUSE: Duration = Duration::from_millis(300);

/// The manager.
#[derive(Debug)]
pub struct Manager(Desk);

impl Manager {
    /// The one of this cast.
    pub fn new(target: &Target, cast: &Cast, recorder: &Arc<Recorder>) -> Self {
        Self(Desk {
            person: Arc::clone(&cast.manager),
            target: Arc::new(target.clone()),
            recorder: Arc::clone(recorder),
        })
    }

    /// Gives a show (by its place, any number will do) another price, and then calls it off.
    pub async fn call_off(&self, place: usize) {
        let shows = &self.0.target.shows;
        let Some(show) = place.checked_rem(shows.len()).and_then(|place| shows.get(place)) else { return };
        self.insist(Action::Reprice { show: show.id.clone(), price: PRICE }).await;
        self.insist(Action::CallOff { show: show.id.clone() }).await;
    }

    /// Wants seats of a show as somebody does who has not heard that it is called off.
    pub async fn want_seats(&self, show: &str) {
        let key = || SystemIds.uuid().to_string();
        self.insist(Action::Hold { show: show.to_owned(), seats: vec![0, 1], key: key() }).await;
        self.insist(Action::HoldBest { show: show.to_owned(), quantity: 2, key: key() }).await;
    }

    /// Asks until there is an answer: all that a manager does can be done twice.
    async fn insist(&self, action: Action) {
        let deadline = Instant::now() + INSISTS;
        loop {
            match self.0.ask(NUMBER, action.clone()).await.outcome {
                Outcome::Refused { code, .. } if code == "UNAUTHENTICATED" => self.0.person.renew().await,
                Outcome::Unknown { .. } => {}
                _ => return,
            }
            if Instant::now() >= deadline {
                return;
            }
            sleep(PAUSE).await;
        }
    }
}
