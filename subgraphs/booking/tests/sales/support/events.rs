//! Events, taken from the outbox and handed to the consumers.

use ::events::{Envelope, Event};
use kernel::{Clock as _, EventId, IdSource as _, SystemIds};
use platform::HandlerError;

use super::World;

impl World {
    /// Takes all events out of the outbox, oldest first.
    pub async fn take_events(&self) -> Vec<Envelope> {
        let sql = "delete from booking.outbox
                   returning key, seq, event_id, name, version::int as version, time, trace, body";
        let mut rows: Vec<(i64, Envelope)> = self
            .rows(sql)
            .await
            .iter()
            .map(|row| {
                let version: i32 = row.try_get("", "version").unwrap();
                let envelope = Envelope {
                    id: EventId::from_uuid(row.try_get("", "event_id").unwrap()),
                    name: row.try_get("", "name").unwrap(),
                    version: u16::try_from(version).unwrap(),
                    time: row.try_get("", "time").unwrap(),
                    key: row.try_get("", "key").unwrap(),
                    trace: row.try_get("", "trace").unwrap(),
                    body: row.try_get("", "body").unwrap(),
                };
                (row.try_get("", "seq").unwrap(), envelope)
            })
            .collect();
        rows.sort_by_key(|(seq, _)| *seq);
        rows.into_iter().map(|(_, envelope)| envelope).collect()
    }

    /// Names of the events in the outbox, oldest first.
    pub async fn told(&self) -> Vec<String> {
        let rows = self.rows("select name from booking.outbox order by seq").await;
        rows.iter().map(|row| row.try_get("", "name").unwrap()).collect()
    }

    /// Hands one event to everybody who wants it.
    pub async fn hand(&self, event: &Envelope) -> Result<(), HandlerError> {
        for (queue, handler) in booking::consumers::handlers(&self.app) {
            if queue.bindings.iter().any(|binding| wants(binding, &event.name)) {
                handler.handle(event).await?;
            }
        }
        Ok(())
    }

    pub async fn tell<E: Event>(&self, event: &E) -> Result<(), HandlerError> {
        let id = EventId::from_uuid(SystemIds.uuid());
        self.hand(&Envelope::new(id, self.clock.now(), event).unwrap()).await
    }

    /// Delivers events, and those that follow from them, until there are none. Each comes twice.
    pub async fn deliver(&self) {
        loop {
            let events = self.take_events().await;
            if events.is_empty() {
                return;
            }
            for event in events {
                self.hand(&event).await.unwrap();
                self.hand(&event).await.unwrap();
            }
        }
    }
}

/// Does a binding of a topic exchange match? (`*` stands for one word.)
fn wants(binding: &str, name: &str) -> bool {
    let (binding, name): (Vec<_>, Vec<_>) = (binding.split('.').collect(), name.split('.').collect());
    binding.len() == name.len() && binding.iter().zip(&name).all(|(b, n)| *b == "*" || b == n)
}
