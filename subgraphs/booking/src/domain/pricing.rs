//! What seats cost. Computed once at checkout and locked in the booking's lines.

use kernel::{Money, MoneyError, SeatKind};

use super::show::Show;

/// Surcharges in whole percents of the seat price.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rates {
    /// Booking fee.
    pub fee_percent: u32,
    /// Tax on price and fee.
    pub tax_percent: u32,
}

/// One seat of a quote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Seat index in layout order.
    pub seat_no: u16,
    /// What the seat is called, such as `A5`.
    pub label: String,
    /// Its kind.
    pub kind: SeatKind,
    /// The seat itself.
    pub price: Money,
    /// The booking fee.
    pub fee: Money,
    /// The tax.
    pub tax: Money,
}

/// A price for a set of seats.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quote {
    /// One line per seat, ascending by seat.
    pub lines: Vec<Line>,
    /// Sum of seat prices.
    pub subtotal: Money,
    /// Sum of fees.
    pub fee: Money,
    /// Sum of taxes.
    pub tax: Money,
    /// What the buyer pays: subtotal, fee and tax.
    pub total: Money,
}

/// Why a set of seats has no price.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QuoteError {
    /// The layout has no such seat.
    #[error("seat {0} does not exist in this show")]
    UnknownSeat(u16),
    /// The seat's kind is not on sale.
    #[error("seats of kind {0:?} have no price in this show")]
    NoPrice(SeatKind),
    /// A sum left the range of money.
    #[error(transparent)]
    Money(#[from] MoneyError),
}

/// Prices `seats` of `show`. The order of `seats` does not matter; a seat named twice counts once.
///
/// Fee and tax are rounded half up for each seat, so that the lines add up to the total and a
/// single seat can be refunded exactly.
///
/// # Errors
/// When a seat is unknown or has no price, or the sum leaves the range of money.
pub fn quote(show: &Show, seats: &[u16], rates: Rates) -> Result<Quote, QuoteError> {
    let mut seats = seats.to_vec();
    seats.sort_unstable();
    seats.dedup();
    let lines = seats
        .into_iter()
        .map(|index| line(show, index, rates))
        .collect::<Result<Vec<_>, _>>()?;
    let subtotal = Money::sum(show.currency, lines.iter().map(|l| l.price))?;
    let fee = Money::sum(show.currency, lines.iter().map(|l| l.fee))?;
    let tax = Money::sum(show.currency, lines.iter().map(|l| l.tax))?;
    let total = Money::sum(show.currency, [subtotal, fee, tax])?;
    Ok(Quote { lines, subtotal, fee, tax, total })
}

fn line(show: &Show, seat_no: u16, rates: Rates) -> Result<Line, QuoteError> {
    let seat = show.layout.seat(seat_no).ok_or(QuoteError::UnknownSeat(seat_no))?;
    let label = show.layout.label(seat_no).ok_or(QuoteError::UnknownSeat(seat_no))?;
    let price = show.price_of(seat.kind).ok_or(QuoteError::NoPrice(seat.kind))?;
    let fee = price.percent(rates.fee_percent)?;
    let tax = price.checked_add(fee)?.percent(rates.tax_percent)?;
    Ok(Line { seat_no, label, kind: seat.kind, price, fee, tax })
}
