//! Use cases: authorisation, transactions, and what is done after a commit.

pub mod audit;
pub mod bookings;
pub mod cancel;
pub mod challenge;
pub mod checkout;
pub mod history;
pub mod holds;
pub mod live;
pub mod reconcile;
pub mod seats;
pub mod webhook;

mod allotment;
mod announce;
mod confirm;
mod equivalent;
mod error;
mod expire;
mod facts;
mod overdue;
mod paid_in_time;
mod payment_attempt;
mod payment_failed;
mod payment_processing;
mod payments;
mod purge;
mod refunds;
mod show_cancel;
mod shows;

use std::sync::Arc;

use kernel::{BookingId, ShowId};
use platform::Deps;

pub use error::AppError;

use crate::config::{Config, TicketKeyError};
use crate::domain::show::Show;
use crate::domain::ticket::TicketSigner;
use crate::payments::{PaymentProvider, Stripe};
use crate::store::challenges::ChallengeStore;
use crate::store::shows::Shows;
use challenge::Challenges;
use holds::Outages;
use live::Live;
use paid_in_time::{Till, till};
use seats::Seats;

/// Everything that the use cases of this subgraph need.
pub struct App {
    /// The configuration.
    pub config: Config,
    /// PostgreSQL, Redis, RabbitMQ, time and ids.
    pub deps: Deps,
    /// Cached shows.
    pub shows: Shows,
    /// Holds and the live seat map.
    pub seats: Seats,
    /// The payment provider.
    pub provider: Arc<dyn PaymentProvider>,
    /// Signs tickets.
    pub tickets: TicketSigner,
    /// Watchers of bookings.
    pub live: Live,
    /// Payments that are settled together.
    till: Till,
    /// What is known of times without Redis.
    outages: Outages,
    /// Checks that people are people.
    challenges: Challenges,
}

/// The configuration cannot work.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// A ticket key.
    #[error(transparent)]
    TicketKey(#[from] TicketKeyError),
    /// The client of the payment provider.
    #[error("the HTTP client for the payment provider cannot be made")]
    Provider(#[from] reqwest::Error),
    /// The client of the service that checks challenges.
    #[error("the HTTP client for booking.challenge cannot be made")]
    Challenge(#[source] reqwest::Error),
}

impl App {
    /// The use cases over these dependencies, with the configured payment provider.
    ///
    /// # Errors
    /// [`SetupError`] names what cannot work.
    pub fn new(config: Config, deps: Deps) -> Result<Arc<Self>, SetupError> {
        let provider = Arc::new(Stripe::new(&config.payments, Arc::clone(&deps.ids))?);
        Self::with_provider(config, deps, provider)
    }

    /// The same with another provider.
    ///
    /// # Errors
    /// [`SetupError`] names what cannot work.
    pub fn with_provider(
        config: Config,
        deps: Deps,
        provider: Arc<dyn PaymentProvider>,
    ) -> Result<Arc<Self>, SetupError> {
        let shows = Shows::default();
        let challenges = ChallengeStore::new(deps.redis.clone());
        Ok(Arc::new(Self {
            tickets: config.ticket_signer()?,
            seats: Seats::new(&config.holds, &config.seat_map, &deps, shows.clone()),
            live: Live::new(deps.redis.clone()),
            till: till(),
            outages: Outages::default(),
            challenges: Challenges::new(&config.challenge, challenges).map_err(SetupError::Challenge)?,
            shows,
            provider,
            config,
            deps,
        }))
    }

    /// A show that must be known because something of it is.
    pub(crate) async fn show(&self, id: ShowId) -> Result<Arc<Show>, AppError> {
        self.shows.get(&self.deps.pg, id).await?.ok_or(AppError::UnknownShow(id))
    }

    /// The show of a booking.
    ///
    /// # Errors
    /// When the store is away.
    pub async fn show_of(&self, booking: BookingId) -> Result<Arc<Show>, AppError> {
        self.show(booking.show()).await
    }
}
