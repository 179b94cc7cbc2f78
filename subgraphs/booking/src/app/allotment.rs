//! Allotments: an API key's account may have so many seats of a show, held and booked together.
//!
//! A hold is counted where the other limits of a user are: in Redis, or in the transaction of a
//! durable hold. A checkout counts once more what is booked, as holds may have been given without
//! each other's knowledge. Two at once would each count without the other, so one transaction at a
//! time books for an account. The others do not wait for it in PostgreSQL: one key could take all
//! connections.

use std::time::Duration;

use graphql_kit::Grant;
use kernel::UserId;
use sea_orm::{ConnectionTrait, DatabaseTransaction, TransactionTrait};
use tokio::time::{Instant, sleep};

use super::seats::SeatsError;
use super::{App, AppError};
use crate::store::checkout::NewBooking;
use crate::store::hold_lists::booking_list_owned;
use crate::store::holds::hold_lock_user;

/// How long the requests of one account wait for each other.
const PATIENCE: Duration = Duration::from_secs(3);
/// From one look at whether they are done to the next, and as much again by chance.
const LOOK_MS: u64 = 10;

impl App {
    /// Begins a transaction that is the only one to give seats to this account.
    pub(super) async fn begin_alone(&self, user: UserId) -> Result<DatabaseTransaction, AppError> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let txn = self.deps.pg.begin().await?;
            if hold_lock_user(&txn, user).await? {
                return Ok(txn);
            }
            txn.rollback().await?;
            if Instant::now() >= deadline {
                return Err(SeatsError::Busy.into());
            }
            sleep(Duration::from_millis(LOOK_MS + self.deps.ids.local() % LOOK_MS)).await;
        }
    }
}

/// Whether the account may have this booking besides those that it has. The same booking once more
/// is for the insert to refuse.
pub(super) async fn has_room<C: ConnectionTrait>(
    conn: &C,
    grant: &Grant,
    new: &NewBooking<'_>,
) -> Result<bool, AppError> {
    let booking = new.booking;
    let owned = booking_list_owned(conn, booking.id.show(), booking.user).await?;
    let others = owned.iter().filter(|owned| owned.hold != booking.hold).map(|owned| owned.seats);
    let seats = u32::try_from(new.seats.len()).unwrap_or(u32::MAX);
    Ok(others.fold(seats, u32::saturating_add) <= grant.seats_per_show)
}
