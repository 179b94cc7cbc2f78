//! Loading, and everything that can happen at the same time.

use std::time::{Duration, Instant};

use booking::{
    domain::hold::HoldEnd,
    store::seats::{Applied, HoldRecord, Loaded, Ownership, Released, Replace, SeatOwner},
};

use crate::{
    hall::{Hall, claimed, later, owner},
    support::eventually,
};

#[tokio::test]
async fn a_load_shows_what_postgresql_says() {
    let hall = Hall::closed("A:RRRR/B:RRRR").await;
    let overdue =
        SeatOwner { claimed_until: Some(later(Duration::ZERO)), ..owner(hall.booking(), 1, false, &[3]) };
    let owners = [
        owner(hall.booking(), 2, true, &[0, 1]),
        owner(hall.booking(), 1, false, &[2]),
        overdue,
        owner(hall.booking(), 5, false, &[]),
    ];
    hall.try_load("token", Replace::Never, &[1, 7], &owners).await;
    // A sale beats a block, and an overdue claim owns nothing.
    assert_eq!(hall.states().await, "SSHAAAAB");
    let snapshot = hall.snapshot().await;
    assert_eq!((snapshot.position.version, snapshot.available()), (1, 4));
    // What was loaded counts as told.
    assert_eq!(hall.apply(owners[0].booking, 2, &[], Ownership::Freed).await, Applied::Stale);
    assert_eq!(hall.apply(owners[3].booking, 5, &[4], Ownership::Sold).await, Applied::Stale);
    hall.apply(owners[0].booking, 3, &[], Ownership::Freed).await;
    assert_eq!(hall.states().await, "ABHAAAAB");
}

#[tokio::test]
async fn one_loads_and_the_rest_find_it_done() {
    let hall = Hall::closed("A:RRRR").await;
    assert!(hall.lock("one").await);
    assert!(!hall.lock("two").await);
    let lost = Loaded::LockLost;
    assert_eq!(hall.try_load("two", Replace::Never, &[], &[]).await, lost);
    assert!(matches!(hall.try_load("one", Replace::Never, &[], &[]).await, Loaded::Done { .. }));
    let epoch = hall.snapshot().await.position.epoch;
    // The lock was given back with the load, and a second load changes nothing.
    assert!(matches!(hall.try_load("two", Replace::Never, &[0], &[]).await, Loaded::Done { .. }));
    assert_eq!((hall.states().await.as_str(), hall.snapshot().await.position.epoch), ("AAAA", epoch));

    assert!(hall.lock("three").await);
    hall.store.load_unlock(hall.show, "not three").await.unwrap();
    assert!(!hall.lock("four").await);
    hall.store.load_unlock(hall.show, "three").await.unwrap();
    assert!(hall.lock("four").await);
}

#[tokio::test]
async fn a_decision_between_reading_and_loading_is_not_lost() {
    let hall = Hall::closed("A:RRRRRR").await;
    assert!(hall.lock("loader").await);
    // The loader has read that the first booking claims two seats, and knows of no other …
    let (first, second, third) = (hall.booking(), hall.booking(), hall.booking());
    let read = [owner(first, 1, false, &[0, 1])];
    // … then the first ends, others take its seats, and one of them is told of in two versions.
    assert_eq!(hall.apply(first, 2, &[], Ownership::Freed).await, Applied::Noted);
    assert_eq!(hall.apply(second, 1, &[1, 2], claimed()).await, Applied::Noted);
    assert_eq!(hall.apply(third, 2, &[4], Ownership::Sold).await, Applied::Noted);
    assert_eq!(hall.apply(third, 1, &[4], claimed()).await, Applied::Noted);
    assert!(matches!(hall.try_load("loader", Replace::Never, &[], &read).await, Loaded::Done { .. }));
    assert_eq!(hall.states().await, "AHHASA");
    // All of it counts as told.
    assert_eq!(hall.apply(first, 2, &[], Ownership::Freed).await, Applied::Stale);
    assert_eq!(hall.apply(third, 2, &[4], Ownership::Sold).await, Applied::Stale);
    hall.apply(second, 2, &[1, 2], Ownership::Freed).await;
    assert_eq!(hall.states().await, "AAAASA");
}

#[tokio::test]
async fn what_was_read_gives_way_to_what_was_told_later_even_of_another_booking() {
    let hall = Hall::closed("A:RRRR").await;
    assert!(hall.lock("loader").await);
    let (first, second) = (hall.booking(), hall.booking());
    // That the first has ended is not told yet, that the second has its seat is.
    hall.apply(second, 1, &[1], Ownership::Sold).await;
    hall.try_load("loader", Replace::Never, &[], &[owner(first, 1, false, &[0, 1])]).await;
    assert_eq!(hall.states().await, "HSAA");
    hall.apply(first, 2, &[], Ownership::Freed).await;
    assert_eq!(hall.states().await, "ASAA");
}

#[tokio::test]
async fn two_decisions_about_one_seat_are_read_again() {
    let hall = Hall::closed("A:RRRR").await;
    assert!(hall.lock("loader").await);
    let (first, second) = (hall.booking(), hall.booking());
    hall.apply(first, 1, &[1], claimed()).await;
    hall.apply(second, 1, &[1], Ownership::Sold).await;
    assert_eq!(hall.try_load("loader", Replace::Never, &[], &[]).await, Loaded::Conflict);
    // By now PostgreSQL knows how it ended.
    let read = [owner(first, 2, false, &[]), owner(second, 1, true, &[1])];
    assert!(matches!(hall.try_load("loader", Replace::Never, &[], &read).await, Loaded::Done { .. }));
    assert_eq!(hall.states().await, "ASAA");
}

#[tokio::test]
async fn a_lock_lasts_while_its_loader_lives() {
    let hall = Hall::open("A:RRRRRR").await;
    assert!(hall.lock("alive").await);
    let begin = Instant::now();
    tokio::select! {
        never = hall.store.load_keep(hall.show, "alive") => match never {},
        () = eventually("two leases", async || {
            assert!(!hall.lock("rival").await);
            (begin.elapsed() > Duration::from_secs(2)).then_some(())
        }) => {}
    }
    // Its loader is dead now.
    eventually("the end of the lease", async || hall.lock("rival").await.then_some(())).await;
    assert!(begin.elapsed() < Duration::from_secs(4), "nobody waits long for the dead");
}

#[tokio::test]
async fn a_lock_that_ended_is_no_licence_to_load() {
    let hall = Hall::closed("A:RRRR").await;
    assert!(hall.lock("slow").await);
    // As if its time were over.
    hall.store.load_unlock(hall.show, "slow").await.unwrap();
    assert!(hall.lock("quick").await);
    assert_eq!(hall.try_load("slow", Replace::Never, &[], &[]).await, Loaded::LockLost);
    assert!(hall.store.snapshot(hall.show).await.unwrap().is_none());
}

#[tokio::test]
async fn holds_live_on_when_a_show_is_loaded_anew() {
    let hall = Hall::open("A:RRRRRR").await;
    let (kept, lost, released) = (hall.hold(&[0, 1]).await, hall.hold(&[2, 3]).await, hall.hold(&[4]).await);
    hall.release(&released).await;
    let told = hall.booking();
    hall.apply(told, 3, &[5], Ownership::Sold).await;
    let before = hall.snapshot().await.position;

    // The load was read before the last booking was made, and a seat of one hold is blocked now.
    let Loaded::Done { ended, .. } = hall.try_load("token", Replace::Always, &[3], &[]).await else {
        panic!("not loaded")
    };
    assert_eq!(ended, [(lost.id, lost.owner)]);
    assert_eq!(hall.states().await, "HHABAS");
    let after = hall.snapshot().await.position;
    assert_ne!(before.epoch, after.epoch);
    assert_eq!(after.version, 1);
    let gone = |end| Some(HoldRecord::Gone { end, digest: "d1".to_owned() });
    assert_eq!(hall.store.hold_get(lost.id).await.unwrap(), gone(HoldEnd::Lost));
    assert_eq!(hall.store.hold_get(released.id).await.unwrap(), gone(HoldEnd::Released));
    assert_eq!(hall.release(&kept).await, Released::Done);
}

#[tokio::test]
async fn what_lapses_after_a_new_load_is_still_seen() {
    let hall = Hall::open("A:RRRR").await;
    hall.hold_for(&[0], Duration::from_millis(300)).await;
    let claim = SeatOwner {
        claimed_until: Some(later(Duration::from_millis(300))),
        ..owner(hall.booking(), 1, false, &[2])
    };
    hall.load(&[claim]).await;
    eventually("both have lapsed", async || (hall.states().await == "AAAA").then_some(())).await;
}

#[tokio::test]
async fn viewers_are_told_of_a_new_load() {
    let hall = Hall::open("A:RRRR").await;
    let mut deltas = hall.deltas().await;
    hall.load(&[owner(hall.booking(), 1, true, &[0])]).await;
    let delta = deltas.next().await;
    assert_eq!((&delta.epoch, delta.version), (&hall.snapshot().await.position.epoch, 1));
    assert_eq!(delta.changes, []);
}

#[tokio::test]
async fn a_replacement_can_be_made_to_depend_on_what_it_replaces() {
    let hall = Hall::open("A:RRRR").await;
    let first = hall.snapshot().await.position.epoch;
    let epoch_after = async |replace| {
        hall.try_load("token", replace, &[], &[]).await;
        hall.snapshot().await.position.epoch
    };
    assert_eq!(epoch_after(Replace::Never).await, first);
    // It was loaded from revision 1.
    assert_eq!(epoch_after(Replace::Below(1)).await, first);
    let second = epoch_after(Replace::Below(2)).await;
    assert_ne!(second, first);
    assert_eq!(epoch_after(Replace::Epoch(first)).await, second);
    assert_ne!(epoch_after(Replace::Epoch(second.clone())).await, second);
}
