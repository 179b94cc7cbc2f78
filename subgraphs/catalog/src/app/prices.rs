//! Prices as people write them.

use std::collections::BTreeMap;

use kernel::{Currency, Layout, Money, SeatKind};
use rust_decimal::Decimal;

use super::Refusal;
use crate::domain::PriceList;

/// A price list from what a regular seat costs, and prices of kinds that are not to be derived.
pub(super) fn list(
    layout: &Layout,
    currency: Currency,
    base: Decimal,
    fixed: &[(SeatKind, Decimal)],
) -> Result<PriceList, Refusal> {
    let base = money("basePrice", base, currency)?;
    let fixed = by_kind(fixed, currency)?;
    PriceList::new(layout, base, &fixed).map_err(|error| Refusal::invalid("basePrice", error.to_string()))
}

/// `list` with other prices for some kinds.
pub(super) fn changed(
    list: &PriceList,
    currency: Currency,
    fixed: &[(SeatKind, Decimal)],
) -> Result<PriceList, Refusal> {
    let fixed = by_kind(fixed, currency)?;
    list.with(&fixed).map_err(|error| Refusal::invalid("prices", error.to_string()))
}

fn by_kind(prices: &[(SeatKind, Decimal)], currency: Currency) -> Result<BTreeMap<SeatKind, i64>, Refusal> {
    let mut kinds = BTreeMap::new();
    for (kind, amount) in prices {
        let money = money("prices", *amount, currency)?;
        if kinds.insert(*kind, money.minor()).is_some() {
            return Err(Refusal::invalid("prices", "a kind of seat has two prices; give one for each kind"));
        }
    }
    Ok(kinds)
}

fn money(field: &'static str, amount: Decimal, currency: Currency) -> Result<Money, Refusal> {
    Money::from_amount(amount, currency)
        .map_err(|error| Refusal::invalid(field, format!("{amount} {}: {error}", currency.code())))
}
