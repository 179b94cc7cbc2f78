//! A verifier for tests and development, which asks nobody.

use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

use super::{ChallengeVerifier, NoVerdict, Verdict};

/// Takes every token that begins as agreed.
pub struct StaticToken {
    beginning: SecretString,
}

impl StaticToken {
    /// Takes what begins with `beginning`.
    pub const fn new(beginning: SecretString) -> Self {
        Self { beginning }
    }
}

#[async_trait]
impl ChallengeVerifier for StaticToken {
    async fn verify(&self, token: &str) -> Result<Verdict, NoVerdict> {
        let beginning = self.beginning.expose_secret().as_bytes();
        let given = token.as_bytes().get(..beginning.len());
        let right = given.is_some_and(|given| given.ct_eq(beginning).into());
        Ok(if right { Verdict::Passed } else { Verdict::Failed })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_token_has_to_begin_as_agreed() {
        let verifier = StaticToken::new("right".into());
        for (token, verdict) in [
            ("right", Verdict::Passed),
            ("right:1", Verdict::Passed),
            ("wrong", Verdict::Failed),
            ("righ", Verdict::Failed),
            ("", Verdict::Failed),
        ] {
            assert_eq!(verifier.verify(token).await.unwrap(), verdict, "{token}");
        }
    }
}
