//! The same in a cluster of Redis, whose nodes share the shows and the people.

use std::pin::pin;

use booking::{
    Config,
    app::seats::{HoldRefusal, Limit, Target},
    domain::{booking::BookingStatus, hold::HoldEnd},
    store::seats::{SeatStore, SeatValidators},
};
use chrono::TimeDelta;
use fred::util::redis_keyslot;
use futures::future::join_all;
use graphql_kit::Identity;
use kernel::{Clock, ShowId, SystemClock};
use own_redis::OwnCluster;
use platform::{cache::validator::Validators, redis::RedisConfig};

use crate::{
    away::{ROOM, check_out, hold},
    house::{House, show, somebody},
    support::{eventually, redis_config, uuid},
    watch::Viewer,
};

/// The slot that all keys with this tag have.
fn slot(house: &House, tag: &str) -> u16 {
    redis_keyslot(house.app.deps.redis.key(&format!("{{{tag}}}")).as_bytes())
}

fn slot_of_show(house: &House) -> u16 {
    slot(house, &format!("show:{}", house.id()))
}

/// A cluster, and for each of its nodes the house with a show that this node has.
async fn open(adjust: impl FnOnce(&mut Config)) -> (OwnCluster, Vec<House>) {
    let cluster = OwnCluster::start().await.unwrap();
    let redis = RedisConfig { url: cluster.url().into(), ..redis_config() };
    let house = House::over(redis, ROOM, adjust).await;
    let mut houses = Vec::new();
    while houses.len() < cluster.nodes().len() {
        let mut at = house.over_unwired(&house.app);
        at.show = show(ROOM);
        if OwnCluster::owner(slot_of_show(&at)) == houses.len() {
            at.publish(&at.show).await;
            houses.push(at);
        }
    }
    assert!(SeatStore::new(house.app.deps.redis.clone()).is_apart());
    (cluster, houses)
}

/// Somebody who is on this node.
fn somebody_on(house: &House, node: usize) -> Identity {
    loop {
        let who = somebody();
        if OwnCluster::owner(slot(house, &format!("user:{}", who.user_id))) == node {
            return who;
        }
    }
}

fn key() -> String {
    uuid().to_string()
}

#[tokio::test]
async fn seats_are_held_and_sold_wherever_show_and_buyer_are() {
    let (cluster, houses) = open(|_| {}).await;
    let nodes = cluster.nodes().len();
    for (node, house) in houses.iter().enumerate() {
        let seats = house.seats();
        let [ada, bob] = [1, 2].map(|other| somebody_on(house, (node + other) % nodes));
        // A repetition is answered as the first was, also at the same time.
        let held = join_all((0..8).map(|_| house.hold(&ada, &[0, 1], "a"))).await;
        let held: Vec<_> = held.into_iter().map(Result::unwrap).collect();
        assert!(held.iter().all(|hold| hold == &held[0] && !hold.is_durable()));

        // A refusal takes no room from the rival, who can have ten others.
        let refused = house.hold(&bob, &[1, 2], "b").await;
        let Err(HoldRefusal::SeatsUnavailable { seats: taken, alternatives }) = refused else {
            panic!("a seat was given twice: {refused:?}");
        };
        assert_eq!((taken, alternatives[0].as_slice()), (vec![1], &[2, 3][..]));
        let ten: Vec<u16> = (6..16).collect();
        let all = house.hold(&bob, &ten, "b").await.unwrap();
        let refused = house.hold(&bob, &[5], "c").await;
        assert!(matches!(refused, Err(HoldRefusal::Limit(Limit::Seats { max: 10 }))), "{refused:?}");
        assert_eq!(house.states().await, "HHAAAAHHHHHHHHHH");

        let extended = seats.extend(&bob, all.id).await.unwrap();
        assert!(extended.expires_at >= all.expires_at);
        seats.release(&bob, all.id).await.unwrap();
        let late = house.hold(&bob, &ten, "b").await;
        assert!(matches!(late, Err(HoldRefusal::Gone(HoldEnd::Released))), "{late:?}");
        let offered = seats.show_to_hold(house.id()).await.unwrap();
        let best = seats.best_available(&bob, &offered, 2, None, &key()).await.unwrap();
        assert_eq!(best.seats, [7, 8]);
        assert_eq!(house.states().await, "HHAAAAAHHAAAAAAA");

        // What is booked counts until it is paid for.
        let booking = check_out(&house.app, &ada, held[0].id).await.unwrap();
        assert_eq!(booking.status, BookingStatus::PendingPayment);
        assert_eq!(seats.hold_get(held[0].id).await.unwrap(), None);
        let nine: Vec<u16> = (9..16).chain(2..4).collect();
        let refused = house.hold(&ada, &nine, &key()).await;
        assert!(matches!(refused, Err(HoldRefusal::Limit(Limit::Seats { max: 10 }))), "{refused:?}");
        let origin = Some((held[0].id, ada.user_id));
        seats.apply(booking.id, 2, &[0, 1], Target::Sold, origin).await.unwrap();
        house.hold(&ada, &nine, &key()).await.unwrap();
        assert_eq!(house.states().await, "SSHHAAAHHHHHHHHH");
    }
}

#[tokio::test]
async fn a_person_may_be_in_three_shows_on_any_nodes() {
    let (_cluster, houses) = open(|config| config.holds.ttl_seconds = 1).await;
    let ada = somebody();
    let until = SystemClock.now() + TimeDelta::hours(1);
    for house in &houses {
        let held = house.hold(&ada, &[0], &key()).await.unwrap();
        let booking = house.commit_booking(&[0], false).await;
        let origin = Some((held.id, ada.user_id));
        house.seats().apply(booking, 1, &[0], Target::Claimed { until }, origin).await.unwrap();
    }
    let mut fourth = houses[0].over_unwired(&houses[0].app);
    fourth.show = show(ROOM);
    fourth.publish(&fourth.show).await;
    let refused = fourth.hold(&ada, &[0], "d").await;
    assert!(matches!(refused, Err(HoldRefusal::Limit(Limit::Shows { max: 3 }))), "{refused:?}");

    // What lapses is found by the sweeper on every node, while nobody looks.
    let store = SeatStore::new(fourth.app.deps.redis.clone());
    let shows: Vec<ShowId> = houses.iter().map(House::id).chain([fourth.id()]).collect();
    for house in &houses {
        house.hold(&somebody(), &[4, 5], "b").await.unwrap();
    }
    // The fourth show is not loaded: nobody could hold there.
    let held = store.states_of(&shows).await.unwrap();
    assert_eq!(held.len(), 3);
    assert!(held.values().all(|states| states.starts_with(b"HAAAHHA")), "{held:?}");
    eventually("the sweeper has been everywhere", async || {
        fourth.seats().sweep().await.unwrap();
        let states = store.states_of(&shows).await.unwrap();
        states.values().all(|states| states.starts_with(b"HAAAAAA")).then_some(())
    })
    .await;
}

#[tokio::test]
async fn many_shows_are_asked_for_at_once() {
    let (_cluster, houses) = open(|_| {}).await;
    let mut shows: Vec<ShowId> = houses.iter().map(House::id).collect();
    for _ in 0..40 {
        let show = show(ROOM);
        houses[0].publish(&show).await;
        shows.push(show.show_id);
    }
    let (app, seats) = (&houses[0].app, houses[0].seats());
    let snapshots = join_all(shows.iter().map(|show| seats.snapshot(*show))).await;
    let validators = SeatValidators::new(app.deps.redis.clone());
    let known: Vec<_> = shows
        .iter()
        .zip(snapshots)
        .map(|(show, snapshot)| snapshot.unwrap().validator(*show).unwrap().to_string())
        .collect();
    let all = validators.read(&known).unwrap();
    let each: Vec<_> =
        known.iter().map(|text| validators.read(std::slice::from_ref(text)).unwrap()).collect();
    assert!(all.holds().await);

    // Every other show changes; and all are asked about at the same time.
    for show in shows.iter().step_by(2) {
        houses[0].hold_in(*show, &somebody(), &[0, 1], "a").await.unwrap();
    }
    assert!(!all.holds().await);
    let hold = join_all(each.iter().map(|seats| seats.holds())).await;
    assert!(hold.iter().enumerate().all(|(number, holds)| *holds == (number % 2 == 1)), "{hold:?}");
    let availability = seats.availability(&shows).await.unwrap();
    let states = SeatStore::new(app.deps.redis.clone()).states_of(&shows).await.unwrap();
    assert_eq!((availability.len(), states.len()), (43, 43));
    for (number, show) in shows.iter().enumerate() {
        let expected: &[u8] = if number % 2 == 0 { b"HHA" } else { b"AAA" };
        assert!(states[show].starts_with(expected), "{number}: {:?}", states[show]);
    }
}

#[tokio::test]
async fn viewers_miss_nothing_on_any_node_and_when_a_show_moves() {
    let (cluster, houses) = open(|config| config.seat_map.heartbeat_ms = 60_000).await;
    // Another process, whose subscriptions are on another node perhaps.
    let other = houses[0].another().await;
    for (node, house) in houses.iter().enumerate() {
        let mut here = pin!(house.seats().watch(house.id()).await.unwrap());
        let mut there = pin!(other.seats.watch(house.id()).await.unwrap());
        let (mut a, mut b) = (Viewer::new(house).await, Viewer::new(house).await);
        let (ada, epoch) = (somebody(), a.epoch.clone());
        let mut from = node;
        for seats in [[0, 1], [2, 3], [4, 5]] {
            let held = house.hold(&ada, &seats, &key()).await.unwrap();
            house.hold(&somebody(), &[seats[0] + 6], &key()).await.unwrap();
            other.seats.release(&ada, held.id).await.unwrap();
            a.catch_up(house, &mut here).await;
            b.catch_up(house, &mut there).await;
            let to = (from + 1) % houses.len();
            cluster.move_slot(slot_of_show(house), from, to).await.unwrap();
            from = to;
        }
        assert_eq!(house.states().await, "AAAAAAHAHAHAAAAA");
        assert_eq!((a.resyncs, b.resyncs), (0, 0));
        // Nothing was lost on the way, so it is the same life of the seat map.
        let mut late = pin!(house.another().await.seats.watch(house.id()).await.unwrap());
        a.catch_up(house, &mut late).await;
        assert_eq!((a.resyncs, &a.epoch), (0, &epoch));
    }
}

#[tokio::test]
async fn only_what_a_node_lost_begins_anew() {
    let (mut cluster, houses) = open(|config| config.seat_map.heartbeat_ms = 60_000).await;
    let lost = 1;
    let mut before = Vec::new();
    for house in &houses {
        house.hold(&somebody(), &[0], "a").await.unwrap();
        before.push(house.seats().snapshot(house.id()).await.unwrap());
    }
    let sold = houses[lost].commit_booking(&[1, 2], true).await;
    houses[lost].seats().apply(sold, 1, &[1, 2], Target::Sold, None).await.unwrap();
    let mut deltas = pin!(houses[lost].seats().watch(houses[lost].id()).await.unwrap());
    let mut viewer = Viewer::new(&houses[lost]).await;
    assert_eq!(&viewer.states[..4], b"HSSA");

    // Without one node the whole cluster is away: holds go on in PostgreSQL, whichever node has the show.
    cluster.node(lost).kill().unwrap();
    houses[0].knows(true).await;
    let mut durable = Vec::new();
    for house in &houses[lost..] {
        let held = hold(&house.app, house, &somebody(), &[5], &key()).await.unwrap();
        assert!(held.is_durable());
        durable.push(held);
    }
    cluster.node(lost).revive().await.unwrap();
    houses[0].knows(false).await;
    houses[0].app.holds_follow().await.unwrap();

    let epochs = async || {
        let mut same = Vec::new();
        for (house, before) in houses.iter().zip(&before) {
            let now = house.seats().snapshot(house.id()).await.unwrap();
            assert!(!now.degraded);
            same.push(now.position.epoch == before.position.epoch);
        }
        same
    };
    let same = eventually("all is told", async || {
        houses[0].app.holds_follow().await.unwrap();
        let states = [houses[0].states().await, houses[1].states().await, houses[2].states().await];
        // The hold that only the lost node knew is lost, the sale is not.
        (states == ["HAAAAAAAAAAAAAAA", "ASSAAHAAAAAAAAAA", "HAAAAHAAAAAAAAAA"]).then_some(epochs().await)
    })
    .await;
    assert_eq!((same[0], same[lost]), (true, false));
    viewer.begin_anew(&houses[lost], &mut deltas).await;
    viewer.catch_up(&houses[lost], &mut deltas).await;
    assert_eq!(&viewer.states[..6], b"ASSAAH");

    // Who looks later finds nothing more to do.
    let late = houses[0].another().await;
    for house in &houses {
        let at = house.over_unwired(&late);
        let first = at.seats().snapshot(at.id()).await.unwrap().position.epoch;
        let mut deltas = pin!(at.seats().watch(at.id()).await.unwrap());
        let mut viewer = Viewer::new(&at).await;
        viewer.catch_up(&at, &mut deltas).await;
        assert_eq!(viewer.epoch, first);
    }
}
