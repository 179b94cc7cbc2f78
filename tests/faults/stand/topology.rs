//! Which processes there are, and over which links they meet. All names are known before anything
//! runs, so that a plan made from a seed can name them.

use super::node::Role;

/// The processes of the platform.
pub const PROCESSES: [(&str, Role); 7] = [
    ("gateway-1", Role::Gateway),
    ("gateway-2", Role::Gateway),
    ("booking-1", Role::Booking),
    ("booking-2", Role::Booking),
    ("catalog", Role::Catalog),
    ("worker-1", Role::Worker),
    ("worker-2", Role::Worker),
];

/// Whom processes connect to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// PostgreSQL.
    Postgres,
    /// Redis.
    Redis,
    /// RabbitMQ.
    Rabbit,
    /// The payment sandbox.
    Provider,
    /// The booking processes, by turns.
    Booking,
    /// Catalog.
    Catalog,
    /// User, whose keys all others fetch, too.
    User,
}

impl Peer {
    const fn name(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Redis => "redis",
            Self::Rabbit => "rabbit",
            Self::Provider => "provider",
            Self::Booking => "booking",
            Self::Catalog => "catalog",
            Self::User => "user",
        }
    }
}

/// Clients to the gateways, by turns.
pub const CLIENTS: &str = "clients:gateway";
/// Webhooks to the booking processes, by turns.
pub const WEBHOOKS: &str = "provider:booking";

/// Whom a process connects to.
pub const fn peers(role: Role) -> &'static [Peer] {
    match role {
        Role::Gateway => &[Peer::Booking, Peer::Catalog, Peer::User, Peer::Redis],
        Role::Catalog => &[Peer::Postgres, Peer::Redis, Peer::Rabbit],
        Role::Booking => &[Peer::Postgres, Peer::Redis, Peer::Rabbit, Peer::Provider, Peer::User],
        Role::Worker => &[Peer::Postgres, Peer::Redis, Peer::Rabbit, Peer::Provider],
    }
}

/// The name of the link from a process to a peer.
pub fn link(process: &str, peer: Peer) -> String {
    format!("{process}:{}", peer.name())
}

/// The links from processes to their peers.
pub fn links() -> Vec<String> {
    let of = |(process, role): (&'static str, Role)| peers(role).iter().map(move |peer| link(process, *peer));
    PROCESSES.into_iter().flat_map(of).collect()
}
