//! The section `gateway.caps`: what may be open at once.

use garde::Validate;
use serde::Deserialize;

/// What may be open at once. A socket takes about 15 KB, and an open file.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct Caps {
    /// Sockets.
    #[garde(range(min = 1))]
    pub sockets: usize,
    /// Of these, those of one address. An office or a provider may have but one for many people.
    /// Addresses of this machine have no limit of their own: that is a proxy, or whoever works here.
    #[garde(range(min = 1))]
    pub sockets_per_address: usize,
    /// Of these, those of one user or API key.
    #[garde(range(min = 1))]
    pub sockets_per_user: usize,
    /// Subscriptions, of all transports.
    #[garde(range(min = 1))]
    pub subscriptions: usize,
    /// Of these, those of one address; as with sockets.
    #[garde(range(min = 1))]
    pub subscriptions_per_address: usize,
    /// Of these, those of one user or API key.
    #[garde(range(min = 1))]
    pub subscriptions_per_user: usize,
    /// Connections that are no sockets: requests, and streams of events. Each takes an open file, too.
    #[garde(range(min = 1))]
    pub connections: usize,
    /// Of these, those of one address; as with sockets. Proxies have no limit of their own either.
    #[garde(range(min = 1))]
    pub connections_per_address: usize,
    /// Operations that one socket may have running.
    #[garde(range(min = 1))]
    pub operations_per_socket: usize,
    /// Events of one subscription kept for a reader that is behind. It misses what is older, and is told
    /// so with the next event.
    #[garde(range(min = 1))]
    pub events_per_reader: usize,
    /// How long a client may leave unread what it was sent, in milliseconds, until its socket or its
    /// stream of events is closed.
    #[garde(range(min = 100))]
    pub slow_reader_ms: u64,
    /// How often a socket is pinged, and how long its client may take to say who it is, in milliseconds.
    #[garde(range(min = 50))]
    pub ping_ms: u64,
    /// How long a client may say nothing, not even to pings, in milliseconds, until its socket is closed.
    #[garde(custom(|silence: &u64, (): &()| self.outlasts_pings(*silence)))]
    pub silence_ms: u64,
}

impl Default for Caps {
    fn default() -> Self {
        Self {
            sockets: 20_000,
            sockets_per_address: 200,
            sockets_per_user: 20,
            subscriptions: 40_000,
            subscriptions_per_address: 400,
            subscriptions_per_user: 60,
            connections: 10_000,
            connections_per_address: 1_000,
            operations_per_socket: 64,
            events_per_reader: 64,
            slow_reader_ms: 10_000,
            ping_ms: 10_000,
            silence_ms: 25_000,
        }
    }
}

impl Caps {
    /// Else a client that answers each ping would be taken for a dead one.
    fn outlasts_pings(&self, silence: u64) -> garde::Result {
        if silence >= self.ping_ms.saturating_mul(2) {
            return Ok(());
        }
        Err(garde::Error::new(format!("less than two pings ({} ms each) would be waited for", self.ping_ms)))
    }
}
