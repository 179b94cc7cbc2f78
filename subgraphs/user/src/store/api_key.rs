//! API keys.

use chrono::{DateTime, Utc};
use graphql_kit::{Scope, auth::PartnerLimits};
use kernel::{ApiKeyId, Id, UserId};
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait as _, ConnectionTrait, DbErr, EntityTrait as _, PaginatorTrait as _, QueryFilter as _,
    QueryOrder as _, QuerySelect as _, Select,
    sea_query::{Expr, ExprTrait as _},
};

use super::entity::api_key::{ActiveModel, Column, Entity, Model};
use crate::domain::{ApiKey, Name, SecretHash, Terms};

impl From<Model> for ApiKey {
    fn from(row: Model) -> Self {
        let limits = PartnerLimits {
            rate_per_minute: row.rate_per_minute.unsigned_abs(),
            daily_quota: row.daily_quota.unsigned_abs(),
            seats_per_show: row.seats_per_show.unsigned_abs(),
        };
        Self {
            id: Id::from_uuid(row.id),
            account: UserId::from_uuid(row.account_id),
            terms: Terms {
                name: Name::from_db(row.name),
                scopes: Scope::list(&row.scopes),
                limits,
                expires_at: row.expires_at,
            },
            created_at: row.created_at,
            created_by: row.created_by.map(UserId::from_uuid),
            revoked_at: row.revoked_at,
            last_used_at: row.last_used_at,
        }
    }
}

/// Inserts a new key.
pub(crate) async fn api_key_insert<C: ConnectionTrait>(
    conn: &C,
    key: &ApiKey,
    secret: SecretHash,
) -> Result<(), DbErr> {
    let Terms { name, scopes, limits, expires_at } = &key.terms;
    let row = ActiveModel {
        id: Set(key.id.uuid()),
        account_id: Set(key.account.uuid()),
        name: Set(name.as_str().to_owned()),
        secret_hash: Set(secret.to_vec()),
        scopes: Set(Scope::join(scopes)),
        rate_per_minute: Set(number(limits.rate_per_minute)),
        daily_quota: Set(number(limits.daily_quota)),
        seats_per_show: Set(number(limits.seats_per_show)),
        created_at: Set(key.created_at),
        created_by: Set(key.created_by.map(Id::uuid)),
        expires_at: Set(*expires_at),
        revoked_at: Set(key.revoked_at),
        revoked_by: Set(None),
        last_used_at: Set(key.last_used_at),
    };
    Entity::insert(row).exec_without_returning(conn).await?;
    Ok(())
}

/// The terms bound their numbers far below this.
fn number(limit: u32) -> i32 {
    i32::try_from(limit).unwrap_or(i32::MAX)
}

/// The key with this id.
pub(crate) async fn api_key_by_id<C: ConnectionTrait>(
    conn: &C,
    id: ApiKeyId,
) -> Result<Option<ApiKey>, DbErr> {
    Ok(Entity::find_by_id(id.uuid()).one(conn).await?.map(ApiKey::from))
}

/// The key with this id and the hash of its secret.
pub(crate) async fn api_key_with_hash<C: ConnectionTrait>(
    conn: &C,
    id: ApiKeyId,
) -> Result<Option<(ApiKey, SecretHash)>, DbErr> {
    let row = Entity::find_by_id(id.uuid()).one(conn).await?;
    Ok(row.and_then(|row| {
        let hash = SecretHash::from_db(&row.secret_hash)?;
        Some((row.into(), hash))
    }))
}

/// Keys, newest first: of `account` or of everybody, those before `before`.
pub(crate) async fn api_key_list<C: ConnectionTrait>(
    conn: &C,
    account: Option<UserId>,
    before: Option<ApiKeyId>,
    limit: u64,
) -> Result<Vec<ApiKey>, DbErr> {
    let mut select = of(account);
    if let Some(before) = before {
        select = select.filter(Column::Id.lt(before.uuid()));
    }
    let rows = select.order_by_desc(Column::Id).limit(limit).all(conn).await?;
    Ok(rows.into_iter().map(ApiKey::from).collect())
}

/// How many keys there are: of `account` or of everybody.
pub(crate) async fn api_key_count<C: ConnectionTrait>(
    conn: &C,
    account: Option<UserId>,
) -> Result<u64, DbErr> {
    of(account).count(conn).await
}

/// How many keys of `account` are good for something at `now`.
pub(crate) async fn api_key_count_active<C: ConnectionTrait>(
    conn: &C,
    account: UserId,
    now: DateTime<Utc>,
) -> Result<u64, DbErr> {
    of(Some(account)).filter(Column::RevokedAt.is_null()).filter(Column::ExpiresAt.gt(now)).count(conn).await
}

fn of(account: Option<UserId>) -> Select<Entity> {
    let all = Entity::find();
    match account {
        Some(account) => all.filter(Column::AccountId.eq(account.uuid())),
        None => all,
    }
}

/// Ids of keys that may have been used since `since`: those before `before`, newest first.
pub(crate) async fn api_key_ids_in_use<C: ConnectionTrait>(
    conn: &C,
    since: DateTime<Utc>,
    before: Option<ApiKeyId>,
    limit: u64,
) -> Result<Vec<ApiKeyId>, DbErr> {
    let mut select = Entity::find()
        .select_only()
        .column(Column::Id)
        .filter(Column::ExpiresAt.gt(since))
        .filter(Column::RevokedAt.is_null().or(Column::RevokedAt.gt(since)));
    if let Some(before) = before {
        select = select.filter(Column::Id.lt(before.uuid()));
    }
    let ids = select.order_by_desc(Column::Id).limit(limit).into_tuple().all(conn).await?;
    Ok(ids.into_iter().map(Id::from_uuid).collect())
}

/// Makes a key void; false if it was before, or there is none.
pub(crate) async fn api_key_revoke<C: ConnectionTrait>(
    conn: &C,
    id: ApiKeyId,
    by: Option<UserId>,
    now: DateTime<Utc>,
) -> Result<bool, DbErr> {
    let done = Entity::update_many()
        .col_expr(Column::RevokedAt, Expr::value(now))
        .col_expr(Column::RevokedBy, Expr::value(by.map(Id::uuid)))
        .filter(Column::Id.eq(id.uuid()))
        .filter(Column::RevokedAt.is_null())
        .exec(conn)
        .await?;
    Ok(done.rows_affected == 1)
}

/// Notes that a key was used at `now`.
pub(crate) async fn api_key_touch<C: ConnectionTrait>(
    conn: &C,
    id: ApiKeyId,
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    Entity::update_many()
        .col_expr(Column::LastUsedAt, Expr::value(now))
        .filter(Column::Id.eq(id.uuid()))
        .filter(Column::LastUsedAt.is_null().or(Column::LastUsedAt.lt(now)))
        .exec(conn)
        .await?;
    Ok(())
}
