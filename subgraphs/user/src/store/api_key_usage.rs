//! How much was done with API keys: counted by the gateway in Redis, kept in PostgreSQL.

use std::sync::LazyLock;

use chrono::NaiveDate;
use fred::interfaces::HashesInterface as _;
use kernel::{ApiKeyId, Id};
use platform::{
    Redis,
    auth::{USAGE_TTL, usage_key},
    redis::{RedisError, Script},
};
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait as _, ConnectionTrait, DbErr, EntityTrait as _, QueryFilter as _, QueryOrder as _,
    sea_query::{Expr, ExprTrait as _, OnConflict},
};

use super::entity::api_key_usage::{ActiveModel, Column, Entity, Model};
use crate::domain::{Period, Usage};

impl From<Model> for Usage {
    fn from(row: Model) -> Self {
        Self { key: Id::from_uuid(row.key_id), day: row.day, class: row.class, operations: row.operations }
    }
}

/// What the gateway has counted for `keys` on `days`, in one round trip.
pub(crate) async fn usage_counted(
    redis: &Redis,
    keys: &[ApiKeyId],
    days: &[NaiveDate],
) -> Result<Vec<Usage>, RedisError> {
    redis.available()?;
    let asked: Vec<_> = keys.iter().flat_map(|key| days.iter().map(|day| (*key, *day))).collect();
    if asked.is_empty() {
        return Ok(Vec::new());
    }
    let pipeline = redis.pipeline();
    for (key, day) in &asked {
        let _: fred::types::Value = pipeline.hgetall(redis.key(&usage_key(*key, *day))).await?;
    }
    let counts: Vec<Vec<(String, i64)>> = pipeline.all().await?;
    let usage = asked.into_iter().zip(counts).flat_map(|((key, day), classes)| {
        classes.into_iter().map(move |(class, operations)| Usage { key, day, class, operations })
    });
    Ok(usage.collect())
}

/// Writes counts, unless greater ones are there: counts only grow, and Redis may have lost some.
pub(crate) async fn usage_upsert<C: ConnectionTrait>(conn: &C, usage: &[Usage]) -> Result<(), DbErr> {
    if usage.is_empty() {
        return Ok(());
    }
    let rows = usage.iter().map(|usage| ActiveModel {
        key_id: Set(usage.key.uuid()),
        day: Set(usage.day),
        class: Set(usage.class.clone()),
        operations: Set(usage.operations),
    });
    let known = Expr::col((Entity, Column::Operations));
    Entity::insert_many(rows)
        .on_conflict(
            OnConflict::columns([Column::KeyId, Column::Day, Column::Class])
                .update_column(Column::Operations)
                .action_and_where(known.lt(Expr::cust("excluded.operations")))
                .to_owned(),
        )
        .exec_without_returning(conn)
        .await?;
    Ok(())
}

/// Raises a count of Redis to a value, and lets it live on: hash, field, value, seconds.
const RAISE: &str = "
local known = tonumber(redis.call('HGET', KEYS[1], ARGV[1]) or '0')
if known < tonumber(ARGV[2]) then
    redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
    redis.call('EXPIRE', KEYS[1], ARGV[3])
end
return 0";

/// Tells Redis counts that it has lost, so that it goes on from there.
pub(crate) async fn usage_restore(redis: &Redis, usage: &[Usage]) -> Result<(), RedisError> {
    static SCRIPT: LazyLock<Script> = LazyLock::new(|| Script::new(RAISE).named("restore_usage"));
    for usage in usage {
        let key = redis.key(&usage_key(usage.key, usage.day));
        let args = vec![
            usage.class.clone().into(),
            usage.operations.into(),
            USAGE_TTL.as_secs().cast_signed().into(),
        ];
        redis.eval(&SCRIPT, vec![key], args).await?;
    }
    Ok(())
}

/// What `keys` did in `period`: by key, day and class.
pub(crate) async fn usage_list<C: ConnectionTrait>(
    conn: &C,
    keys: &[ApiKeyId],
    period: Period,
) -> Result<Vec<Usage>, DbErr> {
    let rows = Entity::find()
        .filter(Column::KeyId.is_in(keys.iter().map(|key| key.uuid())))
        .filter(Column::Day.between(period.from, period.to))
        .order_by_asc(Column::KeyId)
        .order_by_asc(Column::Day)
        .order_by_asc(Column::Class)
        .all(conn)
        .await?;
    Ok(rows.into_iter().map(Usage::from).collect())
}
