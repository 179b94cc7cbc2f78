//! Redis comes back, or is away for some processes only: what was held in one mode and in the other
//! never becomes two owners, and Redis ends up showing what PostgreSQL says.

use std::{collections::BTreeMap, pin::pin, sync::Arc, time::Duration};

use booking::{
    app::{App, checkout::CheckoutError, seats::HoldRefusal},
    domain::{delta::Delta, hold::HoldEnd},
    store::{allocations::allocation_list, bookings::booking_get},
};
use futures::{Stream, StreamExt, future::join_all};
use graphql_kit::Identity;
use kernel::{BookingId, IdSource, SystemIds};

use crate::{
    away::{ROOM, check_out, hold},
    house::{House, somebody, states},
    proxy::Proxy,
    support::{eventually, uuid, within},
};

async fn go_away(house: &House, proxy: &Proxy) {
    proxy.refuse();
    house.knows(true).await;
}

/// Redis is back, and the job has seen it.
async fn come_back(house: &House, proxy: &Proxy) {
    house.app.holds_follow().await.unwrap();
    proxy.heal();
    house.knows(false).await;
    follow(&house.app).await;
}

/// The connections of a pool come back one after the other.
async fn follow(app: &App) {
    eventually("Redis is told", async || app.holds_follow().await.ok()).await;
}

#[tokio::test]
async fn a_durable_hold_stays_itself_when_redis_is_back() {
    let (house, proxy) = House::wired(ROOM, |_| {}).await;
    let ada = somebody();
    let before = house.seats().snapshot(house.id()).await.unwrap();
    go_away(&house, &proxy).await;
    let kept = hold(&house.app, &house, &ada, &[0, 1], "a").await.unwrap();
    let given_back = hold(&house.app, &house, &ada, &[3], "b").await.unwrap();
    let booked = hold(&house.app, &house, &ada, &[5, 6], "c").await.unwrap();
    check_out(&house.app, &ada, booked.id).await.unwrap();
    come_back(&house, &proxy).await;

    let after = house.seats().snapshot(house.id()).await.unwrap();
    assert!(!after.degraded && after.position.epoch != before.position.epoch, "a new epoch");
    assert_eq!(&after.states[..], b"HHAHAHHAAAAAAAAA");
    // It is extended, given back and checked out as before, and Redis follows at once.
    let extended = house.app.hold_extend(&ada, kept.id).await.unwrap();
    assert!(extended.expires_at >= kept.expires_at);
    house.app.hold_release(&ada, given_back.id).await.unwrap();
    assert_eq!(house.states().await, "HHAAAHHAAAAAAAAA");
    let version = house.seats().snapshot(house.id()).await.unwrap().position.version;
    check_out(&house.app, &ada, kept.id).await.unwrap();
    let now = house.seats().snapshot(house.id()).await.unwrap();
    assert_eq!((&now.states[..3], now.position.version), (&b"HHA"[..], version), "nobody noticed");
    // Nobody can hold what it has, and new holds are Redis's.
    let refused = hold(&house.app, &house, &somebody(), &[1], "a").await;
    assert!(matches!(refused, Err(HoldRefusal::SeatsUnavailable { .. })), "{refused:?}");
    assert!(!hold(&house.app, &house, &somebody(), &[2], "a").await.unwrap().is_durable());
}

#[tokio::test]
async fn a_hold_of_redis_gives_way_to_a_durable_one() {
    let (house, proxy) = House::wired(ROOM, |_| {}).await;
    let (ada, bob) = (somebody(), somebody());
    let first = hold(&house.app, &house, &ada, &[0, 1], "a").await.unwrap();
    let bystander = hold(&house.app, &house, &ada, &[9], "b").await.unwrap();
    go_away(&house, &proxy).await;
    let durable = hold(&house.app, &house, &bob, &[1, 2], "a").await.unwrap();
    // Redis is back, and knows nothing of it yet.
    proxy.heal();
    house.knows(false).await;
    let refused = eventually("an answer", async || match check_out(&house.app, &ada, first.id).await {
        Err(CheckoutError::App(_)) => None,
        answer => Some(answer),
    })
    .await;
    let Err(CheckoutError::SeatsTaken { seats, .. }) = refused else {
        panic!("sold against a hold: {refused:?}");
    };
    assert_eq!(seats, [1]);
    // That told Redis, too.
    let gone = house.app.hold_extend(&ada, first.id).await;
    assert!(matches!(gone, Err(HoldRefusal::Gone(HoldEnd::Lost))), "{gone:?}");
    follow(&house.app).await;
    assert_eq!(house.states().await, "AHHAAAAAAHAAAAAA");
    check_out(&house.app, &bob, durable.id).await.unwrap();
    check_out(&house.app, &ada, bystander.id).await.unwrap();
    // Room that was lost can be used again.
    hold(&house.app, &house, &ada, &[3, 4, 5, 6, 7, 8, 10, 11, 12], "c").await.unwrap();
}

#[tokio::test]
async fn a_repetition_in_the_other_mode_replaces_what_was_held() {
    let (house, proxy) = House::wired(ROOM, |_| {}).await;
    let ada = somebody();
    let show = house.seats().show_to_hold(house.id()).await.unwrap();
    let first = house.app.hold_best(&ada, &show, 2, None, "a").await.unwrap();
    go_away(&house, &proxy).await;
    hold(&house.app, &house, &somebody(), &first.seats, "b").await.unwrap();
    // Redis has the answer; PostgreSQL gives another, and that is the one from now on.
    let second = house.app.hold_best(&ada, &show, 2, None, "a").await.unwrap();
    assert_ne!(second.seats, first.seats);
    proxy.heal();
    house.knows(false).await;
    for told in [false, true] {
        if told {
            follow(&house.app).await;
        }
        let again =
            eventually("an answer", async || house.app.hold_best(&ada, &show, 2, None, "a").await.ok()).await;
        assert_eq!(again, second, "told: {told}");
    }
    assert_eq!(house.app.hold_get(first.id).await.unwrap(), None);
    let reused = house.app.hold_best(&ada, &show, 3, None, "a").await;
    assert!(matches!(reused, Err(HoldRefusal::KeyReused)), "{reused:?}");
    // Another process, which has never been without Redis.
    let other = house.unwired().await;
    assert_eq!(other.hold_best(&ada, &show, 2, None, "a").await.unwrap(), second);
    // It counts once against the limits.
    let eight: Vec<u16> =
        (0..16).filter(|seat| house_free(&second.seats, &first.seats, *seat)).take(8).collect();
    hold(&house.app, &house, &ada, &eight, "c").await.unwrap();
    let refused = hold(&house.app, &house, &ada, &[15], "d").await;
    assert!(matches!(refused, Err(HoldRefusal::Limit(_))), "{refused:?}");
}

fn house_free(one: &[u16], other: &[u16], seat: u16) -> bool {
    !one.contains(&seat) && !other.contains(&seat)
}

#[tokio::test]
async fn redis_may_come_back_empty_or_as_it_was_long_ago() {
    for empty in [true, false] {
        let (house, proxy) = House::wired(ROOM, |_| {}).await;
        let other = house.unwired().await;
        let (ada, bob) = (somebody(), somebody());
        house.seats().snapshot(house.id()).await.unwrap();
        let direct = house.over_unwired(&other);
        direct.save_redis().await;
        let lost = hold(&house.app, &house, &bob, &[8], "a").await.unwrap();
        let booked = hold(&house.app, &house, &bob, &[4], "b").await.unwrap();
        check_out(&house.app, &bob, booked.id).await.unwrap();
        go_away(&house, &proxy).await;
        let ten: Vec<u16> = (0..16).filter(|seat| ![4, 8, 9, 10, 11, 12].contains(seat)).collect();
        hold(&house.app, &house, &ada, &ten, "a").await.unwrap();
        if empty {
            direct.lose_redis().await;
        } else {
            direct.set_redis_back().await;
        }
        come_back(&house, &proxy).await;
        assert_eq!(house.states().await, "HHHHHHHHAAAAAHHH", "empty: {empty}");
        assert_eq!(house.app.hold_get(lost.id).await.unwrap(), None);
        let refused = hold(&house.app, &house, &ada, &[9], "b").await;
        assert!(matches!(refused, Err(HoldRefusal::Limit(_))), "what was held counts: {refused:?}");
        hold(&house.app, &house, &bob, &[9], "c").await.unwrap();
    }
}

/// Follows a show as clients should; `true` when the seats are as `app` shows them.
async fn caught_up(
    app: &App,
    house: &House,
    deltas: &mut (impl Stream<Item = Arc<Delta>> + Unpin),
    seen: &mut (Arc<str>, u64, Vec<u8>),
) -> bool {
    let Ok(Some(delta)) = tokio::time::timeout(Duration::from_millis(50), deltas.next()).await else {
        let now = app.seats.snapshot(house.id()).await.unwrap();
        return seen.2 == now.states && seen.0 == now.position.epoch;
    };
    if delta.epoch == seen.0 && delta.version <= seen.1 {
        return false;
    }
    if delta.epoch != seen.0 || delta.from_version != seen.1 {
        let now = app.seats.snapshot(house.id()).await.unwrap();
        *seen = (now.position.epoch, now.position.version, now.states.to_vec());
    } else {
        for change in &delta.changes {
            seen.2[usize::from(change.seat)] = change.state.byte();
        }
        seen.1 = delta.version;
    }
    false
}

#[tokio::test]
async fn who_watches_sees_all_of_it() {
    let (house, proxy) = House::wired(ROOM, |_| {}).await;
    let ada = somebody();
    let mut deltas = pin!(house.seats().watch(house.id()).await.unwrap());
    let now = house.seats().snapshot(house.id()).await.unwrap();
    let mut seen = (now.position.epoch, now.position.version, now.states.to_vec());
    hold(&house.app, &house, &ada, &[0], "a").await.unwrap();
    within("the first hold", async { while !caught_up(&house.app, &house, &mut deltas, &mut seen).await {} })
        .await;

    go_away(&house, &proxy).await;
    within("the map of PostgreSQL", async {
        while !caught_up(&house.app, &house, &mut deltas, &mut seen).await {}
    })
    .await;
    assert!(seen.0.starts_with("pg-"));
    let durable = hold(&house.app, &house, &ada, &[1, 2], "b").await.unwrap();
    within("the durable hold", async {
        while !caught_up(&house.app, &house, &mut deltas, &mut seen).await {}
    })
    .await;
    assert_eq!(&seen.2[1..4], b"HHA");
    // Who comes now watches, too.
    let mut late = pin!(house.seats().watch(house.id()).await.unwrap());
    assert_eq!(within("the first heartbeat", late.next()).await.unwrap().epoch, seen.0);

    come_back(&house, &proxy).await;
    hold(&house.app, &house, &ada, &[7], "c").await.unwrap();
    within("Redis again", async { while !caught_up(&house.app, &house, &mut deltas, &mut seen).await {} })
        .await;
    assert_eq!(&seen.2[..8], b"HHHAAAAH");
    assert!(!seen.0.starts_with("pg-"));
    house.app.hold_release(&ada, durable.id).await.unwrap();
    within("the end", async { while !caught_up(&house.app, &house, &mut deltas, &mut seen).await {} }).await;
    within("the late one", async { while !caught_up(&house.app, &house, &mut late, &mut seen).await {} })
        .await;
}

#[tokio::test]
async fn a_process_that_has_redis_hears_of_what_another_held_without_it() {
    let (house, proxy) = House::wired(ROOM, |_| {}).await;
    let other = house.unwired().await;
    let (ada, bob) = (somebody(), somebody());
    let mine = hold(&other, &house, &bob, &[2, 3], "a").await.unwrap();
    let mut deltas = pin!(other.seats.watch(house.id()).await.unwrap());
    deltas.next().await;
    go_away(&house, &proxy).await;
    let durable = hold(&house.app, &house, &ada, &[0, 1, 2], "a").await.unwrap();
    let epoch = other.seats.snapshot(house.id()).await.unwrap().position.epoch;
    other.holds_follow().await.unwrap();
    let heard = within("the change", deltas.next()).await.unwrap();
    assert_eq!((&heard.epoch, heard.changes.len()), (&epoch, 3), "a delta like any other");
    assert_eq!(&states(&other, house.id()).await[..4], "HHHA");
    assert_eq!(other.hold_get(mine.id).await.unwrap(), None);
    // Whoever has the id can go on with it, anywhere.
    check_out(&other, &ada, durable.id).await.unwrap();
    let again = hold(&house.app, &house, &ada, &[0, 1, 2], "a").await;
    assert!(matches!(again, Err(HoldRefusal::Gone(HoldEnd::Consumed))), "{again:?}");
}

/// One of many people, who holds and checks out seats, or changes their mind.
async fn wander(app: &App, house: &House, who: &Identity, sold: &mut Vec<(BookingId, Vec<u16>)>) {
    for _ in 0..6 {
        let draw = SystemIds.local();
        let first = (draw % 12) as u16;
        let seats: Vec<u16> = (first..first + 1 + (draw >> 8) as u16 % 3).collect();
        let Ok(held) = hold(app, house, who, &seats, &uuid().to_string()).await else { continue };
        match (draw >> 16) % 3 {
            0 => drop(app.hold_release(who, held.id).await),
            1 => drop(app.hold_extend(who, held.id).await),
            _ => {}
        }
        if let Ok(booking) = check_out(app, who, held.id).await {
            sold.push((booking.id, seats));
        }
    }
}

#[tokio::test]
async fn races_in_both_modes_give_no_seat_two_owners() {
    for _ in 0..3 {
        let (house, proxy) = House::wired(ROOM, |config| config.holds.max_shows_per_user = 1_000).await;
        let other = house.unwired().await;
        go_away(&house, &proxy).await;
        let crowd = (0..24).map(async |n| {
            let app = if n % 2 == 0 { &house.app } else { &other };
            let mut sold = Vec::new();
            wander(app, &house, &somebody(), &mut sold).await;
            sold
        });
        let job = async {
            loop {
                // It meets the same chaos as everybody.
                drop(other.holds_follow().await);
                tokio::task::yield_now().await;
            }
        };
        let sold = tokio::select! {
            sold = join_all(crowd) => sold,
            () = job => unreachable!(),
        };
        let mut owners = BTreeMap::new();
        for (booking, seats) in sold.into_iter().flatten() {
            for seat in seats {
                assert_eq!(owners.insert(seat, booking), None, "seat {seat} was sold twice");
            }
        }
        assert!(!owners.is_empty());
        let rows = allocation_list(&other.deps.pg, house.id()).await.unwrap();
        let rows: BTreeMap<u16, BookingId> = rows.iter().map(|row| (row.seat_no, row.booking)).collect();
        assert_eq!(rows, owners);
        assert_eq!(house.deadlocks().await, 0);
        for booking in owners.values() {
            assert!(booking_get(&other.deps.pg, *booking).await.unwrap().is_some());
            other.booking_sync(*booking).await.unwrap();
        }
        // Whoever still holds something in Redis gives it back; then all see the same.
        come_back(&house, &proxy).await;
        follow(&other).await;
        let shown = states(&house.app, house.id()).await;
        assert_eq!(shown, states(&other, house.id()).await);
        let held = house.held_seats().await;
        for (seat, letter) in (0_u16..).zip(shown.chars()) {
            if owners.contains_key(&seat) || held.contains(&seat) {
                assert_eq!(letter, 'H', "seat {seat} of {shown}");
            }
        }
    }
}
