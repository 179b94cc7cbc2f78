//! Who changed what, when and why: each change leaves one entry.

use booking::domain::audit::{Actor, ActorKind, Change, Entry, HoldState, Reason};
use booking::domain::booking::BookingStatus;
use booking::store::audit::{AuditFilter, audit_append, audit_count, audit_list};
use chrono::TimeDelta;
use events::show::ShowCancelled;
use kernel::{HoldId, UserId};
use sea_orm::ConnectionTrait as _;
use serde_json::json;

use crate::provider::event;
use crate::support::{World, told};

const CHECKED_OUT: [&str; 2] = [
    "BOOKING new > PENDING_PAYMENT, checkout by USER",
    "PAYMENT new > REQUIRES_PAYMENT, payment.created by USER",
];

/// Checks what was recorded of a booking after its checkout, and that all of it is true.
async fn check(world: &World, booking: kernel::BookingId, then: &[&str]) {
    let story = world.story(booking).await;
    assert_eq!(story, [&CHECKED_OUT, then].concat());
    world.audit_is_true().await;
}

#[tokio::test]
async fn paid_cancelled_refunded() {
    let world = World::new().await;
    let user = world.person();
    let (booking, payment) = world.confirmed(user, &[1, 8]).await;
    world.cancel(user, booking.id, "c").await.unwrap();
    world.cancel(user, booking.id, "c").await.unwrap();
    world.deliver().await;
    let then = [
        "PAYMENT REQUIRES_PAYMENT > SUCCEEDED, payment.succeeded by PROVIDER",
        "BOOKING PENDING_PAYMENT > CONFIRMED, payment.succeeded by PROVIDER",
        "BOOKING CONFIRMED > CANCELLED, cancelled_by_buyer by USER",
        "REFUND new > PENDING, cancelled_by_buyer by USER",
        "REFUND PENDING > SUCCEEDED, refund.succeeded by SYSTEM",
        "BOOKING CANCELLED > REFUNDED, refund.succeeded by SYSTEM",
    ];
    check(&world, booking.id, &then).await;

    let entries = world.audit(Some(booking.id)).await;
    for entry in &entries {
        let seats: &[u16] = if matches!(entry.entry.change, Change::Booking { .. }) { &[1, 8] } else { &[] };
        assert_eq!(entry.entry.seats, seats);
        let actor = &entry.entry.cause.actor;
        match actor.kind() {
            ActorKind::User => assert_eq!(*actor, Actor::User(user)),
            ActorKind::Provider => assert!(actor.name().starts_with("evt_"), "{actor:?}"),
            _ => assert_eq!(*actor, Actor::system("payments.refunds")),
        }
    }
    let Change::Payment { id, .. } = entries[1].entry.change else { panic!("{:?}", entries[1]) };
    assert_eq!(id, payment.id);
    assert!(entries.is_sorted_by_key(|entry| (entry.number, entry.time)));
}

#[tokio::test]
async fn a_claim_that_lapses_and_its_payment() {
    let world = World::new().await;
    let (booking, _) = world.pending(world.person(), &[1]).await;
    world.claims_end(16).await;
    world.app.claims_expire_all().await.unwrap();
    world.deliver().await;
    let then = [
        "BOOKING PENDING_PAYMENT > EXPIRED, claim_lapsed by SYSTEM",
        "PAYMENT REQUIRES_PAYMENT > CANCELLED, booking_ended by SYSTEM",
    ];
    check(&world, booking.id, &then).await;
    let entries = world.audit(Some(booking.id)).await;
    assert_eq!(entries[2].entry.cause.actor, Actor::system("booking-claim-expiry"));
    assert_eq!(entries[3].entry.cause.actor, Actor::system("booking-claim-expiry"));
}

#[tokio::test]
async fn a_claim_that_gives_way_to_a_checkout() {
    let world = World::new().await;
    let (overdue, _) = world.pending(world.person(), &[1]).await;
    world.forget_in_redis(&overdue).await;
    world.advance(TimeDelta::minutes(15)).await;
    let (winner, _) = world.pending(world.person(), &[1]).await;
    let then = [
        "BOOKING PENDING_PAYMENT > EXPIRED, claim_lapsed by SYSTEM",
        "PAYMENT REQUIRES_PAYMENT > CANCELLED, booking_ended by SYSTEM",
    ];
    check(&world, overdue.id, &then).await;
    check(&world, winner.id, &[]).await;
    let entries = world.audit(Some(overdue.id)).await;
    assert_eq!(entries[2].entry.cause.actor, Actor::system("checkout"));
}

#[tokio::test]
async fn a_refused_checkout_leaves_nothing() {
    let world = World::new().await;
    let (owner, _) = world.pending(world.person(), &[1, 2]).await;
    world.forget_in_redis(&owner).await;
    let rival = world.person();
    let hold = world.hold(rival, &[2, 3]).await;
    world.checkout(rival, hold, "k").await.unwrap_err();
    assert!(world.audit(None).await.iter().all(|entry| entry.entry.change.booking() == Some(owner.id)));
    world.audit_is_true().await;
}

#[tokio::test]
async fn a_late_payment_that_gets_its_seats_back() {
    let world = World::whose_claims_just_end().await;
    let (booking, payment) = world.pending(world.person(), &[1]).await;
    world.claims_end(16).await;
    world.take_events().await;
    world.webhook(&world.provider.pay(&payment.intent)).await;
    world.deliver().await;
    let then = [
        "BOOKING PENDING_PAYMENT > EXPIRED, claim_lapsed by SYSTEM",
        "PAYMENT REQUIRES_PAYMENT > SUCCEEDED, payment.succeeded by PROVIDER",
        "BOOKING EXPIRED > CONFIRMED, late_payment by PROVIDER",
    ];
    check(&world, booking.id, &then).await;
}

#[tokio::test]
async fn a_late_payment_that_goes_back() {
    let world = World::whose_claims_just_end().await;
    let (late, payment) = world.pending(world.person(), &[1]).await;
    world.claims_end(16).await;
    world.take_events().await;
    world.forget_in_redis(&world.booking(late.id).await).await;
    world.pending(world.person(), &[1]).await;
    world.webhook(&world.provider.pay(&payment.intent)).await;
    world.deliver().await;
    let then = [
        "BOOKING PENDING_PAYMENT > EXPIRED, claim_lapsed by SYSTEM",
        "PAYMENT REQUIRES_PAYMENT > SUCCEEDED, payment.succeeded by PROVIDER",
        "REFUND new > PENDING, late_payment by PROVIDER",
        "REFUND PENDING > SUCCEEDED, refund.succeeded by SYSTEM",
        "BOOKING EXPIRED > REFUNDED, refund.succeeded by SYSTEM",
    ];
    check(&world, late.id, &then).await;
}

#[tokio::test]
async fn declined_twice_and_called_off_at_the_provider() {
    let world = World::new().await;
    let (booking, payment) = world.pending(world.person(), &[1]).await;
    for _ in 0..2 {
        world.webhook(&world.provider.decline(&payment.intent)).await;
        world.deliver().await;
    }
    let mut intent = world.provider.intent(&payment.intent);
    intent["cancellation_reason"] = json!("fraudulent");
    world.webhook(&event("payment_intent.canceled", &intent)).await;
    world.deliver().await;
    let then = [
        "PAYMENT REQUIRES_PAYMENT > FAILED, payment.failed by PROVIDER",
        "PAYMENT FAILED > CANCELLED, payment.cancelled by PROVIDER",
        "BOOKING PENDING_PAYMENT > FAILED, payment.cancelled by PROVIDER",
    ];
    check(&world, booking.id, &then).await;
}

#[tokio::test]
async fn a_wrong_amount() {
    let world = World::new().await;
    let (booking, payment) = world.pending(world.person(), &[1]).await;
    let mut paid = world.provider.pay(&payment.intent);
    paid["data"]["object"]["amount_received"] = json!(1);
    world.webhook(&paid).await;
    world.deliver().await;
    let then = [
        "PAYMENT REQUIRES_PAYMENT > SUCCEEDED, payment.succeeded by PROVIDER",
        "REFUND new > PENDING, unexpected_payment by PROVIDER",
        "BOOKING PENDING_PAYMENT > FAILED, unexpected_payment by PROVIDER",
        "REFUND PENDING > SUCCEEDED, refund.succeeded by SYSTEM",
        "BOOKING FAILED > REFUNDED, refund.succeeded by SYSTEM",
    ];
    check(&world, booking.id, &then).await;
}

#[tokio::test]
async fn a_payment_that_a_webhook_told_of_first() {
    let world = World::new().await;
    let (booking, payment) = world.confirmed(world.person(), &[1]).await;
    let mut second = world.provider.intent(&payment.intent);
    second["id"] = json!("pi_second");
    world.webhook(&event("payment_intent.succeeded", &second)).await;
    world.deliver().await;
    let then = [
        "PAYMENT REQUIRES_PAYMENT > SUCCEEDED, payment.succeeded by PROVIDER",
        "BOOKING PENDING_PAYMENT > CONFIRMED, payment.succeeded by PROVIDER",
        "PAYMENT new > SUCCEEDED, payment.succeeded by PROVIDER",
        "REFUND new > PENDING, unexpected_payment by PROVIDER",
        "REFUND PENDING > SUCCEEDED, refund.succeeded by SYSTEM",
    ];
    check(&world, booking.id, &then).await;
}

#[tokio::test]
async fn a_refund_that_the_provider_takes_back() {
    let world = World::new().await;
    world.provider.state().refund_status = "pending".into();
    let user = world.person();
    let (booking, _) = world.confirmed(user, &[1]).await;
    world.cancel(user, booking.id, "c").await.unwrap();
    world.deliver().await;
    for said in ["succeeded", "failed"] {
        world.webhook(&world.provider.settle_refund(said)).await;
        world.deliver().await;
    }
    let story = world.story(booking.id).await;
    let end = [
        "REFUND PENDING > SUCCEEDED, refund.succeeded by PROVIDER",
        "BOOKING CANCELLED > REFUNDED, refund.succeeded by PROVIDER",
        "REFUND SUCCEEDED > FAILED, refund.failed by PROVIDER",
    ];
    assert_eq!(story[story.len() - 3..], end);
    world.audit_is_true().await;
}

#[tokio::test]
async fn a_booking_that_costs_nothing() {
    let world = World::new().await;
    world.execute(r#"update booking.shows set prices = '{"R": 0, "P": 0}'"#).await;
    world.app.shows.forget(world.show_id()).await;
    let user = world.person();
    let hold = world.hold(user, &[1]).await;
    let booking = world.checkout(user, hold, "k").await.unwrap().booking;
    assert_eq!(booking.status, BookingStatus::Confirmed);
    let expected = [CHECKED_OUT[0], "BOOKING PENDING_PAYMENT > CONFIRMED, free_of_charge by USER"];
    assert_eq!(world.story(booking.id).await, expected);
    world.audit_is_true().await;
}

#[tokio::test]
async fn a_cancelled_show() {
    let world = World::new().await;
    let (paid, _) = world.confirmed(world.person(), &[1]).await;
    let (unpaid, _) = world.pending(world.person(), &[2]).await;
    for _ in 0..2 {
        let event = ShowCancelled { show_id: world.show_id(), revision: 2, reason: None };
        world.tell(&event).await.unwrap();
    }
    world.deliver().await;
    let then = [
        "PAYMENT REQUIRES_PAYMENT > SUCCEEDED, payment.succeeded by PROVIDER",
        "BOOKING PENDING_PAYMENT > CONFIRMED, payment.succeeded by PROVIDER",
        "BOOKING CONFIRMED > CANCELLED, show_cancelled by SYSTEM",
        "REFUND new > PENDING, show_cancelled by SYSTEM",
        "REFUND PENDING > SUCCEEDED, refund.succeeded by SYSTEM",
        "BOOKING CANCELLED > REFUNDED, refund.succeeded by SYSTEM",
    ];
    check(&world, paid.id, &then).await;
    let then = [
        "BOOKING PENDING_PAYMENT > CANCELLED, show_cancelled by SYSTEM",
        "PAYMENT REQUIRES_PAYMENT > CANCELLED, booking_ended by SYSTEM",
    ];
    check(&world, unpaid.id, &then).await;
    let all = world.audit(None).await;
    let of_the_show: Vec<_> = all.iter().filter(|entry| entry.entry.change.booking().is_none()).collect();
    let [entry] = of_the_show.as_slice() else { panic!("{of_the_show:?}") };
    assert_eq!(told(entry), "SHOW SCHEDULED > CANCELLED, show_cancelled by SYSTEM");
    assert_eq!(entry.entry.cause.actor, Actor::system("booking.shows"));
}

#[tokio::test]
async fn the_trace_of_a_request_is_recorded() {
    let world = World::new().await;
    let user = world.person();
    let hold = world.hold(user, &[1]).await;
    let id = "0af7651916cd43dd8448eb211c80319c";
    let traceparent = Some(format!("00-{id}-b7ad6b7169203331-01"));
    let checkout = world.checkout(user, hold, "k");
    let booking = platform::telemetry::with_trace(traceparent, checkout).await.unwrap().booking;
    let entries = world.audit(Some(booking.id)).await;
    assert!(entries.iter().all(|entry| entry.trace.as_deref() == Some(id)), "{entries:?}");
}

#[tokio::test]
async fn entries_of_every_kind_are_read_as_they_were_written() {
    let world = World::new().await;
    let (booking, payment) = world.pending(world.person(), &[1]).await;
    let hold = HoldId::new(world.show_id(), 7);
    let user = Actor::User(UserId::from_uuid(uuid::Uuid::from_u128(7)));
    let held = Change::Hold { id: hold, booking: None, from: None, to: HoldState::Held };
    let (from, to) = (Some(HoldState::Held), HoldState::Consumed);
    let consumed = Change::Hold { id: hold, booking: Some(booking.id), from, to };
    let refund = kernel::RefundId::new(world.show_id(), 3);
    let (from, to) = (None, booking::domain::payment::RefundStatus::Pending);
    let owed = Change::Refund { id: refund, booking: booking.id, from, to };
    let (from, to) = (None, booking::domain::payment::PaymentStatus::Processing);
    let paid = Change::Payment { id: payment.id, booking: booking.id, from, to };
    let operator = Actor::Operator("ada".into());
    let entry = |change, seats: &[u16], actor: &Actor, reason| {
        let cause = actor.clone().because(reason);
        Entry { change, seats: seats.to_vec(), cause }
    };
    let entries = [
        entry(held, &[3, 4, 15], &user, Reason::Held),
        entry(consumed, &[3, 4, 15], &user, Reason::Checkout),
        entry(owed, &[], &operator, Reason::Resolved),
        entry(paid, &[], &Actor::system("reconcile"), Reason::Reconciled),
    ];
    audit_append(&world.app.deps.pg, &[]).await.unwrap();
    audit_append(&world.app.deps.pg, &entries).await.unwrap();
    let read: Vec<Entry> = world.audit(None).await.into_iter().map(|recorded| recorded.entry).collect();
    assert_eq!(read[2..], entries);

    let pg = &world.app.deps.pg;
    let seat = AuditFilter { show: world.show_id(), booking: None, seat: Some(4) };
    assert_eq!(audit_count(pg, seat).await.unwrap(), 2);
    let of_booking = AuditFilter { booking: Some(booking.id), ..seat };
    let found = audit_list(pg, of_booking, None, 10).await.unwrap();
    assert_eq!(found.iter().map(|recorded| recorded.entry.change).collect::<Vec<_>>(), [consumed]);
}

#[tokio::test]
async fn nothing_is_changed_or_taken_away_afterwards() {
    let world = World::new().await;
    let (booking, _) = world.pending(world.person(), &[1]).await;
    for (name, sql) in [
        ("UPDATE", "update booking.audit set reason = 'checkout'"),
        ("DELETE", "delete from booking.audit"),
        ("TRUNCATE", "truncate booking.audit"),
    ] {
        let refused = world.app.deps.pg.execute_unprepared(sql).await.unwrap_err().to_string();
        let expected = format!("booking.audit is append-only: {name} is refused");
        assert!(refused.contains(&expected), "{refused}");
    }
    check(&world, booking.id, &[]).await;
}
