//! Queue `notifications.users`: keeps our own copy of addresses and languages.

use async_trait::async_trait;
use events::{
    Envelope, Event as _,
    user::{UserChanged, UserRegistered},
};
use platform::{Handler, HandlerError, Queue};

use crate::app::Intake;

/// See the module.
pub(crate) struct Users(pub Intake);

impl Users {
    /// Events of one person stay in order: they share a lane.
    pub(crate) const QUEUE: Queue = Queue {
        name: "notifications.users",
        bindings: &[UserRegistered::NAME, UserChanged::NAME],
        lanes: 4,
        prefetch: 64,
    };
}

#[async_trait]
impl Handler for Users {
    async fn handle(&self, event: &Envelope) -> Result<(), HandlerError> {
        let user = if event.is::<UserRegistered>() {
            event.decode::<UserRegistered>()?.0
        } else {
            event.decode::<UserChanged>()?.0
        };
        Ok(self.0.user(Self::QUEUE.name, event, &user).await?)
    }
}
