//! `[booking]` of the configuration, one section per file.

mod challenge;
mod holds;
mod payments;
mod pricing;
mod reconcile;
mod seat_map;
mod tickets;

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use chrono::TimeDelta;
use garde::Validate;
use graphql_kit::Limits;
use graphql_kit::auth::AuthConfig;
use secrecy::SecretString;
use serde::Deserialize;

pub use challenge::{ChallengeConfig, ChallengeMode, OnFailure};
pub use holds::HoldsConfig;
pub use payments::PaymentsConfig;
pub use pricing::PricingConfig;
pub use reconcile::ReconcileConfig;
pub use seat_map::SeatMapConfig;
pub use tickets::TicketKeyError;

/// Everything that can be set for booking.
#[derive(Debug, Clone, Deserialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where the role listens.
    #[garde(skip)]
    pub listen: SocketAddr,
    /// How bearer tokens are checked.
    #[garde(dive)]
    pub auth: AuthConfig,
    /// Surcharges.
    #[garde(dive)]
    pub pricing: PricingConfig,
    /// Limits and lifetimes of holds.
    #[garde(dive)]
    pub holds: HoldsConfig,
    /// How seat maps are kept and shown.
    #[garde(dive)]
    pub seat_map: SeatMapConfig,
    /// How long an unpaid booking keeps its seats, in seconds.
    #[garde(range(min = 1, max = 86_400))]
    pub claim_ttl_seconds: u32,
    /// How much longer it keeps them each time that its payment may have been made when that is over, in
    /// seconds.
    #[garde(range(min = 1, max = 3_600))]
    pub claim_extension_seconds: u32,
    /// How long after its checkout it may keep them so at most, in seconds.
    #[garde(range(min = 1, max = 86_400))]
    pub claim_limit_seconds: u32,
    /// Base64 of the 32-byte Ed25519 seed that signs tickets.
    #[garde(skip)]
    pub ticket_signing_key: SecretString,
    /// Base64 of the 32-byte public keys that signed tickets before; still published.
    #[garde(skip)]
    pub previous_ticket_keys: Vec<String>,
    /// The payment provider.
    #[garde(dive)]
    pub payments: PaymentsConfig,
    /// Comparing records that should agree.
    #[garde(dive)]
    pub reconcile: ReconcileConfig,
    /// How large an operation may be.
    #[garde(dive)]
    pub limits: Limits,
    /// Proof that a person holds seats of a marked show.
    #[garde(dive)]
    pub challenge: ChallengeConfig,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 4002)),
            auth: AuthConfig::default(),
            pricing: PricingConfig::default(),
            holds: HoldsConfig::default(),
            seat_map: SeatMapConfig::default(),
            claim_ttl_seconds: 15 * 60,
            claim_extension_seconds: 2 * 60,
            claim_limit_seconds: 60 * 60,
            ticket_signing_key: SecretString::default(),
            previous_ticket_keys: Vec::new(),
            payments: PaymentsConfig::default(),
            reconcile: ReconcileConfig::default(),
            limits: Limits::default(),
            challenge: ChallengeConfig::default(),
        }
    }
}

impl Config {
    /// How long an unpaid booking keeps its seats.
    pub fn claim_ttl(&self) -> Duration {
        Duration::from_secs(self.claim_ttl_seconds.into())
    }

    /// By how much, and until how long after its checkout, an unpaid booking keeps its seats while its
    /// payment may have been made.
    pub fn claim_extension(&self) -> (TimeDelta, TimeDelta) {
        let seconds = |seconds: u32| TimeDelta::seconds(seconds.into());
        (seconds(self.claim_extension_seconds), seconds(self.claim_limit_seconds))
    }
}
