//! What API keys may do.

use std::{collections::BTreeSet, fmt, str::FromStr};

/// The scope that every person's token has and no API key's: all that concerns an account itself.
pub const ACCOUNT: &str = "account";

/// One thing that an API key may do. Persons may do all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Movies, theaters, shows and prices.
    CatalogRead,
    /// Seat maps and how they change.
    SeatsWatch,
    /// Take, extend and release holds.
    HoldsWrite,
    /// Check out, and read and cancel what the key's account booked.
    BookingsWrite,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 4] = [Self::CatalogRead, Self::SeatsWatch, Self::HoldsWrite, Self::BookingsWrite];

    /// The name, as in tokens, `@requiresScopes` and requests for tokens.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CatalogRead => "catalog:read",
            Self::SeatsWatch => "seats:watch",
            Self::HoldsWrite => "holds:write",
            Self::BookingsWrite => "bookings:write",
        }
    }

    /// The scopes of a list separated by spaces (RFC 6749, section 3.3); unknown ones give nothing.
    pub fn list(text: &str) -> BTreeSet<Self> {
        text.split_whitespace().filter_map(|name| name.parse().ok()).collect()
    }

    /// The list of `scopes`, separated by spaces.
    pub fn join(scopes: &BTreeSet<Self>) -> String {
        scopes.iter().map(|scope| scope.as_str()).collect::<Vec<_>>().join(" ")
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Scope {
    type Err = UnknownScope;

    fn from_str(text: &str) -> Result<Self, UnknownScope> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == text).ok_or(UnknownScope)
    }
}

/// The text names no [`Scope`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a scope: use catalog:read, seats:watch, holds:write or bookings:write")]
pub struct UnknownScope;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_survives_text_and_forgets_what_is_unknown() {
        let all = BTreeSet::from(Scope::ALL);
        assert_eq!(Scope::list(&Scope::join(&all)), all);
        assert_eq!(
            Scope::list(" holds:write  role:admin account HOLDS:WRITE"),
            BTreeSet::from([Scope::HoldsWrite])
        );
        assert!(Scope::list("").is_empty());
    }
}
