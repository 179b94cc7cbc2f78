//! Where the platform of a round is, as clients and observers need to know it.

use std::{path::PathBuf, time::Duration};

/// Addresses of a round's platform.
#[derive(Debug, Clone)]
pub struct Target {
    /// `http://…/graphql` of the gateways.
    pub graphql: String,
    /// `ws://…/graphql` of the gateways.
    pub subscriptions: String,
    /// Root of the payment sandbox.
    pub sandbox: String,
    /// The round's database, not through a proxy.
    pub postgres: String,
    /// RabbitMQ, not through a proxy.
    pub rabbit: RabbitTarget,
    /// Logs of all processes of the platform.
    pub logs: Vec<PathBuf>,
    /// Where the platform puts the mails that it sends (`notifications.mail_dir`).
    pub mails: PathBuf,
    /// How often a watcher hears of a quiet show (`booking.seat_map.heartbeat_ms`).
    pub heartbeat: Duration,
    /// How long a claim goes on at most after its checkout (`booking.claim_limit_seconds`).
    pub claim_limit: Duration,
    /// The shows that are sold in this round.
    pub shows: Vec<Show>,
}

/// The round's queues.
#[derive(Debug, Clone)]
pub struct RabbitTarget {
    /// `amqp://…`.
    pub url: String,
    /// `rabbit.prefix` of the platform.
    pub prefix: String,
    /// `rabbit.retry_delays_ms` of the platform.
    pub retry_delays_ms: Vec<u32>,
    /// Names without the prefix: the first words of the lines of `marquee queues list`.
    pub queues: Vec<String>,
}

/// A show and its seats.
#[derive(Debug, Clone)]
pub struct Show {
    /// `show_…`.
    pub id: String,
    /// Ids of its seats, by index.
    pub seats: Vec<String>,
}

impl Target {
    /// Whether a claim goes on for longer than any payment in a round takes.
    pub const fn claims_wait(&self) -> bool {
        self.claim_limit.as_secs() >= 60
    }

    /// The place of a show in [`Target::shows`].
    pub fn show_place(&self, id: &str) -> Option<usize> {
        self.shows.iter().position(|show| show.id == id)
    }
}

impl Show {
    /// The index of a seat, by its id.
    pub fn index(&self, seat: &str) -> Option<u16> {
        u16::try_from(self.seats.iter().position(|id| id == seat)?).ok()
    }
}
