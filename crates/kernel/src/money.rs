//! Sums of money: whole minor units of one currency.

use std::fmt;

pub use iso_currency::Currency;
use rust_decimal::{Decimal, prelude::ToPrimitive};
use serde::{Deserialize, Serialize};

/// Why a calculation with money has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// Two currencies met; there is no rate here.
    #[error("cannot combine {0} with {1}")]
    CurrencyMismatch(&'static str, &'static str),
    /// The result does not fit 64 bits of minor units.
    #[error("the amount is too large")]
    Overflow,
    /// More decimal places than the currency has.
    #[error("the amount has more decimal places than its currency")]
    TooPrecise,
}

/// An amount in minor units (cents, or whole yen) of one currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Money {
    minor: i64,
    currency: Currency,
}

impl Money {
    /// `minor` units of `currency`.
    pub const fn new(minor: i64, currency: Currency) -> Self {
        Self { minor, currency }
    }

    /// Nothing, in `currency`.
    pub const fn zero(currency: Currency) -> Self {
        Self::new(0, currency)
    }

    /// The number of minor units.
    pub const fn minor(self) -> i64 {
        self.minor
    }

    /// The currency.
    pub const fn currency(self) -> Currency {
        self.currency
    }

    /// The sum of two amounts of one currency.
    ///
    /// # Errors
    /// [`MoneyError::CurrencyMismatch`] and [`MoneyError::Overflow`].
    pub fn checked_add(self, other: Self) -> Result<Self, MoneyError> {
        if self.currency != other.currency {
            return Err(MoneyError::CurrencyMismatch(self.currency.code(), other.currency.code()));
        }
        let minor = self.minor.checked_add(other.minor).ok_or(MoneyError::Overflow)?;
        Ok(Self::new(minor, self.currency))
    }

    /// `count` times this amount.
    ///
    /// # Errors
    /// [`MoneyError::Overflow`].
    pub fn times(self, count: i64) -> Result<Self, MoneyError> {
        let minor = self.minor.checked_mul(count).ok_or(MoneyError::Overflow)?;
        Ok(Self::new(minor, self.currency))
    }

    /// `percent` per cent of this amount, rounded half away from zero to a whole minor unit.
    ///
    /// # Errors
    /// [`MoneyError::Overflow`].
    pub fn percent(self, percent: u32) -> Result<Self, MoneyError> {
        let scaled = i128::from(self.minor) * i128::from(percent);
        let rounded = (scaled + 50 * scaled.signum()) / 100;
        let minor = i64::try_from(rounded).map_err(|_| MoneyError::Overflow)?;
        Ok(Self::new(minor, self.currency))
    }

    /// The sum of amounts that all have `currency`.
    ///
    /// # Errors
    /// [`MoneyError::CurrencyMismatch`] and [`MoneyError::Overflow`].
    pub fn sum(currency: Currency, amounts: impl IntoIterator<Item = Self>) -> Result<Self, MoneyError> {
        amounts.into_iter().try_fold(Self::zero(currency), Self::checked_add)
    }

    /// The amount in major units, with as many decimal places as the currency has (ISO 4217).
    pub fn amount(self) -> Decimal {
        Decimal::new(self.minor, exponent(self.currency))
    }

    /// The money that `amount` major units are.
    ///
    /// # Errors
    /// [`MoneyError::TooPrecise`] when a part of a minor unit would be lost,
    /// [`MoneyError::Overflow`].
    pub fn from_amount(amount: Decimal, currency: Currency) -> Result<Self, MoneyError> {
        let factor = Decimal::from(10_i64.pow(exponent(currency)));
        let scaled = amount.checked_mul(factor).ok_or(MoneyError::Overflow)?;
        if !scaled.fract().is_zero() {
            return Err(MoneyError::TooPrecise);
        }
        let minor = scaled.to_i64().ok_or(MoneyError::Overflow)?;
        Ok(Self::new(minor, currency))
    }
}

/// Decimal places of the currency (ISO 4217): 2 for EUR, 0 for JPY, 3 for KWD.
fn exponent(currency: Currency) -> u32 {
    currency.exponent().map_or(0, u32::from)
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.amount(), self.currency.code())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn amounts_show_the_decimal_places_of_their_currency() {
        assert_eq!(Money::new(1250, Currency::EUR).to_string(), "12.50 EUR");
        assert_eq!(Money::new(1800, Currency::JPY).to_string(), "1800 JPY");
        assert_eq!(Money::new(-5, Currency::USD).to_string(), "-0.05 USD");
    }

    #[test]
    fn half_a_cent_rounds_away_from_zero() {
        assert_eq!(Money::new(25, Currency::EUR).percent(50).unwrap().minor(), 13);
        assert_eq!(Money::new(-25, Currency::EUR).percent(50).unwrap().minor(), -13);
    }

    #[test]
    fn currencies_never_mix() {
        let sum = Money::new(1, Currency::EUR).checked_add(Money::new(1, Currency::USD));
        assert_eq!(sum, Err(MoneyError::CurrencyMismatch("EUR", "USD")));
    }

    #[test]
    fn parts_of_a_minor_unit_are_refused() {
        let amount = "1.5".parse().unwrap();
        assert_eq!(Money::from_amount(amount, Currency::JPY), Err(MoneyError::TooPrecise));
        assert_eq!(Money::from_amount(amount, Currency::EUR), Ok(Money::new(150, Currency::EUR)));
    }

    proptest! {
        #[test]
        fn the_amount_tells_the_minor_units(minor in -1_000_000_000_000_i64..1_000_000_000_000) {
            for currency in [Currency::EUR, Currency::JPY, Currency::KWD] {
                let money = Money::new(minor, currency);
                prop_assert_eq!(Money::from_amount(money.amount(), currency), Ok(money));
            }
        }

        #[test]
        fn halves_differ_from_the_whole_by_at_most_one(minor in 0_i64..1_000_000_000) {
            let money = Money::new(minor, Currency::EUR);
            let halves = money.percent(50).unwrap().times(2).unwrap();
            prop_assert!((halves.minor() - minor).abs() <= 1);
        }
    }
}
