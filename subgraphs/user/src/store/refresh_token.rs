//! Refresh tokens, by their hashes.

use chrono::{DateTime, Utc};
use kernel::SessionId;
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, ConnectionTrait, DbErr, EntityTrait as _, QueryFilter as _,
    sea_query::Expr,
};

use super::entity::refresh_token::{ActiveModel, Column, Entity};
use crate::domain::TokenHash;

/// What became of an attempt to use a token.
pub(crate) enum Use {
    /// It was unused and is used now.
    First { session_id: SessionId, expires_at: DateTime<Utc> },
    /// It had been used before.
    Again { session_id: SessionId },
    /// It was never given out, or its session is long gone.
    Unknown,
}

/// Inserts the token of a session.
pub(crate) async fn refresh_token_insert<C: ConnectionTrait>(
    conn: &C,
    hash: TokenHash,
    session_id: SessionId,
    expires_at: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    let row = ActiveModel {
        hash: Set(hash.to_vec()),
        session_id: Set(session_id.uuid()),
        issued_at: Set(now),
        expires_at: Set(expires_at),
        used_at: Set(None),
    };
    Entity::insert(row).exec_without_returning(conn).await?;
    Ok(())
}

/// Uses up a token. Of two at the same time, the row lock lets one through; the other waits for
/// its transaction and then finds the token used.
pub(crate) async fn refresh_token_use<C: ConnectionTrait>(
    conn: &C,
    hash: TokenHash,
    now: DateTime<Utc>,
) -> Result<Use, DbErr> {
    let used = Entity::update_many()
        .col_expr(Column::UsedAt, Expr::value(now))
        .filter(Column::Hash.eq(hash.to_vec()))
        .filter(Column::UsedAt.is_null())
        .exec_with_returning(conn)
        .await?;
    if let Some(row) = used.into_iter().next() {
        return Ok(Use::First {
            session_id: SessionId::from_uuid(row.session_id),
            expires_at: row.expires_at,
        });
    }
    Ok(match session_by_token(conn, hash).await? {
        Some(session_id) => Use::Again { session_id },
        None => Use::Unknown,
    })
}

/// The session that a token, used or not, belongs to.
pub(crate) async fn session_by_token<C: ConnectionTrait>(
    conn: &C,
    hash: TokenHash,
) -> Result<Option<SessionId>, DbErr> {
    let row = Entity::find_by_id(hash.to_vec()).one(conn).await?;
    Ok(row.map(|row| SessionId::from_uuid(row.session_id)))
}
