//! Holds that PostgreSQL keeps, against whoever else wants their seats.

use std::time::Duration;

use booking::app::checkout::CheckoutError;
use booking::domain::audit::{Actor, HoldState, Reason};
use booking::domain::booking::BookingStatus;
use booking::store::holds::{DurableHold, Inserted, NewHold, hold_get, hold_insert};
use events::show::ShowCancelled;
use kernel::{HoldId, IdSource as _, SystemIds};

use crate::support::World;

const LONG: Duration = Duration::from_secs(600);

/// A durable hold of somebody.
pub async fn held(world: &World, seats: &[u16], ttl: Duration) -> DurableHold {
    let owner = world.person();
    let id = HoldId::new(world.show_id(), SystemIds.local() | 1);
    let new = NewHold { id, owner, seats, key_digest: "k", request_digest: "d", ttl };
    let cause = Actor::User(owner).because(Reason::Held);
    let inserted = hold_insert(&world.app.deps.pg, &new, &cause).await.unwrap();
    assert!(matches!(inserted, Inserted::Done(_)), "{inserted:?}");
    standing(world, id).await
}

async fn standing(world: &World, id: HoldId) -> DurableHold {
    hold_get(&world.app.deps.pg, id).await.unwrap().unwrap()
}

#[tokio::test]
async fn a_late_payment_outranks_a_durable_hold() {
    let world = World::whose_claims_just_end().await;
    let (late, payment) = world.pending(world.person(), &[1, 2]).await;
    world.claims_end(16).await;
    let hold = held(&world, &[2, 3], LONG).await;
    world.app.holds_follow().await.unwrap();
    assert_eq!(&world.states().await[..5], "AAHHA");
    world.webhook(&world.provider.pay(&payment.intent)).await;
    world.deliver().await;
    assert_eq!(world.status(late.id).await, BookingStatus::Confirmed);
    assert_eq!(world.owned().await, [(1, late.id, true), (2, late.id, true)]);
    assert_eq!(standing(&world, hold.hold.id).await.state, HoldState::Lost);
    assert_eq!(&world.states().await[..5], "ASSAA");
}

#[tokio::test]
async fn a_durable_hold_is_not_broken_up_for_nothing() {
    let world = World::whose_claims_just_end().await;
    let (late, payment) = world.pending(world.person(), &[1, 2]).await;
    world.claims_end(16).await;
    let hold = held(&world, &[2], LONG).await;
    let (other, _) = world.confirmed(world.person(), &[1]).await;
    world.webhook(&world.provider.pay(&payment.intent)).await;
    world.deliver().await;
    assert_eq!(world.status(late.id).await, BookingStatus::Refunded);
    assert_eq!(world.status(other.id).await, BookingStatus::Confirmed);
    assert_eq!(standing(&world, hold.hold.id).await.state, HoldState::Held);
}

#[tokio::test]
async fn what_is_over_gives_way_and_what_is_not_does_not() {
    let world = World::new().await;
    let over = held(&world, &[1], Duration::ZERO).await;
    let ada = world.person();
    let hold = world.hold(ada, &[1, 2]).await;
    world.checkout(ada, hold, "a").await.unwrap();
    assert_eq!(standing(&world, over.hold.id).await.state, HoldState::Expired);

    let bob = world.person();
    let hold = world.hold(bob, &[4, 5]).await;
    let lasting = held(&world, &[5, 6], LONG).await;
    let refused = world.checkout(bob, hold, "b").await;
    let Err(CheckoutError::SeatsTaken { seats, .. }) = refused else {
        panic!("sold against a hold: {refused:?}");
    };
    assert_eq!(seats, [5]);
    // Redis has been told by that.
    assert_eq!(&world.states().await[..7], "AHHAAHH");
    world.checkout(lasting.hold.owner, lasting.hold.id, "c").await.unwrap();
    assert_eq!(standing(&world, lasting.hold.id).await.state, HoldState::Consumed);
}

#[tokio::test]
async fn a_show_that_is_called_off_ends_its_durable_holds() {
    let world = World::new().await;
    let hold = held(&world, &[1, 2], LONG).await;
    let called_off = ShowCancelled { show_id: world.show_id(), revision: 2, reason: None };
    world.tell(&called_off).await.unwrap();
    assert_eq!(standing(&world, hold.hold.id).await.state, HoldState::Lost);
    assert_eq!(world.states().await, "B".repeat(16));
    let late = world.checkout(hold.hold.owner, hold.hold.id, "a").await;
    assert!(matches!(late, Err(CheckoutError::HoldExpired)), "{late:?}");
}

#[tokio::test]
async fn a_booking_made_of_a_durable_hold_is_paid_as_any_other() {
    let world = World::new().await;
    let hold = held(&world, &[1, 2], LONG).await;
    let owner = hold.hold.owner;
    let checked_out = world.checkout(owner, hold.hold.id, "a").await.unwrap();
    let again = world.checkout(owner, hold.hold.id, "a").await.unwrap();
    assert_eq!(again.booking.id, checked_out.booking.id);
    let booking::app::checkout::PaymentState::Ready(payment) = checked_out.payment else {
        panic!("no payment")
    };
    world.webhook(&world.provider.pay(&payment.intent)).await;
    world.deliver().await;
    assert_eq!(world.status(checked_out.booking.id).await, BookingStatus::Confirmed);
    assert_eq!(world.tickets(checked_out.booking.id).await, [1, 2]);
    assert_eq!(&world.states().await[..4], "ASSA");
}

#[tokio::test]
async fn a_late_payment_looks_again_before_it_breaks_a_hold_up() {
    let world = World::whose_claims_just_end().await;
    let (late, payment) = world.pending(world.person(), &[1, 2, 3]).await;
    world.claims_end(16).await;
    let hold = held(&world, &[2], LONG).await;
    let over = held(&world, &[3], Duration::ZERO).await;
    world.webhook(&world.provider.pay(&payment.intent)).await;
    // While what is over gives way, somebody else buys the other seat: nobody has to make way any more.
    let rival = world.person();
    let meanwhile = async || {
        let plain = world.hold(rival, &[1]).await;
        world.checkout(rival, plain, "a").await.unwrap();
    };
    let ending =
        format!("select 1 from booking.holds where hold_no = {} for update", over.hold.id.local_i64());
    world.interrupted_at(&ending, world.deliver(), meanwhile).await;
    world.deliver().await;
    assert_eq!(world.status(late.id).await, BookingStatus::Refunded);
    assert_eq!(standing(&world, over.hold.id).await.state, HoldState::Expired);
    assert_eq!(standing(&world, hold.hold.id).await.state, HoldState::Held);
}

#[tokio::test]
async fn a_late_payment_for_a_show_that_has_begun_breaks_nothing_up() {
    let world = World::whose_claims_just_end().await;
    let (late, payment) = world.pending(world.person(), &[1, 2]).await;
    world.claims_end(16).await;
    let hold = held(&world, &[2], LONG).await;
    // It was brought forward, which the cache does not know yet.
    world.app.show_of(late.id).await.unwrap();
    world.execute("update booking.shows set starts_at = now() - interval '1 day'").await;
    world.webhook(&world.provider.pay(&payment.intent)).await;
    world.deliver().await;
    assert_eq!(world.status(late.id).await, BookingStatus::Refunded);
    assert_eq!(standing(&world, hold.hold.id).await.state, HoldState::Held);
}
