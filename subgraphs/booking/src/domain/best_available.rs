//! The best block of adjacent seats.
//!
//! This is the readable twin of `store/lua/best_available.lua`, which chooses and holds in one
//! atomic step; a test compares the two on random halls. What counts, in this order:
//!
//! 1. All seats of the block are free, adjacent, and of the wanted kind; without a wish, of any
//!    kind but wheelchair and companion places, which go to those who ask for them.
//! 2. The block leaves as few single free seats beside it as can be. Aisles and walls end a row
//!    as taken seats do.
//! 3. The lowest [cost](Place::cost): near the centre of the row, about two thirds back.
//! 4. The lowest index, so that the choice is one.

use std::ops::Range;

use kernel::{
    SeatKind,
    seating::{Cell, Layout},
};

use super::seats::is_available;

/// Cost of standing half a place from the centre of the row.
const HALF_PLACE: u32 = 3;
/// Cost of standing a third of a row from the best row: so one row is worth two places.
const THIRD_OF_ROW: u32 = 4;
/// Bytes per seat in [`Plan::bytes`].
const SEAT_BYTES: usize = 4;

/// What the choice needs to know of one seat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The kind of seat.
    pub kind: SeatKind,
    /// True when no seat is adjacent to the left.
    pub starts_run: bool,
    /// Distance from the best place of the hall; no unit.
    pub cost: u16,
}

/// The seats of a layout as the choice sees them, by index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    places: Vec<Place>,
}

impl Plan {
    /// The plan of a layout.
    pub fn new(layout: &Layout) -> Self {
        let last_row = layout.rows().len().saturating_sub(1) as u32;
        let mut places = Vec::with_capacity(layout.seat_count());
        for (row_no, row) in (0_u32..).zip(layout.rows()) {
            // Thirds of a row from the line two thirds back.
            let depth = (3 * row_no).abs_diff(2 * last_row);
            let last_column = row.cells.len().saturating_sub(1) as u32;
            let mut starts_run = true;
            for (column, cell) in (0_u32..).zip(&row.cells) {
                let Cell::Seat(seat) = cell else {
                    starts_run = true;
                    continue;
                };
                // Half places from the middle of the row.
                let offset = (2 * column).abs_diff(last_column);
                let cost = HALF_PLACE * offset + THIRD_OF_ROW * depth;
                let cost = u16::try_from(cost).unwrap_or(u16::MAX);
                places.push(Place { kind: seat.kind, starts_run, cost });
                starts_run = false;
            }
        }
        Self { places }
    }

    /// Four bytes per seat, as the script reads them: the kind's code, `<` when the seat begins a
    /// run or `-`, and the cost, most significant byte first.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.places.len() * SEAT_BYTES);
        for place in &self.places {
            let [high, low] = place.cost.to_be_bytes();
            let start = if place.starts_run { b'<' } else { b'-' };
            bytes.extend([place.kind.byte(), start, high, low]);
        }
        bytes
    }

    /// The seats, by index.
    pub fn places(&self) -> &[Place] {
        &self.places
    }

    /// Are `seat` and the one before it adjacent?
    fn joined(&self, seat: usize) -> bool {
        self.places.get(seat).is_some_and(|place| !place.starts_run)
    }
}

/// Does only who asks for seats of this kind get one?
pub const fn is_special(kind: SeatKind) -> bool {
    matches!(kind, SeatKind::Wheelchair | SeatKind::Companion)
}

/// The best block of `quantity` seats, as a range of indices; `None` when no block is free.
pub fn choose(plan: &Plan, states: &[u8], quantity: usize, kind: Option<SeatKind>) -> Option<Range<u16>> {
    blocks(plan, states, quantity, |place| match kind {
        Some(kind) => place.kind == kind,
        None => !is_special(place.kind),
    })
    .min_by_key(|block| {
        let alone = if kind.is_some_and(is_special) { 0 } else { orphans(plan, states, block) };
        let cost: u32 = plan.places[block.clone()].iter().map(|place| u32::from(place.cost)).sum();
        (alone, cost, block.start)
    })
    .map(|block| block.start as u16..block.end as u16)
}

/// Every block of `quantity` adjacent free seats that all `fit`, as ranges of indices.
pub(super) fn blocks<'a>(
    plan: &'a Plan,
    states: &'a [u8],
    quantity: usize,
    fits: impl Fn(&Place) -> bool + 'a,
) -> impl Iterator<Item = Range<usize>> + 'a {
    let mut streak = 0;
    plan.places.iter().enumerate().filter_map(move |(seat, place)| {
        if !(fits(place) && is_available(states, seat as u16)) {
            streak = 0;
        } else if plan.joined(seat) {
            streak += 1;
        } else {
            streak = 1;
        }
        (quantity > 0 && streak >= quantity).then(|| seat + 1 - quantity..seat + 1)
    })
}

/// How many single free seats `block` leaves directly beside it, when it is taken. Wheelchair and
/// companion places stand alone by nature, and do not count.
pub(super) fn orphans(plan: &Plan, states: &[u8], block: &Range<usize>) -> u32 {
    let loose = |seat: usize| {
        plan.places.get(seat).is_some_and(|place| !is_special(place.kind))
            && is_available(states, seat as u16)
    };
    let left = plan.joined(block.start)
        && loose(block.start - 1)
        && !(plan.joined(block.start - 1) && loose(block.start - 2));
    let right =
        plan.joined(block.end) && loose(block.end) && !(plan.joined(block.end + 1) && loose(block.end + 1));
    u32::from(left) + u32::from(right)
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Halls of all shapes, with states in some disorder.
    pub(crate) fn halls() -> impl Strategy<Value = (Layout, Vec<u8>)> {
        prop::collection::vec("[RRRRPVLWC_]{1,14}", 1..8)
            .prop_filter_map("a hall has seats", |rows| {
                let text: Vec<String> =
                    rows.iter().enumerate().map(|(n, cells)| format!("R{n}:{cells}")).collect();
                text.join("/").parse::<Layout>().ok()
            })
            .prop_flat_map(|layout| {
                let states =
                    prop::collection::vec(prop::sample::select(b"AAAAHSB".to_vec()), layout.seat_count());
                (Just(layout), states)
            })
    }

    fn check(
        layout: &str,
        states: &str,
        quantity: usize,
        kind: Option<SeatKind>,
        expected: Option<Range<u16>>,
    ) {
        let plan = Plan::new(&layout.parse().unwrap());
        assert_eq!(choose(&plan, states.as_bytes(), quantity, kind), expected, "{layout} {states}");
    }

    #[test]
    fn an_empty_hall_gives_the_centre_two_thirds_back() {
        check("A:RRRRRR/B:RRRRRR/C:RRRRRR/D:RRRRRR", &"A".repeat(24), 2, None, Some(14..16));
    }

    #[test]
    fn no_seat_is_left_alone_if_that_can_be() {
        // The middle of four, or of five, would leave somebody alone; an end does not.
        check("A:RRRR", "AAAA", 2, None, Some(0..2));
        check("A:RRRRR", "AAAAA", 2, None, Some(0..2));
        check("A:RRRR", "AAAA", 1, None, Some(0..1));
        check("A:RRRRR", "AAAAA", 1, None, Some(2..3));
        // Nobody can avoid it here.
        check("A:RRR", "AAA", 2, None, Some(0..2));
        check("A:RRRR", "AAAH", 2, None, Some(1..3));
    }

    #[test]
    fn an_aisle_is_a_wall() {
        check("A:R_RR_R", "AAAA", 2, None, Some(1..3));
        check("A:R_R", "AA", 2, None, None);
    }

    #[test]
    fn special_places_are_for_those_who_ask() {
        check("A:WC", "AA", 1, None, None);
        check("A:WCRR", "AAAA", 2, None, Some(2..4));
        check("A:WCRR", "AAAA", 1, Some(SeatKind::Wheelchair), Some(0..1));
    }

    proptest! {
        #[test]
        fn the_choice_is_free_adjacent_and_of_the_kind(
            (layout, states) in halls(),
            quantity in 1..6_usize,
            kind in prop::option::of(prop::sample::select(SeatKind::ALL.to_vec())),
        ) {
            let plan = Plan::new(&layout);
            let fits = |seat: u16| {
                let found = layout.seat(seat).unwrap().kind;
                is_available(&states, seat) && kind.map_or(!is_special(found), |kind| kind == found)
            };
            let possible = layout.runs().iter().any(|run| {
                run.clone().collect::<Vec<_>>().windows(quantity).any(|window| window.iter().all(|seat| fits(*seat)))
            });
            let choice = choose(&plan, &states, quantity, kind);
            prop_assert_eq!(choice.is_some(), possible);
            if let Some(choice) = choice {
                prop_assert_eq!(choice.len(), quantity);
                prop_assert!(choice.clone().all(fits));
                prop_assert!(layout.runs().iter().any(|run| run.start <= choice.start && choice.end <= run.end));
            }
        }

        #[test]
        fn a_block_that_leaves_nobody_alone_wins((layout, states) in halls(), quantity in 1..5_usize) {
            let plan = Plan::new(&layout);
            let singles = |states: &[u8]| {
                layout.runs().iter().map(|run| {
                    let free: Vec<bool> = run.clone().map(|seat| {
                        is_available(states, seat) && !is_special(layout.seat(seat).unwrap().kind)
                    }).collect();
                    free.split(|free| !free).filter(|stretch| stretch.len() == 1).count()
                }).sum::<usize>()
            };
            let after = |block: Range<usize>| {
                let mut states = states.clone();
                states[block].fill(b'H');
                singles(&states)
            };
            // How many singles appear beside a block; a block may also fill a single.
            let appear = |block: Range<usize>| {
                let filled = usize::from(block.len() == 1 && after(block.clone()) < singles(&states));
                after(block) + filled - singles(&states)
            };
            if let Some(choice) = choose(&plan, &states, quantity, None) {
                let fewest = blocks(&plan, &states, quantity, |place| !is_special(place.kind)).map(appear).min();
                prop_assert_eq!(Some(appear(usize::from(choice.start)..usize::from(choice.end))), fewest);
            }
        }
    }
}
