//! Attempts to log in.

use sea_orm::{ActiveValue::Set, ConnectionTrait, DbErr, EntityTrait as _, sea_query::OnConflict};
use sha2::{Digest as _, Sha256};

use super::entity::attempt::{ActiveModel, Column, Entity};
use crate::domain::{Attempts, Email};

fn key(email: &Email) -> Vec<u8> {
    Sha256::digest(email.as_str().as_bytes()).to_vec()
}

fn row(email: &Email, attempts: &Attempts) -> ActiveModel {
    ActiveModel {
        email_hash: Set(key(email)),
        failures: Set(i32::try_from(attempts.failures).unwrap_or(i32::MAX)),
        blocked_until: Set(attempts.blocked_until),
        last_at: Set(attempts.last_at),
    }
}

/// The attempts with this address, or `none` of them; locked until the transaction ends even
/// when there were none, so that attempts in parallel queue up here.
pub(crate) async fn attempt_lock<C: ConnectionTrait>(
    conn: &C,
    email: &Email,
    none: &Attempts,
) -> Result<Attempts, DbErr> {
    // Rewriting the key with itself changes nothing, but locks and returns the row that is there.
    let found = Entity::insert(row(email, none))
        .on_conflict(OnConflict::column(Column::EmailHash).update_column(Column::EmailHash).to_owned())
        .exec_with_returning(conn)
        .await?;
    Ok(Attempts {
        failures: u32::try_from(found.failures).unwrap_or(0),
        blocked_until: found.blocked_until,
        last_at: found.last_at,
    })
}

/// Writes the attempts with this address.
pub(crate) async fn attempt_update<C: ConnectionTrait>(
    conn: &C,
    email: &Email,
    attempts: &Attempts,
) -> Result<(), DbErr> {
    Entity::update(row(email, attempts)).exec_without_returning(conn).await?;
    Ok(())
}

/// Forgets the attempts with this address.
pub(crate) async fn attempt_delete<C: ConnectionTrait>(conn: &C, email: &Email) -> Result<(), DbErr> {
    Entity::delete_by_id(key(email)).exec(conn).await?;
    Ok(())
}
