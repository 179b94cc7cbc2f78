//! A payment arrives: on time, twice, late, for the wrong amount.

use booking::domain::booking::BookingStatus;
use booking::domain::finding::Cause;
use booking::domain::payment::{PaymentStatus, RefundStatus};
use booking::domain::ticket;
use chrono::TimeDelta;
use events::booking::RefundCause;
use futures::future::join_all;
use platform::HandlerError;
use serde_json::json;

use crate::provider::event;
use crate::reconcile::{causes, pass};
use crate::support::{World, eur};

#[tokio::test]
async fn a_payment_turns_claims_into_tickets() {
    let world = World::new().await;
    let user = world.person();
    let (booking, payment) = world.pending(user, &[1, 8]).await;
    world.take_events().await;
    world.webhook(&world.provider.pay(&payment.intent)).await;
    assert_eq!(world.told().await, ["payment.succeeded"]);
    for event in world.take_events().await {
        world.hand(&event).await.unwrap();
    }
    assert_eq!(world.told().await, ["booking.confirmed"]);
    let confirmed = world.booking(booking.id).await;
    assert_eq!((confirmed.status, confirmed.version), (BookingStatus::Confirmed, 2));
    assert_eq!(world.owned().await, [(1, booking.id, true), (8, booking.id, true)]);
    assert_eq!(world.states().await, "ASAAAAAASAAAAAAA");
    let tickets = booking::store::tickets::ticket_list(&world.app.deps.pg, &[booking.id]).await.unwrap();
    assert_eq!(tickets.len(), 2);
    for (ticket, label) in tickets.iter().zip(["A2", "B1"]) {
        let claims = ticket::verify(&ticket.code, world.app.tickets.public_keys()).unwrap();
        assert_eq!((claims.ticket, claims.seat_no), (ticket.id, ticket.seat_no));
        assert_eq!((claims.label.as_str(), claims.starts_at), (label, world.show.starts_at));
    }
}

#[tokio::test]
async fn repeats_of_a_payment_change_nothing() {
    let world = World::new().await;
    let (booking, payment) = world.confirmed(world.person(), &[1]).await;
    let before = world.booking(booking.id).await;
    // The provider tells the same again, in another message.
    world.webhook(&event("payment_intent.succeeded", &world.provider.intent(&payment.intent))).await;
    world.deliver().await;
    assert_eq!(world.booking(booking.id).await, before);
    assert_eq!(world.refunds(booking.id).await, []);
}

#[tokio::test]
async fn the_same_message_in_many_hands_at_once_is_applied_once() {
    let world = World::new().await;
    let (booking, payment) = world.pending(world.person(), &[1, 2]).await;
    world.webhook(&world.provider.pay(&payment.intent)).await;
    let events = world.take_events().await;
    let paid = events.iter().find(|event| event.name == "payment.succeeded").unwrap();
    for outcome in join_all((0..6).map(|_| world.hand(paid))).await {
        outcome.unwrap();
    }
    assert_eq!(world.booking(booking.id).await.version, 2);
    assert_eq!(world.tickets(booking.id).await, [1, 2]);
    assert_eq!(world.told().await, ["booking.confirmed"]);
}

#[tokio::test]
async fn a_declined_card_leaves_the_booking_waiting_and_may_be_followed_by_a_good_one() {
    let world = World::new().await;
    let user = world.person();
    let (booking, payment) = world.pending(user, &[1]).await;
    let declined = world.provider.decline(&payment.intent);
    let paid = world.provider.pay(&payment.intent);
    world.webhook(&declined).await;
    world.deliver().await;
    assert_eq!(world.status(booking.id).await, BookingStatus::PendingPayment);
    world.webhook(&paid).await;
    world.deliver().await;
    // The decline again, late and out of order, in another message.
    world.webhook(&event("payment_intent.payment_failed", &declined["data"]["object"])).await;
    world.deliver().await;
    assert_eq!(world.status(booking.id).await, BookingStatus::Confirmed);
    assert_eq!(world.payment_status(booking.id).await, PaymentStatus::Succeeded);
}

#[tokio::test]
async fn a_late_payment_gets_its_seats_back_when_they_are_free() {
    let world = World::whose_claims_just_end().await;
    let (booking, payment) = world.pending(world.person(), &[1, 2]).await;
    world.claims_end(16).await;
    assert_eq!(world.status(booking.id).await, BookingStatus::Expired);
    world.webhook(&world.provider.pay(&payment.intent)).await;
    world.deliver().await;
    assert_eq!(world.status(booking.id).await, BookingStatus::Confirmed);
    assert_eq!(world.owned().await, [(1, booking.id, true), (2, booking.id, true)]);
    assert_eq!(world.tickets(booking.id).await, [1, 2]);
    assert_eq!(world.refunds(booking.id).await, []);
}

#[tokio::test]
async fn a_late_payment_whose_seats_are_gone_goes_back_once() {
    let world = World::whose_claims_just_end().await;
    let (late, payment) = world.pending(world.person(), &[1, 2]).await;
    world.claims_end(16).await;
    world.forget_in_redis(&world.booking(late.id).await).await;
    let (winner, _) = world.pending(world.person(), &[2, 3]).await;
    let paid = world.provider.pay(&payment.intent);
    world.webhook(&paid).await;
    world.webhook(&event("payment_intent.succeeded", &paid["data"]["object"])).await;
    world.deliver().await;
    assert_eq!(world.status(late.id).await, BookingStatus::Refunded);
    let refunds = world.refunds(late.id).await;
    assert_eq!(refunds.len(), 1);
    assert_eq!(refunds[0].cause, RefundCause::LatePayment);
    assert_eq!((refunds[0].status, refunds[0].amount), (RefundStatus::Succeeded, late.total));
    assert_eq!(world.owned().await, [(2, winner.id, false), (3, winner.id, false)]);
    assert_eq!(world.provider.calls("refund_create"), 1);
}

#[tokio::test]
async fn a_late_payment_wins_over_a_claim_that_is_overdue_too() {
    let world = World::whose_claims_just_end().await;
    let (late, payment) = world.pending(world.person(), &[1, 2]).await;
    world.claims_end(16).await;
    world.forget_in_redis(&world.booking(late.id).await).await;
    let (lazy, _) = world.pending(world.person(), &[2]).await;
    world.advance(TimeDelta::minutes(16)).await;
    world.webhook(&world.provider.pay(&payment.intent)).await;
    world.deliver().await;
    assert_eq!(world.status(late.id).await, BookingStatus::Confirmed);
    assert_eq!(world.status(lazy.id).await, BookingStatus::Expired);
    assert_eq!(world.owned().await, [(1, late.id, true), (2, late.id, true)]);
}

#[tokio::test]
async fn an_overdue_claim_that_nobody_took_is_confirmed_as_if_in_time() {
    let world = World::new().await;
    let (booking, payment) = world.pending(world.person(), &[1]).await;
    world.advance(TimeDelta::minutes(30)).await;
    world.webhook(&world.provider.pay(&payment.intent)).await;
    world.deliver().await;
    assert_eq!(world.status(booking.id).await, BookingStatus::Confirmed);
}

#[tokio::test]
async fn a_payment_for_a_cancelled_booking_goes_back() {
    let world = World::new().await;
    let user = world.person();
    let (booking, payment) = world.pending(user, &[1]).await;
    // The money and the cancellation cross each other.
    let paid = world.provider.pay(&payment.intent);
    world.cancel(user, booking.id, "c").await.unwrap();
    world.webhook(&paid).await;
    world.deliver().await;
    assert_eq!(world.status(booking.id).await, BookingStatus::Refunded);
    assert_eq!(world.refunds(booking.id).await[0].amount, booking.total);
    assert_eq!(world.owned().await, []);
}

/// Hands out the end of an unpaid booking while the provider is told to `refuse`, and checks that
/// calling the payment off comes again and is made up for.
async fn check_call_off(refuse: impl FnOnce(&World, &str), repair: impl FnOnce(&World, &str)) {
    let world = World::new().await;
    let user = world.person();
    let (booking, payment) = world.pending(user, &[1]).await;
    world.cancel(user, booking.id, "c").await.unwrap();
    let events = world.take_events().await;
    let ended = events.iter().find(|event| event.name == "booking.cancelled").unwrap();
    refuse(&world, &payment.intent);
    let error = world.hand(ended).await.unwrap_err();
    assert!(matches!(error, HandlerError::Retry(_)), "{error}");
    repair(&world, &payment.intent);
    world.hand(ended).await.unwrap();
    assert_eq!(world.payment_status(booking.id).await, PaymentStatus::Cancelled);
}

#[tokio::test]
async fn a_refusal_to_call_a_payment_off_is_no_answer() {
    for status in [400, 401, 403, 404] {
        let refuse = |world: &World, _: &str| world.provider.state().broken = Some(status);
        check_call_off(refuse, |world, _| world.provider.state().broken = None).await;
    }
}

#[tokio::test]
async fn a_payment_that_is_being_processed_when_its_booking_ends_waits_for_reconciliation() {
    let world = World::new().await;
    let user = world.person();
    let (booking, payment) = world.pending(user, &[1]).await;
    world.provider.set(&payment.intent, "processing");
    world.cancel(user, booking.id, "c").await.unwrap();
    // Nobody tries again and again.
    world.deliver().await;
    assert_eq!(causes(&pass(&world).await), []);
    world.provider.set(&payment.intent, "requires_payment_method");
    assert_eq!(causes(&pass(&world).await), [Cause::IntentLeftOpen]);
    assert_eq!(world.payment_status(booking.id).await, PaymentStatus::Cancelled);
    assert_eq!(world.provider.intent(&payment.intent)["status"], "canceled");
}

#[tokio::test]
async fn a_second_payment_goes_back_and_the_booking_stays() {
    let world = World::new().await;
    let (booking, payment) = world.confirmed(world.person(), &[1]).await;
    let mut second = world.provider.intent(&payment.intent);
    second["id"] = json!("pi_second");
    world.webhook(&event("payment_intent.succeeded", &second)).await;
    world.deliver().await;
    assert_eq!(world.status(booking.id).await, BookingStatus::Confirmed);
    let refunds = world.refunds(booking.id).await;
    assert_eq!(refunds.len(), 1);
    assert_eq!((refunds[0].cause, refunds[0].intent.as_str()), (RefundCause::UnexpectedPayment, "pi_second"));
    assert_eq!(world.tickets(booking.id).await, [1]);
}

#[tokio::test]
async fn a_wrong_amount_buys_nothing_and_goes_back() {
    let world = World::new().await;
    let (booking, payment) = world.pending(world.person(), &[1]).await;
    let mut paid = world.provider.pay(&payment.intent);
    paid["data"]["object"]["amount_received"] = json!(1);
    world.webhook(&paid).await;
    world.deliver().await;
    assert_eq!(world.status(booking.id).await, BookingStatus::Refunded);
    assert_eq!(world.refunds(booking.id).await[0].amount, eur(1));
    assert_eq!((world.owned().await, world.tickets(booking.id).await), (vec![], vec![]));
}

#[tokio::test]
async fn an_intent_called_off_at_the_provider_ends_the_booking() {
    let world = World::new().await;
    let (booking, payment) = world.pending(world.person(), &[1]).await;
    let mut intent = world.provider.intent(&payment.intent);
    intent["cancellation_reason"] = json!("fraudulent");
    world.webhook(&event("payment_intent.canceled", &intent)).await;
    world.deliver().await;
    assert_eq!(world.status(booking.id).await, BookingStatus::Failed);
    assert_eq!(world.owned().await, []);
}

#[tokio::test]
async fn money_without_a_booking_waits_for_a_person() {
    let world = World::new().await;
    let (booking, payment) = world.pending(world.person(), &[1]).await;
    let mut intent = world.provider.intent(&payment.intent);
    let unknown = kernel::BookingId::new(booking.id.show(), 1);
    intent["metadata"]["booking_id"] = json!(unknown.to_string());
    intent["status"] = json!("succeeded");
    world.take_events().await;
    world.webhook(&event("payment_intent.succeeded", &intent)).await;
    let events = world.take_events().await;
    let refused = world.hand(&events[0]).await.unwrap_err();
    assert!(matches!(refused, HandlerError::Reject(_)), "{refused}");
}

#[tokio::test]
async fn a_process_that_dies_after_its_commit_is_made_up_for_by_its_event() {
    let world = World::new().await;
    let (booking, payment) = world.pending(world.person(), &[1]).await;
    assert_eq!(world.states().await, "AHAAAAAAAAAAAAAA");
    world.webhook(&world.provider.pay(&payment.intent)).await;
    let events = world.take_events().await;
    let paid = events.iter().find(|event| event.name == "payment.succeeded").unwrap();
    world.hand(paid).await.unwrap();
    // As if Redis had never been told, and lost all besides.
    world.lose_redis().await;
    world.deliver().await;
    assert_eq!(world.states().await, "ASAAAAAAAAAAAAAA");
    assert_eq!(world.status(booking.id).await, BookingStatus::Confirmed);
}
