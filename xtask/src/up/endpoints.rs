//! Where everything is, for people and, in `.marquee/endpoints.json`, for programs.
//!
//! The file exists exactly while everything it names is ready.

use std::{collections::BTreeMap, fs, io};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::{
    settings::{Addresses, url},
    state::{State, write_private},
};
use crate::console;

/// Where everything is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Endpoints {
    /// The GraphQL endpoint.
    pub(super) graphql: String,
    /// The explorer, for a browser.
    pub(super) explorer: String,
    /// The GraphQL endpoint for subscriptions (graphql-transport-ws).
    pub(super) subscriptions: String,
    /// The payment sandbox.
    pub(super) payment_sandbox: String,
    /// Where the sandbox sends its webhooks.
    pub(super) payment_webhook: String,
    /// The folder that mail is written to.
    pub(super) mail_dir: String,
    /// Prometheus metrics by role.
    pub(super) metrics: BTreeMap<String, String>,
}

impl Endpoints {
    pub(super) fn new(addresses: &Addresses, state: &State) -> Self {
        let metrics =
            addresses.roles().map(|(role, port)| (role.to_owned(), format!("{}/metrics", url(port))));
        Self {
            graphql: format!("{}/graphql", url(addresses.gateway)),
            explorer: format!("{}/graphql", url(addresses.gateway)),
            subscriptions: format!("ws://127.0.0.1:{}/graphql", addresses.gateway),
            payment_sandbox: url(addresses.sandbox),
            payment_webhook: addresses.webhook(),
            mail_dir: state.mail_dir().display().to_string(),
            metrics: BTreeMap::from(metrics),
        }
    }

    /// Tells programs.
    pub(super) fn write(&self, state: &State) -> Result<()> {
        write_private(&state.endpoints(), &serde_json::to_string_pretty(self)?)
    }

    /// What the file says, when there is one.
    pub(super) fn read(state: &State) -> Result<Option<Self>> {
        match fs::read(state.endpoints()) {
            Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).context("cannot read the endpoints"),
        }
    }

    /// Takes the file away.
    pub(crate) fn remove(state: &State) -> Result<()> {
        match fs::remove_file(state.endpoints()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(error).context("cannot remove the endpoints")
            }
            _ => Ok(()),
        }
    }

    /// Tells people.
    pub(super) fn print(&self) {
        let rows = [
            ("GraphQL", &self.graphql),
            ("Explorer", &self.explorer),
            ("Subscriptions", &self.subscriptions),
            ("Payment sandbox", &self.payment_sandbox),
            ("Payment webhook", &self.payment_webhook),
            ("Mail folder", &self.mail_dir),
        ];
        for (name, value) in rows {
            console::line(&format!("{name:<16}  {value}"));
        }
        for (role, value) in &self.metrics {
            console::line(&format!("{:<16}  {value}", format!("Metrics {role}")));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_has_the_agreed_names_and_goes_away() {
        let folder = tempfile::tempdir().unwrap();
        let state = State::new(folder.path().to_owned()).unwrap();
        let addresses = Addresses {
            gateway: 4000,
            catalog: 4001,
            booking: 4002,
            user: 4003,
            worker: 4004,
            sandbox: 4010,
        };
        let endpoints = Endpoints::new(&addresses, &state);
        endpoints.write(&state).unwrap();
        let json: serde_json::Value = serde_json::from_slice(&fs::read(state.endpoints()).unwrap()).unwrap();
        assert_eq!(json["graphql"], "http://127.0.0.1:4000/graphql");
        assert_eq!(json["subscriptions"], "ws://127.0.0.1:4000/graphql");
        assert_eq!(json["paymentSandbox"], "http://127.0.0.1:4010");
        assert_eq!(json["paymentWebhook"], "http://127.0.0.1:4002/webhooks/stripe");
        assert_eq!(json["metrics"]["worker"], "http://127.0.0.1:4004/metrics");
        assert!(json["mailDir"].is_string() && json["explorer"].is_string());
        assert_eq!(Endpoints::read(&state).unwrap(), Some(endpoints));
        Endpoints::remove(&state).unwrap();
        Endpoints::remove(&state).unwrap();
        assert_eq!(Endpoints::read(&state).unwrap(), None);
    }
}
