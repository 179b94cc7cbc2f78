//! The relay from the outbox to RabbitMQ, beside the same messages straight through lapin with the
//! same window; and how late events come.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result};
use chrono::{DateTime, Utc};
use events::Envelope;
use futures::{StreamExt, TryStreamExt, stream};
use kernel::{Clock, EventId, IdSource, SystemClock, SystemIds};
use lapin::{
    BasicProperties, Channel, Connection, ConnectionProperties,
    options::{
        BasicCancelOptions, BasicConsumeOptions, BasicPublishOptions, ConfirmSelectOptions, QueueBindOptions,
        QueueDeclareOptions, QueuePurgeOptions,
    },
    types::{AMQPValue, FieldTable},
};
use serde_json::{Value, json};
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::Plan;
use crate::{
    load::Done,
    measure::{Goal, Outcome, Pair, Recorder, Sample},
    stand::{EXCHANGE, Stand, count, execute},
};

/// An event that only this scenario's queue wants.
const EVENT: &str = "bench.happened";
const QUEUE: &str = "bench.outbox";
/// Messages that wait for their confirms: the publisher's own limit.
const WINDOW: usize = 1_000;
/// Shows that the events are about.
const KEYS: u32 = 1_000;
/// Of the lag, the goal at [`PER_SECOND`].
const LAG_MS: f64 = 50.0;
const PER_SECOND: u32 = 1_000;
/// Events of one insertion while the lag is measured.
const TOGETHER: u32 = 10;

/// See the module.
pub async fn run(stand: &mut Stand, plan: Plan, found: &mut Vec<Outcome>) -> Result<()> {
    let rabbit = Connection::connect(&stand.servers.rabbit_url(), ConnectionProperties::default()).await?;
    let channel = rabbit.create_channel().await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    declare(&channel).await?;

    let events = plan.of(100_000, 4_000);
    let mut outcome = Outcome::new("outbox", "events/s", Some(Goal::Ratio(0.7)));
    for _ in 0..plan.pairs {
        let raw = stand.metered(publish(&channel, events)).await?;
        channel.queue_purge(QUEUE.into(), QueuePurgeOptions::default()).await?;
        let ours = stand.metered(relay(stand, events)).await?;
        channel.queue_purge(QUEUE.into(), QueuePurgeOptions::default()).await?;
        outcome.pairs.push(Pair::of_rates(raw, ours));
    }
    outcome.note(format!(
        "both sides publish the same envelopes to the same exchange and quorum queue, {WINDOW} in flight; ours also reads \
         and deletes them in PostgreSQL"
    ));
    found.push(outcome);
    let mut lag = Outcome::new("outbox lag", "events/s", Some(Goal::P99Ms(LAG_MS)));
    lag.alone
        .push(lateness(stand, &channel, plan.of(Duration::from_secs(15), Duration::from_secs(3))).await?);
    lag.note(format!("from when an insertion was due to a consumer, at {PER_SECOND} events per second"));
    channel.queue_delete(QUEUE.into(), Default::default()).await?;
    rabbit.close(200, "done".into()).await?;
    found.push(lag);
    Ok(())
}

/// As the platform declares its own queues.
async fn declare(channel: &Channel) -> Result<()> {
    let mut arguments = FieldTable::default();
    let text = |text: &str| AMQPValue::LongString(text.into());
    arguments.insert("x-queue-type".into(), text("quorum"));
    arguments.insert("x-overflow".into(), text("reject-publish"));
    channel.queue_declare(QUEUE.into(), QueueDeclareOptions::durable(), arguments).await?;
    let (options, nothing) = (QueueBindOptions::default(), FieldTable::default());
    channel.queue_bind(QUEUE.into(), EXCHANGE.into(), EVENT.into(), options, nothing).await?;
    Ok(())
}

/// As large as `booking.pending`.
fn body() -> Value {
    json!({
        "booking_id": "booking_01jd0000000000000000000000000000000000a",
        "user_id": "user_01jd0000000000000000000000",
        "reference": "K7Q2M9",
        "seats": (0..2).map(|index| json!({
            "index": index, "seat_id": "seat_01jd0000000000000000000000", "label": "A1", "kind": "REGULAR",
            "price": { "minor": 1_200, "currency": "EUR" },
        })).collect::<Vec<_>>(),
        "total": { "minor": 2_400, "currency": "EUR" },
        "expires_at": "2026-11-21T12:00:00Z",
    })
}

/// Publishes through lapin alone.
async fn publish(channel: &Channel, events: u32) -> Result<Done> {
    let body = body();
    let payloads: Vec<(EventId, Vec<u8>)> = (0..events)
        .map(|number| {
            let id = EventId::from_uuid(SystemIds.uuid());
            let (name, time, body) = (EVENT.to_owned(), SystemClock.now(), body.clone());
            let key = uuid::Uuid::from_u128((number % KEYS).into());
            Ok((id, serde_json::to_vec(&Envelope { id, name, version: 1, time, key, trace: None, body })?))
        })
        .collect::<Result<_>>()?;
    let begin = Instant::now();
    stream::iter(payloads)
        .map(async |(id, payload)| {
            let properties = BasicProperties::default()
                .with_content_type("application/json".into())
                .with_delivery_mode(2)
                .with_message_id(id.to_string().into());
            let options = BasicPublishOptions::default();
            let sent =
                channel.basic_publish(EXCHANGE.into(), EVENT.into(), options, &payload, properties).await?;
            anyhow::ensure!(sent.await?.is_ack(), "not confirmed");
            Ok(())
        })
        .buffer_unordered(WINDOW)
        .try_collect::<()>()
        .await?;
    Ok(Done { operations: events.into(), seconds: begin.elapsed().as_secs_f64() })
}

/// Puts all events into the outbox at once, and waits until the relay has emptied it.
async fn relay(stand: &Stand, events: u32) -> Result<Done> {
    execute(&stand.pg, &insertion(0, events, SystemClock.now())?).await?;
    let begin = Instant::now();
    stand
        .until("the outbox is empty", async |stand| {
            Ok(count(&stand.pg, "select count(*) from (select 1 from booking.outbox limit 1) as waiting")
                .await?
                == 0)
        })
        .await?;
    Ok(Done { operations: events.into(), seconds: begin.elapsed().as_secs_f64() })
}

/// Inserts events that happened at `time`, of as many shows in turn after the first `before` events.
fn insertion(before: u32, events: u32, time: DateTime<Utc>) -> Result<String> {
    let (body, time, last) = (serde_json::to_string(&body())?, time.to_rfc3339(), before + events);
    Ok(format!(
        "insert into booking.outbox (key, event_id, name, version, time, body)
         select lpad(to_hex(n % {KEYS}), 32, '0')::uuid, gen_random_uuid(), '{EVENT}', 1, '{time}', '{body}'
           from generate_series({before} + 1, {last}) as n"
    ))
}

/// Inserts events at a steady rate; how late a consumer gets them.
async fn lateness(stand: &Stand, channel: &Channel, time: Duration) -> Result<Sample> {
    let recorder = Recorder::new()?;
    let (recording, received) = (recorder.clone(), Arc::new(AtomicU64::new(0)));
    let counting = Arc::clone(&received);
    let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
    let mut consumer = channel.basic_consume(QUEUE.into(), "".into(), options, FieldTable::default()).await?;
    let tag = consumer.tag();
    let listening = tokio::spawn(async move {
        while let Some(delivery) = consumer.next().await {
            let envelope: Value = serde_json::from_slice(&delivery?.data)?;
            let made: DateTime<Utc> = envelope["time"].as_str().context("no time")?.parse()?;
            recording.record((SystemClock.now() - made).to_std().unwrap_or_default());
            counting.fetch_add(1, Ordering::Relaxed);
        }
        anyhow::Ok(())
    });
    let mut sample = stand
        .metered(async {
            let begin = Instant::now();
            let mut pace = interval(Duration::from_secs(1) * TOGETHER / PER_SECOND);
            pace.set_missed_tick_behavior(MissedTickBehavior::Burst);
            let mut sent = 0;
            while begin.elapsed() < time {
                // An insertion that comes late, as the one before took long, is late for those who wait for it.
                let due = SystemClock.now() - pace.tick().await.elapsed();
                execute(&stand.pg, &insertion(sent, TOGETHER, due)?).await?;
                sent += TOGETHER;
            }
            let sent = u64::from(sent);
            stand.until("all events came", async |_| Ok(received.load(Ordering::Relaxed) >= sent)).await?;
            Ok(Done { operations: sent, seconds: begin.elapsed().as_secs_f64() })
        })
        .await?;
    // Before the queue is deleted: a consumer that is cancelled after its queue ends the connection.
    channel.basic_cancel(tag, BasicCancelOptions::default()).await?;
    listening.await??;
    sample.latency = recorder.latency();
    Ok(sample)
}
