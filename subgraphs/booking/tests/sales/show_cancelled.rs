//! The theater calls a show off.

use booking::app::checkout::CheckoutError;
use booking::app::seats::HoldRefusal;
use booking::domain::booking::BookingStatus;
use booking::domain::show::{Show, ShowStatus};
use chrono::TimeDelta;
use events::booking::RefundCause;
use events::show::{ShowCancelled, ShowChanged, ShowScheduled};
use futures::StreamExt as _;
use kernel::ShowId;
use platform::HandlerError;

use crate::support::{World, identity};

fn call_off(world: &World) -> ShowCancelled {
    ShowCancelled { show_id: world.show_id(), revision: 2, reason: Some("The projector broke".into()) }
}

#[tokio::test]
async fn everybody_gets_everything_back_however_late() {
    let world = World::new().await;
    let (paid, _) = world.confirmed(world.person(), &[1, 2]).await;
    let (unpaid, intent) = world.pending(world.person(), &[3]).await;
    world.before_show(TimeDelta::minutes(10)).await;
    world.tell(&call_off(&world)).await.unwrap();
    world.tell(&call_off(&world)).await.unwrap();
    world.deliver().await;
    assert_eq!(world.status(paid.id).await, BookingStatus::Refunded);
    let refunds = world.refunds(paid.id).await;
    assert_eq!(refunds.len(), 1);
    assert_eq!((refunds[0].amount, refunds[0].cause), (paid.total, RefundCause::ShowCancelled));
    assert_eq!(world.status(unpaid.id).await, BookingStatus::Cancelled);
    assert_eq!(world.provider.intent(&intent.intent)["status"], "canceled");
    assert_eq!(world.owned().await, []);
}

#[tokio::test]
async fn a_payment_that_meets_a_cancelled_show_goes_back() {
    let world = World::new().await;
    let (booking, payment) = world.pending(world.person(), &[1]).await;
    let paid = world.provider.pay(&payment.intent);
    // The show is known to be cancelled, but its bookings have not been worked through yet.
    world.execute("update booking.shows set status = 'CANCELLED'").await;
    world.webhook(&paid).await;
    world.deliver().await;
    assert_eq!(world.status(booking.id).await, BookingStatus::Refunded);
    assert_eq!(world.refunds(booking.id).await[0].cause, RefundCause::ShowCancelled);
}

#[tokio::test]
async fn a_late_payment_that_crosses_the_cancellation_goes_back() {
    let world = World::whose_claims_just_end().await;
    let (late, payment) = world.pending(world.person(), &[1]).await;
    world.claims_end(16).await;
    world.deliver().await;
    // Paid before it was called off.
    world.execute("update booking.payments set status = 'REQUIRES_PAYMENT'").await;
    world.webhook(&world.provider.pay(&payment.intent)).await;
    let paid = world.take_events().await.remove(0);
    // The payment has read that the show takes place, but not claimed its seats yet.
    let settled = world.interrupted("booking.seat_allocations", world.hand(&paid), async || {
        world.tell(&call_off(&world)).await.unwrap();
    });
    settled.await.unwrap();
    world.deliver().await;
    assert_eq!(world.status(late.id).await, BookingStatus::Refunded);
    assert_eq!(world.refunds(late.id).await[0].cause, RefundCause::ShowCancelled);
    assert_eq!((world.owned().await, world.tickets(late.id).await), (vec![], vec![]));
}

/// Checks out a free seat while its show is changed by `change`.
async fn check_free(change: &str, expected: BookingStatus) {
    let world = World::new().await;
    world.execute(r#"update booking.shows set prices = '{"R": 0, "P": 0}'"#).await;
    world.app.shows.forget(world.show_id()).await;
    let user = world.person();
    let hold = world.hold(user, &[1]).await;
    let checkout = world.checkout(user, hold, "k");
    let checked_out =
        world.interrupted("booking.booking_seats", checkout, async || world.execute(change).await);
    let checked_out = checked_out.await.unwrap();
    assert_eq!(checked_out.booking.status, expected);
    assert_eq!(world.status(checked_out.booking.id).await, expected);
    assert_eq!((world.owned().await, world.tickets(checked_out.booking.id).await), (vec![], vec![]));
    let ended = format!("booking.{}", expected.as_str().to_lowercase());
    assert_eq!(world.told().await, ["booking.pending".to_owned(), ended]);
}

#[tokio::test]
async fn a_free_booking_ends_with_a_show_that_is_cancelled_meanwhile() {
    check_free("update booking.shows set status = 'CANCELLED'", BookingStatus::Cancelled).await;
}

#[tokio::test]
async fn a_free_booking_ends_when_its_show_has_begun_meanwhile() {
    let began = "update booking.shows set starts_at = now() - interval '1 hour'";
    check_free(began, BookingStatus::Expired).await;
}

#[tokio::test]
async fn nothing_of_a_cancelled_show_is_sold() {
    let world = World::new().await;
    let user = world.person();
    let hold = world.hold(user, &[1]).await;
    world.execute("update booking.shows set status = 'CANCELLED'").await;
    world.app.shows.forget(world.show_id()).await;
    let refused = world.checkout(user, hold, "k").await.unwrap_err();
    assert!(matches!(refused, CheckoutError::ShowClosed | CheckoutError::HoldExpired), "{refused}");
}

#[tokio::test]
async fn older_news_of_a_show_never_overwrites_newer() {
    let world = World::new().await;
    let mut newer = world.show.clone();
    newer.revision = 3;
    newer.title = "Sherlock Jr.".into();
    world.tell(&ShowChanged(newer)).await.unwrap();
    let mut older = world.show.clone();
    older.revision = 2;
    older.title = "Steamboat Bill, Jr.".into();
    world.tell(&ShowChanged(older)).await.unwrap();
    world.tell(&ShowScheduled(world.show.clone())).await.unwrap();
    let show = booking::store::shows::show_get(&world.app.deps.pg, world.show_id()).await.unwrap().unwrap();
    assert_eq!((show.revision, show.title.as_str()), (3, "Sherlock Jr."));
}

#[tokio::test]
async fn a_cancellation_that_overtakes_its_show_comes_again() {
    let world = World::new().await;
    let mut cancelled = call_off(&world);
    cancelled.show_id = ShowId::from_uuid(uuid::Uuid::from_u128(9));
    let error = world.tell(&cancelled).await.unwrap_err();
    assert!(matches!(error, HandlerError::Retry(_)), "{error}");
}

#[tokio::test]
async fn its_seat_map_is_closed_and_watchers_see_it() {
    let world = World::new().await;
    world.confirmed(world.person(), &[1]).await;
    world.pending(world.person(), &[2]).await;
    let user = world.person();
    let hold = world.hold(user, &[3]).await;
    let mut deltas = std::pin::pin!(world.app.seats.watch(world.show_id()).await.unwrap());
    let epoch = deltas.next().await.unwrap().epoch.clone();
    assert_eq!(world.states().await, "ASHHAAAAAAAAAAAA");

    world.tell(&call_off(&world)).await.unwrap();
    assert_eq!(world.states().await, "BBBBBBBBBBBBBBBB");
    let resync = async { while deltas.next().await.expect("the stream goes on").epoch == epoch {} };
    tokio::time::timeout(std::time::Duration::from_secs(10), resync)
        .await
        .expect("watchers are told to resync");
    let refused = world.checkout(user, hold, "k").await.unwrap_err();
    assert!(matches!(refused, CheckoutError::ShowClosed | CheckoutError::HoldExpired), "{refused}");
    let show = world.app.seats.show_to_hold(world.show_id()).await.unwrap();
    let refused = world.app.seats.hold(&identity(user), &show, &[5], "another").await;
    assert!(matches!(refused, Err(HoldRefusal::ShowCancelled)), "{refused:?}");
    // Another process may believe for a moment that it takes place.
    let show = Show { status: ShowStatus::Scheduled, ..(*show).clone() };
    let refused = world.app.seats.hold(&identity(user), &show, &[5], "a third").await;
    assert!(matches!(refused, Err(HoldRefusal::SeatsUnavailable { .. })), "{refused:?}");
}
