//! Takes in events: who people are, and what they are to be told.

use std::sync::Arc;

use events::{Envelope, user::UserSnapshot};
use kernel::{EventId, IdSource as _, SystemIds};
use platform::{
    faults::{mutant, reach},
    inbox,
};
use sea_orm::{DatabaseConnection, DbErr, TransactionTrait as _};
use tokio::sync::Notify;

use super::sender::RECIPIENT_UNKNOWN;
use crate::{
    domain::Notice,
    store::{SCHEMA, delivery, recipient},
};

/// An id that no event has.
fn anew() -> EventId {
    EventId::from_uuid(SystemIds.uuid())
}

/// Records events, each together with its inbox row.
#[derive(Clone)]
pub(crate) struct Intake {
    pub pg: DatabaseConnection,
    /// Wakes the sender of this process.
    pub wake: Arc<Notify>,
}

impl Intake {
    /// Takes over what `event` says of a person, and retries what waited for their address.
    pub(crate) async fn user(
        &self,
        consumer: &str,
        event: &Envelope,
        user: &UserSnapshot,
    ) -> Result<(), DbErr> {
        let txn = self.pg.begin().await?;
        if !inbox::record(&txn, SCHEMA, consumer, event).await? {
            return Ok(());
        }
        recipient::recipient_upsert(&txn, user).await?;
        let due = delivery::delivery_retry_for(&txn, user.user_id, RECIPIENT_UNKNOWN).await?;
        txn.commit().await?;
        if due > 0 {
            self.wake.notify_one();
        }
        Ok(())
    }

    /// Notes that the owner of a booking is to be told of `event`.
    pub(crate) async fn notice(
        &self,
        consumer: &str,
        event: &Envelope,
        notice: &Notice,
    ) -> Result<(), DbErr> {
        let user = notice.booking().user_id;
        if mutant("no_inbox") {
            // The deliberate bug: nobody knows a copy of an event from another event.
            let copy = Envelope { id: anew(), ..event.clone() };
            delivery::delivery_insert(&self.pg, user, &copy).await?;
        } else if !delivery::delivery_receive(&self.pg, consumer, user, event).await? {
            return Ok(());
        }
        reach("notify.committed").await;
        self.wake.notify_one();
        Ok(())
    }
}
