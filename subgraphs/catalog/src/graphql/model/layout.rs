//! Seats, as they stand.

use std::sync::Arc;

use async_graphql::{ID, Object, SimpleObject};
use kernel::seating::{Cell, seat_id};

use crate::domain;
use graphql_kit::{AssumedSize, SeatKind};

/// How the seats of a screen stand: a grid of `rows` by `columns`.
#[derive(Debug, Clone)]
pub(crate) struct SeatLayout(pub Arc<domain::Screen>);

/// A row of seats.
#[derive(Debug, Clone, SimpleObject)]
#[graphql(cache_control(max_age = 60))]
pub(crate) struct LayoutRow {
    /// What people call it: `A`.
    pub label: String,
    /// Its seats, left to right as seen from behind; gaps show in their columns.
    #[graphql(directive = AssumedSize::apply(20), complexity = "20 * child_complexity")]
    pub seats: Vec<LayoutSeat>,
}

/// A seat at its place.
#[derive(Debug, Clone, SimpleObject)]
#[graphql(cache_control(max_age = 60))]
pub(crate) struct LayoutSeat {
    /// Its id; the same for every show on the screen.
    pub id: ID,
    /// What people call it: `A5`.
    pub label: String,
    /// Its number in the row, from 1.
    pub number: u16,
    /// What it is like.
    pub kind: SeatKind,
    /// Its place in the packed `states` of a seat map, from 0.
    pub index: u16,
    /// Its column in the grid, from 0; columns without a seat are aisles and gaps.
    pub column: u16,
}

/// How the seats of a screen stand: a grid of `rows` by `columns`.
#[Object(cache_control(max_age = 60))]
impl SeatLayout {
    /// The rows, the one at the screen first.
    #[graphql(directive = AssumedSize::apply(15), complexity = "15 * child_complexity")]
    async fn rows(&self) -> Vec<LayoutRow> {
        let layout = &self.0.layout;
        let seats = |row: &kernel::seating::Row| {
            row.cells.iter().zip(0..).filter_map(|(cell, column)| self.seat(cell, column)).collect()
        };
        layout.rows().iter().map(|row| LayoutRow { label: row.label.clone(), seats: seats(row) }).collect()
    }

    /// How many columns the grid has.
    async fn columns(&self) -> usize {
        self.0.layout.rows().iter().map(|row| row.cells.len()).max().unwrap_or_default()
    }

    /// How many seats there are.
    async fn seat_count(&self) -> usize {
        self.0.layout.seat_count()
    }

    /// The whole layout in one string: rows joined by `/`, each `LABEL:PLACES`, a letter per
    /// place: R regular, P premium, V VIP, L recliner, W wheelchair, C companion, `_` a gap.
    async fn packed(&self) -> String {
        self.0.layout.to_string()
    }
}

impl SeatLayout {
    fn seat(&self, cell: &Cell, column: u16) -> Option<LayoutSeat> {
        let Cell::Seat(seat) = cell else { return None };
        Some(LayoutSeat {
            id: seat_id(self.0.id, seat.index).into(),
            label: self.0.layout.label(seat.index)?,
            number: seat.number,
            kind: seat.kind.into(),
            index: seat.index,
            column,
        })
    }
}
