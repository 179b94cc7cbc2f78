//! The statements of the relay, all on the leader's connection.

use chrono::{DateTime, Utc};
use kernel::id::EventId;
use sea_orm::{
    DbErr,
    sqlx::{self, AssertSqlSafe},
};
use uuid::Uuid;

use super::row::{Place, Row};
use crate::pg::{Leader, in_time};

/// The outbox of one schema.
pub(super) struct Table {
    oldest: String,
    delete: String,
    count: String,
}

impl Table {
    pub(super) fn new(schema: &str) -> Self {
        Self {
            // First the oldest, then those of them that are not known: so it is one short walk through
            // the index, however many rows wait. What is known is hashed, as it always is for `not in`; a join
            // would be planned for as few as are usual. The body comes as the text that it will be sent as.
            oldest: format!(
                "select key, seq, event_id, name, version, time, trace, body::text \
                 from (select * from {schema}.outbox order by seq limit $1) as oldest \
                 where seq not in (select unnest($2::bigint[])) \
                 order by seq"
            ),
            delete: format!(
                "delete from {schema}.outbox using unnest($1::uuid[], $2::bigint[]) as sent (key, seq) \
                 where outbox.key = sent.key and outbox.seq = sent.seq"
            ),
            count: format!("select count(*) from {schema}.outbox"),
        }
    }

    /// Makes deletions cheap: they need not reach the disk before we go on. A row that a crash of
    /// PostgreSQL brings back is published twice, which may happen anyway.
    ///
    /// And has all be found by index. The table is nearly always empty, and a plan that is made then reads and
    /// sorts all of a backlog for each page of it.
    pub(super) async fn prepare(&self, leader: &mut Leader) -> Result<(), DbErr> {
        for setting in ["set synchronous_commit = off", "set enable_seqscan = off"] {
            in_time(sqlx::query(setting).execute(leader.connection())).await?;
        }
        Ok(())
    }

    /// Up to `limit` rows that are not `known`, in order, and without a gap: an event that was committed
    /// before another was appended is never missing beside it, because all are seen at the same moment
    /// and from the first on. (Numbers are given in the order of appending, and rows appear in the order
    /// of committing. So it would not do to go on behind the last number that was seen.)
    pub(super) async fn oldest(
        &self,
        leader: &mut Leader,
        known: Vec<i64>,
        limit: usize,
    ) -> Result<Vec<Row>, DbErr> {
        type Columns = (Uuid, i64, Uuid, String, i16, DateTime<Utc>, Option<String>, String);
        let rows = i64::try_from(known.len() + limit).unwrap_or(i64::MAX);
        let query = sqlx::query_as(AssertSqlSafe(self.oldest.as_str())).bind(rows).bind(known);
        let rows: Vec<Columns> = in_time(query.fetch_all(leader.connection())).await?;
        Ok(rows
            .into_iter()
            .map(|(key, seq, id, name, version, time, trace, body)| Row {
                place: Place { key, seq },
                id: EventId::from_uuid(id),
                name,
                version: version.unsigned_abs(),
                time,
                trace,
                body,
            })
            .collect())
    }

    pub(super) async fn delete(&self, leader: &mut Leader, sent: &[Place]) -> Result<(), DbErr> {
        let (keys, seqs): (Vec<Uuid>, Vec<i64>) = sent.iter().map(|place| (place.key, place.seq)).unzip();
        let statement = sqlx::query(AssertSqlSafe(self.delete.as_str())).bind(keys).bind(seqs);
        in_time(statement.execute(leader.connection())).await.map(drop)
    }

    pub(super) async fn count(&self, leader: &mut Leader) -> Result<i64, DbErr> {
        let count = sqlx::query_scalar(AssertSqlSafe(self.count.as_str()));
        in_time(count.fetch_one(leader.connection())).await
    }
}
