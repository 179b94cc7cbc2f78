//! Redis follows PostgreSQL, whatever is lost, late, or at the same time.

use std::sync::atomic::{AtomicBool, Ordering};

use booking::app::seats::{SeatsError, Target};
use chrono::TimeDelta;
use futures::future::{join, join_all};
use kernel::{Clock, ShowId, SystemClock};

use crate::{
    house::{House, somebody, states},
    support::uuid,
};

#[tokio::test]
async fn a_show_is_loaded_once_however_many_ask() {
    let house = House::open("A:RRRRRR").await;
    house.commit_booking(&[1, 2], true).await;
    house.commit_booking(&[4], false).await;
    let other = house.another().await;
    let readers = (0..60).map(async |n| {
        let app = if n % 2 == 0 { &house.app } else { &other };
        app.seats.snapshot(house.id()).await.unwrap()
    });
    let snapshots = join_all(readers).await;
    assert!(snapshots.iter().all(|snapshot| snapshot == &snapshots[0]), "two loads");
    assert_eq!(&snapshots[0].states[..], b"ASSAHA");

    house.lose_redis().await;
    let again = house.seats().snapshot(house.id()).await.unwrap();
    assert_ne!(again.position.epoch, snapshots[0].position.epoch);
    assert_eq!(again.states, snapshots[0].states);

    let unknown = house.seats().snapshot(ShowId::from_uuid(uuid())).await;
    assert!(matches!(unknown, Err(SeatsError::UnknownShow(_))), "{unknown:?}");
}

#[tokio::test]
async fn a_changed_show_keeps_its_holds() {
    let house = House::open("A:RRRR").await;
    let (ada, bob) = (somebody(), somebody());
    let kept = house.hold(&ada, &[0], "a").await.unwrap();
    let mut changed = house.show.clone();
    changed.revision = 2;
    changed.blocked = vec![3];
    house.publish(&changed).await;
    house.seats().show_changed(house.id(), 2).await.unwrap();
    assert_eq!(house.states().await, "HAAB");
    assert_eq!(house.seats().hold_get(kept.id).await.unwrap(), Some(kept));

    // Nobody tells: the first hold with the new revision finds out.
    changed.revision = 3;
    changed.blocked = vec![2];
    house.publish(&changed).await;
    house.hold(&bob, &[3], "b").await.unwrap();
    assert_eq!(house.states().await, "HABH");
}

#[tokio::test]
async fn a_change_whose_reload_was_interrupted_is_carried_on_by_its_repetition() {
    let house = House::open("A:RRRR").await;
    let kept = house.hold(&somebody(), &[0], "a").await.unwrap();
    let mut changed = house.show.clone();
    changed.revision = 2;
    changed.blocked = vec![3];
    // As if the process had died after the commit: the table has the change, the seat map has not.
    house.publish(&changed).await;
    assert_eq!(house.states().await, "HAAA");
    house.app.show_follow(&changed).await.unwrap();
    assert_eq!(house.states().await, "HAAB");
    assert_eq!(house.seats().hold_get(kept.id).await.unwrap(), Some(kept));

    // Once more, and what came before: nothing is loaded again.
    let epoch = house.seats().snapshot(house.id()).await.unwrap().position.epoch;
    house.app.show_follow(&changed).await.unwrap();
    house.app.show_follow(&house.show).await.unwrap();
    assert_eq!(house.seats().snapshot(house.id()).await.unwrap().position.epoch, epoch);
}

#[tokio::test]
async fn a_late_message_about_one_booking_does_not_take_the_seat_of_another() {
    let house = House::open("A:RRRR").await;
    house.seats().snapshot(house.id()).await.unwrap();
    let until = SystemClock.now() + TimeDelta::hours(1);
    let claimed = Target::Claimed { until };
    let first = house.commit_booking(&[0, 1], false).await;
    house.commit_end(first).await;
    let second = house.commit_booking(&[1, 2], false).await;
    house.seats().apply(second, 1, &[1, 2], claimed, None).await.unwrap();
    // Only now the first one's beginning is told of; it was over before the second began.
    house.seats().apply(first, 1, &[0, 1], claimed, None).await.unwrap();
    assert_eq!(house.states().await, "AHHA");
    house.seats().apply(first, 2, &[], Target::Freed, None).await.unwrap();
    assert_eq!(house.states().await, "AHHA");
}

/// Bookings come and go, messages about them race, Redis loses everything again and again. In the
/// end it shows what PostgreSQL says.
#[tokio::test]
async fn races_of_bookings_loads_and_losses_end_with_the_truth() {
    for _ in 0..6 {
        let house = House::open("A:RRRRRRRRRRRRRRRRRRRR").await;
        let other = house.another().await;
        let done = AtomicBool::new(false);
        let until = SystemClock.now() + TimeDelta::hours(1);
        let bookers = (0..8_u16).map(async |n| {
            let seats = [2 * n, 2 * n + 1];
            for round in 0..6 {
                let booking = house.commit_booking(&seats, true).await;
                let begun = async {
                    let claimed = Target::Claimed { until };
                    house.seats().apply(booking, 1, &seats, claimed, None).await
                };
                if round == 5 && n % 2 == 0 {
                    // These stay.
                    begun.await.unwrap();
                    return;
                }
                let ended = async {
                    house.commit_end(booking).await;
                    other.seats.apply(booking, 2, &[], Target::Freed, None).await
                };
                let (begun, ended) = join(begun, ended).await;
                begun.unwrap();
                ended.unwrap();
            }
        });
        let chaos = async {
            while !done.load(Ordering::Relaxed) {
                house.lose_redis().await;
                let (one, two) =
                    join(house.seats().snapshot(house.id()), other.seats.snapshot(house.id())).await;
                one.unwrap();
                two.unwrap();
            }
        };
        let work = async {
            join_all(bookers).await;
            done.store(true, Ordering::Relaxed);
        };
        join(work, chaos).await;
        // Claimed there, sold here: what was loaded last says S, what was told last says H.
        let found = states(&other, house.id()).await.replace('S', "H");
        assert_eq!(found, "HHAAHHAAHHAAHHAAAAAA");
    }
}

#[tokio::test]
async fn the_sweeper_makes_a_lapse_visible() {
    let house = House::with("A:RRRR", |config| config.holds.ttl_seconds = 1).await;
    house.hold(&somebody(), &[0, 1], "a").await.unwrap();
    let hall = booking::store::seats::SeatStore::new(house.app.deps.redis.clone());
    crate::support::eventually("the sweeper finds the show", async || {
        house.seats().sweep().await.unwrap();
        // This look does not end what is overdue.
        let states = hall.states_of(&[house.id()]).await.unwrap();
        (states[&house.id()][..] == *b"AAAA").then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_process_that_has_never_had_redis_serves() {
    let mut house = House::open("A:RRRR").await;
    house.deps_config.redis.url = "redis://127.0.0.1:1".into();
    house.deps_config.redis.command_timeout_ms = 50;
    let deps = platform::Deps::connect(
        &house.deps_config,
        house.clock.clone(),
        std::sync::Arc::new(kernel::SystemIds),
        &house.shutdown,
    )
    .await
    .unwrap();
    let app = booking::app::App::new(house.app.config.clone(), deps).unwrap();
    assert!(app.seats.snapshot(house.id()).await.unwrap().degraded);
    let show = app.seats.show_to_hold(house.id()).await.unwrap();
    let wanted = booking::store::seats::Wanted::Seats(&[0]);
    let held = crate::support::eventually("the breaker opens", async || {
        match app.hold(&somebody(), &show, wanted, "a").await {
            Err(booking::app::seats::HoldRefusal::Failed(error)) if error.is_unavailable() => None,
            held => Some(held.unwrap()),
        }
    })
    .await;
    assert!(held.is_durable());
    let mut deltas = std::pin::pin!(app.seats.watch(house.id()).await.unwrap());
    assert!(futures::StreamExt::next(&mut deltas).await.unwrap().epoch.starts_with("pg-"));
    // A list still says how full shows are.
    assert_eq!(app.seats.availability(&[house.id()]).await.unwrap().len(), 1);
}
