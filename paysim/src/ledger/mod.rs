//! The provider's books: all objects, kept in memory, optionally journalled.
//!
//! Every change goes through a method here, which keeps the objects consistent and emits the
//! events that Stripe would.

mod endpoints;
mod intents;
mod journal;
mod refunds;
mod table;

use std::{collections::BTreeMap, io, path::Path};

use serde_json::Value;
use tokio::sync::mpsc;

pub(crate) use intents::NewIntent;
use journal::Journal;
pub(crate) use journal::Record;
pub(crate) use refunds::NewRefund;
use table::Table;

use crate::{
    edge::idempotency::Replay,
    model::{Cause, Charge, Endpoint, Event, Intent, Refund, RefundStatus, Row},
    source,
};

/// The books.
pub(crate) struct Ledger {
    pub(crate) intents: Table<Intent>,
    pub(crate) charges: Table<Charge>,
    pub(crate) refunds: Table<Refund>,
    pub(crate) events: Table<Event>,
    pub(crate) endpoints: Table<Endpoint>,
    journal: Journal,
    outbox: mpsc::UnboundedSender<Event>,
}

impl Ledger {
    /// Opens the books, with what the journal remembers. Also returns the remembered answers to
    /// idempotent requests.
    pub(crate) fn open(
        path: Option<&Path>,
        outbox: mpsc::UnboundedSender<Event>,
    ) -> io::Result<(Self, Vec<Replay>)> {
        let mut ledger = Self {
            intents: Table::default(),
            charges: Table::default(),
            refunds: Table::default(),
            events: Table::default(),
            endpoints: Table::default(),
            journal: Journal::default(),
            outbox,
        };
        let mut replays = BTreeMap::new();
        if let Some(path) = path {
            for record in journal::read(path)? {
                match record {
                    Record::Replay(replay) => {
                        replays.insert(replay.key.clone(), replay);
                    }
                    other => ledger.apply(other),
                }
            }
            let kept = ledger.records().chain(replays.values().cloned().map(Record::Replay));
            let journal = Journal::rewrite(path, kept)?;
            ledger.journal = journal;
        }
        Ok((ledger, replays.into_values().collect()))
    }

    fn records(&self) -> impl Iterator<Item = Record> {
        let intents = self.intents.oldest_first().cloned().map(Record::Intent);
        let charges = self.charges.oldest_first().cloned().map(Record::Charge);
        let refunds = self.refunds.oldest_first().cloned().map(Record::Refund);
        let events = self.events.oldest_first().cloned().map(Record::Event);
        let endpoints = self.endpoints.oldest_first().cloned().map(Record::Endpoint);
        intents.chain(charges).chain(refunds).chain(events).chain(endpoints)
    }

    fn apply(&mut self, record: Record) {
        match record {
            Record::Intent(intent) => self.intents.put(intent),
            Record::Charge(charge) => self.charges.put(charge),
            Record::Refund(refund) => self.refunds.put(refund),
            Record::Event(event) => self.events.put(event),
            Record::Endpoint(endpoint) => self.endpoints.put(endpoint),
            Record::EndpointDeleted(id) => self.endpoints.remove(&id),
            Record::Replay(_) => {}
            Record::Reset => {
                self.intents = Table::default();
                self.charges = Table::default();
                self.refunds = Table::default();
                self.events = Table::default();
            }
        }
    }

    /// Journals a change, then makes it.
    pub(crate) fn put(&mut self, record: Record) {
        self.journal.append(&record);
        self.apply(record);
    }

    /// Forgets all objects except the webhook endpoints.
    pub(crate) fn reset(&mut self) {
        self.put(Record::Reset);
        let endpoints: Vec<_> = self.endpoints.oldest_first().cloned().collect();
        for endpoint in endpoints {
            self.put(Record::Endpoint(endpoint));
        }
    }

    /// Records an event and hands it to the webhooks.
    fn emit(&mut self, cause: &Cause, kind: &str, object: Value) {
        let pending = self.endpoints.oldest_first().filter(|e| e.wants(kind)).count();
        let event = Event {
            id: source::new_id("evt"),
            kind: kind.to_owned(),
            created: source::unix_now(),
            object,
            cause: cause.clone(),
            pending,
        };
        self.put(Record::Event(event.clone()));
        self.dispatch(event);
    }

    /// Hands an event to the webhooks. When nobody takes it the sandbox is stopping.
    pub(crate) fn dispatch(&self, event: Event) {
        drop(self.outbox.send(event));
    }

    /// Notes that one endpoint has an event, or never will.
    pub(crate) fn event_settled(&mut self, id: &str) {
        if let Some(event) = self.events.get(id) {
            let pending = event.pending.saturating_sub(1);
            self.put(Record::Event(Event { pending, ..event.clone() }));
        }
    }

    /// Events that some endpoint still waits for, oldest first.
    pub(crate) fn events_pending(&self) -> Vec<Event> {
        self.events.oldest_first().filter(|event| event.pending > 0).cloned().collect()
    }

    /// Ids of the refunds that are on their way.
    pub(crate) fn refunds_pending(&self) -> Vec<String> {
        self.refunds
            .oldest_first()
            .filter(|refund| refund.status == RefundStatus::Pending)
            .map(|refund| refund.id().to_owned())
            .collect()
    }
}
