//! From a committed transaction to a consumer: in order, never lost.

use std::{sync::Arc, time::Duration};

use events::Envelope;
use platform::{Deps, DepsConfig, Shutdown, outbox, rabbit::RabbitConfig};
use sea_orm::{ConnectionTrait, TransactionTrait};

use crate::{
    rabbit::{PROBE, Recorder},
    support::{
        Proxy, SCHEMA, amqp_url, database, deps, event, outbox_rows, rabbit_config, redis_config, until, uuid,
    },
};

pub async fn config() -> DepsConfig {
    DepsConfig { pg: database().await, redis: redis_config(), rabbit: rabbit_config() }
}

/// A process that relays and consumes.
pub async fn worker(config: &DepsConfig, shutdown: &Shutdown) -> (Deps, Arc<Recorder>) {
    let deps = deps(config, shutdown).await;
    deps.rabbit.declare(&[PROBE]).await.unwrap();
    outbox::relay(&deps, SCHEMA, shutdown);
    let recorder = Arc::new(Recorder::default());
    deps.rabbit.consume(PROBE, recorder.clone(), shutdown);
    (deps, recorder)
}

pub async fn append(deps: &Deps, events: &[Envelope]) {
    let transaction = deps.pg.begin().await.unwrap();
    outbox::append_all(&transaction, SCHEMA, events).await.unwrap();
    transaction.commit().await.unwrap();
    outbox::wake(SCHEMA);
}

#[tokio::test]
async fn events_arrive_in_the_order_of_their_key_and_leave_no_rows() {
    let shutdown = Shutdown::new();
    let (deps, recorder) = worker(&config().await, &shutdown).await;
    let keys: Vec<_> = (0..20).map(|_| uuid()).collect();
    for round in 0..10 {
        let events: Vec<_> =
            keys.iter().flat_map(|key| (0..5).map(move |n| event(*key, round * 5 + n))).collect();
        append(&deps, &events).await;
    }
    until("all events", || async { recorder.count() == 1_000 }).await;
    until("an empty outbox", || async { outbox_rows(&deps.pg).await == 0 }).await;
    let expected: Vec<u64> = (0..50).collect();
    for key in keys {
        assert_eq!(recorder.numbers(key), expected);
    }
    assert!(shutdown.finish(Duration::from_secs(5)).await);
}

#[tokio::test]
async fn what_is_rolled_back_is_never_published() {
    let shutdown = Shutdown::new();
    let (deps, recorder) = worker(&config().await, &shutdown).await;
    let (lost, kept) = (uuid(), uuid());
    let transaction = deps.pg.begin().await.unwrap();
    outbox::append(&transaction, SCHEMA, &event(lost, 1)).await.unwrap();
    transaction.rollback().await.unwrap();
    append(&deps, &[event(kept, 1)]).await;
    until("the committed event", || async { recorder.count() == 1 }).await;
    assert_eq!(recorder.numbers(kept), [1]);
}

#[tokio::test]
async fn events_carry_the_trace_of_their_cause() {
    let shutdown = Shutdown::new();
    let (deps, recorder) = worker(&config().await, &shutdown).await;
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let cause = append(&deps, &[]);
    cause.await;
    platform::telemetry::with_trace(Some(trace.to_owned()), append(&deps, &[event(uuid(), 1)])).await;
    until("the event", || async { recorder.count() == 1 }).await;
    assert_eq!(recorder.traces(), [Some(trace.to_owned())]);
}

#[tokio::test]
async fn while_the_broker_is_away_events_wait_in_the_outbox() {
    let shutdown = Shutdown::new();
    let proxy = Proxy::to(&amqp_url()).await;
    let mut config = config().await;
    config.rabbit = RabbitConfig { url: proxy.url(&amqp_url()).into(), ..config.rabbit };
    let (deps, recorder) = worker(&config, &shutdown).await;
    let key = uuid();
    append(&deps, &[event(key, 0)]).await;
    until("the first event", || async { recorder.count() == 1 }).await;

    proxy.cut();
    until("the loss to be noticed", || async { !deps.rabbit.is_connected() }).await;
    for number in 1..=100 {
        append(&deps, &[event(key, number)]).await;
    }
    assert!(outbox_rows(&deps.pg).await >= 100);
    proxy.heal();
    until("an empty outbox", || async { outbox_rows(&deps.pg).await == 0 }).await;
    until("the last event", || async { recorder.numbers(key).contains(&100) }).await;
    // Duplicates may come; the first of each came in order.
    let expected: Vec<u64> = (0..=100).collect();
    assert_eq!(recorder.first_numbers(key), expected);
}

#[tokio::test]
async fn a_relay_that_loses_its_lock_stands_again() {
    let shutdown = Shutdown::new();
    let (deps, recorder) = worker(&config().await, &shutdown).await;
    append(&deps, &[event(uuid(), 1)]).await;
    until("the first event", || async { recorder.count() == 1 }).await;
    deps.pg
        .execute_unprepared(
            "select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' \
             and database = (select oid from pg_database where datname = current_database())",
        )
        .await
        .unwrap();
    // The first event may come twice, if it was published and not yet deleted.
    let second = uuid();
    append(&deps, &[event(second, 2)]).await;
    until("the second event", || async { recorder.numbers(second) == [2] }).await;
}

#[tokio::test]
async fn one_relay_leads_and_another_takes_over() {
    let config = config().await;
    let (first, second) = (Shutdown::new(), Shutdown::new());
    let (deps, recorder) = worker(&config, &first).await;
    append(&deps, &[event(uuid(), 1)]).await;
    until("the first event", || async { recorder.count() == 1 }).await;
    let (other, other_recorder) = worker(&config, &second).await;
    assert!(first.finish(Duration::from_secs(5)).await);
    append(&other, &[event(uuid(), 2)]).await;
    until("the second event", || async { other_recorder.count() == 1 }).await;
    assert_eq!(recorder.count(), 1, "no duplicates when nothing fails");
    assert!(second.finish(Duration::from_secs(5)).await);
}
