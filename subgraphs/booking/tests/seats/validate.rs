//! Whoever keeps seats that were read once is told as soon as they are not those of now.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    time::Duration,
};

use booking::store::seats::{Ownership, SeatValidators, SeatsAt, Snapshot};
use futures::future::{join, join_all};
use kernel::ShowId;
use platform::cache::validator::{Validator, Validators};

use crate::{
    hall::{Hall, LONG, claimed},
    house::House,
    support::{eventually, person, uuid},
};

const SHORT: Duration = Duration::from_millis(60);

/// Whoever knows about these seats.
fn of(validators: &SeatValidators, show: ShowId, seats: &Snapshot) -> Box<dyn Validator> {
    let text = seats.validator(show).expect("seats of Redis").to_string();
    validators.read(&[text]).expect("a text of booking")
}

/// Whoever knows about the seats as they are now.
async fn now(hall: &Hall) -> Box<dyn Validator> {
    of(&hall.validators, hall.show, &hall.snapshot().await)
}

#[tokio::test]
async fn seats_hold_until_one_of_them_changes() {
    let hall = Hall::open("A:RRRRRR").await;
    let before = now(&hall).await;
    assert!(before.holds().await);
    let held = hall.hold(&[0, 1]).await;
    assert!(!before.holds().await);

    // What changes no seat changes nothing.
    let with_hold = now(&hall).await;
    hall.place(&hall.request(person(), LONG), &[1, 2]).await;
    hall.store.hold_extend(held.id, held.owner, LONG * 2, LONG * 2).await.unwrap();
    hall.store.expire(hall.show).await.unwrap();
    hall.snapshot().await;
    assert!(with_hold.holds().await);

    hall.release(&held).await;
    assert!(!with_hold.holds().await);
    let booking = hall.booking();
    for (version, ownership) in [(1, claimed()), (2, Ownership::Sold), (3, Ownership::Freed)] {
        let earlier = now(&hall).await;
        hall.apply(booking, version, &[3, 4], ownership).await;
        assert!(!earlier.holds().await, "{ownership:?}");
        assert!(now(&hall).await.holds().await, "{ownership:?}");
    }
    // All are free again, and still these are other seats.
    assert_eq!(hall.states().await, "AAAAAA");
    assert!(!before.holds().await);
}

#[tokio::test]
async fn what_is_due_does_not_hold_before_anybody_has_ended_it() {
    let hall = Hall::open("A:RRRR").await;
    hall.hold_for(&[1, 2], SHORT).await;
    let held = hall.snapshot().await;
    let seats = of(&hall.validators, hall.show, &held);
    eventually("the end of the hold", async || (!seats.holds().await).then_some(())).await;
    // To ask has ended nothing.
    let left = hall.store.states_of(&[hall.show]).await.unwrap();
    assert_eq!((&held.states[..], &left[&hall.show][..]), (&b"AHHA"[..], &b"AHHA"[..]));
    // The next who reads sees the end.
    let free = hall.snapshot().await;
    assert_eq!(free.states[..], *b"AAAA");
    assert!(of(&hall.validators, hall.show, &free).holds().await);
    assert!(!seats.holds().await);
}

#[tokio::test]
async fn a_map_that_is_loaded_anew_is_another() {
    let hall = Hall::open("A:RRRR").await;
    let seats = hall.snapshot().await;
    let known = of(&hall.validators, hall.show, &seats);
    hall.load(&[]).await;
    let again = hall.snapshot().await;
    assert_eq!((&again.states, again.position.version), (&seats.states, seats.position.version));
    assert!(!known.holds().await);

    let closed = Hall::closed("A:RRRR").await;
    assert!(!of(&closed.validators, closed.show, &seats).holds().await);
}

#[tokio::test]
async fn all_shows_of_an_answer_have_to_hold() {
    let hall = Hall::open("A:RRRR").await;
    let other =
        Hall { show: ShowId::from_uuid(uuid()), store: hall.store.clone(), ..Hall::closed("A:RRRR").await };
    other.load(&[]).await;
    let text = async |hall: &Hall| hall.snapshot().await.validator(hall.show).unwrap().to_string();
    let texts = [text(&hall).await, text(&other).await];
    let both = hall.validators.read(&texts).unwrap();
    assert!(both.holds().await);
    other.hold(&[1]).await;
    assert!(!both.holds().await);
    assert!(hall.validators.read(&texts[..1]).unwrap().holds().await);
    assert!(hall.validators.read(&[texts[0].clone(), "seats".to_owned()]).is_none());
}

/// Whoever is told that seats hold has not missed what was done before they asked.
#[tokio::test]
async fn in_a_crowd_nobody_is_told_of_the_past() {
    let hall = Hall::open("A:RRRRRRRR").await;
    let (done, told) = (AtomicU64::new(0), AtomicBool::new(false));
    let writer = async {
        for round in 0..200_u16 {
            let held = hall.hold_for(&[round % 8], Duration::from_millis(u64::from(1 + round % 7))).await;
            done.store(hall.version().await, SeqCst);
            if round % 3 == 0 {
                hall.release(&held).await;
                done.store(hall.version().await, SeqCst);
            } else {
                eventually("a free seat", async || (hall.states().await == "AAAAAAAA").then_some(())).await;
            }
        }
        told.store(true, SeqCst);
    };
    let readers = (0..4).map(async |_| {
        let mut held = 0_u32;
        while !told.load(SeqCst) {
            let seats = hall.snapshot().await;
            let known = of(&hall.validators, hall.show, &seats);
            loop {
                let before = done.load(SeqCst);
                if !known.holds().await {
                    break;
                }
                assert!(seats.position.version >= before, "{} {before}", seats.position.version);
                held += 1;
                if told.load(SeqCst) {
                    break;
                }
            }
        }
        held
    });
    let (held, ()) = join(join_all(readers), writer).await;
    assert!(held.iter().sum::<u32>() > 0);
}

#[tokio::test]
async fn without_redis_nobody_can_tell() {
    let (house, proxy) = House::wired("A:RRRR", |_| {}).await;
    let validators = SeatValidators::new(house.app.deps.redis.clone());
    let seats = house.seats().snapshot(house.id()).await.unwrap();
    let known = of(&validators, house.id(), &seats);
    assert!(known.holds().await);
    proxy.refuse();
    assert!(!known.holds().await);
    house.knows(true).await;
    assert!(!known.holds().await);
    let stored = house.seats().snapshot(house.id()).await.unwrap();
    assert_eq!(stored.validator(house.id()), None::<SeatsAt>);
    proxy.heal();
    house.knows(false).await;
    let again = house.seats().snapshot(house.id()).await.unwrap();
    assert!(of(&validators, house.id(), &again).holds().await);
}

#[tokio::test]
async fn a_change_of_the_show_is_another_map() {
    let house = House::open("A:RRRR").await;
    let validators = SeatValidators::new(house.app.deps.redis.clone());
    let mut known = Vec::new();
    let mut changed = house.show.clone();
    let mut look = async || {
        let seats = house.seats().snapshot(house.id()).await.unwrap();
        known.push(of(&validators, house.id(), &seats));
        let mut holds = Vec::new();
        for known in &known {
            holds.push(known.holds().await);
        }
        (seats, holds)
    };
    assert_eq!(look().await.1, [true]);
    // The same seats at another price.
    changed.revision = 2;
    changed.prices[0].minor = 1_500;
    house.app.show_follow(&changed).await.unwrap();
    let (seats, holds) = look().await;
    assert_eq!((holds, seats.revision), (vec![false, true], 2));
    house.app.show_follow(&changed).await.unwrap();
    assert_eq!(look().await.1, [false, true, true]);
    // It is called off.
    let cancelled = events::show::ShowCancelled { show_id: house.id(), revision: 3, reason: None };
    let envelope = events::Envelope::new(
        kernel::EventId::from_uuid(uuid()),
        kernel::Clock::now(&kernel::SystemClock),
        &cancelled,
    );
    house.app.show_cancelled(&envelope.unwrap()).await.unwrap();
    let (seats, holds) = look().await;
    assert_eq!(holds, [false, false, false, true]);
    assert_eq!(seats.states[..], *b"BBBB");
}
