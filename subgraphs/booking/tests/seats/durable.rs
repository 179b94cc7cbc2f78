//! What PostgreSQL decided about its holds, told to Redis in any order.

use std::{slice, time::Duration};

use booking::{
    domain::{
        audit::HoldState,
        hold::{Hold, HoldEnd, is_durable, twin},
    },
    store::{
        holds::DurableHold,
        seats::{Applied, DurableTold, HoldRecord, Loaded, Ownership, Placed, Replace, SeatOwner},
    },
};
use kernel::{HoldId, IdSource, SystemIds};

use crate::{
    hall::{Hall, LONG, claimed, later, owner},
    support::{eventually, person},
};

const NOTHING: DurableTold = DurableTold::Done { ended: Vec::new(), ends_first: true };

/// A hold that PostgreSQL gave.
fn durable(hall: &Hall, seats: &[u16]) -> DurableHold {
    let id = HoldId::new(hall.show, SystemIds.local() | 1);
    assert!(is_durable(id));
    let now = later(Duration::ZERO);
    DurableHold {
        hold: Hold { id, owner: person(), seats: seats.to_vec(), created_at: now, expires_at: now + LONG },
        state: HoldState::Held,
        version: 1,
        key_digest: "k1".to_owned(),
        request_digest: "d1".to_owned(),
    }
}

fn ended(durable: &DurableHold, state: HoldState) -> DurableHold {
    DurableHold { state, version: durable.version + 1, ..durable.clone() }
}

fn extended(durable: &DurableHold, by: Duration) -> DurableHold {
    let mut longer = DurableHold { version: durable.version + 1, ..durable.clone() };
    longer.hold.expires_at += by;
    longer
}

async fn tell(hall: &Hall, durable: &DurableHold) -> DurableTold {
    hall.store.durable_hold_apply(durable).await.unwrap()
}

async fn end_of(hall: &Hall, hold: HoldId) -> Option<HoldEnd> {
    match hall.store.hold_get(hold).await.unwrap() {
        Some(HoldRecord::Gone { end, .. }) => Some(end),
        Some(HoldRecord::Live { .. }) | None => None,
    }
}

#[tokio::test]
async fn every_order_ends_the_same() {
    let orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
    for (state, order) in
        [HoldState::Released, HoldState::Lost].iter().flat_map(|state| orders.map(|order| (*state, order)))
    {
        let hall = Hall::open("A:RRRR").await;
        let first = durable(&hall, &[1, 2]);
        let longer = extended(&first, LONG);
        let last = ended(&longer, state);
        for step in order {
            tell(&hall, [&first, &longer, &last][step]).await;
        }
        assert_eq!(hall.states().await, "AAAA", "{state:?} {order:?}");
        assert_eq!(tell(&hall, &longer).await, DurableTold::Stale);
    }
    let hall = Hall::open("A:RRRR").await;
    let first = durable(&hall, &[1, 2]);
    let longer = extended(&first, LONG);
    assert_eq!(tell(&hall, &longer).await, NOTHING);
    assert_eq!(tell(&hall, &first).await, DurableTold::Known);
    let Some(HoldRecord::Live { hold, .. }) = hall.store.hold_get(first.hold.id).await.unwrap() else {
        panic!("it lives");
    };
    assert_eq!(hold.expires_at.timestamp_millis(), longer.hold.expires_at.timestamp_millis());
    assert_eq!(hall.states().await, "AHHA");
}

#[tokio::test]
async fn it_outranks_holds_of_redis_and_contradicts_bookings() {
    let hall = Hall::open("A:RRRRRRRR").await;
    let loser = hall.hold(&[1, 2]).await;
    let bystander = hall.hold(&[6]).await;
    let mut deltas = hall.deltas().await;
    let first = durable(&hall, &[2, 3]);
    let DurableTold::Done { ended: lost, .. } = tell(&hall, &first).await else { panic!("not applied") };
    assert_eq!(lost, [(loser.id, loser.owner)]);
    assert_eq!(end_of(&hall, loser.id).await, Some(HoldEnd::Lost));
    assert_eq!(end_of(&hall, bystander.id).await, None);
    assert_eq!(hall.states().await, "AAHHAAHA");
    assert_eq!(deltas.next().await.changes.len(), 2, "one version, of what changed");

    // A seat has one owner in PostgreSQL: whoever comes with another asks for a new load.
    let epoch = hall.snapshot().await.position.epoch;
    assert_eq!(tell(&hall, &durable(&hall, &[3, 4])).await, DurableTold::Conflict { epoch: epoch.clone() });
    let sold = hall.booking();
    assert_eq!(hall.apply(sold, 1, &[3], Ownership::Sold).await, Applied::Conflict { epoch: epoch.clone() });
    hall.apply(sold, 1, &[5], Ownership::Sold).await;
    assert_eq!(tell(&hall, &durable(&hall, &[4, 5])).await, DurableTold::Conflict { epoch });
    assert_eq!(hall.states().await, "AAHHASHA");
}

#[tokio::test]
async fn it_replaces_what_redis_gave_to_the_same_request() {
    let hall = Hall::open("A:RRRRRR").await;
    let plain = hall.hold(&[0, 1]).await;
    let mut second = durable(&hall, &[1, 2]);
    second.hold.id = twin(plain.id);
    let third = hall.hold(&[4, 5]).await;
    let mut elsewhere = durable(&hall, &[3]);
    elsewhere.hold.id = twin(third.id);
    for told in [&second, &elsewhere] {
        tell(&hall, told).await;
    }
    assert_eq!(hall.states().await, "AHHHAA");
    // The same by a load.
    let hall = Hall::open("A:RRRRRR").await;
    let plain = hall.hold(&[0, 1]).await;
    let mut second = durable(&hall, &[4]);
    second.hold.id = twin(plain.id);
    let Loaded::Done { ended, .. } = load(&hall, &[], &[second]).await else { panic!("not loaded") };
    assert_eq!(ended, [(plain.id, plain.owner)]);
    assert_eq!(hall.states().await, "AAAAHA");
}

#[tokio::test]
async fn it_becomes_a_booking_without_anybody_noticing() {
    for booking_first in [true, false] {
        let hall = Hall::open("A:RRRR").await;
        let first = durable(&hall, &[1, 2]);
        tell(&hall, &first).await;
        let version = hall.version().await;
        let consumed = ended(&first, HoldState::Consumed);
        let booking = hall.booking();
        if !booking_first {
            assert_eq!(tell(&hall, &consumed).await, DurableTold::Known);
        }
        hall.apply_from(Some(first.hold.id), booking, 1, &[1, 2], claimed()).await;
        tell(&hall, &consumed).await;
        // Late, it takes nothing.
        assert_ne!(tell(&hall, &first).await, NOTHING);
        assert_eq!((hall.states().await.as_str(), hall.version().await), ("AHHA", version));
        hall.apply(booking, 2, &[], Ownership::Freed).await;
        assert_eq!(hall.states().await, "AAAA");
    }
}

#[tokio::test]
async fn it_lapses_like_any_other() {
    let hall = Hall::open("A:RRRR").await;
    let mut short = durable(&hall, &[0, 1]);
    short.hold.expires_at = later(Duration::from_millis(60));
    tell(&hall, &short).await;
    eventually("its end", async || (hall.states().await == "AAAA").then_some(())).await;
    // It had been extended before that, and Redis hears of it only now.
    tell(&hall, &extended(&short, LONG)).await;
    assert_eq!(hall.states().await, "HHAA");
    // What was over when it was told takes no seats.
    let mut over = durable(&hall, &[2]);
    over.hold.expires_at = later(Duration::ZERO);
    tell(&hall, &over).await;
    assert_eq!(hall.states().await, "HHAA");
}

async fn load(hall: &Hall, owners: &[SeatOwner], holds: &[DurableHold]) -> Loaded {
    hall.lock("token").await;
    hall.load_under_lock("token", Replace::Always, &[], owners, holds).await
}

#[tokio::test]
async fn a_load_takes_durable_holds_as_they_were_read_or_as_is_known_since() {
    let hall = Hall::open("A:RRRRRRRR").await;
    let plain = hall.hold(&[7]).await;
    let (read, released, untold) = (durable(&hall, &[0]), durable(&hall, &[1]), durable(&hall, &[2]));
    // Redis knows one that has ended since, and one that the load has not read yet.
    for known in [&released, &untold] {
        tell(&hall, known).await;
    }
    let gone = ended(&released, HoldState::Released);
    let booking = owner(hall.booking(), 1, true, &[4]);
    let epoch = hall.snapshot().await.position.epoch;
    let loaded = load(&hall, &[booking], &[read.clone(), gone.clone()]).await;
    assert!(matches!(loaded, Loaded::Done { .. }), "{loaded:?}");
    assert_eq!(hall.states().await, "HAHASAAH");
    assert_ne!(hall.snapshot().await.position.epoch, epoch);
    assert_eq!(end_of(&hall, released.hold.id).await, Some(HoldEnd::Released));
    assert_eq!(end_of(&hall, plain.id).await, None);
    assert_eq!(tell(&hall, &read).await, DurableTold::Known);

    // While it is not loaded, notes keep what is told.
    let hall = Hall::closed("A:RRRR").await;
    let (noted, over) = (durable(&hall, &[0]), durable(&hall, &[1]));
    for told in [&noted, &over, &ended(&over, HoldState::Lost), &over] {
        assert_eq!(tell(&hall, told).await, DurableTold::Noted);
    }
    load(&hall, &[], &[over]).await;
    assert_eq!(hall.states().await, "HAAA");
}

#[tokio::test]
async fn a_load_that_contradicts_what_came_later_is_done_again() {
    // A hold that was not read wants the seat of a booking that was.
    let hall = Hall::open("A:RRRR").await;
    let later_hold = durable(&hall, &[1]);
    tell(&hall, &later_hold).await;
    let sold = owner(hall.booking(), 1, true, &[1, 2]);
    assert_eq!(load(&hall, slice::from_ref(&sold), &[]).await, Loaded::Conflict);
    let freed = owner(sold.booking, 2, false, &[]);
    assert!(matches!(load(&hall, &[freed], &[later_hold]).await, Loaded::Done { .. }));
    assert_eq!(hall.states().await, "AHAA");

    // A booking that was committed after the load read outranks a hold that was read.
    let hall = Hall::open("A:RRRR").await;
    let read = durable(&hall, &[1]);
    hall.apply(hall.booking(), 1, &[1], Ownership::Sold).await;
    assert!(matches!(load(&hall, &[], slice::from_ref(&read)).await, Loaded::Done { .. }));
    assert_eq!(hall.states().await, "ASAA");
    assert_eq!(end_of(&hall, read.hold.id).await, Some(HoldEnd::Lost));
    let refused = hall.place(&hall.request(person(), LONG), &[1]).await;
    assert!(matches!(refused, Placed::Taken { .. }), "{refused:?}");
}

#[tokio::test]
async fn whatever_is_told_of_its_booking_ends_it() {
    for (ownership, letters) in [(Ownership::Sold, "ASSA"), (Ownership::Freed, "AAAA"), (claimed(), "AHHA")] {
        let hall = Hall::open("A:RRRR").await;
        let first = durable(&hall, &[1, 2]);
        tell(&hall, &first).await;
        // Nobody told of the claim, or of the end of the hold.
        let applied = hall.apply_from(Some(first.hold.id), hall.booking(), 2, &[1, 2], ownership).await;
        let Applied::Done { ended, .. } = applied else { panic!("{ownership:?}: {applied:?}") };
        assert_eq!(ended, [(first.hold.id, first.hold.owner)]);
        assert_eq!(hall.states().await, letters, "{ownership:?}");
        assert_eq!(end_of(&hall, first.hold.id).await, Some(HoldEnd::Consumed));
        assert_eq!(tell(&hall, &first).await, DurableTold::Stale);
    }
}

#[tokio::test]
async fn it_replaces_what_redis_gave_to_the_same_request_even_when_it_is_over() {
    for state in [HoldState::Released, HoldState::Expired, HoldState::Lost, HoldState::Consumed] {
        let hall = Hall::open("A:RRRRRR").await;
        let plain = hall.hold(&[0, 1]).await;
        let mut first = durable(&hall, &[1, 2]);
        first.hold.id = twin(plain.id);
        let over = ended(&first, state);
        let DurableTold::Done { ended: lost, .. } = tell(&hall, &over).await else { panic!("not applied") };
        assert_eq!(lost, [(plain.id, plain.owner)], "{state:?}");
        assert_eq!(end_of(&hall, plain.id).await, Some(HoldEnd::Lost));
        assert_eq!(hall.states().await, "AAAAAA", "{state:?}");
        assert_eq!(tell(&hall, &over).await, DurableTold::Known);
    }
}
