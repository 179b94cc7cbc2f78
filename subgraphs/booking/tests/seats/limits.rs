//! What one person may hold, and what an idempotency key stands for.

use booking::{
    app::seats::{HoldRefusal, Limit, Target},
    domain::hold::HoldEnd,
};
use chrono::TimeDelta;
use futures::future::join_all;
use kernel::{BookingId, Clock, SystemClock};

use crate::{
    house::{House, show, somebody},
    support::{eventually, uuid},
};

const ROOM: &str = "A:RRRRRRRRRRRRRRRR";

/// One whose users are where its shows are, and one for which they may be elsewhere, as in a cluster of Redis.
async fn houses() -> [House; 2] {
    [House::open(ROOM).await, House::with(ROOM, |config| config.holds.apart = true).await]
}

#[tokio::test]
async fn ten_seats_in_three_shows_at_a_time() {
    for house in houses().await {
        let mut shows = vec![house.id()];
        for _ in 0..3 {
            let show = show(ROOM);
            house.publish(&show).await;
            shows.push(show.show_id);
        }
        let ada = somebody();
        let first = house.hold_in(shows[0], &ada, &[0, 1, 2], "a").await.unwrap();
        house.hold_in(shows[1], &ada, &[0, 1, 2], "b").await.unwrap();
        house.hold_in(shows[2], &ada, &[0, 1], "c").await.unwrap();

        let refused = house.hold_in(shows[3], &ada, &[0], "d").await;
        assert!(matches!(refused, Err(HoldRefusal::Limit(Limit::Shows { max: 3 }))), "{refused:?}");
        let refused = house.hold_in(shows[2], &ada, &[4, 5, 6], "e").await;
        assert!(matches!(refused, Err(HoldRefusal::Limit(Limit::Seats { max: 10 }))), "{refused:?}");
        // Others are not concerned, and another hold in a known show is no further show.
        house.hold_in(shows[3], &somebody(), &[0], "d").await.unwrap();
        house.hold_in(shows[0], &ada, &[5, 6], "f").await.unwrap();

        // What is given back can be used again, under the key that was refused.
        house.seats().release(&ada, first.id).await.unwrap();
        house.hold_in(shows[2], &ada, &[4, 5, 6], "e").await.unwrap();
    }
}

#[tokio::test]
async fn a_refusal_costs_nothing() {
    for house in houses().await {
        let (ada, bob) = (somebody(), somebody());
        let taken = house.hold(&bob, &[0, 1, 2, 3, 4, 5], "b").await.unwrap();
        for attempt in 0..3 {
            let refused = house.hold(&ada, &[4, 5, 6, 7, 8, 9], &format!("a{attempt}")).await;
            let Err(HoldRefusal::SeatsUnavailable { seats, .. }) = refused else { panic!("{refused:?}") };
            assert_eq!(seats, [4, 5]);
        }
        house.hold(&ada, &[6, 7, 8, 9, 10, 11, 12, 13, 14, 15], "all").await.unwrap();
        // A key whose request was refused may be used again, for anything.
        house.seats().release(&bob, taken.id).await.unwrap();
        let cleo = somebody();
        house.hold(&cleo, &[8], "k").await.unwrap_err();
        house.hold(&cleo, &[0], "k").await.unwrap();
    }
}

#[tokio::test]
async fn the_same_request_holds_once() {
    for house in houses().await {
        let ada = somebody();
        let repeated = join_all((0..50).map(|_| house.hold(&ada, &[3, 4, 5, 6, 7, 8], "key"))).await;
        let holds: Vec<_> = repeated.into_iter().map(Result::unwrap).collect();
        assert!(holds.iter().all(|hold| hold == &holds[0]));
        assert_eq!(house.states().await, "AAAHHHHHHAAAAAAA");
        // It counts once against the limits.
        house.hold(&ada, &[0, 1, 2], "other").await.unwrap();

        let reused = house.hold(&ada, &[9], "key").await;
        assert!(matches!(reused, Err(HoldRefusal::KeyReused)), "{reused:?}");
        let show = house.seats().show_to_hold(house.id()).await.unwrap();
        let reused = house.seats().best_available(&ada, &show, 1, None, "key").await;
        assert!(matches!(reused, Err(HoldRefusal::KeyReused)), "{reused:?}");
        // The key is the person's own.
        house.hold(&somebody(), &[9], "key").await.unwrap();

        // A late repetition does not hold again what was given back.
        house.seats().release(&ada, holds[0].id).await.unwrap();
        let late = house.hold(&ada, &[3, 4, 5, 6, 7, 8], "key").await;
        assert!(matches!(late, Err(HoldRefusal::Gone(HoldEnd::Released))), "{late:?}");
        assert_eq!(house.states().await, "HHHAAAAAAHAAAAAA");
        house.hold(&ada, &[3, 4, 5, 6, 7, 8], "fresh").await.unwrap();
    }
}

#[tokio::test]
async fn an_interrupted_request_is_carried_on_by_its_repetition() {
    for house in houses().await {
        let ada = somebody();
        // As if the process had died after the reservation: the show does not know of the hold.
        let hold = house.hold(&ada, &[0, 1], "key").await.unwrap();
        house.lose_seats().await;
        let again = house.hold(&ada, &[0, 1], "key").await.unwrap();
        assert_eq!(again.id, hold.id);
        assert_eq!(house.states().await, "HHAAAAAAAAAAAAAA");
    }
}

#[tokio::test]
async fn a_hold_that_got_lost_takes_no_room() {
    for house in houses().await {
        let (ada, ten) = (somebody(), (6..16).collect::<Vec<_>>());
        house.hold(&ada, &[0, 1], "key").await.unwrap();
        house.lose_seats().await;
        house.hold(&somebody(), &[1], "key").await.unwrap();
        let refused = house.hold(&ada, &[0, 1], "key").await;
        assert!(matches!(refused, Err(HoldRefusal::SeatsUnavailable { .. })), "{refused:?}");
        house.hold(&ada, &ten, "other").await.unwrap();
    }
}

#[tokio::test]
async fn a_hold_whose_room_got_lost_counts_when_its_request_is_repeated() {
    for house in houses().await {
        let (ada, nine) = (somebody(), (6..15).collect::<Vec<_>>());
        let hold = house.hold(&ada, &[0, 1], "key").await.unwrap();
        house.lose_room(&ada).await;
        assert_eq!(house.hold(&ada, &[0, 1], "key").await.unwrap(), hold);
        assert_eq!(house.hold(&ada, &[0, 1], "key").await.unwrap(), hold);
        let refused = house.hold(&ada, &nine, "other").await;
        assert!(matches!(refused, Err(HoldRefusal::Limit(Limit::Seats { max: 10 }))), "{refused:?}");
    }
}

#[tokio::test]
async fn lapse_makes_room() {
    let house = House::with(ROOM, |config| config.holds.ttl_seconds = 1).await;
    let bob = somebody();
    house.hold(&bob, &[0, 1, 2, 3, 4, 5], "a").await.unwrap();
    eventually("room for ten again", async || {
        let seats: Vec<u16> = (6..16).collect();
        house.hold(&bob, &seats, &uuid().to_string()).await.ok()
    })
    .await;
}

#[tokio::test]
async fn what_is_booked_counts_until_it_is_paid_or_over() {
    for end in [Target::Sold, Target::Freed] {
        let house = House::with(ROOM, |config| config.holds.ttl_seconds = 1).await;
        let ada = somebody();
        let ten: Vec<u16> = (0..10).collect();
        let hold = house.hold(&ada, &ten, "a").await.unwrap();
        let booking = BookingId::new(house.id(), 7);
        let until = hold.expires_at + TimeDelta::hours(1);
        let origin = Some((hold.id, ada.user_id));
        let claimed = Target::Claimed { until };
        for _ in 0..2 {
            house.seats().apply(booking, 1, &ten, claimed, origin).await.unwrap();
            assert_eq!(house.seats().hold_get(hold.id).await.unwrap(), None);
            let refused = house.hold(&ada, &[10], "b").await;
            assert!(matches!(refused, Err(HoldRefusal::Limit(Limit::Seats { max: 10 }))), "{refused:?}");
        }
        // The end of the hold itself, which others see, changes nothing.
        eventually("the hold would have lapsed", async || {
            (SystemClock.now() > hold.expires_at).then_some(())
        })
        .await;
        house.hold(&ada, &[10], "c").await.unwrap_err();
        house.hold(&somebody(), &[10], "c").await.unwrap();

        house.seats().apply(booking, 2, &ten, end, origin).await.unwrap();
        // Late, it takes no room again.
        house.seats().apply(booking, 1, &ten, claimed, origin).await.unwrap();
        house.hold(&ada, &[11, 12], "d").await.unwrap();
    }
}

#[tokio::test]
async fn a_claim_that_lapses_makes_room() {
    let house = House::open(ROOM).await;
    let ada = somebody();
    let ten: Vec<u16> = (0..10).collect();
    let hold = house.hold(&ada, &ten, "a").await.unwrap();
    let until = SystemClock.now() + TimeDelta::seconds(1);
    let claimed = Target::Claimed { until };
    let origin = Some((hold.id, ada.user_id));
    house.seats().apply(BookingId::new(house.id(), 7), 1, &ten, claimed, origin).await.unwrap();
    eventually("room for ten again", async || house.hold(&ada, &ten, &uuid().to_string()).await.ok()).await;
}

#[tokio::test]
async fn a_hold_can_be_extended_to_its_longest_life() {
    let house = House::with(ROOM, |config| {
        config.holds.ttl_seconds = 60;
        config.holds.longest_seconds = 60;
    })
    .await;
    let ada = somebody();
    let hold = house.hold(&ada, &[0], "a").await.unwrap();
    // Created in some millisecond of a second, it ends a moment after its longest life.
    let refused = house.seats().extend(&ada, hold.id).await;
    assert!(matches!(refused, Err(HoldRefusal::Limit(Limit::Life { minutes: 1 }))), "{refused:?}");
    let refused = house.seats().extend(&somebody(), hold.id).await;
    assert!(matches!(refused, Err(HoldRefusal::NotFound)), "{refused:?}");

    let house = House::open(ROOM).await;
    let hold = house.hold(&ada, &[0], "a").await.unwrap();
    let extended = house.seats().extend(&ada, hold.id).await.unwrap();
    assert!(extended.expires_at >= hold.expires_at);
    assert_eq!(house.seats().hold_get(hold.id).await.unwrap(), Some(extended));
}

#[tokio::test]
async fn a_show_that_is_over_or_called_off_has_no_seats_to_hold() {
    let house = House::open(ROOM).await;
    let ada = somebody();
    let refused = house.hold(&ada, &[], "a").await;
    assert!(matches!(refused, Err(HoldRefusal::InvalidQuantity { max: 10 })), "{refused:?}");
    let refused = house.hold(&ada, &[0], "").await;
    assert!(matches!(refused, Err(HoldRefusal::InvalidKey { .. })), "{refused:?}");
    let refused = house.hold_in(kernel::ShowId::from_uuid(uuid()), &ada, &[0], "a").await;
    assert!(matches!(refused, Err(HoldRefusal::UnknownShow)), "{refused:?}");
    house.clock.set(house.show.starts_at);
    let refused = house.hold(&ada, &[0], "a").await;
    assert!(matches!(refused, Err(HoldRefusal::ShowStarted)), "{refused:?}");
    house.execute("update booking.shows set status = 'CANCELLED'").await;
    house.app.shows.forget(house.id()).await;
    let refused = house.hold(&ada, &[0], "a").await;
    assert!(matches!(refused, Err(HoldRefusal::ShowCancelled)), "{refused:?}");
}
