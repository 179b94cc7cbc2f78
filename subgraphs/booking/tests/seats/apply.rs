//! What PostgreSQL decided, told in any order.

use booking::{
    domain::hold::HoldEnd,
    store::seats::{Applied, HoldRecord, Ownership, Placed, Replace},
};
use kernel::BookingId;

use crate::hall::{Hall, claimed};

const NOBODY: Applied = Applied::Done { ended: Vec::new(), ends_first: false };

#[tokio::test]
async fn a_hold_becomes_a_claim_without_anybody_noticing() {
    let hall = Hall::open("A:RRRR").await;
    let hold = hall.hold(&[1, 2]).await;
    let version = hall.version().await;
    let booking = hall.booking();
    let Applied::Done { ended, .. } = hall.apply_from(Some(hold.id), booking, 1, &[1, 2], claimed()).await
    else {
        panic!("not applied");
    };
    assert_eq!(ended, [(hold.id, hold.owner)]);
    // The seats look as before: no version, no delta.
    assert_eq!((hall.states().await.as_str(), hall.version().await), ("AHHA", version));
    assert_eq!(hall.store.hold_get(hold.id).await.unwrap().map(end), Some(Some(HoldEnd::Consumed)));

    assert_eq!(hall.apply(booking, 2, &[1, 2], Ownership::Sold).await, NOBODY);
    assert_eq!((hall.states().await.as_str(), hall.version().await), ("ASSA", version + 1));
    assert_eq!(hall.apply(booking, 3, &[1, 2], Ownership::Freed).await, NOBODY);
    assert_eq!(hall.states().await, "AAAA");
}

#[tokio::test]
async fn every_order_ends_the_same() {
    for order in [[1, 2, 3], [1, 3, 2], [2, 1, 3], [2, 3, 1], [3, 1, 2], [3, 2, 1]] {
        for twice in [false, true] {
            let hall = Hall::open("A:RRRR").await;
            let booking = hall.booking();
            for version in order {
                let ownership = match version {
                    1 => claimed(),
                    2 => Ownership::Sold,
                    _ => Ownership::Freed,
                };
                for _ in 0..=i32::from(twice) {
                    hall.apply(booking, version, &[1, 2], ownership).await;
                }
            }
            assert_eq!(hall.states().await, "AAAA", "{order:?}");
            assert_eq!(hall.apply(booking, 3, &[0], Ownership::Sold).await, Applied::Stale);
        }
    }
}

#[tokio::test]
async fn a_sale_takes_seats_from_holds_and_breaks_them_up() {
    let hall = Hall::open("A:RRRRRR").await;
    let loser = hall.hold(&[1, 2]).await;
    let bystander = hall.hold(&[5]).await;
    let Applied::Done { ended, .. } = hall.apply(hall.booking(), 4, &[2, 3], Ownership::Sold).await else {
        panic!("not applied");
    };
    assert_eq!(ended, [(loser.id, loser.owner)]);
    assert_eq!(hall.states().await, "AASSAH");
    assert_eq!(hall.store.hold_get(loser.id).await.unwrap().map(end), Some(Some(HoldEnd::Lost)));
    assert_eq!(hall.store.hold_get(bystander.id).await.unwrap().map(end), Some(None));
}

#[tokio::test]
async fn a_booking_frees_only_what_it_has() {
    let hall = Hall::open("A:RRRR").await;
    let (first, second) = (hall.booking(), hall.booking());
    hall.apply(first, 1, &[0, 1], claimed()).await;
    hall.apply(first, 2, &[0, 1], Ownership::Freed).await;
    hall.apply(second, 1, &[1, 2], Ownership::Sold).await;
    // Told again, and told in a newer version.
    hall.apply(first, 2, &[0, 1], Ownership::Freed).await;
    hall.apply(first, 3, &[0, 1], Ownership::Freed).await;
    assert_eq!(hall.states().await, "ASSA");
    let hold = hall.hold(&[0]).await;
    hall.apply(first, 4, &[0, 1], Ownership::Freed).await;
    assert_eq!(hall.states().await, "HSSA");
    assert_eq!(hall.store.hold_get(hold.id).await.unwrap().map(end), Some(None));
}

#[tokio::test]
async fn a_booking_may_change_its_seats() {
    let hall = Hall::open("A:RRRR").await;
    let booking = hall.booking();
    hall.apply(booking, 1, &[0, 1], Ownership::Sold).await;
    hall.apply(booking, 2, &[1, 2, 3], Ownership::Sold).await;
    assert_eq!(hall.states().await, "ASSS");
    hall.apply(booking, 3, &[3], claimed()).await;
    assert_eq!(hall.states().await, "AAAH");
}

#[tokio::test]
async fn two_bookings_for_one_seat_are_for_postgresql_to_decide() {
    let hall = Hall::open("A:RRRR").await;
    hall.apply(hall.booking(), 1, &[1], Ownership::Sold).await;
    let version = hall.version().await;
    let rival = hall.booking();
    assert_eq!(
        hall.apply(rival, 1, &[1, 2], claimed()).await,
        Applied::Conflict { epoch: hall.snapshot().await.position.epoch }
    );
    // A seat that the map does not have.
    assert_eq!(
        hall.apply(rival, 1, &[4], claimed()).await,
        Applied::Conflict { epoch: hall.snapshot().await.position.epoch }
    );
    assert_eq!((hall.states().await.as_str(), hall.version().await), ("ASAA", version));
    // A conflict leaves nothing behind: the same version can be told again.
    assert_eq!(hall.apply(rival, 1, &[2], Ownership::Sold).await, NOBODY);
}

#[tokio::test]
async fn a_blocked_seat_that_was_sold_is_blocked_again() {
    let hall = Hall::closed("A:RRRR").await;
    hall.try_load("token", Replace::Never, &[1, 2], &[]).await;
    assert_eq!(hall.states().await, "ABBA");
    assert!(matches!(
        hall.place(&hall.request(crate::support::person(), crate::hall::LONG), &[1]).await,
        Placed::Taken { .. }
    ));
    let booking = BookingId::new(hall.show, 7);
    hall.apply(booking, 1, &[0, 1], Ownership::Sold).await;
    assert_eq!(hall.states().await, "SSBA");
    hall.apply(booking, 2, &[0, 1], Ownership::Freed).await;
    assert_eq!(hall.states().await, "ABBA");
}

fn end(record: HoldRecord) -> Option<HoldEnd> {
    match record {
        HoldRecord::Live { .. } => None,
        HoldRecord::Gone { end, .. } => Some(end),
    }
}
