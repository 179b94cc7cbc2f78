//! Why something about seats could not be done at all.

use std::sync::Arc;

use kernel::ShowId;
use platform::redis::RedisError;

use crate::app::AppError;
use crate::store::StoreError;

/// Seats could not be read or changed. Nothing of this is for the client's eyes.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SeatsError {
    /// Redis.
    #[error(transparent)]
    Redis(#[from] RedisError),
    /// PostgreSQL.
    #[error(transparent)]
    Store(#[from] Arc<StoreError>),
    /// An overdue claim to a wanted seat could not be ended.
    #[error("an overdue claim cannot be ended")]
    Claims(#[source] Arc<AppError>),
    /// Booking has not heard of the show.
    #[error("{0} is not known yet")]
    UnknownShow(ShowId),
    /// Whoever loads the show takes too long.
    #[error("the seats of {0} were not loaded in time")]
    LoadTimeout(ShowId),
    /// The user asks for too much at once.
    #[error("other requests of the same user take too long")]
    Busy,
    /// The process ends.
    #[error("this process is ending")]
    Stopping,
}

impl SeatsError {
    /// Was it Redis that did not answer?
    pub(crate) fn is_redis_away(&self) -> bool {
        matches!(self, Self::Redis(error) if error.is_unavailable())
    }

    /// May the same work later, without anybody repairing anything?
    pub fn is_unavailable(&self) -> bool {
        match self {
            Self::Redis(error) => error.is_unavailable(),
            Self::Store(error) => error.is_unavailable() || error.is_contention(),
            Self::Claims(error) => error.is_unavailable(),
            Self::UnknownShow(_) => false,
            Self::LoadTimeout(_) | Self::Busy | Self::Stopping => true,
        }
    }
}

impl From<AppError> for SeatsError {
    fn from(error: AppError) -> Self {
        match error {
            AppError::Seats(error) => error,
            error => Self::Claims(Arc::new(error)),
        }
    }
}

impl From<StoreError> for SeatsError {
    fn from(error: StoreError) -> Self {
        Self::Store(Arc::new(error))
    }
}
