//! A payment that is tried several times, with messages that come in any order: what the provider works on is
//! never called off.

use std::time::Duration;

use booking::domain::booking::{Booking, BookingStatus};
use booking::domain::payment::{Payment, PaymentStatus};
use serde_json::Value;

use crate::provider::event;
use crate::support::{World, eventually};

/// A booking, and its payment.
async fn pending(world: &World) -> (Booking, Payment) {
    world.pending(world.person(), &[1]).await
}

async fn tell(world: &World, message: &Value) {
    world.webhook(message).await;
    world.deliver().await;
}

/// The time of the claim is over, and it goes on: nobody even asks to call the payment off. Then it is made.
async fn check_waits(world: &World, booking: &Booking, payment: &Payment) {
    world.claims_end(15).await;
    world.deliver().await;
    assert_eq!(world.provider.calls("intent_cancel"), 0);
    assert_eq!(world.payment_status(booking.id).await, PaymentStatus::Processing);
    assert_eq!(world.status(booking.id).await, BookingStatus::PendingPayment);
    tell(world, &world.provider.pay(&payment.intent)).await;
    assert_eq!(world.status(booking.id).await, BookingStatus::Confirmed);
    world.audit_is_true().await;
}

#[tokio::test]
async fn declined_then_by_bank() {
    let world = World::new().await;
    let (booking, payment) = pending(&world).await;
    tell(&world, &world.provider.decline(&payment.intent)).await;
    assert_eq!(world.payment_status(booking.id).await, PaymentStatus::Failed);
    assert_eq!(world.provider.calls("intent_get"), 0, "a usual decline asks nobody");
    tell(&world, &world.provider.process(&payment.intent)).await;
    assert_eq!(world.payment_status(booking.id).await, PaymentStatus::Processing);
    check_waits(&world, &booking, &payment).await;
    let expected = [
        "BOOKING new > PENDING_PAYMENT, checkout by USER",
        "PAYMENT new > REQUIRES_PAYMENT, payment.created by USER",
        "PAYMENT REQUIRES_PAYMENT > FAILED, payment.failed by PROVIDER",
        "PAYMENT FAILED > PROCESSING, payment.processing by PROVIDER",
        "PAYMENT PROCESSING > SUCCEEDED, payment.succeeded by PROVIDER",
        "BOOKING PENDING_PAYMENT > CONFIRMED, payment.succeeded by PROVIDER",
    ];
    assert_eq!(world.story(booking.id).await, expected);
}

#[tokio::test]
async fn declined_then_by_bank_of_which_nobody_tells() {
    let world = World::new().await;
    let (booking, payment) = pending(&world).await;
    tell(&world, &world.provider.decline(&payment.intent)).await;
    world.provider.process(&payment.intent);
    check_waits(&world, &booking, &payment).await;
}

#[tokio::test]
async fn webhooks_swapped() {
    let world = World::new().await;
    let (booking, payment) = pending(&world).await;
    let declined = world.provider.decline(&payment.intent);
    tell(&world, &world.provider.process(&payment.intent)).await;
    tell(&world, &declined).await;
    // And once more, in another message.
    tell(&world, &event("payment_intent.payment_failed", &declined["data"]["object"])).await;
    assert_eq!(world.payment_status(booking.id).await, PaymentStatus::Processing);
    check_waits(&world, &booking, &payment).await;
}

#[tokio::test]
async fn the_bank_says_no() {
    let world = World::new().await;
    let (booking, payment) = pending(&world).await;
    let processing = world.provider.process(&payment.intent);
    tell(&world, &processing).await;
    tell(&world, &world.provider.decline(&payment.intent)).await;
    assert_eq!(world.payment_status(booking.id).await, PaymentStatus::Failed);
    tell(&world, &event("payment_intent.processing", &processing["data"]["object"])).await;
    assert_eq!(world.payment_status(booking.id).await, PaymentStatus::Failed);
    world.claims_end(15).await;
    assert_eq!(world.status(booking.id).await, BookingStatus::Expired);
    assert_eq!(world.provider.intent(&payment.intent)["status"], "canceled");
    world.audit_is_true().await;
}

#[tokio::test]
async fn what_nobody_can_tell_counts_as_processed() {
    let world = World::new().await;
    let (booking, payment) = pending(&world).await;
    let declined = world.provider.decline(&payment.intent);
    tell(&world, &declined).await;
    world.provider.state().broken = Some(503);
    tell(&world, &world.provider.process(&payment.intent)).await;
    assert_eq!(world.payment_status(booking.id).await, PaymentStatus::Processing);
    tell(&world, &event("payment_intent.payment_failed", &declined["data"]["object"])).await;
    assert_eq!(world.payment_status(booking.id).await, PaymentStatus::Processing);
    world.provider.state().broken = None;
    check_waits(&world, &booking, &payment).await;
}

#[tokio::test]
async fn an_answer_that_is_overtaken_is_not_believed() {
    let world = World::new().await;
    let (booking, payment) = pending(&world).await;
    tell(&world, &world.provider.decline(&payment.intent)).await;
    world.webhook(&world.provider.process(&payment.intent)).await;
    let processing = world.take_events().await;
    world.provider.state().slow = Some(Duration::from_millis(500));
    // It is answered that the bank works; before that arrives the bank has said no.
    let overtaking = async {
        eventually("the provider is asked", async || (world.provider.calls("intent_get") > 0).then_some(()))
            .await;
        world.provider.state().slow = None;
        tell(&world, &world.provider.decline(&payment.intent)).await;
    };
    let (handed, ()) = futures::join!(world.hand(&processing[0]), overtaking);
    handed.unwrap();
    assert_eq!(world.payment_status(booking.id).await, PaymentStatus::Failed);
    assert_eq!(world.provider.calls("intent_get"), 2);
    world.audit_is_true().await;
}

#[tokio::test]
async fn a_payment_that_is_processed_after_its_booking_was_cancelled_is_left_alone() {
    let world = World::new().await;
    let (booking, payment) = pending(&world).await;
    tell(&world, &world.provider.decline(&payment.intent)).await;
    world.provider.process(&payment.intent);
    world.cancel(booking.user, booking.id, "c").await.unwrap();
    world.deliver().await;
    assert_eq!(world.payment_status(booking.id).await, PaymentStatus::Processing);
    assert_eq!(world.provider.calls("intent_cancel"), 0);
    world.audit_is_true().await;
}
