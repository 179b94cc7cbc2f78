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
    let lines = seats.into_iter().map(|index| line(show, index, rates)).collect::<Result<Vec<_>, _>>()?;
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

#[cfg(test)]
mod tests {
    use std::str::FromStr;
    use std::sync::Arc;

    use chrono::DateTime;
    use kernel::{Currency, Id, Layout};
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;
    use crate::domain::show::{KindPrice, ShowStatus};

    fn show(regular: i64, premium: i64) -> Show {
        let starts_at = DateTime::from_timestamp(1_900_000_000, 0).unwrap();
        let price = |kind, minor| KindPrice { kind, price: Money::new(minor, Currency::EUR) };
        Show {
            id: Id::from_uuid(Uuid::from_u128(1)),
            revision: 1,
            movie_id: Id::from_uuid(Uuid::from_u128(2)),
            title: "The General".into(),
            theater_id: Id::from_uuid(Uuid::from_u128(3)),
            theater_name: "Roxy".into(),
            screen_id: Id::from_uuid(Uuid::from_u128(0x10000)),
            screen_name: "1".into(),
            starts_at,
            ends_at: starts_at,
            time_zone: "Europe/Berlin".into(),
            currency: Currency::EUR,
            layout: Arc::new(Layout::from_str("A:RRRR/B:PPPV").unwrap()),
            blocked: Vec::new(),
            prices: vec![price(SeatKind::Regular, regular), price(SeatKind::Premium, premium)],
            status: ShowStatus::Scheduled,
            challenge_required: false,
        }
    }

    #[test]
    fn without_surcharges_the_total_is_the_sum_of_the_seats() {
        let quote = quote(&show(1_200, 1_550), &[4, 0], Rates::default()).unwrap();
        assert_eq!(quote.total, Money::new(2_750, Currency::EUR));
        assert_eq!((quote.fee.minor(), quote.tax.minor()), (0, 0));
        let labels: Vec<_> = quote.lines.iter().map(|line| line.label.as_str()).collect();
        assert_eq!(labels, ["A1", "B1"]);
    }

    #[test]
    fn tax_is_on_price_and_fee_rounded_for_each_seat() {
        let rates = Rates { fee_percent: 10, tax_percent: 19 };
        let quote = quote(&show(1_005, 0), &[0, 1], rates).unwrap();
        // Each: fee 100.5 is 101, tax on 1106 is 210.14 is 210.
        assert_eq!((quote.subtotal.minor(), quote.fee.minor(), quote.tax.minor()), (2_010, 202, 420));
        assert_eq!(quote.total.minor(), 2_632);
    }

    #[test]
    fn what_cannot_be_sold_has_no_price() {
        let show = show(1_200, 1_550);
        assert_eq!(quote(&show, &[8], Rates::default()), Err(QuoteError::UnknownSeat(8)));
        assert_eq!(quote(&show, &[7], Rates::default()), Err(QuoteError::NoPrice(SeatKind::Vip)));
        let dear = self::show(i64::MAX, 0);
        assert_eq!(quote(&dear, &[0, 1], Rates::default()), Err(QuoteError::Money(MoneyError::Overflow)));
    }

    proptest! {
        #[test]
        fn the_lines_add_up_whatever_the_order(
            seats in prop::collection::vec(0_u16..7, 1..12),
            regular in 0_i64..100_000,
            premium in 0_i64..100_000,
            fee_percent in 0_u32..=100,
            tax_percent in 0_u32..=100,
        ) {
            let show = show(regular, premium);
            let rates = Rates { fee_percent, tax_percent };
            let quote = quote(&show, &seats, rates).unwrap();
            let sum: i64 =
                quote.lines.iter().map(|l| l.price.minor() + l.fee.minor() + l.tax.minor()).sum();
            prop_assert_eq!(quote.total.minor(), sum);
            prop_assert!(quote.lines.is_sorted_by(|a, b| a.seat_no < b.seat_no));
            let mut backwards = seats;
            backwards.reverse();
            prop_assert_eq!(super::quote(&show, &backwards, rates).unwrap(), quote);
        }
    }
}
