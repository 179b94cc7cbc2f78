//! From the outbox table to the broker.

use std::{collections::HashMap, sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use events::Envelope;
use futures::{StreamExt, stream};
use kernel::{id::EventId, source::SharedClock};
use sea_orm::{
    DatabaseConnection, DbErr,
    sqlx::{self, AssertSqlSafe},
};
use tokio::{sync::Notify, time::sleep};
use tokio_util::sync::CancellationToken;
use tracing::field::Empty;
use uuid::Uuid;

use super::{gauges::Gauges, waker};
use crate::{
    Deps, Shutdown,
    backoff::Backoff,
    faults::{mutant, reach},
    pg::{Leader, in_time},
    rabbit::{Rabbit, RabbitError},
    telemetry::{TARGET, current_trace, in_span},
};

/// Rows read, published and deleted together.
const BATCH: i64 = 1_000;
/// Keys whose events are under way at the same time.
const IN_FLIGHT: usize = 1_000;
/// The wait of an idle relay grows between these.
const POLL_FIRST: Duration = Duration::from_millis(25);
const POLL_LIMIT: Duration = Duration::from_millis(200);
/// How often a relay that is not the leader tries to become it, and how often the age of the
/// outbox is measured while the broker is away.
const STANDBY: Duration = Duration::from_secs(1);

/// Publishes the outbox of `schema` until the soft step of `shutdown`. Any number of processes
/// may run it: one at a time is the leader, which others replace within about a second.
///
/// Events of one key are published one after the other, each after the one before is confirmed,
/// so that a refused event is never overtaken; events of different keys go in parallel.
///
/// First [`Rabbit::declare`] the queues of all consumers: see the invariant of [`crate::rabbit`].
pub fn relay(deps: &Deps, schema: &'static str, shutdown: &Shutdown) {
    let relay = Relay {
        pg: deps.pg.clone(),
        rabbit: deps.rabbit.clone(),
        clock: Arc::clone(&deps.clock),
        schema,
        wake: waker(schema),
        soft: shutdown.token(),
        gauges: Gauges::new(schema),
    };
    shutdown.spawn("outbox-relay", async move { relay.run().await });
}

struct Relay {
    pg: DatabaseConnection,
    rabbit: Rabbit,
    clock: SharedClock,
    schema: &'static str,
    wake: Arc<Notify>,
    soft: CancellationToken,
    gauges: Gauges,
}

/// One row of the table.
struct Row {
    seq: i64,
    event: Envelope,
}

/// The primary key of a published row.
type Published = (Uuid, i64);

impl Relay {
    async fn run(&self) {
        let mut backoff = Backoff::for_connections();
        while !self.soft.is_cancelled() {
            let elected = Leader::elect(&self.pg, &format!("outbox:{}", self.schema)).await;
            let wait = match elected {
                Ok(Some(mut leader)) => {
                    tracing::info!(schema = self.schema, "leading the outbox relay");
                    backoff.reset();
                    self.gauges.leads(true);
                    let led = self.lead(&mut leader).await;
                    self.gauges.leads(false);
                    let Err(error) = led else {
                        leader.resign().await;
                        return;
                    };
                    tracing::warn!(schema = self.schema, %error, "lost the lead of the outbox relay");
                    backoff.next()
                }
                Ok(None) => STANDBY,
                Err(error) => {
                    tracing::warn!(schema = self.schema, %error, "cannot stand for outbox relay");
                    backoff.next()
                }
            };
            self.soft.run_until_cancelled(sleep(wait)).await;
        }
    }

    /// Publishes until the soft step (`Ok`) or until the leader's connection is lost.
    async fn lead(&self, leader: &mut Leader) -> Result<(), DbErr> {
        let mut idle = Backoff::new(POLL_FIRST, POLL_LIMIT);
        let mut trouble = Backoff::for_connections();
        while !self.soft.is_cancelled() {
            let rows = self.oldest(leader).await?;
            self.measure(leader, &rows).await?;
            if rows.is_empty() {
                self.rest(idle.next(), self.wake.notified()).await;
                continue;
            }
            idle.reset();
            if !self.rabbit.is_connected() {
                leader.hold_while(self.rest(STANDBY, self.rabbit.connected())).await?;
                continue;
            }
            reach("relay.read").await;
            if mutant("relay_deletes_first") {
                let all: Vec<Published> = rows.iter().map(|row| (row.event.key, row.seq)).collect();
                self.delete(leader, &all).await?;
            }
            let (published, failure) = leader.hold_while(self.publish(rows)).await?;
            reach("relay.published").await;
            self.delete(leader, &published).await?;
            reach("relay.deleted").await;
            match failure {
                None => trouble.reset(),
                Some(error) => {
                    tracing::warn!(schema = self.schema, %error, "could not publish events; they wait");
                    metrics::counter!("outbox_publish_failures_total", "schema" => self.schema).increment(1);
                    leader.hold_while(self.rest(trouble.next(), std::future::pending())).await?;
                }
            }
        }
        Ok(())
    }

    /// Waits for `limit`, `event` or the soft step.
    async fn rest(&self, limit: Duration, event: impl Future<Output = ()>) {
        tokio::select! {
            () = self.soft.cancelled() => {}
            () = sleep(limit) => {}
            () = event => {}
        }
    }

    async fn oldest(&self, leader: &mut Leader) -> Result<Vec<Row>, DbErr> {
        type Columns = (Uuid, i64, Uuid, String, i16, DateTime<Utc>, Option<String>, serde_json::Value);
        let sql = format!(
            "select key, seq, event_id, name, version, time, trace, body \
             from {}.outbox order by seq limit {BATCH}",
            self.schema
        );
        let query = sqlx::query_as(AssertSqlSafe(sql));
        let rows: Vec<Columns> = in_time(query.fetch_all(leader.connection())).await?;
        Ok(rows
            .into_iter()
            .map(|(key, seq, id, name, version, time, trace, body)| Row {
                seq,
                event: Envelope {
                    id: EventId::from_uuid(id),
                    name,
                    version: version.unsigned_abs(),
                    time,
                    key,
                    trace,
                    body,
                },
            })
            .collect())
    }

    /// What the broker confirmed, and the first error if any.
    async fn publish(&self, rows: Vec<Row>) -> (Vec<Published>, Option<RabbitError>) {
        let count = rows.len();
        let mut outcomes =
            stream::iter(chains(rows)).map(|chain| self.publish_chain(chain)).buffer_unordered(IN_FLIGHT);
        let mut published = Vec::with_capacity(count);
        let mut failure = None;
        while let Some((confirmed, error)) = outcomes.next().await {
            published.extend(confirmed);
            failure = failure.or(error);
        }
        metrics::counter!("outbox_published_total", "schema" => self.schema)
            .increment(published.len() as u64);
        (published, failure)
    }

    /// Publishes the events of one key, up to the first that fails.
    async fn publish_chain(&self, chain: Vec<Row>) -> (Vec<Published>, Option<RabbitError>) {
        let mut confirmed = Vec::with_capacity(chain.len());
        for mut row in chain {
            if let Err(error) = self.publish_event(&mut row.event).await {
                return (confirmed, Some(error));
            }
            confirmed.push((row.event.key, row.seq));
        }
        (confirmed, None)
    }

    /// Publishes an event, which carries on the trace that it was appended in: who gets it works on
    /// behalf of this very step.
    async fn publish_event(&self, event: &mut Envelope) -> Result<(), RabbitError> {
        let span = tracing::info_span!(
            target: TARGET,
            "publish",
            otel.name = format_args!("publish {}", event.name),
            otel.kind = "producer",
            otel.status_code = Empty,
            messaging.system = "rabbitmq",
            messaging.operation.name = "publish",
            messaging.operation.type = "send",
            messaging.destination.name = self.rabbit.exchange(),
            messaging.rabbitmq.destination.routing_key = event.name,
            messaging.message.id = %event.id,
        );
        if span.is_disabled() {
            return self.rabbit.publish(event).await;
        }
        let trace = event.trace.take();
        let publishing = async {
            event.trace = current_trace();
            self.rabbit.publish(event).await
        };
        let published = in_span(span.clone(), trace, publishing).await;
        if published.is_err() {
            span.record("otel.status_code", "ERROR");
        }
        published
    }

    async fn delete(&self, leader: &mut Leader, published: &[Published]) -> Result<(), DbErr> {
        if published.is_empty() {
            return Ok(());
        }
        let (keys, seqs): (Vec<Uuid>, Vec<i64>) = published.iter().copied().unzip();
        let sql = format!(
            "delete from {}.outbox using unnest($1::uuid[], $2::bigint[]) as sent (key, seq) \
             where outbox.key = sent.key and outbox.seq = sent.seq",
            self.schema
        );
        let statement = sqlx::query(AssertSqlSafe(sql)).bind(keys).bind(seqs);
        in_time(statement.execute(leader.connection())).await.map(drop)
    }

    /// How long the oldest event has been waiting, and how many wait: what tells a stuck relay from
    /// a slow one.
    async fn measure(&self, leader: &mut Leader, rows: &[Row]) -> Result<(), DbErr> {
        let age = rows.first().map_or(0.0, |row| (self.clock.now() - row.event.time).as_seconds_f64());
        self.gauges.oldest.set(age.max(0.0));
        if rows.len() < BATCH as usize {
            self.gauges.waiting.set(rows.len() as f64);
        } else if self.gauges.may_count() {
            let sql = format!("select count(*) from {}.outbox", self.schema);
            let count = sqlx::query_scalar(AssertSqlSafe(sql));
            let count: i64 = in_time(count.fetch_one(leader.connection())).await?;
            self.gauges.waiting.set(count as f64);
        }
        Ok(())
    }
}

/// Groups rows by key: keys in the order of their first row, rows of a key in their order.
fn chains(rows: Vec<Row>) -> Vec<Vec<Row>> {
    let mut chains: Vec<Vec<Row>> = Vec::new();
    let mut places: HashMap<Uuid, usize> = HashMap::new();
    for row in rows {
        let place = *places.entry(row.event.key).or_insert(chains.len());
        match chains.get_mut(place) {
            Some(chain) => chain.push(row),
            None => chains.push(vec![row]),
        }
    }
    chains
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(key: u128, seq: i64) -> Row {
        Row {
            seq,
            event: Envelope {
                id: EventId::from_uuid(Uuid::from_u128(seq.unsigned_abs().into())),
                name: "test.happened".to_owned(),
                version: 1,
                time: DateTime::UNIX_EPOCH,
                key: Uuid::from_u128(key),
                trace: None,
                body: serde_json::Value::Null,
            },
        }
    }

    #[test]
    fn chains_keep_the_order_of_each_key() {
        let rows = vec![row(7, 1), row(8, 2), row(7, 3), row(9, 4), row(8, 5)];
        let seqs: Vec<Vec<i64>> =
            chains(rows).iter().map(|chain| chain.iter().map(|row| row.seq).collect()).collect();
        assert_eq!(seqs, [vec![1, 3], vec![2, 5], vec![4]]);
    }
}
