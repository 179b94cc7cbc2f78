//! Redis is away: holds go on in PostgreSQL under the same rules.

use booking::{
    app::{
        App,
        checkout::{CheckedOut, CheckoutError, CheckoutRequest},
        seats::{Hold, HoldRefusal, Limit},
    },
    domain::{
        booking::{Booking, BookingStatus},
        hold::HoldEnd,
    },
    store::seats::Wanted,
};
use futures::future::join_all;
use graphql_kit::Identity;
use kernel::HoldId;

use crate::{
    house::{House, show, somebody},
    proxy::Proxy,
    support::{eventually, uuid},
};

pub const ROOM: &str = "A:RRRRRRRRRRRRRRRR";

/// A house whose Redis has just gone away.
async fn without_redis(adjust: impl FnOnce(&mut booking::Config)) -> (House, Proxy) {
    let (house, proxy) = House::wired(ROOM, adjust).await;
    proxy.refuse();
    house.knows(true).await;
    (house, proxy)
}

pub async fn hold(
    app: &App,
    house: &House,
    who: &Identity,
    seats: &[u16],
    key: &str,
) -> Result<Hold, HoldRefusal> {
    let show = app.seats.show_to_hold(house.id()).await?;
    app.hold(who, &show, Wanted::Seats(seats), key).await
}

pub async fn check_out(app: &App, who: &Identity, hold: HoldId) -> Result<Booking, CheckoutError> {
    let request = CheckoutRequest {
        who: who.clone(),
        hold,
        idempotency_key: uuid().to_string(),
        accept_equivalent: false,
    };
    app.checkout(&request).await.map(|CheckedOut { booking, .. }| booking)
}

#[tokio::test]
async fn seats_are_held_shown_and_refused_without_redis() {
    let (house, proxy) = House::wired(ROOM, |_| {}).await;
    for fault in [Proxy::refuse, Proxy::hang] {
        fault(&proxy);
        house.knows(true).await;
        let before = house.seats().snapshot(house.id()).await.unwrap();
        assert!(before.degraded && before.position.epoch.starts_with("pg-"), "{before:?}");
        assert_eq!((before.position.version, before.available()), (0, 16));

        let (ada, bob) = (somebody(), somebody());
        let key = uuid().to_string();
        let held = hold(&house.app, &house, &ada, &[1, 2], &key).await.unwrap();
        assert!(held.is_durable());
        assert_eq!((held.owner, held.seats.as_slice()), (ada.user_id, &[1, 2][..]));
        assert_eq!(house.app.hold_get(held.id).await.unwrap(), Some(held.clone()));
        let after = house.seats().snapshot(house.id()).await.unwrap();
        assert_eq!(&after.states[..4], b"AHHA");
        assert_ne!(after.position.epoch, before.position.epoch);

        let refused = hold(&house.app, &house, &bob, &[2, 3], &key).await;
        let Err(HoldRefusal::SeatsUnavailable { seats, alternatives }) = refused else {
            panic!("a seat was given twice: {refused:?}");
        };
        assert_eq!((seats, alternatives[0].as_slice()), (vec![2], &[3, 4][..]));
        let best = hold(&house.app, &house, &bob, &alternatives[0], &key).await.unwrap();
        house.app.hold_release(&bob, best.id).await.unwrap();
        house.app.hold_release(&ada, held.id).await.unwrap();
        let empty = house.seats().snapshot(house.id()).await.unwrap();
        assert_eq!(empty.position.epoch, before.position.epoch, "the same seats, the same epoch");
        proxy.heal();
        house.knows(false).await;
    }
}

#[tokio::test]
async fn the_best_seats_are_the_same_as_ever() {
    let (house, _proxy) = without_redis(|_| {}).await;
    let show = house.seats().show_to_hold(house.id()).await.unwrap();
    let first = house.app.hold_best(&somebody(), &show, 2, None, "a").await.unwrap();
    let second = house.app.hold_best(&somebody(), &show, 2, None, "b").await.unwrap();
    assert_eq!((first.seats.as_slice(), second.seats.as_slice()), (&[7, 8][..], &[5, 6][..]));
    for (key, seats) in [("c", 5), ("d", 5), ("g", 2)] {
        house.app.hold_best(&somebody(), &show, seats, None, key).await.unwrap();
    }
    let refused = house.app.hold_best(&somebody(), &show, 1, None, "e").await;
    assert!(matches!(refused, Err(HoldRefusal::SeatsUnavailable { .. })), "{refused:?}");
    let refused = house.app.hold_best(&somebody(), &show, 11, None, "f").await;
    assert!(matches!(refused, Err(HoldRefusal::InvalidQuantity { max: 10 })), "{refused:?}");
}

#[tokio::test]
async fn the_same_request_holds_once() {
    let (house, _proxy) = without_redis(|_| {}).await;
    let ada = somebody();
    let repeated = join_all((0..20).map(|_| hold(&house.app, &house, &ada, &[3, 4, 5], "key"))).await;
    let holds: Vec<_> = repeated.into_iter().map(Result::unwrap).collect();
    assert!(holds.iter().all(|hold| hold == &holds[0]));
    let reused = hold(&house.app, &house, &ada, &[9], "key").await;
    assert!(matches!(reused, Err(HoldRefusal::KeyReused)), "{reused:?}");
    // The key is the person's own.
    hold(&house.app, &house, &somebody(), &[9], "key").await.unwrap();
    // A late repetition does not hold again what was given back.
    for _ in 0..2 {
        house.app.hold_release(&ada, holds[0].id).await.unwrap();
    }
    let late = hold(&house.app, &house, &ada, &[3, 4, 5], "key").await;
    assert!(matches!(late, Err(HoldRefusal::Gone(HoldEnd::Released))), "{late:?}");
}

#[tokio::test]
async fn ten_seats_in_three_shows_at_a_time() {
    let (house, _proxy) = without_redis(|_| {}).await;
    let mut shows = vec![house.id()];
    for _ in 0..3 {
        let show = show(ROOM);
        house.publish(&show).await;
        shows.push(show.show_id);
    }
    let ada = somebody();
    let hold_in = async |show: usize, seats: &[u16], key: &str| {
        let show = house.seats().show_to_hold(shows[show]).await.unwrap();
        house.app.hold(&ada, &show, Wanted::Seats(seats), key).await
    };
    let first = hold_in(0, &[0, 1, 2], "a").await.unwrap();
    hold_in(1, &[0, 1, 2], "b").await.unwrap();
    hold_in(2, &[0, 1], "c").await.unwrap();
    let refused = hold_in(3, &[0], "d").await;
    assert!(matches!(refused, Err(HoldRefusal::Limit(Limit::Shows { max: 3 }))), "{refused:?}");
    let refused = hold_in(2, &[4, 5, 6], "e").await;
    assert!(matches!(refused, Err(HoldRefusal::Limit(Limit::Seats { max: 10 }))), "{refused:?}");
    // What is booked counts until it is paid for, what is given back does not.
    check_out(&house.app, &ada, first.id).await.unwrap();
    let refused = hold_in(2, &[4, 5, 6], "e").await;
    assert!(matches!(refused, Err(HoldRefusal::Limit(Limit::Seats { max: 10 }))), "{refused:?}");
    let second = hold_in(1, &[0, 1, 2], "b").await.unwrap();
    house.app.hold_release(&ada, second.id).await.unwrap();
    hold_in(2, &[4, 5, 6], "e").await.unwrap();
    // At once is no way around it.
    let bob = somebody();
    let show = house.seats().show_to_hold(shows[3]).await.unwrap();
    let rivals = (0..16_u16).map(async |seat| {
        house.app.hold(&bob, &show, Wanted::Seats(&[seat]), &uuid().to_string()).await.is_ok()
    });
    assert_eq!(join_all(rivals).await.into_iter().filter(|held| *held).count(), 10);
}

#[tokio::test]
async fn a_durable_hold_can_be_extended_to_its_longest_life_by_its_owner() {
    let (house, _proxy) = without_redis(|config| {
        config.holds.ttl_seconds = 2;
        config.holds.longest_seconds = 3;
    })
    .await;
    let ada = somebody();
    let held = hold(&house.app, &house, &ada, &[0], "a").await.unwrap();
    for stranger in [
        house.app.hold_extend(&somebody(), held.id).await.map(drop),
        house.app.hold_release(&somebody(), held.id).await,
    ] {
        assert!(matches!(stranger, Err(HoldRefusal::NotFound)), "{stranger:?}");
    }
    let longest = held.created_at + chrono::TimeDelta::seconds(3);
    let last = eventually("the longest life", async || {
        let extended = house.app.hold_extend(&ada, held.id).await.unwrap();
        (extended.expires_at == longest).then_some(extended)
    })
    .await;
    assert!(last.expires_at > held.expires_at);
    let refused = house.app.hold_extend(&ada, held.id).await;
    assert!(matches!(refused, Err(HoldRefusal::Limit(Limit::Life { minutes: 1 }))), "{refused:?}");
    let gone = eventually("its end", async || {
        house
            .app
            .hold_extend(&ada, held.id)
            .await
            .err()
            .filter(|refusal| !matches!(refusal, HoldRefusal::Limit(_)))
    })
    .await;
    assert!(matches!(gone, HoldRefusal::Gone(HoldEnd::Expired)), "{gone:?}");
    let gone = house.app.hold_release(&ada, held.id).await;
    assert!(matches!(gone, Err(HoldRefusal::Gone(HoldEnd::Expired))), "{gone:?}");
}

#[tokio::test]
async fn durable_holds_end_by_themselves_with_no_job_running() {
    let (house, _proxy) = without_redis(|config| config.holds.ttl_seconds = 1).await;
    let (ada, bob) = (somebody(), somebody());
    let held = hold(&house.app, &house, &ada, &[0, 1], "a").await.unwrap();
    eventually("the seats look free", async || (house.states().await.starts_with("AA")).then_some(())).await;
    let late = check_out(&house.app, &ada, held.id).await;
    assert!(matches!(late, Err(CheckoutError::HoldExpired)), "{late:?}");
    let other = hold(&house.app, &house, &bob, &[1, 2], "b").await.unwrap();
    check_out(&house.app, &bob, other.id).await.unwrap();
    let late = hold(&house.app, &house, &ada, &[0, 1], "a").await;
    assert!(matches!(late, Err(HoldRefusal::Gone(HoldEnd::Expired))), "{late:?}");

    // The job leaves no rows behind.
    hold(&house.app, &house, &ada, &[5], "c").await.unwrap();
    eventually("no seat is held", async || {
        house.app.holds_follow().await.unwrap();
        (house.held_rows().await == 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_durable_hold_becomes_one_booking() {
    let (house, _proxy) = without_redis(|_| {}).await;
    let ada = somebody();
    let held = hold(&house.app, &house, &ada, &[4, 5], "a").await.unwrap();
    let stranger = check_out(&house.app, &somebody(), held.id).await;
    assert!(matches!(stranger, Err(CheckoutError::HoldNotFound)), "{stranger:?}");
    let bookings = join_all((0..8).map(|_| check_out(&house.app, &ada, held.id))).await;
    let bookings: Vec<_> = bookings.into_iter().map(Result::unwrap).collect();
    assert!(bookings.iter().all(|booking| booking.id == bookings[0].id));
    assert_eq!((bookings[0].status, bookings[0].hold), (BookingStatus::PendingPayment, held.id));
    assert_eq!(house.held_rows().await, 0);
    assert_eq!(&house.states().await[4..6], "HH");
    for gone in
        [house.app.hold_extend(&ada, held.id).await.map(drop), house.app.hold_release(&ada, held.id).await]
    {
        assert!(matches!(gone, Err(HoldRefusal::Gone(HoldEnd::Consumed))), "{gone:?}");
    }
}

#[tokio::test]
async fn an_overdue_claim_gives_way_to_a_durable_hold() {
    let (house, _proxy) = without_redis(|config| config.claim_ttl_seconds = 60).await;
    let (ada, bob) = (somebody(), somebody());
    let held = hold(&house.app, &house, &ada, &[4, 5], "a").await.unwrap();
    let booking = check_out(&house.app, &ada, held.id).await.unwrap();
    let refused = hold(&house.app, &house, &bob, &[5, 6], "b").await;
    assert!(matches!(refused, Err(HoldRefusal::SeatsUnavailable { .. })), "{refused:?}");
    house.advance_database(61).await;
    hold(&house.app, &house, &bob, &[5, 6], "b").await.unwrap();
    let ended = booking::store::bookings::booking_get(&house.app.deps.pg, booking.id).await.unwrap().unwrap();
    assert_eq!(ended.status, BookingStatus::Expired);
}

#[tokio::test]
async fn holds_of_redis_have_to_wait_for_it() {
    let (house, proxy) = House::wired(ROOM, |_| {}).await;
    let ada = somebody();
    let held = hold(&house.app, &house, &ada, &[0], "a").await.unwrap();
    assert!(!held.is_durable());
    proxy.refuse();
    house.knows(true).await;
    let refused = house.app.hold_extend(&ada, held.id).await;
    assert!(matches!(&refused, Err(HoldRefusal::Failed(error)) if error.is_unavailable()), "{refused:?}");
    let refused = house.app.hold_release(&ada, held.id).await;
    assert!(matches!(&refused, Err(HoldRefusal::Failed(error)) if error.is_unavailable()), "{refused:?}");
    let refused = check_out(&house.app, &ada, held.id).await;
    assert!(matches!(&refused, Err(CheckoutError::App(error)) if error.is_unavailable()), "{refused:?}");
    proxy.heal();
    house.knows(false).await;
    check_out(&house.app, &ada, held.id).await.unwrap();
}

#[tokio::test]
async fn each_step_of_a_durable_hold_is_in_the_audit_trail() {
    let (house, _proxy) = without_redis(|config| config.holds.ttl_seconds = 1).await;
    let ada = somebody();
    let released = hold(&house.app, &house, &ada, &[0], "a").await.unwrap();
    house.app.hold_release(&ada, released.id).await.unwrap();
    let consumed = hold(&house.app, &house, &ada, &[1], "b").await.unwrap();
    let booking = check_out(&house.app, &ada, consumed.id).await.unwrap();
    hold(&house.app, &house, &ada, &[2], "c").await.unwrap();
    eventually("the end of the last", async || {
        house.app.holds_follow().await.unwrap();
        (house.held_rows().await == 0).then_some(())
    })
    .await;
    let trail = house.audit().await;
    let user = format!("USER {}", ada.user_id);
    let steps = [
        (0, None, "HELD", user.as_str()),
        (0, Some("HELD"), "RELEASED", &user),
        (1, None, "HELD", &user),
        (1, Some("HELD"), "CONSUMED", &user),
        (2, None, "HELD", &user),
        (2, Some("HELD"), "EXPIRED", "SYSTEM booking-durable-holds"),
    ];
    let expected: Vec<_> = steps
        .iter()
        .map(|(seat, from, to, by)| {
            let booking = (*to == "CONSUMED").then(|| booking.id.local_i64());
            (vec![*seat], from.map(str::to_owned), (*to).to_owned(), (*by).to_owned(), booking)
        })
        .collect();
    assert_eq!(trail, expected);
}
