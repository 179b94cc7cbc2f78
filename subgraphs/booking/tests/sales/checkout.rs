//! A hold becomes a booking.

use booking::app::checkout::{CheckedOut, CheckoutError, PaymentState};
use booking::domain::booking::BookingStatus;
use booking::domain::payment::PaymentStatus;
use chrono::TimeDelta;
use futures::future::join_all;
use kernel::HoldId;

use crate::support::{World, distinct, eur};

fn payment_of(checked_out: &CheckedOut) -> &booking::domain::payment::Payment {
    match &checked_out.payment {
        PaymentState::Ready(payment) => payment,
        other => panic!("no payment: {other:?}"),
    }
}

#[tokio::test]
async fn a_hold_becomes_a_pending_booking_with_locked_prices_and_a_payment() {
    let world = World::new().await;
    let user = world.person();
    let hold = world.hold(user, &[0, 8]).await;
    let checked_out = world.checkout(user, hold, "k").await.unwrap();
    let booking = &checked_out.booking;
    assert_eq!(booking.status, BookingStatus::PendingPayment);
    assert_eq!((booking.total, booking.fee, booking.tax), (eur(1_200 + 1_550), eur(0), eur(0)));
    assert_eq!(booking.expires_at, booking.created_at + TimeDelta::minutes(15));
    assert_eq!(world.booking(booking.id).await, *booking, "what was told is what is stored");
    assert_eq!(world.owned().await, [(0, booking.id, false), (8, booking.id, false)]);
    let payment = payment_of(&checked_out);
    assert_eq!((payment.status, payment.amount), (PaymentStatus::RequiresPayment, booking.total));
    assert_eq!(world.provider.intent(&payment.intent)["metadata"]["booking_id"], booking.id.to_string());
    assert_eq!(world.told().await, ["booking.pending"]);
}

#[tokio::test]
async fn fee_and_tax_are_added_when_configured() {
    let world = World::with(|config| {
        config.pricing.fee_percent = 10;
        config.pricing.tax_percent = 20;
    })
    .await;
    let (booking, payment) = world.pending(world.person(), &[0, 1]).await;
    assert_eq!((booking.subtotal, booking.fee, booking.tax), (eur(2_400), eur(240), eur(528)));
    assert_eq!((booking.total, payment.amount), (eur(3_168), eur(3_168)));
}

#[tokio::test]
async fn the_same_checkout_again_gives_the_same_booking_and_payment() {
    let world = World::new().await;
    let user = world.person();
    let hold = world.hold(user, &[3]).await;
    let first = world.checkout(user, hold, "k").await.unwrap();
    for key in ["k", "k", "another key, same hold"] {
        let again = world.checkout(user, hold, key).await.unwrap();
        assert_eq!(again.booking, first.booking);
        assert_eq!(payment_of(&again), payment_of(&first));
    }
    assert_eq!(world.provider.state().intents.len(), 1);
    assert_eq!(world.told().await.len(), 1);
}

#[tokio::test]
async fn the_same_checkout_many_times_at_once_makes_one_booking() {
    let world = World::new().await;
    let user = world.person();
    let hold = world.hold(user, &[1, 2]).await;
    let all = join_all((0..8).map(|_| world.checkout(user, hold, "k"))).await;
    let ids = all.into_iter().map(|checked_out| checked_out.unwrap().booking.id);
    assert_eq!(distinct(ids), 1);
    assert_eq!(world.owned().await.len(), 2);
    assert_eq!(world.provider.state().intents.len(), 1);
}

#[tokio::test]
async fn a_key_is_good_for_one_request_only() {
    let world = World::new().await;
    let user = world.person();
    let first = world.hold(user, &[1]).await;
    world.checkout(user, first, "k").await.unwrap();
    let second = world.hold(user, &[2]).await;
    let refused = world.checkout(user, second, "k").await.unwrap_err();
    assert!(matches!(refused, CheckoutError::KeyReused), "{refused}");
    // Another person may have had the same idea for a key.
    let other = world.person();
    let third = world.hold(other, &[3]).await;
    world.checkout(other, third, "k").await.unwrap();
    for key in ["", &"x".repeat(256)] {
        let refused = world.checkout(user, second, key).await.unwrap_err();
        assert!(matches!(refused, CheckoutError::InvalidKey), "{refused}");
    }
}

#[tokio::test]
async fn a_hold_is_good_for_its_owner_only_before_and_after_the_checkout() {
    let world = World::new().await;
    let user = world.person();
    let hold = world.hold(user, &[1]).await;
    let thief = world.checkout(world.person(), hold, "k").await.unwrap_err();
    assert!(matches!(thief, CheckoutError::HoldNotFound), "{thief}");
    world.checkout(user, hold, "k").await.unwrap();
    let thief = world.checkout(world.person(), hold, "k").await.unwrap_err();
    assert!(matches!(thief, CheckoutError::HoldNotFound), "{thief}");
}

#[tokio::test]
async fn a_hold_that_is_gone_buys_nothing() {
    let world = World::new().await;
    let gone = HoldId::new(world.show_id(), 42);
    let refused = world.checkout(world.person(), gone, "k").await.unwrap_err();
    assert!(matches!(refused, CheckoutError::HoldExpired), "{refused}");
    let user = world.person();
    let hold = world.hold(user, &[1]).await;
    world.clock.advance(TimeDelta::hours(25));
    let refused = world.checkout(user, hold, "k").await.unwrap_err();
    assert!(matches!(refused, CheckoutError::HoldExpired), "{refused}");
}

#[tokio::test]
async fn seats_that_somebody_owns_are_refused_whatever_redis_believed() {
    let world = World::new().await;
    let (owner, _) = world.pending(world.person(), &[1, 2]).await;
    world.forget_in_redis(&owner).await;
    let rival = world.person();
    let hold = world.hold(rival, &[2, 3]).await;
    let refused = world.checkout(rival, hold, "k").await.unwrap_err();
    let CheckoutError::SeatsTaken { seats, .. } = refused else { panic!("{refused}") };
    assert_eq!(seats, [2]);
    assert_eq!(world.owned().await.len(), 2, "nothing of the refused checkout is left");
}

#[tokio::test]
async fn an_overdue_claim_gives_way() {
    let world = World::new().await;
    let (overdue, _) = world.pending(world.person(), &[1, 2]).await;
    world.forget_in_redis(&overdue).await;
    world.clock.advance(TimeDelta::minutes(15));
    let user = world.person();
    let hold = world.hold(user, &[2, 3]).await;
    let booking = world.checkout(user, hold, "k").await.unwrap().booking;
    assert_eq!(world.status(overdue.id).await, BookingStatus::Expired);
    assert_eq!(world.owned().await, [(2, booking.id, false), (3, booking.id, false)]);
    assert_eq!(world.told().await, ["booking.pending", "booking.expired", "booking.pending"]);
}

#[tokio::test]
async fn rivals_for_overdue_seats_never_share_one() {
    let world = World::new().await;
    let (overdue, _) = world.pending(world.person(), &[0, 1, 2, 3]).await;
    world.forget_in_redis(&overdue).await;
    world.clock.advance(TimeDelta::minutes(20));
    let rivals: Vec<_> = (0..4).map(|seat| (world.person(), [seat])).collect();
    let mut requests = Vec::new();
    for (rival, seats) in &rivals {
        requests.push((*rival, world.hold(*rival, seats).await));
    }
    let outcomes = join_all(requests.iter().map(|(rival, hold)| world.checkout(*rival, *hold, "k"))).await;
    // Who comes while another ends the overdue claim may be refused, and then tries again.
    for ((rival, hold), outcome) in requests.iter().zip(outcomes) {
        if outcome.is_err() {
            world.checkout(*rival, *hold, "k").await.unwrap();
        }
    }
    let owners = world.owned().await;
    assert_eq!(owners.len(), 4);
    assert_eq!(distinct(owners.iter().map(|(_, booking, _)| *booking)), 4);
}

#[tokio::test]
async fn the_booking_stands_while_the_provider_is_away() {
    let world = World::new().await;
    let user = world.person();
    let hold = world.hold(user, &[5]).await;
    world.provider.state().broken = Some(503);
    let first = world.checkout(user, hold, "k").await.unwrap();
    assert!(matches!(first.payment, PaymentState::Unavailable));
    assert_eq!(world.owned().await, [(5, first.booking.id, false)]);
    world.provider.state().broken = None;
    let again = world.checkout(user, hold, "k").await.unwrap();
    assert_eq!(again.booking, first.booking);
    assert_eq!(payment_of(&again).amount, eur(1_200));
}

#[tokio::test]
async fn a_booking_that_costs_nothing_is_confirmed_at_once() {
    let world = World::new().await;
    world.execute(r#"update booking.shows set prices = '{"R": 0, "P": 0}'"#).await;
    world.app.shows.forget(world.show_id()).await;
    let user = world.person();
    let hold = world.hold(user, &[1, 2]).await;
    let checked_out = world.checkout(user, hold, "k").await.unwrap();
    assert!(matches!(checked_out.payment, PaymentState::NotNeeded));
    assert_eq!(checked_out.booking.status, BookingStatus::Confirmed);
    assert_eq!(world.tickets(checked_out.booking.id).await, [1, 2]);
    assert_eq!(world.provider.calls("intent_create"), 0);
    let cancelled = world.cancel(user, checked_out.booking.id, "c").await.unwrap();
    assert_eq!(cancelled.refund, None);
}

#[tokio::test]
async fn a_show_that_began_sells_nothing() {
    let world = World::new().await;
    let user = world.person();
    let hold = world.hold(user, &[1]).await;
    // The clock of the holds goes on; only the show is earlier.
    let now = chrono::SubsecRound::trunc_subsecs(kernel::Clock::now(&*world.clock), 0);
    world.execute(&format!("update booking.shows set starts_at = '{now}'")).await;
    world.app.shows.forget(world.show_id()).await;
    let refused = world.checkout(user, hold, "k").await.unwrap_err();
    assert!(matches!(refused, CheckoutError::ShowClosed), "{refused}");
}
