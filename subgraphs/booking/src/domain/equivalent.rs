//! What seats are as good as those that were booked.
//!
//! As many, of the same kinds (so that they cost the same, and places for wheelchairs stand for such places
//! only), and nobody sits further apart: people whose seats were adjacent get adjacent ones. Of all such
//! seats the nearest.

use std::ops::Range;

use kernel::{SeatKind, SeatState, seating::Layout};

use super::alternatives::{Hall, kinds};
use super::best_available::blocks;
use super::booking::BookedSeat;

/// Free seats that are as good as `booked`, ascending; `None` when there are none.
///
/// Seats that were adjacent to each other move together. Those who sat apart anyway may come to sit together:
/// the largest group chooses first, each takes the nearest seats that are left, and when that does not work
/// out, all of them go where there is room for all.
///
/// `booked` is ascending, and `states` has a letter per seat of `layout`.
pub fn equivalent(layout: &Layout, states: &[u8], booked: &[BookedSeat]) -> Option<Vec<u16>> {
    let hall = Hall::new(layout);
    let mut groups = groups(&hall, booked);
    groups.sort_by_key(|group| std::cmp::Reverse(group.len()));
    groupwise(&hall, states, &groups)
        .or_else(|| nearest(&hall, states, booked).map(|block| block.map(|seat| seat as u16).collect()))
}

/// `booked` in the seats `to`, which are as many of the same kinds: each has the money of a seat of its kind.
/// Both are ascending, and so is what comes out.
pub fn reseat(layout: &Layout, booked: &[BookedSeat], to: &[u16]) -> Option<Vec<BookedSeat>> {
    let mut left: Vec<&BookedSeat> = booked.iter().collect();
    let moved: Vec<BookedSeat> = to
        .iter()
        .map(|seat_no| {
            let kind = layout.seat(*seat_no)?.kind;
            let line = left.remove(left.iter().position(|line| line.kind == kind)?);
            Some(BookedSeat { seat_no: *seat_no, label: layout.label(*seat_no)?, ..line.clone() })
        })
        .collect::<Option<_>>()?;
    left.is_empty().then_some(moved)
}

/// A block for each group, in their order.
fn groupwise(hall: &Hall, states: &[u8], groups: &[&[BookedSeat]]) -> Option<Vec<u16>> {
    let mut states = states.to_vec();
    let mut seats = Vec::new();
    for group in groups {
        let block = nearest(hall, &states, group)?;
        states[block.clone()].fill(SeatState::Held.byte());
        seats.extend(block.map(|seat| seat as u16));
    }
    seats.sort_unstable();
    Some(seats)
}

/// The nearest block of adjacent free seats of the kinds of `booked`.
fn nearest(hall: &Hall, states: &[u8], booked: &[BookedSeat]) -> Option<Range<usize>> {
    let from: Vec<u16> = booked.iter().map(|seat| seat.seat_no).collect();
    let mut wanted: Vec<SeatKind> = booked.iter().map(|seat| seat.kind).collect();
    wanted.sort_unstable();
    blocks(&hall.plan, states, booked.len(), |place| wanted.contains(&place.kind))
        .filter(|block| kinds(&hall.plan, block.clone()) == wanted)
        .min_by_key(|block| (hall.distance(states, &from, block), block.start))
}

/// The stretches of adjacent seats.
fn groups<'b>(hall: &Hall, booked: &'b [BookedSeat]) -> Vec<&'b [BookedSeat]> {
    let joined = |left: &BookedSeat, right: &BookedSeat| {
        right.seat_no == left.seat_no + 1
            && hall.plan.places().get(usize::from(right.seat_no)).is_some_and(|place| !place.starts_run)
    };
    booked.chunk_by(joined).collect()
}

#[cfg(test)]
mod tests {
    use kernel::{Currency, Money};
    use proptest::prelude::*;

    use super::{super::best_available::tests::halls, super::seats::is_available, *};

    /// These seats of `layout`; each has a price of its own.
    fn booked(layout: &Layout, seats: &[u16]) -> Vec<BookedSeat> {
        let money = |minor: u16| Money::new(minor.into(), Currency::EUR);
        let seat = |seat_no: &u16| BookedSeat {
            seat_no: *seat_no,
            label: layout.label(*seat_no).unwrap(),
            kind: layout.seat(*seat_no).unwrap().kind,
            price: money(1_000 + seat_no),
            fee: money(100 + seat_no),
            tax: money(10 + seat_no),
        };
        seats.iter().map(seat).collect()
    }

    fn check(layout: &str, states: &str, seats: &[u16], expected: Option<&[u16]>) {
        let layout: Layout = layout.parse().unwrap();
        let found = equivalent(&layout, states.as_bytes(), &booked(&layout, seats));
        assert_eq!(found.as_deref(), expected, "{layout} {states}");
    }

    #[test]
    fn the_nearest_are_taken_and_those_of_their_own_that_are_left() {
        check("A:RRRR/B:RRRR", "SSAAAAAA", &[0, 1], Some(&[2, 3]));
        check("A:RRRR/B:RRRR", "SSSAAAAA", &[0, 1], Some(&[4, 5]));
        check("A:RRRRR", "SAAAA", &[0, 1], Some(&[1, 2]));
    }

    #[test]
    fn who_sat_together_sits_together() {
        check("A:RRR_RR", "SSASA", &[0, 1], None);
        check("A:RR_R_R", "SSAA", &[0, 1], None);
        check("A:RRRRRR", "SSASAA", &[0, 1], Some(&[4, 5]));
    }

    #[test]
    fn who_sat_apart_may_sit_together() {
        check("A:R_R/B:RR", "SSAA", &[0, 1], Some(&[2, 3]));
        // Two and one: each group has its own.
        check("A:RR_R/B:RR_R", "SSSAAA", &[0, 1, 2], Some(&[3, 4, 5]));
        // The pair takes the end of the row that is nearer, and leaves room for the other.
        check("A:RR_RR/B:RRRR", "SSSSAAAA", &[0, 1, 2, 3], Some(&[4, 5, 6, 7]));
    }

    #[test]
    fn a_kind_stands_for_itself_only() {
        check("A:RRPP", "SSAA", &[0, 1], None);
        check("A:RP_PR_RP", "SSAAAA", &[0, 1], Some(&[2, 3]));
        check("A:WC/B:RR/C:WC", "SSAAAA", &[0, 1], Some(&[4, 5]));
        check("A:RR/B:WC", "SSAA", &[0, 1], None);
    }

    #[test]
    fn money_goes_with_the_kind() {
        let layout: Layout = "A:RP_PR".parse().unwrap();
        let moved = reseat(&layout, &booked(&layout, &[0, 1]), &[2, 3]).unwrap();
        let told: Vec<_> = moved.iter().map(|seat| (seat.label.as_str(), seat.price.minor())).collect();
        assert_eq!(told, [("A3", 1_001), ("A4", 1_000)]);
        assert_eq!(reseat(&layout, &booked(&layout, &[0, 1]), &[2]), None);
        assert_eq!(reseat(&layout, &booked(&layout, &[0]), &[2]), None);
    }

    proptest! {
        #[test]
        fn what_is_taken_is_as_good(
            (layout, mut states) in halls(),
            seats in prop::collection::vec(any::<prop::sample::Index>(), 1..6),
        ) {
            let mut seats: Vec<u16> = seats.iter().map(|seat| seat.index(layout.seat_count()) as u16).collect();
            seats.sort_unstable();
            seats.dedup();
            states[usize::from(seats[0])] = SeatState::Sold.byte();
            let before = booked(&layout, &seats);
            let hall = Hall::new(&layout);
            let found = equivalent(&layout, &states, &before);
            let apart = groups(&hall, &before).len();
            if apart == 1 {
                let possible = layout.runs().iter().any(|run| {
                    run.clone().collect::<Vec<_>>().windows(seats.len()).any(|window| {
                        window.iter().all(|seat| is_available(&states, *seat))
                            && reseat(&layout, &before, window).is_some()
                    })
                });
                prop_assert_eq!(found.is_some(), possible);
            }
            if let Some(found) = found {
                prop_assert!(found.is_sorted_by(|left, right| left < right));
                prop_assert!(found.iter().all(|seat| is_available(&states, *seat)));
                let after = reseat(&layout, &before, &found).unwrap();
                prop_assert!(groups(&hall, &after).len() <= apart);
                let sum = |seats: &[BookedSeat]| {
                    seats.iter().map(|s| s.price.minor() + s.fee.minor() + s.tax.minor()).sum::<i64>()
                };
                prop_assert_eq!(sum(&after), sum(&before));
            }
        }
    }
}
