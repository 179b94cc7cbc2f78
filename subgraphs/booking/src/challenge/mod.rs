//! Checks proof that a request was made by a person: a token that a browser gets for solving a
//! challenge.

mod siteverify;
mod static_token;

use async_trait::async_trait;

pub use siteverify::SiteVerify;
pub use static_token::StaticToken;

/// What a token proves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Somebody solved the challenge.
    Passed,
    /// It is no such token, it is too old, or it was used before.
    Failed,
}

/// There is no verdict: whoever gives them is away, slow, or does not know us.
#[derive(Debug, Clone, thiserror::Error)]
#[error("no verdict on a challenge: {0}")]
pub struct NoVerdict(pub String);

/// Judges tokens.
#[async_trait]
pub trait ChallengeVerifier: Send + Sync {
    /// What `token` proves.
    ///
    /// # Errors
    /// [`NoVerdict`].
    async fn verify(&self, token: &str) -> Result<Verdict, NoVerdict>;
}
