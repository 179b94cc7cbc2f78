//! Scalars and value types that mean the same in every subgraph.

use async_graphql::{Enum, InputValueError, InputValueResult, Scalar, ScalarType, SimpleObject, Value};
use chrono::NaiveDate;
use kernel::{Currency, Money};
use rust_decimal::Decimal;

/// An amount of money.
#[derive(Debug, Clone, Copy, PartialEq, Eq, SimpleObject)]
#[graphql(name = "Money", shareable, cache_control(max_age = 3600))]
pub struct MoneyObject {
    /// In major units, with as many decimal places as the currency has: `"12.50"`.
    pub amount: DecimalText,
    /// In which currency.
    pub currency: CurrencyCode,
}

impl From<Money> for MoneyObject {
    fn from(money: Money) -> Self {
        Self { amount: DecimalText(money.amount()), currency: CurrencyCode(money.currency()) }
    }
}

/// A decimal number, as text, so that nothing is lost on the way: `"12.50"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecimalText(pub Decimal);

#[Scalar(name = "Decimal")]
impl ScalarType for DecimalText {
    fn parse(value: Value) -> InputValueResult<Self> {
        let text = match &value {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            _ => return Err(InputValueError::expected_type(value)),
        };
        text.parse()
            .map(Self)
            .map_err(|_| InputValueError::custom("expected a decimal number such as \"12.50\""))
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.to_string())
    }
}

/// A currency by its ISO 4217 code: `EUR`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CurrencyCode(pub Currency);

#[Scalar]
impl ScalarType for CurrencyCode {
    fn parse(value: Value) -> InputValueResult<Self> {
        match &value {
            Value::String(text) => Currency::from_code(text)
                .map(Self)
                .ok_or_else(|| InputValueError::custom("expected an ISO 4217 code such as EUR")),
            _ => Err(InputValueError::expected_type(value)),
        }
    }

    fn to_value(&self) -> Value {
        Value::from(self.0.code())
    }
}

/// A calendar day without a time or zone, in ISO 8601: `2026-11-20`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Date(pub NaiveDate);

#[Scalar]
impl ScalarType for Date {
    fn parse(value: Value) -> InputValueResult<Self> {
        match &value {
            Value::String(text) => text
                .parse()
                .map(Self)
                .map_err(|_| InputValueError::custom("expected a day such as 2026-11-20")),
            _ => Err(InputValueError::expected_type(value)),
        }
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.to_string())
    }
}

/// What a seat is like; decides its price.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "kernel::SeatKind")]
pub enum SeatKind {
    /// An ordinary seat.
    Regular,
    /// A better row.
    Premium,
    /// The best seats of the house.
    Vip,
    /// A seat that reclines.
    Recliner,
    /// A place for a wheelchair.
    Wheelchair,
    /// Beside a wheelchair place, for who comes along.
    Companion,
}
