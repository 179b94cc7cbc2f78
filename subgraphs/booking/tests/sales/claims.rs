//! Claims whose time is over while their payment may have been made: they go on.

use std::time::Duration;

use booking::app::checkout::CheckoutError;
use booking::domain::booking::{Booking, BookingStatus};
use booking::domain::payment::{Payment, PaymentStatus};
use chrono::TimeDelta;
use futures::future::join_all;
use kernel::BookingId;
use tokio::time::{Instant, timeout};

use crate::provider::event;
use crate::support::{World, eventually, identity};

/// A booking that the buyer has paid by a bank that takes its time.
async fn processing(world: &World, seats: &[u16]) -> (Booking, Payment) {
    let (booking, payment) = world.pending(world.person(), seats).await;
    world.webhook(&world.provider.process(&payment.intent)).await;
    world.deliver().await;
    (booking, payment)
}

/// The booking still has its seats, in this version and so long from now.
async fn check_goes_on(world: &World, booking: BookingId, version: i64, minutes: i64) {
    let now = world.booking(booking).await;
    assert_eq!((now.status, now.version), (BookingStatus::PendingPayment, version));
    assert_eq!(now.expires_at, now.read_at + TimeDelta::minutes(minutes));
    assert!(world.owned().await.iter().any(|(_, owner, sold)| *owner == booking && !sold));
}

#[tokio::test]
async fn a_payment_that_is_being_processed_keeps_its_seats_until_it_is_made() {
    let world = World::new().await;
    let (booking, payment) = processing(&world, &[1, 2]).await;
    assert_eq!(world.payment_status(booking.id).await, PaymentStatus::Processing);
    world.claims_end(15).await;
    check_goes_on(&world, booking.id, 2, 2).await;
    assert_eq!(world.told().await, ["booking.extended"]);
    world.deliver().await;
    world.claims_end(1).await;
    check_goes_on(&world, booking.id, 2, 1).await;
    world.claims_end(1).await;
    check_goes_on(&world, booking.id, 3, 2).await;
    assert_eq!(world.provider.calls("intent_cancel"), 0, "the buyer has done their part");
    assert_eq!(world.states().await, "AHHAAAAAAAAAAAAA");
    world.webhook(&world.provider.pay(&payment.intent)).await;
    world.deliver().await;
    assert_eq!(world.status(booking.id).await, BookingStatus::Confirmed);
    assert_eq!(world.tickets(booking.id).await, [1, 2]);
    world.audit_is_true().await;
    let expected = [
        "BOOKING new > PENDING_PAYMENT, checkout by USER",
        "PAYMENT new > REQUIRES_PAYMENT, payment.created by USER",
        "PAYMENT REQUIRES_PAYMENT > PROCESSING, payment.processing by PROVIDER",
        "PAYMENT PROCESSING > SUCCEEDED, payment.succeeded by PROVIDER",
        "BOOKING PENDING_PAYMENT > CONFIRMED, payment.succeeded by PROVIDER",
    ];
    assert_eq!(world.story(booking.id).await, expected);
}

#[tokio::test]
async fn a_payment_that_was_processed_in_vain_ends_with_its_claim() {
    let world = World::new().await;
    let (booking, payment) = processing(&world, &[1]).await;
    world.claims_end(15).await;
    // That it failed is not told.
    world.provider.set(&payment.intent, "requires_payment_method");
    world.claims_end(2).await;
    assert_eq!(world.status(booking.id).await, BookingStatus::Expired);
    assert_eq!(world.owned().await, []);
    assert_eq!(world.provider.intent(&payment.intent)["status"], "canceled");
    assert_eq!(world.payment_status(booking.id).await, PaymentStatus::Cancelled);
    world.deliver().await;
    world.audit_is_true().await;
}

#[tokio::test]
async fn that_a_payment_is_being_processed_is_also_found_by_asking() {
    let world = World::new().await;
    let (booking, payment) = world.pending(world.person(), &[1]).await;
    world.provider.process(&payment.intent);
    world.claims_end(15).await;
    check_goes_on(&world, booking.id, 2, 2).await;
    assert_eq!(world.payment_status(booking.id).await, PaymentStatus::Processing);
    world.audit_is_true().await;
}

#[tokio::test]
async fn what_came_of_a_payment_is_not_undone_by_what_was_before() {
    let world = World::new().await;
    let (paid, payment) = world.pending(world.person(), &[1]).await;
    let late = world.provider.process(&payment.intent);
    world.webhook(&world.provider.pay(&payment.intent)).await;
    world.deliver().await;
    world.webhook(&late).await;
    world.deliver().await;
    assert_eq!(world.payment_status(paid.id).await, PaymentStatus::Succeeded);

    let (declined, payment) = world.pending(world.person(), &[2]).await;
    let late = world.provider.process(&payment.intent);
    world.webhook(&world.provider.decline(&payment.intent)).await;
    world.deliver().await;
    world.webhook(&late).await;
    world.deliver().await;
    assert_eq!(world.payment_status(declined.id).await, PaymentStatus::Failed);
    world.audit_is_true().await;
}

#[tokio::test]
async fn nothing_ends_while_the_provider_is_away() {
    let world = World::new().await;
    let (abandoned, payment) = world.pending(world.person(), &[1]).await;
    let (paid, other) = world.pending(world.person(), &[2]).await;
    // Buyers reach it where we do not.
    world.provider.pay(&other.intent);
    world.provider.state().broken = Some(503);
    world.claims_end(15).await;
    check_goes_on(&world, abandoned.id, 2, 2).await;
    check_goes_on(&world, paid.id, 2, 2).await;
    world.provider.state().broken = None;
    world.claims_end(2).await;
    assert_eq!(world.status(abandoned.id).await, BookingStatus::Expired);
    check_goes_on(&world, paid.id, 3, 2).await;
    world.deliver().await;
    assert_eq!(world.provider.intent(&payment.intent)["status"], "canceled");
    assert_eq!(world.provider.calls("intent_get"), 4, "twice for each");
    assert_eq!(world.provider.calls("intent_cancel"), 1, "the one that nobody pays");
    assert_eq!(world.status(paid.id).await, BookingStatus::Confirmed);
    assert_eq!(world.owned().await, [(2, paid.id, true)]);
    assert_eq!(world.states().await, "AASAAAAAAAAAAAAA");
    world.audit_is_true().await;
}

#[tokio::test]
async fn a_claim_without_a_payment_waits_for_nobody() {
    let world = World::new().await;
    let user = world.person();
    let hold = world.hold(user, &[5]).await;
    world.provider.state().broken = Some(503);
    let booking = world.checkout(user, hold, "k").await.unwrap().booking;
    world.claims_end(15).await;
    assert_eq!(world.status(booking.id).await, BookingStatus::Expired);
}

#[tokio::test]
async fn there_is_a_limit_to_waiting() {
    let world = World::new().await;
    let (booking, payment) = processing(&world, &[1]).await;
    world.claims_end(15).await;
    world.claims_end(44).await;
    check_goes_on(&world, booking.id, 3, 1).await;
    world.claims_end(1).await;
    assert_eq!(world.status(booking.id).await, BookingStatus::Expired);
    // The payment is left alone; it is late, and the seat is still free.
    world.deliver().await;
    assert_eq!(world.provider.intent(&payment.intent)["status"], "processing");
    world.webhook(&world.provider.pay(&payment.intent)).await;
    world.deliver().await;
    assert_eq!(world.status(booking.id).await, BookingStatus::Confirmed);
    world.audit_is_true().await;
}

#[tokio::test]
async fn a_rival_gets_no_seat_of_a_payment_that_is_being_processed() {
    let world = World::new().await;
    let (booking, payment) = processing(&world, &[1, 2]).await;
    world.forget_in_redis(&booking).await;
    world.advance(TimeDelta::minutes(15)).await;
    let rival = world.person();
    let hold = world.hold(rival, &[2, 3]).await;
    let refused = world.checkout(rival, hold, "k").await.unwrap_err();
    let CheckoutError::SeatsTaken { seats, .. } = refused else { panic!("{refused}") };
    assert_eq!(seats, [2]);
    check_goes_on(&world, booking.id, 2, 2).await;
    world.webhook(&world.provider.pay(&payment.intent)).await;
    world.deliver().await;
    assert_eq!(world.owned().await, [(1, booking.id, true), (2, booking.id, true)]);
}

#[tokio::test]
async fn a_rival_does_not_wait_for_a_provider_that_hangs() {
    let world = World::with(|config| config.payments.timeout_ms = 60_000).await;
    let (booking, _) = world.pending(world.person(), &[1]).await;
    world.forget_in_redis(&booking).await;
    world.advance(TimeDelta::minutes(15)).await;
    let rival = world.person();
    let hold = world.hold(rival, &[1]).await;
    world.provider.state().slow = Some(Duration::from_secs(30));
    let start = Instant::now();
    let refused = world.checkout(rival, hold, "k").await.unwrap_err();
    assert!(matches!(refused, CheckoutError::SeatsTaken { .. }), "{refused}");
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    check_goes_on(&world, booking.id, 2, 2).await;
}

#[tokio::test]
async fn several_processes_let_a_claim_go_on_once() {
    let world = World::new().await;
    for seat in 0..6 {
        processing(&world, &[seat]).await;
    }
    world.advance(TimeDelta::minutes(15)).await;
    for outcome in join_all((0..4).map(|_| world.app.claims_expire_all())).await {
        outcome.unwrap();
    }
    assert_eq!(world.told().await, ["booking.extended"; 6]);
}

#[tokio::test]
async fn a_payment_that_was_called_off_by_a_process_that_died_ends_the_claim() {
    let world = World::new().await;
    let (booking, payment) = world.pending(world.person(), &[1]).await;
    world.advance(TimeDelta::minutes(15)).await;
    world.app.provider.intent_cancel(&payment.intent).await.unwrap();
    world.webhook(&event("payment_intent.canceled", &world.provider.intent(&payment.intent))).await;
    world.deliver().await;
    assert_eq!(world.status(booking.id).await, BookingStatus::Expired);
    assert_eq!(world.states().await, "AAAAAAAAAAAAAAAA");
    world.audit_is_true().await;

    // Or nobody tells of that, and it is asked for again.
    let (booking, payment) = world.pending(world.person(), &[1]).await;
    world.app.provider.intent_cancel(&payment.intent).await.unwrap();
    world.claims_end(15).await;
    assert_eq!(world.status(booking.id).await, BookingStatus::Expired);
}

#[tokio::test]
async fn its_owner_hears_that_a_claim_goes_on() {
    let world = World::new().await;
    let (booking, _) = processing(&world, &[1]).await;
    eventually("the channel is subscribed", async || {
        world.app.deps.redis.publish("bookings", "nobody".into()).await.ok().filter(|heard| *heard > 0)
    })
    .await;
    let mut watch = world.app.booking_watch(&identity(booking.user), booking.id).await.unwrap().unwrap();
    world.claims_end(15).await;
    let seen = timeout(Duration::from_secs(10), watch.next(&world.app)).await.unwrap().unwrap();
    assert_eq!(seen.status, BookingStatus::PendingPayment);
    assert_eq!(seen.expires_at, booking.expires_at + TimeDelta::minutes(2));
}
