//! `ticketKeys`.

use async_graphql::{Context, Object, Result, SimpleObject};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use graphql_kit::AssumedSize;

use crate::graphql::error::app;

/// A public key that ticket codes are checked with.
#[derive(Debug, Clone, SimpleObject)]
pub struct TicketKey {
    /// What codes name the key by: the first eight hexadecimal digits of SHA-256 of its bytes.
    pub id: String,
    /// `Ed25519`.
    pub algorithm: String,
    /// The 32 bytes, base64url without padding.
    pub public_key: String,
}

#[derive(Default)]
pub struct TicketKeysQuery;

#[Object]
impl TicketKeysQuery {
    /// The keys that tickets were and are signed with, the current one first. The same as
    /// `/.well-known/ticket-keys.json`.
    #[graphql(directive = AssumedSize::apply(3))]
    async fn ticket_keys(&self, ctx: &Context<'_>) -> Result<Vec<TicketKey>> {
        let keys = app(ctx)?.tickets.public_keys().iter().map(|key| TicketKey {
            id: key.id().to_string(),
            algorithm: "Ed25519".to_owned(),
            public_key: URL_SAFE_NO_PAD.encode(key.as_bytes()),
        });
        Ok(keys.collect())
    }
}
