//! A payment in time is decided upon without locks, and sold by one statement: what changes in between
//! is noticed.

use booking::domain::booking::BookingStatus;
use booking::domain::payment::PaymentStatus;
use kernel::BookingId;

use crate::support::World;

/// Pays for two seats while somebody else's transaction has done `change`, which commits when the sale
/// waits for it.
async fn pay_during(change: &str) -> (World, BookingId) {
    let world = World::new().await;
    let (booking, payment) = world.pending(world.person(), &[1, 2]).await;
    world.webhook(&world.provider.pay(&payment.intent)).await;
    let events = world.take_events().await;
    let paid = events.iter().find(|event| event.name == "payment.succeeded").unwrap();
    world.interrupted_at(change, world.hand(paid), async || {}).await.unwrap();
    (world, booking.id)
}

async fn check_sold(world: &World, booking: BookingId) {
    let now = world.booking(booking).await;
    assert_eq!(now.status, BookingStatus::Confirmed);
    assert_eq!(world.owned().await, [(1, booking, true), (2, booking, true)]);
    assert_eq!(world.tickets(booking).await, [1, 2]);
    assert_eq!(world.told().await, ["booking.confirmed"]);
    assert_eq!(world.states().await, "ASSAAAAAAAAAAAAA");
    assert_eq!(world.payment_status(booking).await, PaymentStatus::Succeeded);
    let inbox = world.rows("select 1 from booking.inbox where consumer = 'booking.payments'").await;
    assert_eq!(inbox.len(), 1);
}

/// From which state to which the trail says that bookings and payments went by being paid.
async fn steps(world: &World) -> Vec<(String, String)> {
    let rows = "select coalesce(from_state, '') as was, to_state as became from booking.audit
                 where reason in ('payment.succeeded', 'late_payment') order by audit_no";
    let step =
        |row: &sea_orm::QueryResult| (row.try_get("", "was").unwrap(), row.try_get("", "became").unwrap());
    world.rows(rows).await.iter().map(step).collect()
}

fn step(was: &str, became: &str) -> (String, String) {
    (was.to_owned(), became.to_owned())
}

#[tokio::test]
async fn a_lock_alone_changes_nothing() {
    let (world, booking) = pay_during("select 1 from booking.bookings for update").await;
    check_sold(&world, booking).await;
    let expected = [step("REQUIRES_PAYMENT", "SUCCEEDED"), step("PENDING_PAYMENT", "CONFIRMED")];
    assert_eq!(steps(&world).await, expected);
}

#[tokio::test]
async fn a_card_that_was_declined_meanwhile_is_in_the_trail() {
    let decline = "select 1 from booking.bookings for update;
                   update booking.payments set status = 'FAILED'";
    let (world, booking) = pay_during(decline).await;
    check_sold(&world, booking).await;
    let expected = [step("FAILED", "SUCCEEDED"), step("PENDING_PAYMENT", "CONFIRMED")];
    assert_eq!(steps(&world).await, expected);
}

#[tokio::test]
async fn a_booking_that_ended_meanwhile_is_paid_late() {
    let expire = "update booking.bookings set status = 'EXPIRED', version = version + 1;
                  delete from booking.seat_allocations";
    let (world, booking) = pay_during(expire).await;
    check_sold(&world, booking).await;
    assert_eq!(world.booking(booking).await.version, 3);
    let expected = [step("REQUIRES_PAYMENT", "SUCCEEDED"), step("EXPIRED", "CONFIRMED")];
    assert_eq!(steps(&world).await, expected);
}

#[tokio::test]
async fn a_seat_that_was_lost_meanwhile_is_claimed_again() {
    let lose = "delete from booking.seat_allocations where seat_no = 2";
    let (world, booking) = pay_during(lose).await;
    check_sold(&world, booking).await;
}

#[tokio::test]
async fn a_payment_that_another_message_told_of_meanwhile_is_not_taken_twice() {
    let world = World::new().await;
    let (booking, payment) = world.pending(world.person(), &[1, 2]).await;
    let paid = world.provider.pay(&payment.intent);
    world.webhook(&paid).await;
    world.webhook(&crate::provider::event("payment_intent.succeeded", &paid["data"]["object"])).await;
    let events = world.take_events().await;
    let both: Vec<_> = events.iter().filter(|event| event.name == "payment.succeeded").collect();
    assert_eq!(both.len(), 2);
    let hands = futures::future::join_all(both.into_iter().map(|event| world.hand(event)));
    for outcome in world.interrupted_at("select 1 from booking.bookings for update", hands, async || {}).await
    {
        outcome.unwrap();
    }
    assert_eq!(world.tickets(booking.id).await, [1, 2]);
    assert_eq!(world.refunds(booking.id).await, []);
    assert_eq!(world.told().await, ["booking.confirmed"]);
    assert_eq!(world.booking(booking.id).await.version, 2);
}
