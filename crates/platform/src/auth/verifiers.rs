//! The verifiers of a process.

use std::sync::{Arc, Mutex, PoisonError};

use kernel::SharedClock;

use super::verifier::{AuthConfig, TokenVerifier};

/// Verifiers by what they believe. Roles of one process that believe the same keys share one: each still
/// verifies whatever token it is given, and a token that one of them has verified is known to all. Clones
/// share everything.
#[derive(Clone, Default)]
pub struct Verifiers(Arc<Mutex<Vec<(AuthConfig, TokenVerifier)>>>);

impl Verifiers {
    /// The verifier of whoever is configured like this.
    ///
    /// # Errors
    /// As [`TokenVerifier::new`].
    pub fn get(&self, config: &AuthConfig, clock: &SharedClock) -> Result<TokenVerifier, reqwest::Error> {
        let mut verifiers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, verifier)) = verifiers.iter().find(|(known, _)| known == config) {
            return Ok(verifier.clone());
        }
        let verifier = TokenVerifier::new(config.clone(), Arc::clone(clock))?;
        verifiers.push((config.clone(), verifier.clone()));
        Ok(verifier)
    }
}

impl std::fmt::Debug for Verifiers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Verifiers").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use kernel::source::SystemClock;

    use super::*;

    #[test]
    fn only_those_who_believe_the_same_share() {
        let (verifiers, clock) = (Verifiers::default(), Arc::new(SystemClock) as SharedClock);
        let usual = AuthConfig::default();
        let other = AuthConfig { audience: "somebody else".to_owned(), ..AuthConfig::default() };
        let [first, second, third] =
            [&usual, &usual, &other].map(|config| verifiers.clone().get(config, &clock).unwrap());
        assert!(first.is(&second) && !first.is(&third));
    }
}
