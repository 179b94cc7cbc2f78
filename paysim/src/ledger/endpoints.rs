//! Webhook endpoints.

use super::{Ledger, Record};
use crate::{config::WebhookTarget, model::Endpoint, source};

impl Ledger {
    /// Adds an endpoint. One with the same address is replaced, so that a restart with the same
    /// configuration does not send everything twice.
    pub(crate) fn endpoint_put(&mut self, target: WebhookTarget) -> Endpoint {
        let same = self.endpoints.oldest_first().find(|endpoint| endpoint.url == target.url);
        let endpoint = Endpoint {
            id: same.map_or_else(|| source::new_id("we"), |endpoint| endpoint.id.clone()),
            url: target.url,
            secrets: target.secrets,
            enabled_events: target.events,
            description: None,
            metadata: Default::default(),
            created: source::unix_now(),
        };
        self.put(Record::Endpoint(endpoint.clone()));
        endpoint
    }

    /// Removes an endpoint; `false` when there is none of that id.
    pub(crate) fn endpoint_delete(&mut self, id: &str) -> bool {
        let exists = self.endpoints.get(id).is_some();
        if exists {
            self.put(Record::EndpointDeleted(id.to_owned()));
        }
        exists
    }
}
