//! Holding, extending and releasing, by the scripts alone.

use std::{collections::BTreeSet, time::Duration};

use booking::{
    domain::hold::HoldEnd,
    store::seats::{Extended, HoldRecord, HoldRequest, Placed, Released, Wanted},
};
use futures::future::join_all;
use kernel::HoldId;

use crate::{
    hall::{Hall, LONG},
    support::person,
};

#[tokio::test]
async fn all_seats_or_none() {
    let hall = Hall::open("A:RRRRRRRR").await;
    hall.hold(&[2, 3]).await;
    let Placed::Taken { states } = hall.place(&hall.request(person(), LONG), &[3, 4, 6]).await else {
        panic!("a seat was given twice");
    };
    assert_eq!(&states[..], b"AAHHAAAA");
    assert_eq!(hall.version().await, 2);
    // Runs of seats that are not neighbours.
    hall.hold(&[0, 4, 5, 7]).await;
    assert_eq!(hall.states().await, "HAHHHHAH");
}

#[tokio::test]
async fn a_thousand_rivals_for_ten_seats() {
    let hall = Hall::open("A:RRRRRRRRRRRR").await;
    let rivals = (0..1_000_u16).map(async |n| {
        // Overlapping pairs, single seats, and triples.
        let first = n % 8;
        let seats: Vec<u16> = (first..=first + n % 3).collect();
        (seats.clone(), hall.place(&hall.request(person(), LONG), &seats).await)
    });
    let mut owned = BTreeSet::new();
    let mut winners = 0;
    for (seats, outcome) in join_all(rivals).await {
        match outcome {
            Placed::Held { hold, .. } => {
                winners += 1;
                assert_eq!(hold.seats, seats);
                assert!(seats.iter().all(|seat| owned.insert(*seat)), "a seat of {seats:?} was given twice");
            }
            Placed::Taken { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    let snapshot = hall.snapshot().await;
    let held: BTreeSet<u16> =
        (0_u16..).zip(&snapshot.states).filter(|(_, s)| **s == b'H').map(|(n, _)| n).collect();
    assert_eq!(held, owned);
    // Somebody wanted each single seat, so none of the first eight is left.
    assert_eq!(owned.range(..8).count(), 8);
    assert_eq!(snapshot.position.version, winners + 1);
}

#[tokio::test]
async fn a_repetition_gets_the_same_hold_and_another_request_does_not() {
    let hall = Hall::open("A:RRRR").await;
    let request = hall.request(person(), LONG);
    let Placed::Held { hold, is_new: true, ends_first: true } = hall.place(&request, &[1, 2]).await else {
        panic!("the first");
    };
    let again = hall.place(&request, &[1, 2]).await;
    assert_eq!(again, Placed::Held { hold: hold.clone(), is_new: false, ends_first: false });
    let other = HoldRequest { digest: "d2".to_owned(), ..request.clone() };
    assert_eq!(hall.place(&other, &[0]).await, Placed::Reused);
    assert_eq!(hall.version().await, 2);

    // A late repetition does not hold again what was given back.
    assert_eq!(hall.release(&hold).await, Released::Done);
    assert_eq!(hall.place(&request, &[1, 2]).await, Placed::Gone(HoldEnd::Released));
    assert_eq!(hall.states().await, "AAAA");
    let best = hall.store.hold(&request, Wanted::Best { quantity: 2, kind: None }).await.unwrap();
    assert_eq!(best, Placed::Gone(HoldEnd::Released));
}

#[tokio::test]
async fn only_the_owner_extends_and_releases() {
    let hall = Hall::open("A:RRRR").await;
    let hold = hall.hold(&[1]).await;
    let stranger = person();
    let extend = async |id, who, ttl| hall.store.hold_extend(id, who, ttl, LONG * 2).await.unwrap();
    assert_eq!(extend(hold.id, stranger, LONG).await, Extended::None);
    assert_eq!(hall.store.hold_release(hold.id, stranger).await.unwrap(), Released::None);
    assert_eq!(hall.states().await, "AHAA");

    let Extended::Held(longer) = extend(hold.id, hold.owner, LONG + LONG / 2).await else {
        panic!("not extended")
    };
    assert!(longer.expires_at > hold.expires_at + LONG / 3);
    assert_eq!((longer.seats, longer.created_at), (hold.seats.clone(), hold.created_at));
    // Never shorter, and never longer than allowed.
    let Extended::Held(same) = extend(hold.id, hold.owner, Duration::from_secs(1)).await else {
        panic!("gone")
    };
    assert_eq!(same.expires_at, longer.expires_at);
    let Extended::Held(longest) = extend(hold.id, hold.owner, LONG * 9).await else { panic!("gone") };
    assert_eq!(longest.expires_at, hold.created_at + LONG * 2);
    assert_eq!(extend(hold.id, hold.owner, LONG * 9).await, Extended::Limit);
    // Nobody's view of the seats has changed.
    assert_eq!(hall.version().await, 2);

    assert_eq!(hall.release(&hold).await, Released::Done);
    assert_eq!(hall.release(&hold).await, Released::Gone(HoldEnd::Released));
    assert_eq!(extend(hold.id, hold.owner, LONG).await, Extended::Gone(HoldEnd::Released));
    assert_eq!(hall.version().await, 3);
}

#[tokio::test]
async fn a_hold_can_be_looked_up() {
    let hall = Hall::open("A:RRRR").await;
    let hold = hall.hold(&[1, 3]).await;
    let found = hall.store.hold_get(hold.id).await.unwrap();
    assert_eq!(found, Some(HoldRecord::Live { hold: hold.clone(), digest: "d1".to_owned() }));
    hall.release(&hold).await;
    let found = hall.store.hold_get(hold.id).await.unwrap();
    assert_eq!(found, Some(HoldRecord::Gone { end: HoldEnd::Released, digest: "d1".to_owned() }));
    assert_eq!(hall.store.hold_get(HoldId::new(hall.show, 1)).await.unwrap(), None);
}

#[tokio::test]
async fn a_show_that_is_not_loaded_says_so() {
    let hall = Hall::closed("A:RRRR").await;
    let request = hall.request(person(), LONG);
    assert_eq!(hall.place(&request, &[1]).await, Placed::NotLoaded);
    assert_eq!(hall.store.snapshot(hall.show).await.unwrap(), None);
    assert_eq!(hall.store.hold_get(request.id).await.unwrap(), None);
    assert_eq!(hall.store.hold_release(request.id, request.owner).await.unwrap(), Released::None);

    hall.load(&[]).await;
    let newer = HoldRequest { revision: 2, ..request.clone() };
    assert_eq!(hall.place(&newer, &[1]).await, Placed::Outdated);
    // A seat that the map does not have is nobody's to hold.
    assert!(matches!(hall.place(&request, &[3, 4]).await, Placed::Taken { .. }));
    assert_eq!(hall.states().await, "AAAA");
}
