//! A hold becomes a booking.

use booking::app::App;
use booking::app::checkout::{CheckedOut, CheckoutError, CheckoutRequest, PaymentState};
use booking::app::seats::HoldRefusal;
use booking::domain::booking::BookingStatus;
use booking::domain::payment::PaymentStatus;
use chrono::TimeDelta;
use futures::future::join_all;
use kernel::HoldId;
use platform::redis::RedisConfig;
use platform::{Deps, Redis, Shutdown};

use crate::support::{World, distinct, eur, eventually, identity};

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
async fn a_key_that_found_a_booking_by_its_hold_is_used_for_that_hold() {
    let world = World::new().await;
    let user = world.person();
    let first = world.hold(user, &[1]).await;
    let booking = world.checkout(user, first, "k").await.unwrap().booking;
    assert_eq!(world.checkout(user, first, "later").await.unwrap().booking, booking);
    let second = world.hold(user, &[2]).await;
    let refused = world.checkout(user, second, "later").await.unwrap_err();
    assert!(matches!(refused, CheckoutError::KeyReused), "{refused}");
    // The other way round, too: a key that made a booking finds no other by its hold.
    world.checkout(user, second, "second").await.unwrap();
    let refused = world.checkout(user, first, "second").await.unwrap_err();
    assert!(matches!(refused, CheckoutError::KeyReused), "{refused}");
    assert_eq!(world.checkout(user, first, "later").await.unwrap().booking, booking);
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
    for key in ["", &"x".repeat(256), "a\0b", "a\nb", "\u{85}"] {
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
}

#[tokio::test]
async fn redis_says_when_a_hold_of_its_is_over() {
    let world = World::with(|config| (config.holds.ttl_seconds, config.holds.longest_seconds) = (1, 1)).await;
    let user = world.person();
    let hold = world.hold(user, &[1]).await;
    // Our own clock stands still.
    eventually("the hold ends", async || world.app.hold_get(hold).await.unwrap().is_none().then_some(()))
        .await;
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
async fn redis_that_lost_a_booking_learns_of_it_from_the_refusal() {
    let world = World::new().await;
    let rival = world.person();
    let early = world.hold(rival, &[5]).await;
    world.save_redis().await;
    world.confirmed(world.person(), &[1]).await;
    world.pending(world.person(), &[2]).await;
    world.set_redis_back().await;
    assert_eq!(world.states().await, "AAAAAHAAAAAAAAAA");

    let hold = world.hold(rival, &[0, 1, 2]).await;
    let refused = world.checkout(rival, hold, "k").await.unwrap_err();
    let CheckoutError::SeatsTaken { seats, .. } = refused else { panic!("{refused}") };
    assert_eq!(seats, [1, 2]);
    assert_eq!(world.states().await, "ASHAAHAAAAAAAAAA", "the hold is broken up, the owners are shown");
    let refused = world.checkout(rival, hold, "k").await.unwrap_err();
    assert!(matches!(refused, CheckoutError::HoldExpired), "{refused}");
    world.checkout(rival, early, "l").await.unwrap();
}

#[tokio::test]
async fn one_person_cannot_claim_a_whole_show_without_paying() {
    let world = World::new().await;
    let user = world.person();
    let ten: Vec<u16> = (0..10).collect();
    let (_, payment) = world.pending(user, &ten).await;
    let show = world.app.seats.show_to_hold(world.show_id()).await.unwrap();
    let who = identity(user);
    let refused = world.app.seats.hold(&who, &show, &[10], "more").await;
    assert!(matches!(refused, Err(HoldRefusal::Limit(_))), "{refused:?}");
    world.webhook(&world.provider.pay(&payment.intent)).await;
    world.deliver().await;
    world.hold(user, &[10]).await;
}

#[tokio::test]
async fn an_overdue_claim_gives_way() {
    let world = World::new().await;
    let (overdue, _) = world.pending(world.person(), &[1, 2]).await;
    world.forget_in_redis(&overdue).await;
    world.advance(TimeDelta::minutes(15)).await;
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
    world.advance(TimeDelta::minutes(20)).await;
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
async fn the_booking_stands_when_its_payment_cannot_be_recorded() {
    let world = World::new().await;
    let user = world.person();
    let hold = world.hold(user, &[5]).await;
    world.execute("alter table booking.payments rename to payments_away").await;
    for _ in 0..2 {
        let checked_out = world.checkout(user, hold, "k").await.unwrap();
        assert!(matches!(checked_out.payment, PaymentState::Unavailable));
    }
    world.execute("alter table booking.payments_away rename to payments").await;
    let again = world.checkout(user, hold, "k").await.unwrap();
    assert_eq!(payment_of(&again).amount, eur(1_200));
    assert_eq!(world.provider.state().intents.len(), 1);
}

#[tokio::test]
async fn a_checkout_goes_on_without_redis_but_does_not_begin() {
    let world = World::new().await;
    let user = world.person();
    let (begun, new) = (world.hold(user, &[5]).await, world.hold(user, &[6]).await);
    let first = world.checkout(user, begun, "k").await.unwrap();
    let away =
        RedisConfig { url: "redis://127.0.0.1:1".into(), command_timeout_ms: 200, ..RedisConfig::default() };
    let redis = Redis::connect(&away, &Shutdown::new()).unwrap();
    let deps = Deps { redis, ..world.app.deps.clone() };
    let app = App::new(world.app.config.clone(), deps).unwrap();
    let checkout = async |hold, key: &str| {
        let who = identity(user);
        app.checkout(&CheckoutRequest {
            who,
            hold,
            idempotency_key: key.to_owned(),
            accept_equivalent: false,
        })
        .await
    };
    let again = checkout(begun, "k").await.unwrap();
    assert_eq!((&again.booking, payment_of(&again)), (&first.booking, payment_of(&first)));
    let refused = checkout(new, "l").await.unwrap_err();
    assert!(matches!(&refused, CheckoutError::App(error) if error.is_unavailable()), "{refused}");
}

#[tokio::test]
async fn a_payment_that_is_recorded_after_its_booking_ended_is_called_off() {
    let world = World::new().await;
    let user = world.person();
    let hold = world.hold(user, &[5]).await;
    world.provider.state().broken = Some(503);
    let booking = world.checkout(user, hold, "k").await.unwrap().booking;
    world.provider.state().broken = None;
    let late = world.interrupted("booking.payments", world.checkout(user, hold, "k"), async || {
        world.cancel(user, booking.id, "c").await.unwrap();
        world.deliver().await;
    });
    let late = late.await.unwrap();
    assert_eq!(late.booking.status, BookingStatus::Cancelled);
    let payment = payment_of(&late);
    assert_eq!((payment.status, payment.client_secret.as_deref()), (PaymentStatus::Cancelled, None));
    assert_eq!(world.provider.intent(&payment.intent)["status"], "canceled");
}

#[tokio::test]
async fn a_booking_that_no_longer_waits_tells_no_way_to_pay() {
    let world = World::whose_claims_just_end().await;
    let user = world.person();
    let hold = world.hold(user, &[5]).await;
    world.checkout(user, hold, "k").await.unwrap();
    world.advance(TimeDelta::minutes(15)).await;
    let overdue = world.checkout(user, hold, "k").await.unwrap();
    assert_eq!(payment_of(&overdue).client_secret, None);
    world.app.claims_expire_all().await.unwrap();
    // The provider is asked again at each repeat until the payment is called off.
    world.provider.state().refusal = Some(("intent_cancel", 401));
    let ended = world.checkout(user, hold, "k").await.unwrap();
    assert_eq!(
        (ended.booking.status, payment_of(&ended).client_secret.as_deref()),
        (BookingStatus::Expired, None)
    );
    world.provider.state().refusal = None;
    let ended = world.checkout(user, hold, "k").await.unwrap();
    assert_eq!(payment_of(&ended).status, PaymentStatus::Cancelled);
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
