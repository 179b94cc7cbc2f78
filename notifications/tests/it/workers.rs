//! Several workers, workers that die, and what is kept.

use std::collections::HashSet;

use chrono::TimeDelta;
use events::booking::RefundCause;
use kernel::Clock as _;
use notifications::{Config, SmtpConfig};

use crate::{
    sample,
    smtp_server::Smtp,
    support::{World, person, until},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn workers_share_the_work_without_sending_twice() {
    const PEOPLE: i64 = 200;
    let server = Smtp::default();
    let smtp = SmtpConfig { url: format!("smtp://{}", server.listen("127.0.0.1:0").await).into() };
    let world = World::new(Config { smtp: Some(smtp), concurrency: 4, ..Config::default() }).await;
    // Much is due already when the workers start.
    let refund = sample::refunded(sample::user(1), RefundCause::Cancelled);
    let facts = serde_json::to_string(&refund).unwrap();
    world
        .execute(&format!(
            "INSERT INTO notification.recipients
             SELECT gen_random_uuid(), 1, n || '@example.com', 'Ada', 'en', NULL, now()
             FROM generate_series(1, {PEOPLE}) AS n;
             INSERT INTO notification.deliveries
                 (user_id, event_id, channel, kind, facts, state, attempts, next_attempt_at, created_at)
             SELECT user_id, gen_random_uuid(), 'EMAIL', 'booking.refunded', '{facts}', 'PENDING', 0,
                 '{now}', '{now}'
             FROM notification.recipients",
            now = world.clock.now(),
        ))
        .await;
    for _ in 0..4 {
        world.run();
    }
    let sent = "SELECT count(*) FROM notification.deliveries WHERE state = 'SENT' AND attempts = 1";
    until("all messages", async || world.count(sent).await == PEOPLE).await;
    let messages = server.messages();
    let ids: HashSet<_> = messages
        .iter()
        .map(|message| message.lines().find(|line| line.starts_with("Message-ID:")).unwrap())
        .collect();
    assert_eq!((messages.len(), ids.len()), (200, 200));
}

#[tokio::test]
async fn a_worker_that_died_before_marking_leaves_one_file() {
    let world = World::start().await;
    let ada = sample::user(1);
    world.registered(person(ada, 1)).await;
    let event = world.tell(&sample::confirmed(ada)).await;
    let mail = world.mail(event.id).await;
    world.row_in("SENT", 1).await;
    // As it was before the mark: taken on, and the worker gone.
    world
        .execute(
            "UPDATE notification.deliveries SET state = 'PENDING', settled_at = NULL,
                 next_attempt_at = created_at + interval '5 minutes'",
        )
        .await;
    world.advance(TimeDelta::minutes(5)).await;
    world.row_in("SENT", 2).await;
    assert_eq!(world.files(), [format!("{}.eml", event.id)]);
    assert_eq!(world.mail(event.id).await, mail);
}

#[tokio::test]
async fn a_worker_whose_clock_is_wrong_sends_all_the_same() {
    let world = World::start().await;
    let ada = sample::user(1);
    world.registered(person(ada, 1)).await;
    for minutes in [10, -20] {
        // Only the worker's: that of the database stands still.
        world.clock.advance(TimeDelta::minutes(minutes));
        let event = world.tell(&sample::confirmed(ada)).await;
        world.mail(event.id).await;
    }
    let sent = "SELECT count(*) FROM notification.deliveries
                WHERE state = 'SENT' AND created_at = notification.now() AND settled_at = created_at";
    until("the marks", async || world.count(sent).await == 2).await;
}

#[tokio::test]
async fn old_deliveries_are_forgotten() {
    let world = World::new(Config::default()).await;
    for (days, state) in [(91, "SENT"), (91, "GAVE_UP"), (89, "SENT")] {
        let settled = world.clock.now() - TimeDelta::days(days);
        world
            .execute(&format!(
                "INSERT INTO notification.deliveries
                     (user_id, event_id, channel, kind, facts, state, attempts, next_attempt_at,
                      created_at, settled_at)
                 VALUES (gen_random_uuid(), gen_random_uuid(), 'EMAIL', 'booking.confirmed', '{{}}',
                     '{state}', 1, '{settled}', '{settled}', '{settled}')"
            ))
            .await;
    }
    world.run();
    until("the purge", async || world.rows().await.len() == 1).await;
    assert_eq!(world.rows().await[0].state, "SENT");
}

#[tokio::test]
async fn settings_that_cannot_work_are_named() {
    let world = World::new(Config::default()).await;
    let smtp = Some(SmtpConfig { url: "http://user:secret@example.com".into() });
    for (config, name) in [
        (Config { from: "nobody".to_owned(), ..world.config.clone() }, "notifications.from"),
        (Config { smtp, ..world.config.clone() }, "notifications.smtp.url"),
    ] {
        let error = notifications::consumers(&config, &world.deps, &world.shutdown).unwrap_err();
        assert!(error.to_string().starts_with(name), "{error}");
        assert!(!format!("{error:?}").contains("secret"));
    }
}
