//! The history of a user: a read model that follows the events of bookings.

use graphql_kit::Identity;
use kernel::{BookingId, UserId};

use super::bookings::may_see_of;
use super::{App, AppError};
use crate::domain::booking::BookingStatus;
use crate::store::bookings::booking_get;
use crate::store::history::{HistoryEntry, history_advance, history_count, history_page, history_upsert};

/// A page of somebody's bookings.
#[derive(Debug, Clone, Copy)]
pub struct HistoryQuery {
    /// Whose.
    pub user: UserId,
    /// Only those in this state.
    pub status: Option<BookingStatus>,
    /// Only those that come after this one, newest first.
    pub after: Option<HistoryEntry>,
    /// How many at most.
    pub limit: u64,
}

impl App {
    /// A page of a user's bookings, newest first, and how many there are in all; nothing for
    /// those who may not see them.
    ///
    /// # Errors
    /// When the store is away.
    pub async fn history(
        &self,
        caller: Option<&Identity>,
        query: &HistoryQuery,
    ) -> Result<Option<(Vec<HistoryEntry>, i64)>, AppError> {
        if !caller.is_some_and(|caller| may_see_of(caller, query.user)) {
            return Ok(None);
        }
        let HistoryQuery { user, status, after, limit } = *query;
        let entries = history_page(&self.deps.pg, user, status, after, limit).await?;
        let total = history_count(&self.deps.pg, user, status).await?;
        Ok(Some((entries, total)))
    }

    /// Brings the history up to date with a booking that was confirmed in this version. The event says
    /// enough, unless it overtook the one before.
    ///
    /// # Errors
    /// When the store is away.
    pub async fn history_confirm(
        &self,
        user: UserId,
        booking: BookingId,
        version: i64,
    ) -> Result<(), AppError> {
        let status = BookingStatus::Confirmed;
        if history_advance(&self.deps.pg, user, booking, version, status).await? {
            return Ok(());
        }
        self.history_follow(booking).await
    }

    /// Brings the history up to date with a booking. Reads the booking instead of the event, so
    /// that the order of events does not matter.
    ///
    /// # Errors
    /// When the store is away.
    pub async fn history_follow(&self, id: BookingId) -> Result<(), AppError> {
        if let Some(booking) = booking_get(&self.deps.pg, id).await? {
            history_upsert(&self.deps.pg, &booking).await?;
        }
        Ok(())
    }
}
