//! What a provider lists: its own record of intents and refunds, whoever made them.

use chrono::{DateTime, Utc};
use kernel::{BookingId, Money, RefundId};

use super::{Intent, ProviderRefund};

/// Which part of a list is wanted.
#[derive(Debug, Clone, Copy)]
pub struct Range<'a> {
    /// Not made before this moment.
    pub from: DateTime<Utc>,
    /// Made before this moment. Providers count in seconds, so both are rounded down to one.
    pub before: DateTime<Utc>,
    /// Only what comes after this one, going back in time.
    pub after: Option<&'a str>,
    /// How many at most: 1 to 100.
    pub limit: u32,
}

/// A part of a list.
#[derive(Debug, Clone)]
pub struct Page<T> {
    /// Newest first.
    pub items: Vec<T>,
    /// What [`Range::after`] has to be for the next page; none when this is the last one.
    pub next: Option<String>,
}

/// An intent with what tells whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedIntent {
    /// The intent.
    pub intent: Intent,
    /// The booking that we attached when we made it; none when it is not ours.
    pub booking: Option<BookingId>,
    /// When it was made.
    pub created: DateTime<Utc>,
    /// Since when it has stood where it stands, as far as the provider tells.
    pub since: DateTime<Utc>,
}

/// A refund with what tells whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedRefund {
    /// The refund.
    pub refund: ProviderRefund,
    /// How much goes back.
    pub amount: Money,
    /// The intent whose money it is.
    pub intent: Option<String>,
    /// Our refund that we attached when we asked for it; none when we did not.
    pub order: Option<RefundId>,
    /// When it was made.
    pub created: DateTime<Utc>,
}
