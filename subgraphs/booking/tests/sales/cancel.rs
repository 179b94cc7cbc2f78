//! Giving a booking up.

use booking::app::cancel::CancelError;
use booking::domain::booking::{Booking, BookingStatus};
use booking::domain::payment::{Payment, RefundStatus};
use chrono::TimeDelta;
use events::booking::RefundCause;
use events::show::ShowCancelled;
use futures::future::join_all;
use serde_json::json;

use crate::provider::event;
use crate::support::{World, distinct, eur};

/// Cancels a paid booking of 27.51 EUR so long before the show.
async fn check(left: TimeDelta, refund: Option<i64>) {
    let world = World::with(|config| config.pricing.fee_percent = 0).await;
    world.execute(r#"update booking.shows set prices = '{"R": 1200, "P": 1551}'"#).await;
    world.app.shows.forget(world.show_id()).await;
    let user = world.person();
    let (booking, _) = world.confirmed(user, &[0, 8]).await;
    world.before_show(left).await;
    let outcome = world.cancel(user, booking.id, "c").await;
    match refund {
        Some(minor) => {
            let cancelled = outcome.unwrap();
            assert_eq!(cancelled.booking.status, BookingStatus::Cancelled);
            let refund = cancelled.refund.unwrap();
            assert_eq!((refund.amount, refund.status), (eur(minor), RefundStatus::Pending));
            assert_eq!((world.owned().await, world.tickets(booking.id).await), (vec![], vec![]));
            world.deliver().await;
            assert_eq!(world.status(booking.id).await, BookingStatus::Refunded);
            assert_eq!(world.provider.refund()["amount"], minor);
        }
        None => {
            let refused = outcome.unwrap_err();
            let CancelError::Closed { until } = refused else { panic!("{refused}") };
            assert_eq!(until, world.show.starts_at - TimeDelta::hours(2));
            assert_eq!(world.status(booking.id).await, BookingStatus::Confirmed);
            assert_eq!(world.owned().await.len(), 2);
        }
    }
}

#[tokio::test]
async fn a_day_before_everything_comes_back() {
    check(TimeDelta::hours(24), Some(2_751)).await;
}

#[tokio::test]
async fn on_the_day_half_comes_back_rounded_for_the_buyer() {
    check(TimeDelta::hours(24) - TimeDelta::seconds(1), Some(1_376)).await;
}

#[tokio::test]
async fn two_hours_before_half_comes_back() {
    check(TimeDelta::hours(2), Some(1_376)).await;
}

#[tokio::test]
async fn later_it_is_refused() {
    check(TimeDelta::hours(2) - TimeDelta::seconds(1), None).await;
}

#[tokio::test]
async fn repeats_give_the_same_refund_under_any_key_at_any_time() {
    let world = World::new().await;
    let user = world.person();
    let (booking, _) = world.confirmed(user, &[1]).await;
    let first = world.cancel(user, booking.id, "c").await.unwrap().refund.unwrap();
    for key in ["c", "another"] {
        assert_eq!(world.cancel(user, booking.id, key).await.unwrap().refund.unwrap().id, first.id);
    }
    world.deliver().await;
    world.before_show(TimeDelta::minutes(5)).await;
    let late = world.cancel(user, booking.id, "c").await.unwrap();
    assert_eq!(late.booking.status, BookingStatus::Refunded);
    let refund = late.refund.unwrap();
    assert_eq!((refund.id, refund.status), (first.id, RefundStatus::Succeeded));
    assert_eq!(world.provider.calls("refund_create"), 1);
}

#[tokio::test]
async fn many_at_once_make_one_refund() {
    let world = World::new().await;
    let user = world.person();
    let (booking, _) = world.confirmed(user, &[1]).await;
    let keys: Vec<String> = (0..6).map(|n| format!("c{}", n % 3)).collect();
    let all = join_all(keys.iter().map(|key| world.cancel(user, booking.id, key))).await;
    let refunds = all.into_iter().map(|cancelled| cancelled.unwrap().refund.unwrap().id);
    assert_eq!(distinct(refunds), 1);
    assert_eq!(world.told().await, ["refund.requested", "booking.cancelled"]);
}

/// A booking for which the buyer paid twice; the second payment went back.
async fn paid_twice(world: &World, user: kernel::UserId) -> (Booking, Payment) {
    let (booking, payment) = world.confirmed(user, &[1]).await;
    let mut second = world.provider.intent(&payment.intent);
    second["id"] = json!("pi_second");
    world.webhook(&event("payment_intent.succeeded", &second)).await;
    world.deliver().await;
    let refunds = world.refunds(booking.id).await;
    assert_eq!((refunds.len(), refunds[0].intent.as_str()), (1, "pi_second"));
    (booking, payment)
}

#[tokio::test]
async fn the_payment_that_bought_the_tickets_goes_back_and_not_one_that_went_back_before() {
    let world = World::new().await;
    let user = world.person();
    let (booking, payment) = paid_twice(&world, user).await;
    let refund = world.cancel(user, booking.id, "c").await.unwrap().refund.unwrap();
    assert_eq!((refund.payment, refund.cause), (payment.id, RefundCause::Cancelled));
    assert_eq!(refund.amount, booking.total);
    world.deliver().await;
    assert_eq!(world.status(booking.id).await, BookingStatus::Refunded);
    assert_eq!(world.cancel(user, booking.id, "c").await.unwrap().refund.unwrap().id, refund.id);
    assert_eq!(world.provider.calls("refund_create"), 2);
}

#[tokio::test]
async fn a_show_that_is_called_off_gives_the_payment_of_the_tickets_back_too() {
    let world = World::new().await;
    let (booking, payment) = paid_twice(&world, world.person()).await;
    let off = ShowCancelled { show_id: world.show_id(), revision: 2, reason: None };
    world.tell(&off).await.unwrap();
    world.deliver().await;
    assert_eq!(world.status(booking.id).await, BookingStatus::Refunded);
    let refunds = world.refunds(booking.id).await;
    assert_eq!(refunds.len(), 2);
    assert!(refunds.iter().any(|refund| refund.payment == payment.id), "{refunds:?}");
}

#[tokio::test]
async fn a_key_cancels_one_booking() {
    let world = World::new().await;
    let user = world.person();
    let (first, _) = world.confirmed(user, &[1]).await;
    let (second, _) = world.confirmed(user, &[2]).await;
    world.cancel(user, first.id, "c").await.unwrap();
    let refused = world.cancel(user, second.id, "c").await.unwrap_err();
    assert!(matches!(refused, CancelError::KeyReused), "{refused}");
    assert_eq!(world.status(second.id).await, BookingStatus::Confirmed);
}

#[tokio::test]
async fn a_key_that_only_found_a_cancelled_booking_is_used_for_it() {
    let world = World::new().await;
    let user = world.person();
    let (first, _) = world.confirmed(user, &[1]).await;
    let (second, _) = world.confirmed(user, &[2]).await;
    let (third, _) = world.confirmed(user, &[3]).await;
    world.cancel(user, first.id, "a").await.unwrap();
    world.cancel(user, second.id, "b").await.unwrap();
    // It was used for another one, also when this one is cancelled already.
    let refused = world.cancel(user, second.id, "a").await.unwrap_err();
    assert!(matches!(refused, CancelError::KeyReused), "{refused}");
    let refund = world.cancel(user, first.id, "later").await.unwrap().refund;
    let refused = world.cancel(user, third.id, "later").await.unwrap_err();
    assert!(matches!(refused, CancelError::KeyReused), "{refused}");
    assert_eq!(world.cancel(user, first.id, "later").await.unwrap().refund, refund);
}

#[tokio::test]
async fn a_refusal_uses_no_key() {
    let world = World::new().await;
    let user = world.person();
    let (paid, _) = world.confirmed(user, &[1]).await;
    let (unpaid, _) = world.pending(user, &[2]).await;
    world.before_show(TimeDelta::minutes(30)).await;
    let refused = world.cancel(user, paid.id, "c").await.unwrap_err();
    assert!(matches!(refused, CancelError::Closed { .. }), "{refused}");
    world.cancel(user, unpaid.id, "c").await.unwrap();
}

#[tokio::test]
async fn the_clock_of_the_database_decides_how_much_comes_back() {
    let world = World::new().await;
    let user = world.person();
    let (early, _) = world.confirmed(user, &[1]).await;
    let (late, _) = world.confirmed(user, &[2]).await;
    world.before_show(TimeDelta::hours(24)).await;
    // Only ours.
    world.clock.advance(TimeDelta::hours(23));
    assert_eq!(world.cancel(user, early.id, "a").await.unwrap().refund.unwrap().amount, early.total);
    world.before_show(TimeDelta::hours(1)).await;
    world.clock.advance(TimeDelta::hours(-48));
    let refused = world.cancel(user, late.id, "b").await.unwrap_err();
    assert!(matches!(refused, CancelError::Closed { .. }), "{refused}");
}

#[tokio::test]
async fn nobody_cancels_what_belongs_to_another() {
    let world = World::new().await;
    let (booking, _) = world.confirmed(world.person(), &[1]).await;
    let refused = world.cancel(world.person(), booking.id, "c").await.unwrap_err();
    assert!(matches!(refused, CancelError::NotFound), "{refused}");
}

#[tokio::test]
async fn an_unpaid_booking_is_cancelled_without_a_refund_and_its_payment_called_off() {
    let world = World::new().await;
    let user = world.person();
    let (booking, payment) = world.pending(user, &[1]).await;
    // Also when it would be too late for a paid one.
    world.before_show(TimeDelta::minutes(30)).await;
    let cancelled = world.cancel(user, booking.id, "c").await.unwrap();
    assert_eq!((cancelled.booking.status, cancelled.refund), (BookingStatus::Cancelled, None));
    world.deliver().await;
    assert_eq!(world.status(booking.id).await, BookingStatus::Cancelled);
    assert_eq!(world.provider.intent(&payment.intent)["status"], "canceled");
    assert_eq!(world.owned().await, []);
}

#[tokio::test]
async fn an_expired_booking_cannot_be_cancelled() {
    let world = World::new().await;
    let user = world.person();
    let (booking, _) = world.pending(user, &[1]).await;
    world.claims_end(16).await;
    let refused = world.cancel(user, booking.id, "c").await.unwrap_err();
    assert!(matches!(refused, CancelError::Ended), "{refused}");
}

#[tokio::test]
async fn freed_seats_are_sold_again() {
    let world = World::new().await;
    let user = world.person();
    let (first, _) = world.confirmed(user, &[1, 2]).await;
    world.cancel(user, first.id, "c").await.unwrap();
    world.deliver().await;
    let (second, _) = world.confirmed(world.person(), &[1, 2]).await;
    assert_eq!(world.owned().await, [(1, second.id, true), (2, second.id, true)]);
    assert_eq!(world.refunds(first.id).await[0].cause, RefundCause::Cancelled);
}
