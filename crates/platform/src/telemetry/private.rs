//! Spans leave without what is personal, and with the names that people know. Ours have nothing of the
//! kind; the router's have.

use std::time::Duration;

use opentelemetry::{KeyValue, Value};
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    trace::{SpanData, SpanExporter},
};

use super::traces::TRANSACTIONS;

/// Who asked, with what, and what they were told.
const PERSONAL: [&str; 13] = [
    "client.address",
    "client.port",
    "enduser.id",
    "error.message",
    "exception.message",
    "graphql.document",
    "hive.client.name",
    "hive.client.version",
    "hive.error.path",
    "network.peer.address",
    "network.peer.port",
    "url.query",
    "user_agent.original",
];
/// A `GET` has the operation and its variables after the `?`.
const URL: &str = "url.full";

/// Passes spans on, made fit for others.
#[derive(Debug)]
pub(super) struct Private<E>(pub(super) E);

impl<E: SpanExporter> SpanExporter for Private<E> {
    async fn export(&self, mut batch: Vec<SpanData>) -> OTelSdkResult {
        batch.iter_mut().for_each(clean);
        self.0.export(batch).await
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.0.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.0.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.0.set_resource(resource);
    }
}

fn clean(span: &mut SpanData) {
    if let Some((_, name)) = TRANSACTIONS.iter().find(|(library, _)| *library == span.name) {
        span.name = (*name).into();
        // As other statements have them.
        span.attributes =
            vec![KeyValue::new("db.system.name", "postgresql"), KeyValue::new("db.query.summary", *name)];
    }
    clean_attributes(&mut span.attributes);
    for event in &mut span.events.events {
        // The name of an event is a message that was meant for the client alone.
        event.name = "graphql.error".into();
        clean_attributes(&mut event.attributes);
    }
}

fn clean_attributes(attributes: &mut Vec<KeyValue>) {
    attributes.retain(|attribute| !PERSONAL.contains(&attribute.key.as_str()));
    for attribute in attributes.iter_mut().filter(|attribute| attribute.key.as_str() == URL) {
        let url = attribute.value.as_str();
        if let Some((before, _)) = url.split_once('?') {
            attribute.value = Value::from(before.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_personal_stays_here() {
        let mut attributes = vec![
            KeyValue::new("http.route", "/graphql"),
            KeyValue::new("client.address", "192.0.2.7"),
            KeyValue::new("user_agent.original", "curl"),
            KeyValue::new(URL, "/graphql?query={me{email}}&variables={}"),
        ];
        clean_attributes(&mut attributes);
        assert_eq!(attributes, [KeyValue::new("http.route", "/graphql"), KeyValue::new(URL, "/graphql")]);
    }
}
