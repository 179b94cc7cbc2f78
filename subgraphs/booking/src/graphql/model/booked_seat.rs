//! `BookedSeat`.

use async_graphql::{ID, SimpleObject};
use graphql_kit::MoneyObject;
use kernel::seating::seat_id;

use crate::domain::booking::BookedSeat;
use crate::domain::show::Show;
use graphql_kit::SeatKind;

/// A seat of a booking, with its price as it was when it was booked.
#[derive(Debug, Clone, SimpleObject)]
#[graphql(name = "BookedSeat")]
pub struct BookedSeatObject {
    /// The same id as in the layout of the screen.
    pub id: ID,
    /// What people call it: `A5`.
    pub label: String,
    /// What it is like.
    pub kind: SeatKind,
    /// The seat itself.
    pub price: MoneyObject,
    /// The booking fee for it.
    pub fee: MoneyObject,
    /// The tax on both.
    pub tax: MoneyObject,
}

impl BookedSeatObject {
    pub(crate) fn new(show: &Show, seat: &BookedSeat) -> Self {
        Self {
            id: ID(seat_id(show.screen_id, seat.seat_no).to_string()),
            label: seat.label.clone(),
            kind: seat.kind.into(),
            price: seat.price.into(),
            fee: seat.fee.into(),
            tax: seat.tax.into(),
        }
    }
}
