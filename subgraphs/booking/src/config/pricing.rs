//! `[booking.pricing]`

use garde::Validate;
use serde::Deserialize;

use crate::domain::pricing::Rates;

/// Surcharges on the seat price; none unless set.
#[derive(Debug, Clone, Default, Deserialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct PricingConfig {
    /// Booking fee in whole percents of the seat price.
    #[garde(range(max = 100))]
    pub fee_percent: u32,
    /// Tax in whole percents of price and fee.
    #[garde(range(max = 100))]
    pub tax_percent: u32,
}

impl PricingConfig {
    /// The same as the domain wants it.
    pub fn rates(&self) -> Rates {
        Rates { fee_percent: self.fee_percent, tax_percent: self.tax_percent }
    }
}
