//! The stable codes of top-level errors.

use std::fmt;

/// What went wrong, as clients see it in `extensions.code` of a top-level error.
///
/// Expected refusals (a taken seat, a weak password) are not errors but data: see `UserError` in
/// the GraphQL schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorCode {
    /// No valid access token came with the request.
    Unauthenticated,
    /// The caller is known and may not do this.
    Forbidden,
    /// Too many requests; retry later.
    RateLimited,
    /// The request can never work as it stands.
    BadUserInput,
    /// Something behind us is away; the same request may work later.
    Unavailable,
    /// Our fault. Details are logged, never sent.
    Internal,
}

impl ErrorCode {
    /// The text in `extensions.code`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unauthenticated => "UNAUTHENTICATED",
            Self::Forbidden => "FORBIDDEN",
            Self::RateLimited => "RATE_LIMITED",
            Self::BadUserInput => "BAD_USER_INPUT",
            Self::Unavailable => "UNAVAILABLE",
            Self::Internal => "INTERNAL",
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
