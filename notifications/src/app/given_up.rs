//! Messages that were given up: for an operator who has mended what kept them back.

use std::time::Duration;

use chrono::{DateTime, Utc};
use kernel::{EventId, UserId};
use sea_orm::{DatabaseConnection, DbErr};

use crate::store::delivery::{delivery_count_given_up, delivery_list_given_up, delivery_retry_given_up};

/// A message that was given up. Whom it was for is told by the id only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GivenUp {
    /// Because of which event.
    pub event: EventId,
    /// For whom.
    pub user: UserId,
    /// What it says: the name of the event.
    pub kind: String,
    /// How often it was tried.
    pub attempts: u32,
    /// Since when it was to be sent.
    pub created_at: DateTime<Utc>,
    /// When it was given up.
    pub given_up_at: DateTime<Utc>,
    /// What kept it back, without personal data.
    pub reason: Option<String>,
}

/// Which of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// Those about this event.
    Event(EventId),
    /// Those that were given up so long ago at most. What is older may be no news any more.
    Within(Duration),
}

/// The latest messages that were given up, at most `limit`, the latest first; and how many there are.
///
/// # Errors
/// The database failed.
pub async fn given_up_list(pg: &DatabaseConnection, limit: u32) -> Result<(Vec<GivenUp>, u64), DbErr> {
    Ok((delivery_list_given_up(pg, limit).await?, delivery_count_given_up(pg).await?))
}

/// Makes messages due again that were given up, with all their attempts before them, and tells how
/// many. Any worker sends them.
///
/// # Errors
/// The database failed; nothing was changed.
pub async fn given_up_retry(pg: &DatabaseConnection, which: Which) -> Result<u64, DbErr> {
    delivery_retry_given_up(pg, which).await
}
