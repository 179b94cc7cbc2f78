//! Holds and claims end by themselves, with no job running.

use std::time::Duration;

use booking::{
    domain::hold::HoldEnd,
    store::seats::{HoldRecord, HoldRequest, Ownership, Placed, Released, Replace, Wanted},
};
use futures::future::{BoxFuture, join_all};
use kernel::{Clock, SeatState, SystemClock};

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
    hall.apply(booking, 1, &[1, 2], Ownership::Claimed { until: later(SHORT) }).await;
    eventually("the seats of the lapsed claim", async || (hall.states().await == "AAAA").then_some(())).await;
    // The same claim, told late, does not come back; the sale does.
    hall.apply(booking, 1, &[1, 2], Ownership::Claimed { until: later(LONG) }).await;
    assert_eq!(hall.states().await, "AAAA");
    hall.apply(booking, 2, &[1, 2], Ownership::Sold).await;
    assert_eq!(hall.states().await, "ASSA");
    // A claim that was over before it was told of.
    let late = hall.booking();
    hall.apply(late, 1, &[0], Ownership::Claimed { until: later(Duration::ZERO) }).await;
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

#[tokio::test]
async fn whoever_comes_first_after_the_end_tells_everybody() {
    let hall = Hall::open("A:RRRRRR").await;
    let mut deltas = hall.deltas().await;
    let held = hall.request(person(), LONG);
    hall.place(&held, &[4]).await;
    let sold = hall.booking();
    hall.apply(sold, 1, &[5], Ownership::Sold).await;
    let mut version = 3;
    while deltas.next().await.version < version {}

    let newer = HoldRequest { revision: 2, ..hall.request(person(), LONG) };
    let steps: [(&str, BoxFuture<'_, ()>); 14] = [
        (
            "a hold that is refused",
            Box::pin(async { drop(hall.place(&hall.request(person(), LONG), &[4]).await) }),
        ),
        ("a block that is not there", Box::pin(async { drop(best(&hall, 9).await) })),
        ("a repetition", Box::pin(async { drop(hall.place(&held, &[4]).await) })),
        ("a newer revision", Box::pin(async { drop(hall.place(&newer, &[4]).await) })),
        (
            "an extension",
            Box::pin(async { drop(hall.store.hold_extend(held.id, held.owner, LONG, LONG).await) }),
        ),
        (
            "a release of nothing",
            Box::pin(async { drop(hall.store.hold_release(newer.id, newer.owner).await) }),
        ),
        ("a look at a hold", Box::pin(async { drop(hall.store.hold_get(held.id).await) })),
        ("a look at nothing", Box::pin(async { drop(hall.store.hold_get(newer.id).await) })),
        ("a look at the seats", Box::pin(async { drop(hall.snapshot().await) })),
        ("the sweeper", Box::pin(async { drop(hall.store.expire(hall.show).await) })),
        ("a late decision", Box::pin(async { drop(hall.apply(sold, 1, &[], Ownership::Freed).await) })),
        ("a conflict", Box::pin(async { drop(hall.apply(hall.booking(), 1, &[5], Ownership::Sold).await) })),
        (
            "a load that lost its lock",
            Box::pin(async {
                hall.lock("one").await;
                drop(hall.try_load("two", Replace::Always, &[], &[]).await);
            }),
        ),
        (
            "a load that is not needed",
            Box::pin(async { drop(hall.try_load("one", Replace::Never, &[], &[]).await) }),
        ),
    ];
    for (name, step) in steps {
        let short = hall.hold_for(&[0, 1], Duration::from_millis(15)).await;
        eventually("the deadline", async || {
            (SystemClock.now() > short.expires_at + SHORT / 20).then_some(())
        })
        .await;
        step.await;
        let (begun, ended) = (deltas.next().await, deltas.next().await);
        version += 2;
        assert_eq!(
            (begun.version, ended.from_version, ended.version),
            (version - 1, version - 1, version),
            "{name}"
        );
        let freed: Vec<_> = ended.changes.iter().map(|change| (change.seat, change.state)).collect();
        assert_eq!(freed, [(0, SeatState::Available), (1, SeatState::Available)], "{name}");
    }
    assert_eq!(hall.states().await, "AAAAHS");
}

/// Short holds come, are extended, go and lapse at the same time; whoever follows the deltas alone
/// sees what Redis has.
#[tokio::test]
async fn in_a_crowd_of_short_holds_nothing_is_missed() {
    let hall = Hall::open("A:RRRRRRRR/B:RRRRRRRR").await;
    let mut deltas = hall.deltas().await;
    let crowd = (0..8_u16).map(async |n| {
        for round in 0..60_u16 {
            let first = (7 * n + 5 * round) % 14;
            let request = hall.request(person(), Duration::from_millis(u64::from(1 + (n + round) % 9)));
            let placed = match round % 3 {
                0 => best(&hall, 1 + n % 3).await,
                _ => hall.place(&request, &[first, first + 2]).await,
            };
            if let Placed::Held { hold, .. } = placed {
                match (n + round) % 4 {
                    0 => drop(hall.release(&hold).await),
                    1 => drop(hall.store.hold_extend(hold.id, hold.owner, SHORT / 10, LONG).await),
                    _ => {}
                }
            }
        }
    });
    join_all(crowd).await;
    eventually("the last hold is gone", async || {
        hall.store.expire(hall.show).await.unwrap();
        (!hall.states().await.contains('H')).then_some(())
    })
    .await;
    let last = hall.version().await;
    let (mut version, mut states) = (1, vec![SeatState::Available; 16]);
    while version < last {
        let delta = deltas.next().await;
        assert_eq!(delta.from_version, version);
        for change in delta.changes {
            states[usize::from(change.seat)] = change.state;
        }
        version = delta.version;
    }
    assert_eq!(states, vec![SeatState::Available; 16]);
    assert!(last > 100, "{last} versions");
}

async fn best(hall: &Hall, quantity: u16) -> Placed {
    let request = hall.request(person(), Duration::from_millis(5));
    hall.store.hold(&request, Wanted::Best { quantity, kind: None }).await.unwrap()
}
