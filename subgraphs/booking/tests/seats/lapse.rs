//! Holds and claims end by themselves, with no job running.

use std::time::Duration;

use booking::{
    domain::hold::HoldEnd,
    store::seats::{HoldRecord, Ownership, Placed, Released},
};
use kernel::SeatState;

use crate::{
    hall::{Hall, LONG, later},
    support::{eventually, person},
};

const SHORT: Duration = Duration::from_millis(60);

#[tokio::test]
async fn the_next_who_asks_gets_the_seats_in_one_step() {
    let hall = Hall::open("A:RRRR").await;
    let mut deltas = hall.deltas().await;
    let request = hall.request(person(), SHORT);
    assert!(matches!(hall.place(&request, &[1, 2]).await, Placed::Held { .. }));
    assert_eq!(deltas.next().await.version, 2);
    eventually("the seats of the lapsed hold", async || {
        match hall.place(&hall.request(person(), LONG), &[2, 3]).await {
            Placed::Held { .. } => Some(()),
            _ => None,
        }
    })
    .await;
    // The end of the one and the beginning of the other are one version, whose later letter stands.
    let delta = deltas.next().await;
    assert_eq!((delta.from_version, delta.version), (2, 3));
    let changes: Vec<_> = delta.changes.iter().map(|change| (change.seat, change.state)).collect();
    assert_eq!(changes, [(1, SeatState::Available), (2, SeatState::Held), (3, SeatState::Held)]);
    assert_eq!(hall.states().await, "AAHH");
    // A late repetition of the lapsed request does not hold again.
    assert_eq!(hall.place(&request, &[1, 2]).await, Placed::Gone(HoldEnd::Expired));
}

#[tokio::test]
async fn whoever_looks_sees_the_end() {
    let hall = Hall::open("A:RRRR").await;
    let read = hall.hold_for(&[0], SHORT).await;
    eventually("a snapshot without the hold", async || (hall.states().await == "AAAA").then_some(())).await;
    let ended = HoldRecord::Gone { end: HoldEnd::Expired, digest: "d1".to_owned() };
    assert_eq!(hall.store.hold_get(read.id).await.unwrap(), Some(ended.clone()));
    assert_eq!(hall.release(&read).await, Released::Gone(HoldEnd::Expired));

    let looked_up = hall.hold_for(&[1], SHORT).await;
    eventually("a look at the lapsed hold", async || {
        (hall.store.hold_get(looked_up.id).await.unwrap() == Some(ended.clone())).then_some(())
    })
    .await;
    assert_eq!(hall.states().await, "AAAA");
}

#[tokio::test]
async fn a_claim_lapses_like_a_hold_and_can_still_be_paid() {
    let hall = Hall::open("A:RRRR").await;
    let booking = hall.booking();
    hall.apply(booking, 1, &[1, 2], Ownership::Claimed { until: later(SHORT), from: None }).await;
    eventually("the seats of the lapsed claim", async || (hall.states().await == "AAAA").then_some(())).await;
    // The same claim, told late, does not come back; the sale does.
    hall.apply(booking, 1, &[1, 2], Ownership::Claimed { until: later(LONG), from: None }).await;
    assert_eq!(hall.states().await, "AAAA");
    hall.apply(booking, 2, &[1, 2], Ownership::Sold).await;
    assert_eq!(hall.states().await, "ASSA");
    // A claim that was over before it was told of.
    let late = hall.booking();
    hall.apply(late, 1, &[0], Ownership::Claimed { until: later(Duration::ZERO), from: None }).await;
    assert_eq!(hall.states().await, "ASSA");
}

#[tokio::test]
async fn an_extended_hold_outlives_its_first_deadline() {
    let hall = Hall::open("A:RRRR").await;
    let long = hall.hold_for(&[0], SHORT).await;
    let short = hall.hold_for(&[1], SHORT).await;
    hall.store.hold_extend(long.id, long.owner, LONG, LONG).await.unwrap();
    eventually("only the extended hold is left", async || (hall.states().await == "HAAA").then_some(()))
        .await;
    assert_eq!(hall.release(&short).await, Released::Gone(HoldEnd::Expired));
    assert_eq!(hall.release(&long).await, Released::Done);
}
