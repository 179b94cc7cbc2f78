//! To whom messages go, in whatever order the events come.

use notifications::Config;

use crate::{
    sample,
    support::{World, person, seconds, until},
};

#[tokio::test]
async fn an_older_event_never_overwrites_a_newer_one() {
    let world = World::start().await;
    let ada = sample::user(1);
    world.registered(person(ada, 1)).await;
    for revision in [3, 2, 1] {
        world.changed(person(ada, revision)).await;
    }
    until("all events", async || world.count("SELECT count(*) FROM notification.inbox").await == 4).await;
    let event = world.tell(&sample::confirmed(ada)).await;
    assert!(world.mail(event.id).await.contains("<ada3@example.com>"));
}

#[tokio::test]
async fn a_booking_that_overtakes_its_owner_waits_for_the_address() {
    let world = World::start().await;
    let ada = sample::user(1);
    let event = world.tell(&sample::confirmed(ada)).await;
    let row = world.row_in("PENDING", 1).await;
    assert_eq!(row.last_error.as_deref(), Some("recipient unknown"));

    // No time passes: the address itself brings the message on its way.
    world.registered(person(ada, 1)).await;
    assert!(world.mail(event.id).await.contains("<ada1@example.com>"));
    world.row_in("SENT", 1).await;
}

#[tokio::test]
async fn an_address_that_comes_very_late_still_gets_the_message() {
    let world = World::new(Config { retry: seconds(1), ..Config::default() }).await;
    world.run();
    let ada = sample::user(1);
    let event = world.tell(&sample::confirmed(ada)).await;
    world.row_in("GAVE_UP", 1).await;
    world.registered(person(ada, 1)).await;
    world.mail(event.id).await;
    world.row_in("SENT", 1).await;
}
