//! Consumers and publishers while the network, the broker or a message is broken.

use std::sync::Arc;

use futures::future::join_all;
use lapin::{
    BasicProperties, Connection, ConnectionProperties,
    options::{BasicPublishOptions, QueueDeclareOptions, QueueDeleteOptions},
    types::FieldTable,
};
use platform::{
    Queue, Rabbit, Shutdown,
    rabbit::{RabbitConfig, RabbitError},
};

use crate::{
    rabbit::{PROBE, Recorder, Slow},
    support::{Proxy, amqp_url, event, rabbit, rabbit_config, until, uuid},
};

async fn raw_channel() -> lapin::Channel {
    Connection::connect(&amqp_url(), ConnectionProperties::default())
        .await
        .unwrap()
        .create_channel()
        .await
        .unwrap()
}

#[tokio::test]
async fn starts_without_a_broker_and_finds_it_later() {
    let shutdown = Shutdown::new();
    let proxy = Proxy::to(&amqp_url()).await;
    proxy.cut();
    let config = RabbitConfig { url: proxy.url(&amqp_url()).into(), ..rabbit_config() };
    let rabbit = Rabbit::connect(&config, &shutdown).unwrap();
    rabbit.declare(&[PROBE]).await.expect("is done later");
    let recorder = Arc::new(Recorder::default());
    rabbit.consume(PROBE, recorder.clone(), &shutdown);
    let error = rabbit.publish(&event(uuid(), 1)).await.unwrap_err();
    assert!(matches!(error, RabbitError::NotConnected), "{error}");
    proxy.heal();
    // The queue is there as soon as anything can be published.
    until("a connection", || async { rabbit.is_connected() }).await;
    rabbit.publish(&event(uuid(), 2)).await.unwrap();
    until("the event", || async { recorder.count() == 1 }).await;
}

#[tokio::test]
async fn a_lost_connection_loses_no_events() {
    let shutdown = Shutdown::new();
    let proxy = Proxy::to(&amqp_url()).await;
    let config = rabbit_config();
    let publisher = rabbit(&config, &shutdown).await;
    let consumer = rabbit(&RabbitConfig { url: proxy.url(&amqp_url()).into(), ..config }, &shutdown).await;
    let recorder = Arc::new(Recorder::default());
    consumer.declare(&[PROBE]).await.unwrap();
    consumer.consume(PROBE, recorder.clone(), &shutdown);
    let key = uuid();
    for number in 0..200 {
        publisher.publish(&event(key, number)).await.unwrap();
        if number % 50 == 25 {
            proxy.cut();
            until("the loss to be noticed", || async { !consumer.is_connected() }).await;
            proxy.heal();
        }
    }
    until("all events", || async { recorder.first_numbers(key).len() == 200 }).await;
    let expected: Vec<u64> = (0..200).collect();
    assert_eq!(recorder.first_numbers(key), expected);
}

#[tokio::test]
async fn a_message_that_is_no_event_is_a_dead_letter() {
    let shutdown = Shutdown::new();
    let config = rabbit_config();
    let rabbit = rabbit(&config, &shutdown).await;
    rabbit.declare(&[PROBE]).await.unwrap();
    rabbit.consume(PROBE, Arc::new(Recorder::default()), &shutdown);
    raw_channel()
        .await
        .basic_publish(
            "".into(),
            format!("{}probe", config.prefix).into(),
            BasicPublishOptions::default(),
            b"not JSON",
            BasicProperties::default(),
        )
        .await
        .unwrap();
    until("the dead letter", || async { rabbit.depth("probe.dead").await.unwrap() == 1 }).await;
    let letters = rabbit.dead_letters("probe", 1).await.unwrap();
    assert_eq!(letters[0].event, None);
    assert_eq!(letters[0].payload, b"not JSON");
    // It has no id of its own, and can be called all the same.
    assert!(rabbit.replay_one("probe", &letters[0].id).await.unwrap());
    until("it to die again", || async { rabbit.depth("probe.dead").await.unwrap() == 1 }).await;
}

#[tokio::test]
async fn a_queue_that_somebody_deleted_is_made_again() {
    let shutdown = Shutdown::new();
    let config = rabbit_config();
    let rabbit = rabbit(&config, &shutdown).await;
    let recorder = Arc::new(Recorder::default());
    rabbit.declare(&[PROBE]).await.unwrap();
    rabbit.consume(PROBE, recorder.clone(), &shutdown);
    rabbit.publish(&event(uuid(), 1)).await.unwrap();
    until("the first event", || async { recorder.count() == 1 }).await;
    let name = format!("{}probe", config.prefix);
    raw_channel().await.queue_delete(name.into(), QueueDeleteOptions::default()).await.unwrap();
    until("another event", || async {
        rabbit.publish(&event(uuid(), 2)).await.unwrap();
        recorder.count() > 1
    })
    .await;
}

#[tokio::test]
async fn a_queue_of_another_kind_under_the_same_name_is_an_error() {
    let shutdown = Shutdown::new();
    let config = rabbit_config();
    let classic = format!("{}probe", config.prefix);
    raw_channel()
        .await
        .queue_declare(classic.as_str().into(), QueueDeclareOptions::durable(), FieldTable::default())
        .await
        .unwrap();
    let rabbit = rabbit(&config, &shutdown).await;
    let error = rabbit.declare(&[PROBE]).await.unwrap_err();
    assert!(error.to_string().contains("PRECONDITION"), "{error}");
}

#[tokio::test]
async fn an_event_that_kills_its_consumers_is_a_dead_letter_in_the_end() {
    let shutdown = Shutdown::new();
    let proxy = Proxy::to(&amqp_url()).await;
    let config = rabbit_config();
    let observer = rabbit(&config, &shutdown).await;
    observer.declare(&[PROBE]).await.unwrap();
    observer.publish(&event(uuid(), 1)).await.unwrap();
    let victim = RabbitConfig { url: proxy.url(&amqp_url()).into(), ..config };
    let mut deaths = 0;
    while observer.depth("probe.dead").await.unwrap() == 0 {
        deaths += 1;
        assert!(deaths < 50, "the broker counts deliveries");
        let process = Shutdown::new();
        let consumer = rabbit(&victim, &process).await;
        let slow = Arc::new(Slow::default());
        consumer.consume(PROBE, slow.clone(), &process);
        tokio::select! {
            () = slow.begun.notified() => {}
            () = until("the dead letter", || async {
                observer.depth("probe.dead").await.unwrap() == 1
            }) => {}
        }
        proxy.cut();
        until("the loss to be noticed", || async { !consumer.is_connected() }).await;
        proxy.heal();
        process.finish(std::time::Duration::ZERO).await;
    }
    let letters = observer.dead_letters("probe", 1).await.unwrap();
    assert_eq!(letters[0].failure, "delivery_limit");
    assert_eq!(observer.replay("probe", 1).await.unwrap(), 1);
}

#[tokio::test]
async fn processes_that_start_together_declare_in_turn() {
    const QUEUES: [Queue; 3] = [
        Queue { name: "first", bindings: &["first.*"], lanes: 1, prefetch: 1 },
        Queue { name: "second", bindings: &["second.*"], lanes: 1, prefetch: 1 },
        PROBE,
    ];
    let (config, shutdown) = (rabbit_config(), Shutdown::new());
    let processes = join_all((0..4).map(|_| rabbit(&config, &shutdown))).await;
    let declared = join_all(processes.iter().map(|process| process.declare(&QUEUES))).await;
    assert!(declared.iter().all(Result::is_ok), "{declared:?}");
    // None lost its connection by it.
    for process in &processes {
        process.publish(&event(uuid(), 1)).await.unwrap();
        assert_eq!(process.depth("first").await.unwrap(), 0);
    }
    processes[0].delete(&QUEUES).await.unwrap();
}
