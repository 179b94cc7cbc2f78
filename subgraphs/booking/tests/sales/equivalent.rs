//! A payment that comes when others have the seats, of somebody who agreed to equivalent ones.

use std::time::Duration;

use booking::app::App;
use booking::domain::booking::{Booking, BookingStatus};
use booking::domain::payment::Payment;
use booking::store::booking_seats::booking_seats;
use events::booking::{BookingConfirmed, RefundCause};
use futures::future::join_all;
use kernel::BookingId;
use platform::redis::RedisConfig;
use platform::{Deps, Redis, Shutdown};

use crate::durable_holds::held;
use crate::support::World;

/// Somebody's booking of these seats whose time is over, and how it is paid.
async fn lapsed(world: &World, seats: &[u16]) -> (Booking, Payment) {
    let (booking, payment) = world.pending_anywhere(world.person(), seats).await;
    let lapsed = end_claims(world, &booking).await;
    (lapsed, payment)
}

async fn end_claims(world: &World, booking: &Booking) -> Booking {
    world.claims_end(16).await;
    let lapsed = world.booking(booking.id).await;
    assert_eq!(lapsed.status, BookingStatus::Expired);
    world.deliver().await;
    lapsed
}

async fn labels(world: &World, booking: BookingId) -> Vec<String> {
    let seats = booking_seats(&world.app.deps.pg, booking).await.unwrap();
    seats.into_iter().map(|seat| seat.label).collect()
}

#[tokio::test]
async fn others_have_the_seats() {
    let world = World::whose_claims_just_end().await;
    let (late, payment) = lapsed(&world, &[1, 2]).await;
    let (winner, _) = world.confirmed(world.person(), &[1, 2]).await;
    // To say something else later changes nothing.
    let again = world.checkout(late.user, late.hold, "again").await.unwrap().booking;
    assert!(again.accepts_equivalent);

    world.webhook(&world.provider.pay(&payment.intent)).await;
    for event in world.take_events().await {
        world.hand(&event).await.unwrap();
    }
    let events = world.take_events().await;
    let confirmed: BookingConfirmed =
        events.iter().find(|event| event.name == "booking.confirmed").unwrap().decode().unwrap();
    assert_eq!(confirmed.replaced, ["A2", "A3"]);
    let told: Vec<_> = confirmed.booking.seats.iter().map(|seat| seat.label.as_str()).collect();
    let tickets: Vec<_> = confirmed.tickets.iter().map(|ticket| ticket.seat_label.as_str()).collect();
    assert_eq!((told.as_slice(), tickets.as_slice()), (&["A5", "A6"][..], &["A5", "A6"][..]));
    for event in &events {
        world.hand(event).await.unwrap();
    }

    assert_eq!(labels(&world, late.id).await, ["A5", "A6"]);
    assert_eq!(world.tickets(late.id).await, [4, 5]);
    let (sold, kept) =
        ([(4, late.id, true), (5, late.id, true)], [(1, winner.id, true), (2, winner.id, true)]);
    assert_eq!(world.owned().await, [kept, sold].concat());
    assert_eq!(&world.states().await[..8], "ASSASSAA");
    let booking = world.booking(late.id).await;
    assert_eq!((booking.status, booking.total), (BookingStatus::Confirmed, late.total));
    assert_eq!(world.refunds(late.id).await, []);
    let story = world.story(late.id).await;
    assert!(
        story.contains(&"BOOKING EXPIRED > CONFIRMED, equivalent_seats by PROVIDER".to_owned()),
        "{story:?}"
    );

    world.cancel(late.user, late.id, "c").await.unwrap();
    world.deliver().await;
    assert_eq!(world.status(late.id).await, BookingStatus::Refunded);
    assert_eq!(world.owned().await, kept);
    assert_eq!(&world.states().await[..8], "ASSAAAAA");
    world.audit_is_true().await;
}

#[tokio::test]
async fn others_have_one_of_them() {
    let world = World::whose_claims_just_end().await;
    let (late, payment) = lapsed(&world, &[1, 2]).await;
    world.confirmed(world.person(), &[2]).await;
    world.webhook(&world.provider.pay(&payment.intent)).await;
    world.deliver().await;
    assert_eq!(world.status(late.id).await, BookingStatus::Confirmed);
    assert_eq!(labels(&world, late.id).await, ["A1", "A2"]);
    assert_eq!(&world.states().await[..8], "SSSAAAAA");
    world.audit_is_true().await;
}

#[tokio::test]
async fn nobody_loses_a_hold_by_it() {
    let world = World::whose_claims_just_end().await;
    let (late, payment) = lapsed(&world, &[1, 2]).await;
    world.confirmed(world.person(), &[1, 2]).await;
    let bob = world.person();
    let hold = world.hold(bob, &[4]).await;
    world.webhook(&world.provider.pay(&payment.intent)).await;
    world.deliver().await;
    assert_eq!(labels(&world, late.id).await, ["A6", "A7"]);
    assert_eq!(&world.states().await[..8], "ASSAHSSA");
    world.checkout(bob, hold, "bob").await.unwrap();
}

#[tokio::test]
async fn nothing_is_as_good() {
    let world = World::whose_claims_just_end().await;
    let (late, payment) = lapsed(&world, &[1, 2]).await;
    world.confirmed(world.person(), &[2, 3]).await;
    // Two are left on either side of the aisle, but not together; the row behind is of another kind.
    world.confirmed(world.person(), &[0]).await;
    world.confirmed(world.person(), &[5, 6]).await;
    world.webhook(&world.provider.pay(&payment.intent)).await;
    world.deliver().await;
    assert_eq!(world.status(late.id).await, BookingStatus::Refunded);
    assert_eq!(world.refunds(late.id).await[0].cause, RefundCause::LatePayment);
    assert_eq!(labels(&world, late.id).await, ["A2", "A3"]);
    assert_eq!(&world.states().await[..8], "SASSASSA");
    world.audit_is_true().await;
}

#[tokio::test]
async fn the_show_has_begun() {
    let world = World::whose_claims_just_end().await;
    let (late, payment) = lapsed(&world, &[1, 2]).await;
    world.confirmed(world.person(), &[1, 2]).await;
    world.app.show_of(late.id).await.unwrap();
    world.execute("update booking.shows set starts_at = now() - interval '1 day'").await;
    world.webhook(&world.provider.pay(&payment.intent)).await;
    world.deliver().await;
    assert_eq!(world.status(late.id).await, BookingStatus::Refunded);
}

#[tokio::test]
async fn two_want_the_same_ones() {
    let world = World::whose_claims_just_end().await;
    let (ada, bob) = (world.person(), world.person());
    let (first, first_payment) = world.pending_anywhere(ada, &[0, 1]).await;
    let (second, second_payment) = world.pending_anywhere(bob, &[2, 3]).await;
    end_claims(&world, &first).await;
    world.confirmed(world.person(), &[1, 2]).await;
    for payment in [&first_payment, &second_payment] {
        world.webhook(&world.provider.pay(&payment.intent)).await;
    }
    let events = world.take_events().await;
    for outcome in join_all(events.iter().map(|event| world.hand(event))).await {
        outcome.unwrap();
    }
    world.deliver().await;
    for booking in [first.id, second.id] {
        assert_eq!(world.status(booking).await, BookingStatus::Confirmed);
    }
    assert_eq!(&world.states().await[..8], "ASSASSSS");
    world.audit_is_true().await;
}

#[tokio::test]
async fn somebody_is_faster() {
    let world = World::whose_claims_just_end().await;
    let (late, payment) = lapsed(&world, &[1, 2]).await;
    let (winner, _) = world.confirmed(world.person(), &[1, 2]).await;
    world.webhook(&world.provider.pay(&payment.intent)).await;
    // The winner gets one more seat in the same moment.
    let faster = format!(
        "with line as (
             insert into booking.booking_seats
             select show_id, booking_no, 4, 'A5', kind, price_minor, fee_minor, tax_minor
               from booking.booking_seats where booking_no = {} and seat_no = 1
             returning show_id, booking_no)
         insert into booking.seat_allocations (show_id, seat_no, booking_no, sold)
         select show_id, 4, booking_no, true from line",
        winner.id.local_i64()
    );
    world.interrupted_at(&faster, world.deliver(), async || {}).await;
    assert_eq!(world.status(late.id).await, BookingStatus::Confirmed);
    assert_eq!(labels(&world, late.id).await, ["A6", "A7"]);
}

#[tokio::test]
async fn redis_is_away() {
    let world = World::whose_claims_just_end().await;
    let (late, payment) = lapsed(&world, &[1, 2]).await;
    world.confirmed(world.person(), &[1, 2]).await;
    // What holds there are is then in PostgreSQL.
    held(&world, &[4], Duration::from_secs(600)).await;
    let nowhere = RedisConfig { url: "redis://127.0.0.1:1".into(), ..RedisConfig::default() };
    let redis = Redis::connect(&nowhere, &Shutdown::new()).unwrap();
    let app = App::new(world.app.config.clone(), Deps { redis, ..world.app.deps.clone() }).unwrap();
    world.webhook(&world.provider.pay(&payment.intent)).await;
    let events = world.take_events().await;
    app.payment_succeeded(events.iter().find(|event| event.name == "payment.succeeded").unwrap())
        .await
        .unwrap();
    assert_eq!(world.status(late.id).await, BookingStatus::Confirmed);
    assert_eq!(labels(&world, late.id).await, ["A6", "A7"]);
    // It is told by the event when it is back.
    world.app.holds_follow().await.unwrap();
    world.deliver().await;
    assert_eq!(&world.states().await[..8], "ASSAHSSA");
}
