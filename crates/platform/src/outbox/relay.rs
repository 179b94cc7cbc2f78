//! From the outbox table to the broker.
//!
//! The leader does two things at the same time: one half reads and deletes rows, on the connection that
//! carries its lock; the other publishes and waits for confirms. Between them is the [`Line`], which knows
//! what may be sent. So neither the database nor the broker waits for the other.

use std::{convert::Infallible, future::pending, pin::pin, sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use futures::{StreamExt, stream::FuturesUnordered};
use kernel::source::SharedClock;
use sea_orm::{DatabaseConnection, DbErr};
use tokio::{
    sync::Notify,
    time::{Instant, sleep, sleep_until},
};
use tokio_util::sync::CancellationToken;
use tracing::field::Empty;

use super::{
    gauges::Gauges,
    line::Line,
    row::{Place, Row},
    table::Table,
    waker,
};
use crate::{
    Deps, Shutdown,
    backoff::Backoff,
    faults::{mutant, reach},
    pg::Leader,
    rabbit::{Outgoing, Outlet, Rabbit, RabbitError},
    telemetry::{TARGET, current_trace, in_span},
};

/// Rows read together.
const PAGE: usize = 1_000;
/// Events under way at the same time: what the publisher lets through.
const IN_FLIGHT: usize = 1_000;
/// The table is looked at again after a wait that grows between these while nothing is found.
const POLL_FIRST: Duration = Duration::from_millis(10);
const POLL_LIMIT: Duration = Duration::from_millis(200);
/// And not sooner than this, however often the relay is woken: what is committed meanwhile comes along.
const POLL_LEAST: Duration = Duration::from_millis(2);
/// How often a relay that is not the leader tries to become it, and how often the age of the
/// outbox is measured while the broker is away.
const STANDBY: Duration = Duration::from_secs(1);
/// How long a leader says nothing to the database.
const SILENT_FOR: Duration = Duration::from_secs(1);

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
        table: Table::new(schema),
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
    table: Table,
    wake: Arc<Notify>,
    soft: CancellationToken,
    gauges: Gauges,
}

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

    /// Publishes until the soft step (`Ok`) or until the leader's connection is lost. Then what is
    /// under way is dropped with it: whoever leads next publishes it again.
    async fn lead(&self, leader: &mut Leader) -> Result<(), DbErr> {
        self.table.prepare(leader).await?;
        let mut trouble = Backoff::for_connections();
        while !self.soft.is_cancelled() {
            let Some(outlet) = self.rabbit.outlet() else {
                let rows = self.table.oldest(leader, Vec::new(), PAGE).await?;
                self.measure(leader, rows.first().map(|row| row.time), rows.len(), rows.len() == PAGE)
                    .await?;
                leader.hold_while(self.rest(STANDBY, self.rabbit.connected())).await?;
                continue;
            };
            let (line, start) = (Line::new(), Instant::now());
            tokio::select! {
                kept = self.keep(leader, &line) => kept?,
                never = self.send(&outlet, &line) => match never {},
            }
            if let Some(error) = line.into_failure() {
                tracing::warn!(schema = self.schema, %error, "could not publish events; they wait");
                metrics::counter!("outbox_publish_failures_total", "schema" => self.schema).increment(1);
                let wait = trouble.next();
                if start.elapsed() > wait {
                    trouble.reset();
                }
                leader.hold_while(self.rest(wait, pending())).await?;
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

    /// Feeds the line with rows and deletes those that are confirmed, until the line is over.
    async fn keep(&self, leader: &mut Leader, line: &Line) -> Result<(), DbErr> {
        let mut idle = Backoff::new(POLL_FIRST, POLL_LIMIT);
        let mut soft = false;
        // Whether the table may have what is not in the line, and when it was last looked at.
        let (mut look, mut looked) = (true, Instant::now());
        loop {
            if self.soft.is_cancelled() && !soft {
                soft = true;
                line.close();
            }
            let reads = look && line.takes(PAGE);
            let confirmed = line.confirmed(reads);
            if !confirmed.is_empty() {
                self.delete(leader, line, &confirmed).await?;
                continue;
            }
            if line.is_over() {
                return Ok(());
            }
            if reads {
                looked = Instant::now();
                let found = self.read(leader, line).await?;
                look = found == PAGE;
                if found > 0 {
                    idle.reset();
                }
                continue;
            }
            let wait = if line.rests() { idle.next() } else { POLL_FIRST };
            tokio::select! {
                () = self.soft.cancelled(), if !soft => {}
                () = line.settled() => {}
                () = self.wake.notified(), if !look => {
                    look = true;
                    idle.reset();
                    sleep_until(looked + POLL_LEAST).await;
                }
                () = sleep(wait) => look = true,
            }
            if line.silent_for() > SILENT_FOR {
                leader.confirm().await?;
                line.prove();
            }
        }
    }

    /// Reads what the line does not have, and tells how much that was.
    async fn read(&self, leader: &mut Leader, line: &Line) -> Result<usize, DbErr> {
        let rows = self.table.oldest(leader, line.known(), PAGE).await?;
        line.prove();
        let found = rows.len();
        if found > 0 {
            reach("relay.read").await;
        }
        if mutant("relay_deletes_first") {
            let places: Vec<Place> = rows.iter().map(|row| row.place).collect();
            self.table.delete(leader, &places).await?;
        }
        line.add(rows);
        let (waiting, oldest) = line.standing();
        self.measure(leader, oldest, waiting, found == PAGE).await?;
        Ok(found)
    }

    async fn delete(&self, leader: &mut Leader, line: &Line, confirmed: &[Place]) -> Result<(), DbErr> {
        metrics::counter!("outbox_published_total", "schema" => self.schema)
            .increment(confirmed.len() as u64);
        reach("relay.published").await;
        self.table.delete(leader, confirmed).await?;
        line.prove();
        line.forget(confirmed);
        reach("relay.deleted").await;
        Ok(())
    }

    /// Publishes what the line lets go, until the connection to the broker is lost.
    async fn send(&self, outlet: &Outlet, line: &Line) -> Infallible {
        let mut under_way = FuturesUnordered::new();
        let mut lost = pin!(outlet.lost());
        loop {
            while under_way.len() < IN_FLIGHT
                && let Some(row) = line.next()
            {
                under_way.push(self.publish(outlet, row));
            }
            tokio::select! {
                biased;
                () = &mut lost => {
                    under_way.clear();
                    line.lose(RabbitError::Lost);
                    pending::<()>().await;
                }
                Some((place, outcome)) = under_way.next() => line.settle(place, outcome),
                () = line.sendable() => {}
            }
        }
    }

    /// Publishes an event, which carries on the trace that it was appended in: who gets it works on
    /// behalf of this very step.
    async fn publish(&self, outlet: &Outlet, row: Row) -> (Place, Result<(), RabbitError>) {
        let span = tracing::info_span!(
            target: TARGET,
            "publish",
            otel.name = format_args!("publish {}", row.name),
            otel.kind = "producer",
            otel.status_code = Empty,
            messaging.system = "rabbitmq",
            messaging.operation.name = "publish",
            messaging.operation.type = "send",
            messaging.destination.name = self.rabbit.exchange(),
            messaging.rabbitmq.destination.routing_key = row.name,
            messaging.message.id = %row.id,
        );
        if span.is_disabled() {
            return (row.place, put(outlet, &row, row.trace.as_deref()).await);
        }
        let publishing = async { put(outlet, &row, current_trace().as_deref()).await };
        let published = in_span(span.clone(), row.trace.clone(), publishing).await;
        if published.is_err() {
            span.record("otel.status_code", "ERROR");
        }
        (row.place, published)
    }

    /// How long the oldest event has been waiting, and how many wait: what tells a stuck relay from
    /// a slow one. `more` than those that are known may wait.
    async fn measure(
        &self,
        leader: &mut Leader,
        oldest: Option<DateTime<Utc>>,
        waiting: usize,
        more: bool,
    ) -> Result<(), DbErr> {
        let age = oldest.map_or(0.0, |time| (self.clock.now() - time).as_seconds_f64());
        self.gauges.oldest.set(age.max(0.0));
        if !more {
            self.gauges.waiting.set(waiting as f64);
        } else if self.gauges.may_count() {
            self.gauges.waiting.set(self.table.count(leader).await? as f64);
        }
        Ok(())
    }
}

async fn put(outlet: &Outlet, row: &Row, trace: Option<&str>) -> Result<(), RabbitError> {
    let payload = row.envelope(trace)?;
    outlet.publish(&Outgoing { id: row.id, name: &row.name, time: row.time, payload: &payload }).await
}
