//! Money goes back: once, whatever is lost on the way.

use booking::domain::booking::BookingStatus;
use booking::domain::payment::{Refund, RefundStatus};
use chrono::TimeDelta;
use platform::HandlerError;
use serde_json::json;

use crate::support::World;

/// A cancelled booking whose `refund.requested` waits in the outbox.
async fn cancelled(world: &World) -> booking::domain::booking::Booking {
    let user = world.person();
    let (booking, _) = world.confirmed(user, &[1]).await;
    world.cancel(user, booking.id, "c").await.unwrap().booking
}

#[tokio::test]
async fn while_the_provider_is_away_the_request_waits_and_keeps_its_key() {
    let world = World::new().await;
    let booking = cancelled(&world).await;
    let events = world.take_events().await;
    let request = events.iter().find(|event| event.name == "refund.requested").unwrap();
    world.provider.state().broken = Some(500);
    let error = world.hand(request).await.unwrap_err();
    assert!(matches!(error, HandlerError::Unavailable(_)), "{error}");
    world.provider.state().broken = None;
    world.hand(request).await.unwrap();
    world.hand(request).await.unwrap();
    let keys: Vec<_> = world
        .provider
        .state()
        .calls
        .iter()
        .filter(|(operation, _)| operation == "refund_create")
        .map(|(_, key)| key.clone().unwrap())
        .collect();
    let refund = &world.refunds(booking.id).await[0];
    assert_eq!(keys, [refund.id.to_string(), refund.id.to_string()]);
    assert_eq!(refund.status, RefundStatus::Succeeded);
}

#[tokio::test]
async fn an_answer_that_was_lost_is_had_again() {
    let world = World::new().await;
    let booking = cancelled(&world).await;
    let events = world.take_events().await;
    let request = events.iter().find(|event| event.name == "refund.requested").unwrap();
    world.hand(request).await.unwrap();
    // As if the process had died before it wrote the answer down.
    world.execute("update booking.refunds set status = 'PENDING', provider_refund = null").await;
    world.execute("update booking.bookings set status = 'CANCELLED'").await;
    world.hand(request).await.unwrap();
    assert_eq!(world.provider.state().refunds.len(), 1);
    assert_eq!(world.refunds(booking.id).await[0].status, RefundStatus::Succeeded);
    assert_eq!(world.status(booking.id).await, BookingStatus::Refunded);
}

#[tokio::test]
async fn a_key_that_the_provider_forgot_does_not_pay_twice() {
    let world = World::new().await;
    let booking = cancelled(&world).await;
    let events = world.take_events().await;
    let request = events.iter().find(|event| event.name == "refund.requested").unwrap();
    world.hand(request).await.unwrap();
    world.execute("update booking.refunds set status = 'PENDING', provider_refund = null").await;
    // A dead letter that is replayed two days later.
    world.provider.state().forgetful = true;
    world.advance(TimeDelta::days(2)).await;
    world.hand(request).await.unwrap();
    assert_eq!(world.provider.state().refunds.len(), 1);
    assert_eq!(world.refunds(booking.id).await[0].status, RefundStatus::Succeeded);
}

#[tokio::test]
async fn a_pending_refund_is_settled_by_the_webhook_once() {
    let world = World::new().await;
    world.provider.state().refund_status = "pending".into();
    let booking = cancelled(&world).await;
    world.deliver().await;
    assert_eq!(world.status(booking.id).await, BookingStatus::Cancelled);
    assert_eq!(world.refunds(booking.id).await[0].status, RefundStatus::Pending);
    let settled = world.provider.settle_refund("succeeded");
    world.webhook(&settled).await;
    world.webhook(&crate::provider::event("refund.updated", &settled["data"]["object"])).await;
    world.deliver().await;
    let refunded = world.booking(booking.id).await;
    assert_eq!((refunded.status, refunded.version), (BookingStatus::Refunded, 4));
    assert_eq!(world.refunds(booking.id).await[0].status, RefundStatus::Succeeded);
}

#[tokio::test]
async fn a_lost_webhook_is_made_up_for() {
    let world = World::new().await;
    world.provider.state().refund_status = "pending".into();
    let booking = cancelled(&world).await;
    world.deliver().await;
    world.provider.settle_refund("succeeded");
    world.app.refunds_chase().await.unwrap();
    assert!(world.told().await.is_empty(), "not before its time");
    world.advance(TimeDelta::minutes(31)).await;
    world.app.refunds_chase().await.unwrap();
    world.app.refunds_chase().await.unwrap();
    assert_eq!(world.told().await, ["refund.requested"]);
    world.deliver().await;
    assert_eq!(world.status(booking.id).await, BookingStatus::Refunded);
    assert_eq!(world.provider.calls("refund_create"), 1);
}

#[tokio::test]
async fn a_refused_refund_waits_for_a_person() {
    let world = World::new().await;
    let booking = cancelled(&world).await;
    world.provider.state().refusal = Some(("refund_create", 402));
    world.deliver().await;
    assert_eq!(world.refunds(booking.id).await[0].status, RefundStatus::Failed);
    assert_eq!(world.status(booking.id).await, BookingStatus::Cancelled);
}

#[tokio::test]
async fn a_failure_that_the_provider_confirms_is_no_second_one() {
    let world = World::new().await;
    let booking = cancelled(&world).await;
    world.provider.state().refusal = Some(("refund_create", 402));
    world.deliver().await;
    let concluded = world.refunds(booking.id).await.remove(0);
    assert_eq!((concluded.status, &concluded.provider_refund), (RefundStatus::Failed, &None));
    let theirs = json!({ "id": "re_9", "object": "refund", "status": "failed", "currency": "eur",
        "amount": concluded.amount.minor(), "payment_intent": concluded.intent,
        "failure_reason": "expired_or_canceled_card",
        "metadata": { "booking_id": booking.id, "refund_id": concluded.id } });
    world.webhook(&crate::provider::event("refund.failed", &theirs)).await;
    world.deliver().await;
    let told = world.refunds(booking.id).await.remove(0);
    assert_eq!(told, Refund { provider_refund: Some("re_9".into()), ..concluded });
    let story = world.story(booking.id).await;
    let failures = story.iter().filter(|step| step.starts_with("REFUND PENDING > FAILED"));
    assert_eq!(failures.count(), 1, "{story:?}");
    world.audit_is_true().await;
}

#[tokio::test]
async fn a_wrong_request_of_ours_is_no_verdict() {
    let world = World::new().await;
    let booking = cancelled(&world).await;
    let events = world.take_events().await;
    let request = events.iter().find(|event| event.name == "refund.requested").unwrap();
    for status in [400, 401, 403, 404] {
        world.provider.state().broken = Some(status);
        let error = world.hand(request).await.unwrap_err();
        assert!(matches!(error, HandlerError::Retry(_)), "{status}: {error}");
        assert_eq!(world.refunds(booking.id).await[0].status, RefundStatus::Pending);
    }
}

#[tokio::test]
async fn a_decline_of_what_was_done_before_is_no_failure() {
    let world = World::new().await;
    let booking = cancelled(&world).await;
    let events = world.take_events().await;
    let request = events.iter().find(|event| event.name == "refund.requested").unwrap();
    world.hand(request).await.unwrap();
    // The answer was lost, and the provider will not give the money back a second time.
    world.execute("update booking.refunds set status = 'PENDING', provider_refund = null").await;
    world.execute("update booking.bookings set status = 'CANCELLED'").await;
    world.provider.state().refusal = Some(("refund_create", 402));
    world.hand(request).await.unwrap();
    assert_eq!(world.refunds(booking.id).await[0].status, RefundStatus::Succeeded);
    assert_eq!(world.status(booking.id).await, BookingStatus::Refunded);
}

#[tokio::test]
async fn the_provider_overrules_what_we_concluded_but_not_what_it_said() {
    let world = World::new().await;
    world.provider.state().refund_status = "pending".into();
    let booking = cancelled(&world).await;
    world.deliver().await;
    world.execute("update booking.refunds set status = 'FAILED', provider_refund = null").await;
    world.webhook(&world.provider.settle_refund("succeeded")).await;
    world.deliver().await;
    assert_eq!(world.refunds(booking.id).await[0].status, RefundStatus::Succeeded);
    assert_eq!(world.status(booking.id).await, BookingStatus::Refunded);
    for (said, stands) in [("failed", RefundStatus::Failed), ("succeeded", RefundStatus::Failed)] {
        world.webhook(&world.provider.settle_refund(said)).await;
        world.deliver().await;
        assert_eq!(world.refunds(booking.id).await[0].status, stands, "{said}");
    }
}
