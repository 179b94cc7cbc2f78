//! Seats: their kinds, states, ids, and where they stand on a screen.

use std::{fmt, ops::Range, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use uuid::Uuid;

use crate::id::{Id, ScreenId, SeatId};

/// The most seats that a layout may have: every index, and the room for it in a seat id, is a
/// `u16`, and one PostgreSQL `smallint` holds it.
pub const MAX_SEATS: usize = 32_000;

macro_rules! lettered {
    ($(#[$doc:meta])* $name:ident $to:ident $from:ident { $($(#[$variant_doc:meta])* $variant:ident = $letter:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "SCREAMING_SNAKE_CASE")]
        pub enum $name { $($(#[$variant_doc])* $variant,)* }

        impl $name {
            /// Every value, in order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The letter that stands for it in packed text.
            pub const fn $to(self) -> char {
                match self { $(Self::$variant => $letter),* }
            }

            /// What `letter` stands for.
            pub const fn $from(letter: char) -> Option<Self> {
                match letter { $($letter => Some(Self::$variant),)* _ => None }
            }

            /// The same letter as an ASCII byte.
            pub const fn byte(self) -> u8 {
                self.$to() as u8
            }

            /// What the ASCII letter `byte` stands for.
            pub const fn from_byte(byte: u8) -> Option<Self> {
                Self::$from(byte as char)
            }
        }
    };
}

lettered! {
    /// What a seat is like; decides its price.
    SeatKind code from_code {
        /// An ordinary seat.
        Regular = 'R',
        /// A better row.
        Premium = 'P',
        /// The best seats of the house.
        Vip = 'V',
        /// A seat that reclines.
        Recliner = 'L',
        /// A place for a wheelchair.
        Wheelchair = 'W',
        /// Beside a wheelchair place, for who comes along.
        Companion = 'C',
    }
}

lettered! {
    /// Whether a seat can be had.
    SeatState letter from_letter {
        /// Free.
        Available = 'A',
        /// Somebody holds it, or is paying for it.
        Held = 'H',
        /// Somebody owns it.
        Sold = 'S',
        /// Not on sale: a house seat, or out of order.
        Blocked = 'B',
    }
}

/// One seat of a layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seat {
    /// Position in reading order over the whole layout, from 0; the position in packed states.
    pub index: u16,
    /// Position of the row, from 0 at the screen.
    pub row: u16,
    /// Number within the row, from 1, left to right.
    pub number: u16,
    /// What it is like.
    pub kind: SeatKind,
}

/// What stands at one place of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cell {
    /// A seat.
    Seat(Seat),
    /// An aisle, or nothing.
    Gap,
}

/// A row of a layout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// What people call it: `A`.
    pub label: String,
    /// What stands in it, left to right.
    pub cells: Vec<Cell>,
}

/// How the seats of a screen stand, the row at the screen first.
///
/// Its text form has a row per `/`, each `LABEL:CELLS` with one character per place: the code of
/// a [`SeatKind`], or `_` for a gap, as in `A:RRRR_RRRR/B:PPPP_PPPP`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    rows: Vec<Row>,
    seats: Vec<Seat>,
    runs: Vec<Range<u16>>,
}

/// Why a text is no layout.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    /// A row without `:`, or without a label.
    #[error("row {0} of the layout must read LABEL:CELLS")]
    Row(usize),
    /// Two rows of one name: their seats could not be told apart.
    #[error("two rows of the layout are named {0}")]
    DuplicateLabel(String),
    /// A character that is no seat kind and no gap.
    #[error("row {label} of the layout has the unknown place `{place}`; use R, P, V, L, W, C or _")]
    Place {
        /// The row's label.
        label: String,
        /// The character.
        place: char,
    },
    /// None, or more than [`MAX_SEATS`].
    #[error("a layout must have 1 to {MAX_SEATS} seats, not {0}")]
    Count(usize),
}

impl Layout {
    /// How many seats there are.
    pub fn seat_count(&self) -> usize {
        self.seats.len()
    }

    /// The rows, the one at the screen first.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// Every seat, by index.
    pub fn seats(&self) -> &[Seat] {
        &self.seats
    }

    /// The seat at `index`.
    pub fn seat(&self, index: u16) -> Option<&Seat> {
        self.seats.get(usize::from(index))
    }

    /// What people call the seat at `index`: `A5`.
    pub fn label(&self, index: u16) -> Option<String> {
        let seat = self.seat(index)?;
        let row = self.rows.get(usize::from(seat.row))?;
        Some(format!("{}{}", row.label, seat.number))
    }

    /// The longest stretches of seats with no gap between them, as ranges of indices, in order.
    pub fn runs(&self) -> &[Range<u16>] {
        &self.runs
    }
}

impl FromStr for Layout {
    type Err = LayoutError;

    fn from_str(text: &str) -> Result<Self, LayoutError> {
        let mut layout = Self { rows: Vec::new(), seats: Vec::new(), runs: Vec::new() };
        for (position, row) in text.split('/').enumerate() {
            let (label, places) = row
                .split_once(':')
                .filter(|(label, _)| !label.is_empty())
                .ok_or(LayoutError::Row(position + 1))?;
            if layout.rows.iter().any(|row| row.label == label) {
                return Err(LayoutError::DuplicateLabel(label.to_owned()));
            }
            layout.push_row(label, places)?;
        }
        match layout.seats.len() {
            1..=MAX_SEATS => Ok(layout),
            count => Err(LayoutError::Count(count)),
        }
    }
}

impl Layout {
    fn push_row(&mut self, label: &str, places: &str) -> Result<(), LayoutError> {
        let row = self.rows.len() as u16;
        let mut number = 0;
        let mut cells = Vec::with_capacity(places.len());
        let mut run_start = None;
        for place in places.chars() {
            if place == '_' {
                self.end_run(&mut run_start);
                cells.push(Cell::Gap);
                continue;
            }
            let kind = SeatKind::from_code(place)
                .ok_or_else(|| LayoutError::Place { label: label.to_owned(), place })?;
            if self.seats.len() == MAX_SEATS {
                return Err(LayoutError::Count(MAX_SEATS + 1));
            }
            let index = self.seats.len() as u16;
            number += 1;
            run_start.get_or_insert(index);
            let seat = Seat { index, row, number, kind };
            self.seats.push(seat);
            cells.push(Cell::Seat(seat));
        }
        self.end_run(&mut run_start);
        self.rows.push(Row { label: label.to_owned(), cells });
        Ok(())
    }

    fn end_run(&mut self, start: &mut Option<u16>) {
        if let Some(start) = start.take() {
            self.runs.push(start..self.seats.len() as u16);
        }
    }
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, row) in self.rows.iter().enumerate() {
            let separator = if position == 0 { "" } else { "/" };
            write!(f, "{separator}{}:", row.label)?;
            for cell in &row.cells {
                match cell {
                    Cell::Seat(seat) => write!(f, "{}", seat.kind.code())?,
                    Cell::Gap => f.write_str("_")?,
                }
            }
        }
        Ok(())
    }
}

impl Serialize for Layout {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Layout {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// A screen's UUID made from `uuid`: its last two bytes are zero, which leaves room for a seat's
/// index in [`seat_id`].
pub const fn screen_uuid(uuid: Uuid) -> Uuid {
    Uuid::from_u128(uuid.as_u128() & !0xffff)
}

/// The id of the seat at `index` of `screen`: the screen's id with `index + 1` in its last two
/// bytes. So a seat id is turned into an index without asking anybody.
pub const fn seat_id(screen: ScreenId, index: u16) -> SeatId {
    let base = screen_uuid(screen.uuid()).as_u128();
    Id::from_uuid(Uuid::from_u128(base | (index as u128 + 1)))
}

/// The index of `seat` on `screen`; `None` for another screen's seat.
///
/// The index may still lie beyond the layout: ask [`Layout::seat`].
pub fn seat_index(screen: ScreenId, seat: SeatId) -> Option<u16> {
    let seat = seat.uuid();
    if screen_uuid(seat) != screen_uuid(screen.uuid()) {
        return None;
    }
    ((seat.as_u128() & 0xffff) as u16).checked_sub(1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn seats_are_numbered_past_the_aisle_and_indexed_across_rows() {
        let layout: Layout = "A:RR_WC/B:PPP".parse().unwrap();
        assert_eq!(layout.seat_count(), 7);
        assert_eq!(layout.label(2).unwrap(), "A3");
        assert_eq!(layout.seat(2).unwrap().kind, SeatKind::Wheelchair);
        assert_eq!(layout.label(4).unwrap(), "B1");
        assert_eq!(layout.runs(), [0..2, 2..4, 4..7]);
        assert_eq!(layout.label(7), None);
    }

    #[test]
    fn a_bad_layout_says_what_is_wrong() {
        let check = |text: &str, message: &str| {
            let error = text.parse::<Layout>().unwrap_err().to_string();
            assert!(error.contains(message), "{text}: {error}");
        };
        check("", "row 1");
        check("A:RR/BRR", "row 2");
        check("A:RR/A:RR", "named A");
        check("A:RX", "`X`");
        check("A:__", "not 0");
    }

    proptest! {
        #[test]
        fn every_layout_survives_text(rows in prop::collection::vec("[RPVLWC_]{1,30}", 1..20)) {
            let text = rows.iter().enumerate().map(|(n, cells)| format!("R{n}:{cells}")).collect::<Vec<_>>().join("/");
            if let Ok(layout) = text.parse::<Layout>() {
                prop_assert_eq!(layout.to_string(), text);
                let covered: usize = layout.runs().iter().map(ExactSizeIterator::len).sum();
                prop_assert_eq!(covered, layout.seat_count());
            }
        }

        #[test]
        fn a_seat_id_tells_its_index_on_its_screen_only(screen: u128, other: u128, index in 0..32_000_u16) {
            let screen = ScreenId::from_uuid(screen_uuid(Uuid::from_u128(screen)));
            let other = ScreenId::from_uuid(screen_uuid(Uuid::from_u128(other)));
            prop_assert_eq!(seat_index(screen, seat_id(screen, index)), Some(index));
            prop_assert_eq!(seat_index(other, seat_id(screen, index)).is_some(), screen == other);
        }
    }
}
