//! The record of what was sent, for tests and for people who wonder.

use serde::Serialize;

use crate::{app::App, model::Event, source};

/// How many deliveries are remembered.
const REMEMBERED: usize = 10_000;

/// One attempt to deliver an event, or its loss.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Delivery {
    event: String,
    #[serde(rename = "type")]
    kind: String,
    /// Id of the object that the event is about.
    object: Option<String>,
    url: String,
    /// From 1.
    attempt: u32,
    /// 0 for the delivery proper, from 1 for the further copies that a switch asked for.
    copy: u32,
    at: i64,
    #[serde(flatten)]
    outcome: Outcome,
}

/// What became of an attempt.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub(crate) enum Outcome {
    /// Answered, perhaps not with 2xx.
    Answered {
        /// The status of the answer.
        status: u16,
    },
    /// No answer.
    Failed {
        /// Why.
        error: String,
    },
    /// Lost on purpose.
    Dropped,
}

impl Outcome {
    /// Whether the endpoint has the event.
    pub(crate) fn is_delivered(&self) -> bool {
        matches!(self, Self::Answered { status: 200..=299 })
    }
}

impl App {
    /// Remembers a delivery.
    pub(crate) fn delivery_record(
        &self,
        event: &Event,
        url: &str,
        attempt: u32,
        copy: u32,
        outcome: Outcome,
    ) {
        let mut deliveries = self.deliveries();
        if deliveries.len() == REMEMBERED {
            deliveries.pop_front();
        }
        deliveries.push_back(Delivery {
            event: event.id.clone(),
            kind: event.kind.clone(),
            object: event.object["id"].as_str().map(str::to_owned),
            url: url.to_owned(),
            attempt,
            copy,
            at: source::unix_now(),
            outcome,
        });
    }
}
