//! What seats cost.

use std::collections::BTreeMap;

use events::show::KindPrice;
use kernel::{Currency, Layout, Money, SeatKind};
use serde::{Deserialize, Serialize};

/// What each kind of seat of a show costs, in minor units of the show's currency. Never empty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PriceList(BTreeMap<SeatKind, i64>);

/// Why an amount cannot be a price.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PriceError {
    /// Zero or less, or far too much.
    #[error("a price must be more than zero and less than {MAX_MINOR} minor units")]
    OutOfRange,
}

/// No seat costs more; far from where sums could overflow.
const MAX_MINOR: i64 = 1_000_000_000;

/// What a kind costs, in per cent of a regular seat. A wheelchair place and the seat beside it
/// never cost more than any other seat.
const fn percent_of_regular(kind: SeatKind) -> u32 {
    match kind {
        SeatKind::Regular | SeatKind::Wheelchair | SeatKind::Companion => 100,
        SeatKind::Premium => 125,
        SeatKind::Recliner => 140,
        SeatKind::Vip => 160,
    }
}

/// The steps in which prices look natural, in minor units: 50 cents, 100 yen.
const fn step(currency: Currency) -> i64 {
    match currency {
        Currency::JPY | Currency::BRL => 100,
        Currency::MXN | Currency::ZAR => 500,
        Currency::INR => 1_000,
        _ => 50,
    }
}

/// `money` to the nearest natural price, half up, and at least one step.
pub fn natural(money: Money) -> Money {
    let step = step(money.currency());
    let rounded = (money.minor().saturating_add(step / 2)).div_euclid(step).saturating_mul(step);
    Money::new(rounded.max(step), money.currency())
}

impl PriceList {
    /// The prices for the kinds of seats in `layout`, when a regular seat costs `base`. Prices
    /// in `fixed` stand as they are, the others are derived and rounded to natural ones. A fixed
    /// price for a kind that the layout does not have has no effect.
    ///
    /// # Errors
    /// [`PriceError`] for an amount that cannot be a price.
    pub fn new(layout: &Layout, base: Money, fixed: &BTreeMap<SeatKind, i64>) -> Result<Self, PriceError> {
        check(base.minor())?;
        fixed.values().copied().try_for_each(check)?;
        let mut prices = BTreeMap::new();
        for seat in layout.seats() {
            prices.entry(seat.kind).or_insert_with(|| match fixed.get(&seat.kind) {
                Some(minor) => *minor,
                None => derived(base, seat.kind),
            });
        }
        Ok(Self(prices))
    }

    /// The same list with other prices for some of its kinds.
    ///
    /// # Errors
    /// [`PriceError`] for an amount that cannot be a price.
    pub fn with(&self, fixed: &BTreeMap<SeatKind, i64>) -> Result<Self, PriceError> {
        fixed.values().copied().try_for_each(check)?;
        let price = |(kind, minor): (&SeatKind, &i64)| (*kind, *fixed.get(kind).unwrap_or(minor));
        Ok(Self(self.0.iter().map(price).collect()))
    }

    /// The prices, by kind.
    pub fn kinds(&self) -> impl Iterator<Item = KindPrice> + '_ {
        self.0.iter().map(|(&kind, &minor)| KindPrice { kind, minor })
    }

    /// What the cheapest seat costs, in minor units.
    pub fn lowest(&self) -> i64 {
        self.0.values().copied().min().unwrap_or_default()
    }
}

fn check(minor: i64) -> Result<(), PriceError> {
    if (1..MAX_MINOR).contains(&minor) { Ok(()) } else { Err(PriceError::OutOfRange) }
}

fn derived(base: Money, kind: SeatKind) -> i64 {
    match percent_of_regular(kind) {
        100 => base.minor(),
        // `base` is checked to be far from overflow.
        percent => base.percent(percent).map_or(base, natural).minor(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn list(base: i64, currency: Currency, fixed: &[(SeatKind, i64)]) -> Vec<(SeatKind, i64)> {
        let layout: Layout = "A:RWC/B:PVL".parse().unwrap();
        let fixed = fixed.iter().copied().collect();
        let list = PriceList::new(&layout, Money::new(base, currency), &fixed).unwrap();
        list.kinds().map(|price| (price.kind, price.minor)).collect()
    }

    #[test]
    fn better_seats_cost_more_in_natural_steps() {
        use SeatKind::*;
        assert_eq!(
            list(1_250, Currency::EUR, &[]),
            [
                (Regular, 1250),
                (Premium, 1550),
                (Vip, 2000),
                (Recliner, 1750),
                (Wheelchair, 1250),
                (Companion, 1250)
            ]
        );
        assert_eq!(
            list(2_000, Currency::JPY, &[(Vip, 5_001)]),
            [
                (Regular, 2000),
                (Premium, 2500),
                (Vip, 5001),
                (Recliner, 2800),
                (Wheelchair, 2000),
                (Companion, 2000)
            ]
        );
    }

    #[test]
    fn kinds_that_the_layout_lacks_have_no_price() {
        let layout: Layout = "A:RR".parse().unwrap();
        let fixed = BTreeMap::from([(SeatKind::Vip, 9_900)]);
        let list = PriceList::new(&layout, Money::new(1_000, Currency::EUR), &fixed).unwrap();
        assert_eq!(list.kinds().count(), 1);
        assert_eq!(list.lowest(), 1_000);
    }

    #[test]
    fn nothing_is_free() {
        let layout: Layout = "A:RR".parse().unwrap();
        for minor in [0, -1, MAX_MINOR, i64::MAX] {
            let list = PriceList::new(&layout, Money::new(minor, Currency::EUR), &BTreeMap::new());
            assert_eq!(list, Err(PriceError::OutOfRange));
        }
    }

    proptest! {
        #[test]
        fn natural_prices_are_near_and_on_the_step(minor in 1_i64..10_000_000) {
            for currency in [Currency::EUR, Currency::JPY, Currency::INR, Currency::ZAR] {
                let natural = natural(Money::new(minor, currency)).minor();
                prop_assert_eq!(natural % step(currency), 0);
                prop_assert!((natural - minor).abs() <= step(currency));
                prop_assert!(natural > 0);
            }
        }
    }
}
