//! The configuration of `marquee`, written anew at each start.

use std::path::Path;

use anyhow::Result;
use toml::{Table, Value};

use super::{
    secrets::Secrets,
    state::{State, write_private},
};
use crate::services::{Home, Services};

/// The ports of all parts on loopback.
#[derive(Clone, Debug)]
pub(super) struct Addresses {
    pub(super) gateway: u16,
    pub(super) catalog: u16,
    pub(super) booking: u16,
    pub(super) user: u16,
    pub(super) worker: u16,
    pub(super) sandbox: u16,
}

impl Addresses {
    /// The usual ports where they are free, else others.
    pub(super) fn choose(home: &Home) -> Result<Self> {
        Ok(Self {
            gateway: home.port("gateway", Some(4000))?,
            catalog: home.port("catalog", Some(4001))?,
            booking: home.port("booking", Some(4002))?,
            user: home.port("user", Some(4003))?,
            worker: home.port("worker", Some(4004))?,
            sandbox: home.port("sandbox", Some(4010))?,
        })
    }

    /// The roles of `marquee` with their ports.
    pub(super) fn roles(&self) -> [(&'static str, u16); 5] {
        [
            ("gateway", self.gateway),
            ("catalog", self.catalog),
            ("booking", self.booking),
            ("user", self.user),
            ("worker", self.worker),
        ]
    }

    /// Where the sandbox sends its webhooks.
    pub(super) fn webhook(&self) -> String {
        format!("{}/webhooks/stripe", url(self.booking))
    }
}

/// `http://127.0.0.1:port`
pub(super) fn url(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

/// What the configuration is made from.
pub(super) struct Settings<'a> {
    pub(super) addresses: &'a Addresses,
    pub(super) secrets: &'a Secrets,
    pub(super) services: &'a Services,
    pub(super) state: &'a State,
    pub(super) root: &'a Path,
}

impl Settings<'_> {
    /// Writes the file.
    pub(super) fn write(&self) -> Result<()> {
        let text = format!(
            "# Written by `cargo xtask up` at each start; changes are lost. To override a setting, set its\n\
             # variable, such as MARQUEE_BOOKING__CLAIM_TTL_SECONDS.\n\n{}",
            toml::to_string(&self.table())?
        );
        write_private(&self.state.config(), &text)
    }

    fn table(&self) -> Table {
        let Addresses { gateway, catalog, booking, user, worker, sandbox } = *self.addresses;
        let listen = |port: u16| Value::String(format!("127.0.0.1:{port}"));
        let text = |text: String| Value::String(text);
        let pay_page = format!("{}/pay/{{intent}}?client_secret={{client_secret}}", url(sandbox));
        let supergraph = self.root.join("schema").join("supergraph.graphql");

        let mut table = Table::new();
        let jwks = format!("{}/.well-known/jwks.json", url(user));
        let values = [
            ("pg.url", text(self.services.postgres_url("marquee"))),
            ("redis.url", text(self.services.redis_url())),
            ("rabbit.url", text(self.services.rabbit_url())),
            ("gateway.listen", listen(gateway)),
            ("gateway.public_url", text(url(gateway))),
            ("gateway.supergraph", text(supergraph.display().to_string())),
            ("gateway.subgraph_urls.catalog", text(format!("{}/graphql", url(catalog)))),
            ("gateway.subgraph_urls.booking", text(format!("{}/graphql", url(booking)))),
            ("gateway.subgraph_urls.user", text(format!("{}/graphql", url(user)))),
            ("gateway.auth.jwks_url", text(jwks.clone())),
            ("gateway.auth.token_url", text(format!("{}/oauth/token", url(user)))),
            ("catalog.listen", listen(catalog)),
            ("booking.listen", listen(booking)),
            ("booking.ticket_signing_key", text(self.secrets.ticket_signing_key.clone())),
            ("booking.auth.jwks_url", text(jwks)),
            ("booking.payments.api_base", text(url(sandbox))),
            ("booking.payments.secret_key", text(self.secrets.payment_secret_key.clone())),
            ("booking.payments.publishable_key", text(self.secrets.payment_publishable_key.clone())),
            (
                "booking.payments.webhook_secrets",
                Value::Array(vec![text(self.secrets.webhook_secret.clone())]),
            ),
            ("booking.payments.pay_url_template", text(pay_page)),
            ("user.listen", listen(user)),
            ("user.signing_key", text(self.secrets.user_signing_key.clone())),
            ("notifications.mail_dir", text(self.state.mail_dir().display().to_string())),
            ("worker.listen", listen(worker)),
        ];
        for (path, value) in values {
            set(&mut table, path, value);
        }
        table
    }
}

/// Sets `a.b.c`, making the tables on the way.
fn set(table: &mut Table, path: &str, value: Value) {
    match path.split_once('.') {
        None => {
            table.insert(path.to_owned(), value);
        }
        Some((head, rest)) => {
            let inner = table.entry(head).or_insert_with(|| Value::Table(Table::new()));
            if let Value::Table(inner) = inner {
                set(inner, rest, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_make_tables() {
        let mut table = Table::new();
        set(&mut table, "booking.auth.jwks_url", Value::String("x".to_owned()));
        set(&mut table, "booking.listen", Value::String("y".to_owned()));
        assert_eq!(table["booking"]["auth"]["jwks_url"].as_str(), Some("x"));
        assert_eq!(table["booking"]["listen"].as_str(), Some("y"));
    }
}
