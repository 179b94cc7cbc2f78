//! A booking that its owner watches.

use std::time::Duration;

use booking::domain::booking::BookingStatus;
use tokio::time::timeout;

use crate::support::{World, eventually, identity};

const SOON: Duration = Duration::from_secs(10);

#[tokio::test]
async fn its_owner_sees_it_change_and_nobody_else() {
    let world = World::new().await;
    let user = world.person();
    let (booking, payment) = world.pending(user, &[1]).await;
    let stranger = world.app.booking_watch(&identity(world.person()), booking.id).await.unwrap();
    assert!(stranger.is_none());
    let mut watch = world.app.booking_watch(&identity(user), booking.id).await.unwrap().unwrap();
    assert_eq!(watch.current().status, BookingStatus::PendingPayment);
    // The process listens from some moment on.
    eventually("the channel is subscribed", async || {
        world.app.deps.redis.publish("bookings", "nobody".into()).await.ok().filter(|heard| *heard > 0)
    })
    .await;
    world.webhook(&world.provider.pay(&payment.intent)).await;
    world.deliver().await;
    let seen = timeout(SOON, watch.next(&world.app)).await.unwrap().unwrap().status;
    assert_eq!(seen, BookingStatus::Confirmed);
    world.cancel(user, booking.id, "c").await.unwrap();
    let seen = timeout(SOON, watch.next(&world.app)).await.unwrap().unwrap().status;
    assert_eq!(seen, BookingStatus::Cancelled);
}

#[tokio::test]
async fn a_change_between_watching_and_reading_is_not_missed() {
    let world = World::new().await;
    let user = world.person();
    let (booking, _) = world.pending(user, &[1]).await;
    eventually("the channel is subscribed", async || {
        world.app.deps.redis.publish("bookings", "nobody".into()).await.ok().filter(|heard| *heard > 0)
    })
    .await;
    let mut watch = world.app.booking_watch(&identity(user), booking.id).await.unwrap().unwrap();
    world.cancel(user, booking.id, "c").await.unwrap();
    // The message comes twice, from the commit and from the event; one change is seen.
    world.deliver().await;
    let seen = timeout(SOON, watch.next(&world.app)).await.unwrap().unwrap().version;
    assert_eq!(seen, 2);
    let more = timeout(Duration::from_millis(50), watch.next(&world.app)).await;
    assert!(more.is_err(), "nothing else changed");
}
