//! After an outage of Redis: what is loaded anew, and which requests are remembered.

use booking::{app::seats::HoldRefusal, domain::hold::HoldEnd, store::seats::Wanted};
use kernel::ShowId;

use crate::{
    away::{ROOM, check_out, hold},
    house::{House, show, somebody},
    proxy::Proxy,
    support::eventually,
};

async fn go_away(house: &House, proxy: &Proxy) {
    proxy.refuse();
    house.knows(true).await;
}

async fn come_back(house: &House, proxy: &Proxy) {
    proxy.heal();
    house.knows(false).await;
    eventually("all connections", async || house.app.deps.redis.ping().await.ok()).await;
}

async fn epoch(house: &House, show: ShowId) -> String {
    house.seats().snapshot(show).await.unwrap().position.epoch.to_string()
}

#[tokio::test]
async fn a_show_that_cannot_be_loaded_does_not_hold_up_the_others() {
    let (house, proxy) = House::wired(ROOM, |_| {}).await;
    let bad = show(ROOM);
    house.publish(&bad).await;
    let ada = somebody();
    for (show, key) in [(bad.show_id, "a"), (house.id(), "b")] {
        let show = house.seats().show_to_hold(show).await.unwrap();
        house.app.hold(&ada, &show, Wanted::Seats(&[0]), key).await.unwrap();
    }
    go_away(&house, &proxy).await;
    let good_hold = hold(&house.app, &house, &ada, &[1], "c").await.unwrap();
    let there = house.seats().show_to_hold(bad.show_id).await.unwrap();
    house.app.hold(&ada, &there, Wanted::Seats(&[1]), "d").await.unwrap();
    house
        .execute(&format!("update booking.shows set layout = '?' where show_id = '{}'", bad.show_id.uuid()))
        .await;
    let before = {
        come_back(&house, &proxy).await;
        epoch(&house, house.id()).await
    };

    // The connections of a pool come back one after the other.
    let after = eventually("the good show is loaded anew", async || {
        house.app.holds_follow().await.unwrap_err();
        let now = epoch(&house, house.id()).await;
        (now != before).then_some(now)
    })
    .await;
    assert_eq!(&house.states().await[..3], "HHA");
    for _ in 0..3 {
        house.app.holds_follow().await.unwrap_err();
    }
    assert_eq!(epoch(&house, house.id()).await, after, "once is enough");
    let other = house.unwired().await;
    let untold = hold(&other, &house, &ada, &[1], "c").await.unwrap();
    assert_eq!(untold.id, good_hold.id, "and Redis was told");

    // What failed is done as soon as it can be.
    let stale = epoch(&house, bad.show_id).await;
    house
        .execute(&format!(
            "update booking.shows set layout = '{ROOM}' where show_id = '{}'",
            bad.show_id.uuid()
        ))
        .await;
    house.app.holds_follow().await.unwrap();
    assert_ne!(epoch(&house, bad.show_id).await, stale);
    let healed = (epoch(&house, house.id()).await, epoch(&house, bad.show_id).await);
    house.app.holds_follow().await.unwrap();
    assert_eq!((epoch(&house, house.id()).await, epoch(&house, bad.show_id).await), healed);
}

#[tokio::test]
async fn an_outage_is_seen_to_once_whoever_does_it() {
    let (house, proxy) = House::wired(ROOM, |_| {}).await;
    let ada = somebody();
    hold(&house.app, &house, &ada, &[0], "a").await.unwrap();
    house.app.holds_follow().await.unwrap();
    let first = epoch(&house, house.id()).await;
    let standby = house.another().await;
    go_away(&house, &proxy).await;
    hold(&house.app, &house, &ada, &[1], "b").await.unwrap();
    eventually("the other process knows", async || standby.deps.redis.is_away().then_some(())).await;
    come_back(&house, &proxy).await;
    eventually("the other process, too", async || {
        (!standby.deps.redis.is_away() && standby.deps.redis.ping().await.is_ok()).then_some(())
    })
    .await;
    eventually("Redis is told", async || house.app.holds_follow().await.ok()).await;
    let second = epoch(&house, house.id()).await;
    assert_ne!(second, first);
    // The lead changes, and a process that was never away joins.
    for app in [&standby, &house.unwired().await] {
        eventually("it leads", async || app.holds_follow().await.ok()).await;
    }
    assert_eq!(epoch(&house, house.id()).await, second);
}

#[tokio::test]
async fn a_request_is_remembered_although_its_hold_ended_before_redis_heard_of_it() {
    let (house, proxy) = House::wired(ROOM, |_| {}).await;
    let other = house.unwired().await;
    let ada = somebody();
    go_away(&house, &proxy).await;
    let released = hold(&house.app, &house, &ada, &[0, 1], "a").await.unwrap();
    house.app.hold_release(&ada, released.id).await.unwrap();
    let booked = hold(&house.app, &house, &ada, &[3], "b").await.unwrap();
    check_out(&house.app, &ada, booked.id).await.unwrap();
    // This one has never been without Redis: it asks nobody but Redis.
    other.holds_follow().await.unwrap();
    for (key, seats, end) in [("a", &[0, 1][..], HoldEnd::Released), ("b", &[3], HoldEnd::Consumed)] {
        let late = hold(&other, &house, &ada, seats, key).await;
        assert!(matches!(&late, Err(HoldRefusal::Gone(found)) if *found == end), "{key}: {late:?}");
        let reused = hold(&other, &house, &ada, &[7], key).await;
        assert!(matches!(reused, Err(HoldRefusal::KeyReused)), "{key}: {reused:?}");
    }
}

#[tokio::test]
async fn a_request_that_became_a_booking_before_the_outage_gets_no_second_hold() {
    let (house, proxy) = House::wired(ROOM, |_| {}).await;
    let ada = somebody();
    let show = house.seats().show_to_hold(house.id()).await.unwrap();
    let best = async || house.app.hold_best(&ada, &show, 2, None, "a").await;
    let plain = best().await.unwrap();
    check_out(&house.app, &ada, plain.id).await.unwrap();
    go_away(&house, &proxy).await;
    let late = best().await;
    assert!(matches!(late, Err(HoldRefusal::Gone(HoldEnd::Consumed))), "{late:?}");
    assert_eq!(house.held_rows().await, 0);
}

#[tokio::test]
async fn a_key_is_good_for_one_show_without_redis_too() {
    let (house, proxy) = House::wired(ROOM, |_| {}).await;
    let ada = somebody();
    let elsewhere = show(ROOM);
    house.publish(&elsewhere).await;
    let there = house.seats().show_to_hold(elsewhere.show_id).await.unwrap();
    go_away(&house, &proxy).await;
    let first = hold(&house.app, &house, &ada, &[0], "a").await.unwrap();
    let reused = house.app.hold(&ada, &there, Wanted::Seats(&[0]), "a").await;
    assert!(matches!(reused, Err(HoldRefusal::KeyReused)), "{reused:?}");
    assert_eq!(hold(&house.app, &house, &ada, &[0], "a").await.unwrap(), first);
    house.app.hold(&somebody(), &there, Wanted::Seats(&[0]), "a").await.unwrap();
}
