//! Why something about seats could not be done at all.

use std::sync::Arc;

use fred::error::{Error, ErrorKind};
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
    /// Booking has not heard of the show.
    #[error("{0} is not known yet")]
    UnknownShow(ShowId),
}

impl SeatsError {
    /// Whoever loads the show takes too long.
    pub(super) fn load_timeout(show: ShowId) -> Self {
        let details = format!("the seats of {show} were not loaded in time");
        Self::Redis(RedisError::Unavailable(Error::new(ErrorKind::Timeout, details)))
    }

    /// The process ends.
    pub(super) fn stopping() -> Self {
        Self::Redis(RedisError::Unavailable(Error::new(ErrorKind::Canceled, "this process is ending")))
    }

    /// May the same work later, without anybody repairing anything?
    pub fn is_unavailable(&self) -> bool {
        match self {
            Self::Redis(error) => error.is_unavailable(),
            Self::Store(error) => error.is_unavailable(),
            Self::UnknownShow(_) => false,
        }
    }
}

impl From<StoreError> for SeatsError {
    fn from(error: StoreError) -> Self {
        Self::Store(Arc::new(error))
    }
}

impl From<SeatsError> for AppError {
    fn from(error: SeatsError) -> Self {
        match error {
            SeatsError::Redis(error) => Self::Redis(error),
            SeatsError::Store(error) => Self::Shared(error),
            SeatsError::UnknownShow(show) => Self::UnknownShow(show),
        }
    }
}
