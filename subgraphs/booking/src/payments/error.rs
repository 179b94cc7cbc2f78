//! What can go wrong at the provider, by what to do about it.

/// Why the provider did not do it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ProviderError {
    /// It is away, slow, overloaded or broken: ask again later, with the same key.
    #[error("the payment provider is unavailable: {0}")]
    Unavailable(String),
    /// It understood and said no; asking again will not help.
    #[error("the payment provider declined: {code}")]
    Declined {
        /// The provider's code, such as `charge_already_refunded`.
        code: String,
    },
    /// Our request was wrong (or our key): a bug or a wrong configuration.
    #[error("the payment provider did not accept the request: status {status}, {code}")]
    Invalid {
        /// The HTTP status.
        status: u16,
        /// The provider's code or message.
        code: String,
    },
}

impl ProviderError {
    /// May the same request work later?
    pub fn is_unavailable(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }
}
