//! What can go wrong inside a use case, as opposed to what it refuses.

use std::sync::Arc;

use graphql_kit::ApiError;
use kernel::{MoneyError, ShowId};
use platform::HandlerError;
use platform::rabbit::RabbitError;
use platform::redis::RedisError;
use sea_orm::DbErr;

use super::seats::SeatsError;
use crate::domain::booking::IllegalTransition;
use crate::domain::pricing::QuoteError;
use crate::payments::ProviderError;
use crate::store::StoreError;

/// A use case could not be carried out. Nothing of this is for the client's eyes.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// PostgreSQL.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// PostgreSQL, while another task loaded the same thing.
    #[error(transparent)]
    Shared(#[from] Arc<StoreError>),
    /// Redis.
    #[error(transparent)]
    Redis(#[from] RedisError),
    /// RabbitMQ.
    #[error(transparent)]
    Rabbit(#[from] RabbitError),
    /// The payment provider.
    #[error(transparent)]
    Provider(#[from] ProviderError),
    /// An event that cannot be written down.
    #[error("an event cannot be encoded")]
    Event(#[from] serde_json::Error),
    /// A bug: a step that the state machine does not know.
    #[error(transparent)]
    Transition(#[from] IllegalTransition),
    /// An amount out of range.
    #[error(transparent)]
    Money(#[from] MoneyError),
    /// A held seat that cannot be priced.
    #[error(transparent)]
    Quote(#[from] QuoteError),
    /// The seats of a show.
    #[error(transparent)]
    Seats(#[from] SeatsError),
    /// The catalog's event about the show has not come yet.
    #[error("{0} is not known yet")]
    UnknownShow(ShowId),
}

impl From<DbErr> for AppError {
    fn from(error: DbErr) -> Self {
        Self::Store(error.into())
    }
}

impl AppError {
    fn is_statement_timeout(&self) -> bool {
        match self {
            Self::Store(error) => error.is_statement_timeout(),
            Self::Shared(error) => error.is_statement_timeout(),
            _ => false,
        }
    }

    /// May the same work later, without anybody repairing anything?
    pub fn is_unavailable(&self) -> bool {
        match self {
            Self::Store(error) if error.is_contention() => true,
            Self::Store(error) => error.is_unavailable(),
            Self::Shared(error) => error.is_unavailable(),
            Self::Redis(error) => error.is_unavailable(),
            Self::Rabbit(error) => matches!(error, RabbitError::NotConnected | RabbitError::Lost),
            Self::Provider(error) => error.is_unavailable(),
            Self::Seats(error) => error.is_unavailable(),
            _ => false,
        }
    }
}

impl From<AppError> for HandlerError {
    fn from(error: AppError) -> Self {
        // A statement that is too slow today is too slow tomorrow: it must not hold up its lane.
        if error.is_unavailable() && !error.is_statement_timeout() {
            Self::unavailable(error)
        } else {
            Self::retry(error)
        }
    }
}

impl From<AppError> for ApiError {
    fn from(error: AppError) -> Self {
        if error.is_unavailable() { Self::unavailable("booking", &error) } else { Self::internal(&error) }
    }
}
