//! What a refusal offers, and how full shows are.

use booking::{app::seats::HoldRefusal, domain::availability::Availability};
use kernel::SeatKind;

use crate::house::{House, show, somebody};

#[tokio::test]
async fn a_refusal_names_the_taken_seats_and_offers_others_that_can_be_had() {
    let house = House::open("A:RRRR/B:RRRR").await;
    house.hold(&somebody(), &[1], "a").await.unwrap();
    let ada = somebody();
    let Err(HoldRefusal::SeatsUnavailable { seats, alternatives }) = house.hold(&ada, &[0, 1], "a").await
    else {
        panic!("a seat was given twice");
    };
    assert_eq!(seats, [1]);
    assert_eq!(alternatives, [[2, 3], [4, 5], [6, 7]]);
    house.hold(&ada, &alternatives[1], "b").await.unwrap();
}

#[tokio::test]
async fn the_best_seats_and_what_there_is_instead() {
    let house = House::open("A:RRRR/B:RRRR/C:VV_VV").await;
    let show = house.seats().show_to_hold(house.id()).await.unwrap();
    let best = async |quantity, kind, key: &str| {
        house.seats().best_available(&somebody(), &show, quantity, kind, key).await
    };
    assert_eq!(best(2, Some(SeatKind::Vip), "a").await.unwrap().seats.len(), 2);
    let Err(HoldRefusal::SeatsUnavailable { seats, alternatives }) = best(3, Some(SeatKind::Vip), "b").await
    else {
        panic!("three seats in a run of two");
    };
    assert_eq!(seats.len(), 0);
    // Three of another kind side by side; there are no three of this kind at all.
    assert_eq!(alternatives.len(), 1);
    assert_eq!(alternatives[0].len(), 3);
    house.hold(&somebody(), &alternatives[0], "c").await.unwrap();
    for quantity in [0, 11] {
        let refused = best(quantity, None, "d").await;
        assert!(matches!(refused, Err(HoldRefusal::InvalidQuantity { max: 10 })), "{refused:?}");
    }
    // A kind without a price is not for sale.
    let other = crate::house::show("A:PPPP");
    house.publish(&other).await;
    let show = house.seats().show_to_hold(other.show_id).await.unwrap();
    let refused = house.seats().best_available(&somebody(), &show, 1, None, "e").await;
    assert!(matches!(refused, Err(HoldRefusal::SeatsUnavailable { .. })), "{refused:?}");
}

#[tokio::test]
async fn a_glance_at_many_shows_loads_none() {
    let house = House::with("A:RRRR", |config| config.seat_map.availability_max_age_ms = 0).await;
    let mut blocked = show("A:RRRRRRRRRR");
    blocked.blocked = vec![0, 1];
    house.publish(&blocked).await;
    let unknown = kernel::ShowId::from_uuid(crate::support::uuid());
    let ids = [house.id(), blocked.show_id, unknown];
    let badges = async || {
        let found = house.seats().availability(&ids).await.unwrap();
        ids.map(|id| found.get(&id).copied())
    };
    let free = Some(Availability::Available);
    assert_eq!(badges().await, [free, free, None]);
    // Nothing was loaded: what PostgreSQL says is what is shown.
    house.commit_booking(&[0, 1, 2], true).await;
    assert_eq!(badges().await, [Some(Availability::FillingFast), free, None]);
    // From now on holds count too.
    house.hold(&somebody(), &[3], "a").await.unwrap();
    assert_eq!(badges().await, [Some(Availability::SoldOut), free, None]);
    house.hold_in(blocked.show_id, &somebody(), &[2, 3, 4, 5, 6, 7, 8], "a").await.unwrap();
    assert_eq!(badges().await, [Some(Availability::SoldOut), Some(Availability::AlmostFull), None]);
}
