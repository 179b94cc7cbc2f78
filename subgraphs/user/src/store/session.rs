//! Sessions.

use chrono::{DateTime, Utc};
use kernel::{SessionId, UserId};
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, ConnectionTrait, DbErr, EntityTrait as _, QueryFilter as _,
    QuerySelect as _, sea_query::Expr,
};

use super::entity::session::{ActiveModel, Column, Entity, Model};
use crate::domain::{EndReason, Session};

impl From<Model> for Session {
    fn from(row: Model) -> Self {
        Self {
            id: SessionId::from_uuid(row.id),
            user_id: UserId::from_uuid(row.account_id),
            expires_at: row.expires_at,
            ended: row.ended_at.is_some(),
        }
    }
}

/// Inserts a session that starts at `now`.
pub(crate) async fn session_insert<C: ConnectionTrait>(
    conn: &C,
    session: &Session,
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    let row = ActiveModel {
        id: Set(session.id.uuid()),
        account_id: Set(session.user_id.uuid()),
        created_at: Set(now),
        expires_at: Set(session.expires_at),
        ended_at: Set(None),
        end_reason: Set(None),
    };
    Entity::insert(row).exec_without_returning(conn).await?;
    Ok(())
}

/// The session with this id, locked until the transaction ends.
pub(crate) async fn session_lock<C: ConnectionTrait>(
    conn: &C,
    id: SessionId,
) -> Result<Option<Session>, DbErr> {
    let row = Entity::find_by_id(id.uuid()).lock_exclusive().one(conn).await?;
    Ok(row.map(Session::from))
}

/// Ends a session; false if it had ended before.
pub(crate) async fn session_end<C: ConnectionTrait>(
    conn: &C,
    id: SessionId,
    reason: EndReason,
    now: DateTime<Utc>,
) -> Result<bool, DbErr> {
    let done = Entity::update_many()
        .col_expr(Column::EndedAt, Expr::value(now))
        .col_expr(Column::EndReason, Expr::value(reason.as_str()))
        .filter(Column::Id.eq(id.uuid()))
        .filter(Column::EndedAt.is_null())
        .exec(conn)
        .await?;
    Ok(done.rows_affected == 1)
}

/// Ends all live sessions of an account but `keep`, and tells how many.
pub(crate) async fn session_end_all<C: ConnectionTrait>(
    conn: &C,
    user_id: UserId,
    keep: Option<SessionId>,
    reason: EndReason,
    now: DateTime<Utc>,
) -> Result<u64, DbErr> {
    let mut update = Entity::update_many()
        .col_expr(Column::EndedAt, Expr::value(now))
        .col_expr(Column::EndReason, Expr::value(reason.as_str()))
        .filter(Column::AccountId.eq(user_id.uuid()))
        .filter(Column::EndedAt.is_null())
        .filter(Column::ExpiresAt.gt(now));
    if let Some(keep) = keep {
        update = update.filter(Column::Id.ne(keep.uuid()));
    }
    Ok(update.exec(conn).await?.rows_affected)
}
