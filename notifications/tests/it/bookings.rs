//! What people are told of their bookings.

use events::{Envelope, booking::RefundCause};

use crate::{
    sample,
    support::{World, person, until},
};

#[tokio::test]
async fn a_confirmation_that_comes_twice_is_one_message_with_the_tickets() {
    let world = World::start().await;
    let ada = sample::user(1);
    world.registered(person(ada, 1)).await;
    let event = world.tell(&sample::confirmed(ada)).await;
    let mail = world.mail(event.id).await;
    world.deps.rabbit.publish(&event).await.unwrap();

    assert!(mail.contains("To: \"Ada Lovelace\" <ada1@example.com>"), "{mail}");
    assert!(mail.contains(&format!("Message-ID: <{}.email@marquee.example>", event.id)));
    assert_eq!(mail.matches("Content-Type: image/svg+xml").count(), 2);

    // The same lane brings events in order: when the next one is done, so is the repeat.
    let next = world.tell(&sample::refunded(ada, RefundCause::Cancelled)).await;
    world.mail(next.id).await;
    assert_eq!(world.files().len(), 2);
    until("both to be marked", async || world.rows().await.iter().all(|row| row.state == "SENT")).await;
    assert_eq!(world.rows().await.iter().map(|row| row.attempts).collect::<Vec<_>>(), [1, 1]);
}

#[tokio::test]
async fn cancellations_and_refunds_are_told_in_the_persons_language() {
    let world = World::start().await;
    let ada = sample::user(1);
    let mut german = person(ada, 1);
    german.locale = "de-AT".to_owned();
    world.registered(german).await;
    let cancelled = world.tell(&sample::cancelled(ada, RefundCause::ShowCancelled, Some(2_500))).await;
    let refunded = world.tell(&sample::refunded(ada, RefundCause::ShowCancelled)).await;

    let mail = world.mail(cancelled.id).await;
    assert!(mail.contains("Guten Tag Ada Lovelace"), "{mail}");
    assert!(mail.contains("25,00 EUR"), "{mail}");
    assert!(!mail.contains("image/svg+xml"), "{mail}");
    let mail = world.mail(refunded.id).await;
    assert!(mail.contains("Subject: Ihre Erstattung von 1.234,50 EUR (MQ-7F3K)"), "{mail}");
}

#[tokio::test]
async fn an_event_that_breaks_its_contract_does_not_hold_up_others() {
    let world = World::start().await;
    let ada = sample::user(1);
    world.registered(person(ada, 1)).await;
    let good = world.tell(&sample::confirmed(ada)).await;
    world.mail(good.id).await;

    let broken = Envelope { body: serde_json::json!({}), id: kernel::Id::from_uuid(good.key), ..good };
    world.deps.rabbit.publish(&broken).await.unwrap();
    let next = world.tell(&sample::refunded(ada, RefundCause::Cancelled)).await;
    world.mail(next.id).await;
    until("the dead letter", async || {
        world.deps.rabbit.depth("notifications.bookings.dead").await.unwrap() == 1
    })
    .await;
    assert_eq!(world.files().len(), 2);
}
