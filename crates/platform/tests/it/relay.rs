//! Thousands of events on their way at once, while transactions commit late, queues are full, and
//! connections break: each key in order, nothing lost, nothing twice without need.

use std::{sync::Arc, time::Duration};

use lapin::{
    Connection, ConnectionProperties,
    options::{QueueBindOptions, QueueDeclareOptions, QueuePurgeOptions},
    types::{AMQPValue, FieldTable},
};
use platform::{Queue, Shutdown, outbox, rabbit::RabbitConfig};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement, TransactionTrait};
use uuid::Uuid;

use crate::{
    outbox::{append, config, worker},
    rabbit::Recorder,
    support::{Proxy, SCHEMA, amqp_url, event, outbox_rows, rabbit, until, uuid},
};

/// Sees everything that is published, in that order.
const WATCH: Queue = Queue { name: "watch", bindings: &["probe.*"], lanes: 1, prefetch: 64 };
const KEYS: usize = 40;
const PER_KEY: u64 = 100;

/// Appends a burst: [`PER_KEY`] events of each of these keys, in a hundred transactions.
async fn burst(deps: &platform::Deps, keys: &[Uuid]) {
    for number in 0..PER_KEY {
        let events: Vec<_> = keys.iter().map(|key| event(*key, number)).collect();
        append(deps, &events).await;
    }
}

fn keys() -> Vec<Uuid> {
    (0..KEYS).map(|_| uuid()).collect()
}

#[tokio::test]
async fn what_commits_late_is_published_too() {
    let shutdown = Shutdown::new();
    let (deps, recorder) = worker(&config().await, &shutdown).await;
    let (late, key) = (uuid(), uuid());
    let transaction = deps.pg.begin().await.unwrap();
    // It has the lowest number of all.
    outbox::append(&transaction, SCHEMA, &event(late, 0)).await.unwrap();
    for number in 0..50 {
        append(&deps, &[event(key, number)]).await;
    }
    until("the others", || async { recorder.count() == 50 }).await;
    transaction.commit().await.unwrap();
    // Causes precede effects: whoever saw the first may append the second.
    append(&deps, &[event(late, 1)]).await;
    until("the late event", || async { recorder.numbers(late) == [0, 1] }).await;
    until("an empty outbox", || async { outbox_rows(&deps.pg).await == 0 }).await;
    assert_eq!(recorder.count(), 52, "no duplicates when nothing fails");
}

#[tokio::test]
async fn a_burst_that_is_stopped_in_order_is_finished_by_the_next_without_duplicates() {
    let config = config().await;
    // The order is the relay's. Who consumes what is handed from one to the next may get the last few events
    // of the first again behind others: RabbitMQ takes them back when it comes to it.
    let watching = Shutdown::new();
    let (watcher, seen) = (rabbit(&config.rabbit, &watching).await, Arc::new(Recorder::default()));
    watcher.declare(&[WATCH]).await.unwrap();
    watcher.consume(WATCH, seen.clone(), &watching);
    let first = Shutdown::new();
    let (deps, recorder) = worker(&config, &first).await;
    let keys = keys();
    burst(&deps, &keys).await;
    until("some events", || async { recorder.count() > KEYS }).await;
    assert!(first.finish(Duration::from_secs(10)).await);
    let before = recorder.count();

    let second = Shutdown::new();
    let (deps, rest) = worker(&config, &second).await;
    until("an empty outbox", || async { outbox_rows(&deps.pg).await == 0 }).await;
    let all = KEYS * PER_KEY as usize;
    until("all events", || async { before + rest.count() >= all }).await;
    assert_eq!(before + rest.count(), all);
    until("all events to be seen", || async { seen.count() >= all }).await;
    for key in keys {
        assert_eq!(seen.numbers(key), (0..PER_KEY).collect::<Vec<_>>());
    }
    assert!(second.finish(Duration::from_secs(10)).await);
}

#[tokio::test]
async fn a_burst_survives_the_loss_of_the_lead() {
    let shutdown = Shutdown::new();
    let (deps, recorder) = worker(&config().await, &shutdown).await;
    let keys = keys();
    burst(&deps, &keys).await;
    for loss in 1..=3 {
        until("some events", || async { recorder.count() > loss * KEYS * 10 }).await;
        deps.pg
            .execute_unprepared(
                "select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' \
                 and database = (select oid from pg_database where datname = current_database())",
            )
            .await
            .unwrap();
    }
    until("an empty outbox", || async { outbox_rows(&deps.pg).await == 0 }).await;
    for key in keys {
        until("all events", || async { recorder.first_numbers(key).len() == PER_KEY as usize }).await;
        assert_eq!(recorder.first_numbers(key), (0..PER_KEY).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn a_burst_survives_the_loss_of_the_broker() {
    let shutdown = Shutdown::new();
    let proxy = Proxy::to(&amqp_url()).await;
    let mut config = config().await;
    config.rabbit = RabbitConfig { url: proxy.url(&amqp_url()).into(), ..config.rabbit };
    let (deps, recorder) = worker(&config, &shutdown).await;
    let keys = keys();
    burst(&deps, &keys).await;
    for loss in 1..=3 {
        until("some events", || async { recorder.count() > loss * KEYS * 10 }).await;
        proxy.cut();
        until("the loss to be noticed", || async { !deps.rabbit.is_connected() }).await;
        proxy.heal();
    }
    until("an empty outbox", || async { outbox_rows(&deps.pg).await == 0 }).await;
    for key in keys {
        until("all events", || async { recorder.first_numbers(key).len() == PER_KEY as usize }).await;
        assert_eq!(recorder.first_numbers(key), (0..PER_KEY).collect::<Vec<_>>());
    }
}

/// Rows of the outbox that were read, and that were deleted.
async fn read_and_deleted(pg: &DatabaseConnection) -> (i64, i64) {
    let sql = format!(
        "select seq_tup_read + idx_tup_fetch as read, n_tup_del as deleted
           from pg_stat_user_tables where schemaname = '{SCHEMA}' and relname = 'outbox'"
    );
    let row = pg.query_one_raw(Statement::from_string(DbBackend::Postgres, sql)).await.unwrap().unwrap();
    (row.try_get("", "read").unwrap(), row.try_get("", "deleted").unwrap())
}

#[tokio::test]
async fn a_backlog_is_not_read_anew_for_each_page_of_it() {
    const BACKLOG: i64 = 20_000;
    let shutdown = Shutdown::new();
    let (deps, recorder) = worker(&config().await, &shutdown).await;
    // PostgreSQL keeps the plan of a statement that was executed some times, as it is best for a few rows.
    for number in 0..20 {
        append(&deps, &[event(uuid(), number)]).await;
        until("one of few", || async { recorder.count() as u64 == number + 1 }).await;
    }
    let (before, _) = read_and_deleted(&deps.pg).await;
    let insertion = format!(
        "insert into {SCHEMA}.outbox (key, event_id, name, version, time, body)
         select gen_random_uuid(), gen_random_uuid(), 'probe.many', 1, now(), '{{\"number\": 1}}'
           from generate_series(1, {BACKLOG})"
    );
    deps.pg.execute_unprepared(&insertion).await.unwrap();
    outbox::wake(SCHEMA);
    until("all of the backlog", || async { read_and_deleted(&deps.pg).await.1 >= BACKLOG + 20 }).await;
    let (read, _) = read_and_deleted(&deps.pg).await;
    // Each is read to be sent and to be deleted, about two times beside others that are sent, and counted at times.
    assert!(read - before <= 6 * BACKLOG, "{} rows were read for {BACKLOG} events", read - before);
}

#[tokio::test]
async fn a_refused_event_holds_up_its_key_and_no_other() {
    let shutdown = Shutdown::new();
    let config = config().await;
    let (deps, recorder) = worker(&config, &shutdown).await;
    until("the exchange", || async { deps.rabbit.is_connected() }).await;
    let raw = Connection::connect(&amqp_url(), ConnectionProperties::default()).await.unwrap();
    let channel = raw.create_channel().await.unwrap();
    // It wants some of the events and has room for one.
    let full = format!("{}full", config.rabbit.prefix);
    let mut arguments = FieldTable::default();
    arguments.insert("x-overflow".into(), AMQPValue::LongString("reject-publish".into()));
    arguments.insert("x-max-length".into(), AMQPValue::LongLongInt(1));
    channel.queue_declare(full.as_str().into(), QueueDeclareOptions::durable(), arguments).await.unwrap();
    let exchange = format!("{}{}", config.rabbit.prefix, config.rabbit.exchange);
    let (options, nothing) = (QueueBindOptions::default(), FieldTable::default());
    channel
        .queue_bind(full.as_str().into(), exchange.into(), "probe.narrow".into(), options, nothing)
        .await
        .unwrap();

    let (narrow, wide) = (uuid(), uuid());
    let through = |number| {
        let mut event = event(narrow, number);
        event.name = "probe.narrow".to_owned();
        event
    };
    append(&deps, &[through(0), through(1), event(narrow, 2), event(wide, 0)]).await;
    for number in 1..20 {
        append(&deps, &[event(wide, number)]).await;
    }
    until("the other key", || async { recorder.first_numbers(wide).len() == 20 }).await;
    assert_eq!(recorder.first_numbers(wide), (0..20).collect::<Vec<_>>());
    until("the refused event", || async { recorder.numbers(narrow).contains(&1) }).await;
    // Other queues may have it, but it is not confirmed; so it stays, and what follows it waits.
    until("only these are left", || async { outbox_rows(&deps.pg).await == 2 }).await;
    assert!(!recorder.numbers(narrow).contains(&2));
    until("room for it", || async {
        channel.queue_purge(full.as_str().into(), QueuePurgeOptions::default()).await.unwrap();
        outbox_rows(&deps.pg).await == 0
    })
    .await;
    until("what follows it", || async { recorder.numbers(narrow).contains(&2) }).await;
    assert_eq!(recorder.first_numbers(narrow), [0, 1, 2]);
    assert_eq!(recorder.numbers(wide), (0..20).collect::<Vec<_>>(), "what was confirmed is not repeated");
}
