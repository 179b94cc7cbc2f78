//! What to offer to somebody who cannot have the seats that they want.

use std::ops::Range;

use kernel::{
    SeatKind, SeatState,
    seating::{Cell, Layout},
};

use super::best_available::{Plan, blocks, choose, is_special, orphans};

/// How many offers are made.
const OFFERS: usize = 3;
/// A single seat that an offer leaves beside it counts like this distance.
const ORPHAN: u32 = 4;
/// One row away counts like this many places.
const ROW: u32 = 2;

/// Up to three disjoint blocks of as many adjacent free seats as are `wished`: those of the same
/// kinds first, then the nearest. Wheelchair and companion places are offered for such places
/// only. When no block is long enough, one offer of several blocks.
///
/// `wished` is ascending, and `states` has a letter per seat of `layout`.
pub fn near(layout: &Layout, states: &[u8], wished: &[u16]) -> Vec<Vec<u16>> {
    if is_full(states) {
        return Vec::new();
    }
    let hall = Hall::new(layout);
    let plan = &hall.plan;
    let wished_kinds = kinds(plan, wished.iter().map(|seat| usize::from(*seat)));
    let wished_specials = specials(&wished_kinds);

    let mut offers: Vec<(usize, u32, Range<usize>)> = blocks(plan, states, wished.len(), |_| true)
        .filter_map(|block| {
            let offered = kinds(plan, block.clone());
            if specials(&offered) != wished_specials {
                return None;
            }
            Some((missing(&wished_kinds, &offered), hall.distance(states, wished, &block), block))
        })
        .collect();
    offers.sort_by_key(|(missing, distance, block)| (*missing, *distance, block.start));

    let mut chosen: Vec<Range<usize>> = Vec::with_capacity(OFFERS);
    for (.., block) in offers {
        if chosen.iter().all(|other| block.end <= other.start || other.end <= block.start) {
            chosen.push(block);
            if chosen.len() == OFFERS {
                break;
            }
        }
    }
    if chosen.is_empty() && wished_specials.is_empty() {
        return split(plan, states, wished.len(), None).into_iter().collect();
    }
    chosen.into_iter().map(|block| block.map(|seat| seat as u16).collect()).collect()
}

/// What to offer when no block of `quantity` seats (of `kind`) is free: a block of any kind, and
/// the seats in several blocks.
pub fn instead_of_block(
    layout: &Layout,
    states: &[u8],
    quantity: usize,
    kind: Option<SeatKind>,
) -> Vec<Vec<u16>> {
    if is_full(states) {
        return Vec::new();
    }
    let plan = Plan::new(layout);
    let other_kind = match kind {
        Some(kind) if !is_special(kind) => choose(&plan, states, quantity, None).map(Iterator::collect),
        _ => None,
    };
    other_kind.into_iter().chain(split(&plan, states, quantity, kind)).collect()
}

/// Whether there is nothing to offer: what nearly everybody hears who wants a show that sells out.
fn is_full(states: &[u8]) -> bool {
    !states.contains(&SeatState::Available.byte())
}

/// `quantity` free seats in as few blocks as possible, greedily: the longest block first.
fn split(plan: &Plan, states: &[u8], quantity: usize, kind: Option<SeatKind>) -> Option<Vec<u16>> {
    let mut states = states.to_vec();
    let mut seats = Vec::with_capacity(quantity);
    let mut longest = quantity;
    while seats.len() < quantity {
        longest = longest.min(quantity - seats.len());
        match choose(plan, &states, longest, kind) {
            Some(block) => {
                states[usize::from(block.start)..usize::from(block.end)].fill(SeatState::Held.byte());
                seats.extend(block);
            }
            None if longest > 1 => longest -= 1,
            None => return None,
        }
    }
    seats.sort_unstable();
    Some(seats)
}

/// Where the seats of a layout are, and what they are.
pub(super) struct Hall {
    pub(super) plan: Plan,
    positions: Vec<(u32, u32)>,
}

impl Hall {
    pub(super) fn new(layout: &Layout) -> Self {
        Self { plan: Plan::new(layout), positions: positions(layout) }
    }

    /// How far `block` is from the `wished` seats, which are as many, and what taking it would spoil.
    pub(super) fn distance(&self, states: &[u8], wished: &[u16], block: &Range<usize>) -> u32 {
        let at = |seat: usize| self.positions.get(seat).copied().unwrap_or_default();
        let distance: u32 = wished
            .iter()
            .zip(block.clone())
            .map(|(wish, offer)| {
                let ((row, column), (other_row, other_column)) = (at(usize::from(*wish)), at(offer));
                ROW * row.abs_diff(other_row) + column.abs_diff(other_column)
            })
            .sum();
        distance + ORPHAN * orphans(&self.plan, states, block)
    }
}

/// Row and column of every seat, by index; gaps take columns too.
fn positions(layout: &Layout) -> Vec<(u32, u32)> {
    let rows = (0_u32..).zip(layout.rows());
    rows.flat_map(|(row_no, row)| {
        let cells = (0_u32..).zip(&row.cells);
        cells.filter(|(_, cell)| matches!(cell, Cell::Seat(_))).map(move |(column, _)| (row_no, column))
    })
    .collect()
}

/// The kinds of these seats, sorted.
pub(super) fn kinds(plan: &Plan, seats: impl Iterator<Item = usize>) -> Vec<SeatKind> {
    let mut kinds: Vec<SeatKind> = seats.filter_map(|seat| Some(plan.places().get(seat)?.kind)).collect();
    kinds.sort_unstable();
    kinds
}

/// Those of `kinds` that only who asks for them gets.
fn specials(kinds: &[SeatKind]) -> Vec<SeatKind> {
    kinds.iter().copied().filter(|kind| is_special(*kind)).collect()
}

/// How many of the kinds in `wished` find no counterpart in `offered`. Both are sorted.
fn missing(wished: &[SeatKind], offered: &[SeatKind]) -> usize {
    let mut offered = offered.iter().peekable();
    wished
        .iter()
        .filter(|wish| {
            while offered.next_if(|offer| offer < wish).is_some() {}
            offered.next_if_eq(wish).is_none()
        })
        .count()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{super::best_available::tests::halls, super::seats::is_available, *};

    fn check(layout: &str, states: &str, wished: &[u16], expected: &[&[u16]]) {
        assert_eq!(near(&layout.parse().unwrap(), states.as_bytes(), wished), expected, "{layout} {states}");
    }

    #[test]
    fn the_nearest_block_comes_first() {
        check("A:RRRR/B:RRRR", "HHAAAAAA", &[0, 1], &[&[2, 3], &[4, 5], &[6, 7]]);
    }

    #[test]
    fn the_same_kind_is_better_than_near() {
        check("A:RRPP/B:RR", "HHAAAA", &[0, 1], &[&[4, 5], &[2, 3]]);
    }

    #[test]
    fn places_for_wheelchairs_are_offered_for_such_places_only() {
        check("A:RR/B:WC", "HHAA", &[0, 1], &[]);
        check("A:WC/B:RR/C:WC", "HAAAAA", &[0, 1], &[&[4, 5]]);
    }

    #[test]
    fn people_may_sit_apart_when_nothing_else_is_left() {
        check("A:R_R_R/B:RR", "AAAHA", &[3, 4], &[&[1, 4]]);
    }

    #[test]
    fn a_block_of_another_kind_or_several_of_this_one() {
        let layout: Layout = "A:VRV/B:RRR".parse().unwrap();
        let offers = instead_of_block(&layout, b"AHAAAA", 2, Some(SeatKind::Vip));
        assert_eq!(offers, [vec![3, 4], vec![0, 2]]);
    }

    proptest! {
        #[test]
        fn offers_are_free_distinct_and_of_the_wished_size(
            (layout, mut states) in halls(),
            wished in prop::collection::vec(any::<prop::sample::Index>(), 1..6),
        ) {
            let mut wished: Vec<u16> = wished.iter().map(|seat| seat.index(layout.seat_count()) as u16).collect();
            wished.sort_unstable();
            wished.dedup();
            states[usize::from(wished[0])] = b'H';
            let specials = |seats: &[u16]| seats.iter().filter(|seat| is_special(layout.seat(**seat).unwrap().kind)).count();
            let offers = near(&layout, &states, &wished);
            prop_assert!(offers.len() <= OFFERS);
            let mut all: Vec<u16> = Vec::new();
            for offer in &offers {
                prop_assert_eq!(offer.len(), wished.len());
                prop_assert!(offer.is_sorted());
                prop_assert!(offer.iter().all(|seat| is_available(&states, *seat)));
                prop_assert_eq!(specials(offer), specials(&wished));
                all.extend(offer);
            }
            let offered = all.len();
            all.sort_unstable();
            all.dedup();
            prop_assert_eq!(all.len(), offered);
        }

        #[test]
        fn enough_free_seats_are_always_an_offer((layout, states) in halls(), quantity in 1..6_usize) {
            let free = (0..layout.seat_count() as u16)
                .filter(|seat| is_available(&states, *seat) && !is_special(layout.seat(*seat).unwrap().kind))
                .count();
            let offers = instead_of_block(&layout, &states, quantity, None);
            prop_assert_eq!(!offers.is_empty(), free >= quantity);
        }
    }
}
