//! From columns to values of the domain.

use std::str::FromStr;

use kernel::{Currency, Money, SeatKind};

use super::StoreError;

/// A seat number (a smallint) to an index in layout order.
pub(crate) fn seat_no(stored: i16) -> Result<u16, StoreError> {
    u16::try_from(stored).map_err(|_| StoreError::corrupt("seat number", stored))
}

/// An index in layout order to a seat number.
pub(crate) fn seat_column(index: u16) -> Result<i16, StoreError> {
    i16::try_from(index).map_err(|_| StoreError::corrupt("seat index", index))
}

/// Several of them.
pub(crate) fn seat_columns(indexes: &[u16]) -> Result<Vec<i16>, StoreError> {
    indexes.iter().copied().map(seat_column).collect()
}

pub(crate) fn currency(stored: &str) -> Result<Currency, StoreError> {
    Currency::from_str(stored).map_err(|_| StoreError::corrupt("currency", stored))
}

pub(crate) fn money(minor: i64, stored: &str) -> Result<Money, StoreError> {
    Ok(Money::new(minor, currency(stored)?))
}

/// The one-letter code of a seat kind.
pub(crate) fn seat_kind(stored: &str) -> Result<SeatKind, StoreError> {
    let mut letters = stored.chars();
    letters
        .next()
        .filter(|_| letters.next().is_none())
        .and_then(SeatKind::from_code)
        .ok_or_else(|| StoreError::corrupt("seat kind", stored))
}
