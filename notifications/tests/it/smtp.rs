//! Messages over SMTP, when the server is away or refuses.

use std::time::Duration;

use chrono::TimeDelta;
use kernel::EventId;
use notifications::{Config, SmtpConfig, Which, given_up_list, given_up_retry};
use tokio::net::TcpListener;

use crate::{
    sample,
    smtp_server::Smtp,
    support::{World, person, seconds, until},
};

/// A worker that knows Ada and sends to `server`.
async fn world(server: impl std::fmt::Display) -> World {
    let smtp = SmtpConfig { url: format!("smtp://{server}").into() };
    let world = World::new(Config { smtp: Some(smtp), retry: seconds(3), ..Config::default() }).await;
    world.run();
    world.registered(person(sample::user(1), 1)).await;
    world
}

#[tokio::test]
async fn a_server_that_was_away_gets_the_message_later() {
    // A port on which nothing listens yet.
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let world = world(port).await;
    let event = world.tell(&sample::confirmed(sample::user(1))).await;
    let row = world.row_in("PENDING", 1).await;
    assert_eq!(row.last_error.as_deref(), Some("smtp connection"));

    let server = Smtp::default();
    server.listen(&port.to_string()).await;
    world.advance(TimeDelta::seconds(1)).await;
    world.row_in("SENT", 2).await;
    let messages = server.messages();
    assert_eq!(messages.len(), 1);
    assert!(messages[0].contains(&format!("Message-ID: <{}.email@marquee.example>", event.id)));
    assert!(messages[0].contains("<ada1@example.com>"));
}

#[tokio::test]
async fn a_message_that_is_tried_again_is_the_same_message() {
    let server = Smtp::answering(&["451 try later", "421 busy"]);
    let world = world(server.listen("127.0.0.1:0").await).await;
    world.tell(&sample::confirmed(sample::user(1))).await;
    let row = world.row_in("PENDING", 1).await;
    assert_eq!(row.last_error.as_deref(), Some("smtp 451"));
    world.advance(TimeDelta::seconds(1)).await;
    world.row_in("PENDING", 2).await;
    // The delay has doubled.
    world.advance(TimeDelta::seconds(2)).await;
    world.row_in("SENT", 3).await;

    let messages = server.messages();
    assert_eq!(messages.len(), 3);
    assert_eq!(messages[0], messages[1]);
    assert_eq!(messages[0], messages[2]);
}

#[tokio::test]
async fn a_refusal_for_good_is_given_up_at_once_and_can_be_replayed() {
    const REFUSAL: &str = "550 5.1.1 <ada1@example.com>: no such person";
    let server = Smtp::answering(&[REFUSAL, REFUSAL]);
    let world = world(server.listen("127.0.0.1:0").await).await;
    let event = world.tell(&sample::confirmed(sample::user(1))).await;
    let row = world.row_in("GAVE_UP", 1).await;
    // What servers say can hold addresses: only the code is kept.
    assert_eq!(row.last_error.as_deref(), Some("smtp 550"));

    world.advance(TimeDelta::hours(1)).await;
    let pg = &world.deps.pg;
    let (given_up, count) = given_up_list(pg, 10).await.unwrap();
    let told = (given_up[0].event, given_up[0].attempts, given_up[0].reason.as_deref());
    assert_eq!((told, count), ((event.id, 1, Some("smtp 550")), 1));
    assert!(given_up_list(pg, 0).await.unwrap().0.is_empty());

    let minutes = |minutes| Which::Within(Duration::from_mins(minutes));
    assert_eq!(given_up_retry(pg, minutes(59)).await.unwrap(), 0);
    assert_eq!(given_up_retry(pg, minutes(61)).await.unwrap(), 1);
    world.row_in("GAVE_UP", 1).await;
    assert_eq!(given_up_retry(pg, Which::Event(EventId::from_uuid(Default::default()))).await.unwrap(), 0);
    assert_eq!(given_up_retry(pg, Which::Event(event.id)).await.unwrap(), 1);
    world.row_in("SENT", 1).await;
    assert_eq!(server.messages().len(), 3);
    assert_eq!(given_up_list(pg, 10).await.unwrap(), (Vec::new(), 0));
}

#[tokio::test]
async fn a_log_in_that_is_refused_is_ours_to_mend_and_tried_again() {
    let server = Smtp::answering(&["535 5.7.8 bad credentials"]);
    let world = world(server.listen("127.0.0.1:0").await).await;
    world.tell(&sample::confirmed(sample::user(1))).await;
    world.row_in("PENDING", 1).await;
    world.advance(TimeDelta::seconds(1)).await;
    world.row_in("SENT", 2).await;
}

#[tokio::test]
async fn attempts_have_an_end() {
    let server = Smtp::answering(&["451 no", "451 no", "451 no"]);
    let world = world(server.listen("127.0.0.1:0").await).await;
    world.tell(&sample::confirmed(sample::user(1))).await;
    for attempt in 1..3 {
        world.row_in("PENDING", attempt).await;
        world.advance(TimeDelta::seconds(2)).await;
    }
    world.row_in("GAVE_UP", 3).await;
    until("the server", async || server.messages().len() == 3).await;
}
