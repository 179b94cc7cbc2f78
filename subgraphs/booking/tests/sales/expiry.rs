//! Claims that lapse unpaid.

use booking::domain::booking::BookingStatus;
use chrono::TimeDelta;
use futures::future::join_all;

use crate::support::World;

#[tokio::test]
async fn overdue_claims_end_and_their_payments_are_called_off() {
    let world = World::new().await;
    let (overdue, payment) = world.pending(world.person(), &[1, 2]).await;
    world.advance(TimeDelta::minutes(10)).await;
    let (fresh, _) = world.pending(world.person(), &[3]).await;
    world.claims_end(5).await;
    assert_eq!(world.status(overdue.id).await, BookingStatus::Expired);
    assert_eq!(world.status(fresh.id).await, BookingStatus::PendingPayment);
    assert_eq!(world.owned().await, [(3, fresh.id, false)]);
    world.deliver().await;
    assert_eq!(world.provider.intent(&payment.intent)["status"], "canceled");
    assert_eq!(world.provider.calls("intent_cancel"), 1, "nobody asks again");
}

#[tokio::test]
async fn several_processes_end_each_claim_once() {
    let world = World::new().await;
    for seat in 0..6 {
        world.pending(world.person(), &[seat]).await;
    }
    world.take_events().await;
    world.advance(TimeDelta::minutes(15)).await;
    for outcome in join_all((0..4).map(|_| world.app.claims_expire_all())).await {
        outcome.unwrap();
    }
    world.app.claims_expire_all().await.unwrap();
    assert_eq!(world.told().await, ["booking.expired"; 6]);
    assert_eq!(world.owned().await, []);
}

#[tokio::test]
async fn a_payment_whose_webhook_was_lost_is_found_when_the_claim_ends() {
    let world = World::new().await;
    let (booking, payment) = world.pending(world.person(), &[1]).await;
    world.provider.pay(&payment.intent);
    world.claims_end(15).await;
    world.deliver().await;
    assert_eq!(world.status(booking.id).await, BookingStatus::Confirmed);
    assert_eq!(world.owned().await, [(1, booking.id, true)]);
}

#[tokio::test]
async fn a_process_whose_clock_is_wrong_does_not_send_a_late_payment_back() {
    let world = World::whose_claims_just_end().await;
    let (booking, payment) = world.pending(world.person(), &[1]).await;
    world.claims_end(15).await;
    let paid = world.provider.pay(&payment.intent);
    world.webhook(&paid).await;
    // Only ours: the show has begun for us.
    world.clock.advance(TimeDelta::days(4));
    world.deliver().await;
    assert_eq!(world.status(booking.id).await, BookingStatus::Confirmed);
}

#[tokio::test]
async fn a_process_whose_clock_is_slow_sells_no_show_that_has_begun() {
    let world = World::whose_claims_just_end().await;
    let (booking, payment) = world.pending(world.person(), &[1]).await;
    world.claims_end(15).await;
    world.advance(TimeDelta::days(4)).await;
    world.clock.advance(TimeDelta::days(-4));
    world.webhook(&world.provider.pay(&payment.intent)).await;
    world.deliver().await;
    assert_eq!(world.status(booking.id).await, BookingStatus::Refunded);
}

#[tokio::test]
async fn a_process_whose_clock_is_wrong_decides_decides_by_that_of_the_database() {
    let world = World::new().await;
    let (before, _) = world.pending(world.person(), &[1]).await;
    // Only ours: that of the database stands still.
    world.clock.advance(TimeDelta::minutes(20));
    let (after, _) = world.pending(world.person(), &[2]).await;
    assert_eq!((after.created_at, after.expires_at), (before.created_at, before.expires_at));
    assert_eq!(world.booking(after.id).await, after);
    world.app.claims_expire_all().await.unwrap();
    assert_eq!(world.status(before.id).await, BookingStatus::PendingPayment);
    let report = world.app.reconcile(&[]).await.unwrap();
    assert!(report.found.is_empty(), "{report:?}");

    world.clock.advance(TimeDelta::minutes(-40));
    let (third, _) = world.pending(world.person(), &[3]).await;
    assert_eq!(third.expires_at, before.expires_at);
}
