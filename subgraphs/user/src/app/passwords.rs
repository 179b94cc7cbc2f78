//! Hashing and checking passwords: argon2id, off the async threads, a few at a time.

use std::{sync::Arc, thread::available_parallelism, time::Duration};

use argon2::{
    Algorithm, Argon2, Params, PasswordHash, PasswordHasher as _, PasswordVerifier as _, Version,
    password_hash,
};
use kernel::SharedIds;
use tokio::{
    sync::Semaphore,
    task::{JoinError, spawn_blocking},
    time::timeout,
};

use crate::{config::PasswordConfig, domain::Password};

/// A password could not be hashed or checked.
#[derive(Debug, thiserror::Error)]
pub enum PasswordFault {
    /// Too many others are being hashed.
    #[error("waited too long for a turn")]
    Busy,
    /// Parameters out of range.
    #[error(transparent)]
    Params(#[from] argon2::Error),
    /// A stored hash that cannot be read.
    #[error(transparent)]
    Hash(#[from] password_hash::Error),
    /// A stored hash that cannot be read.
    #[error(transparent)]
    Phc(#[from] password_hash::phc::Error),
    /// The hashing thread panicked.
    #[error(transparent)]
    Worker(#[from] JoinError),
}

/// What a check found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Another password, or none to compare with.
    Wrong,
    /// The password; with a new hash if the stored one has other costs than are configured.
    Right { rehashed: Option<String> },
}

/// Hashes and checks passwords with the configured costs.
pub(crate) struct Passwords {
    hasher: Hasher,
    ids: SharedIds,
    /// One permit for each hash at a time: argon2 fills a core and its share of memory bandwidth,
    /// and more threads than cores would only make everyone slow.
    turns: Arc<Semaphore>,
    max_wait: Duration,
    /// Compared with when there is no account, so that the answer takes as long.
    decoy: Arc<str>,
}

#[derive(Clone)]
struct Hasher {
    argon2: Argon2<'static>,
    params: Params,
}

const SALT_BYTES: usize = 16;

impl Passwords {
    pub(crate) fn new(config: &PasswordConfig, ids: SharedIds) -> Result<Self, PasswordFault> {
        let params = Params::new(config.memory_kib, config.iterations, config.parallelism, None)?;
        let hasher =
            Hasher { argon2: Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone()), params };
        let turns =
            config.max_concurrent.or_else(|| available_parallelism().ok().map(usize::from)).unwrap_or(1);
        let mut nobodys = [0; 32];
        ids.fill(&mut nobodys);
        let decoy = hasher.hash(&nobodys, &salt(&ids))?.into();
        Ok(Self {
            hasher,
            ids,
            turns: Arc::new(Semaphore::new(turns)),
            max_wait: Duration::from_millis(config.max_wait_ms.into()),
            decoy,
        })
    }

    /// The hash of a new password, as a PHC string.
    pub(crate) async fn hash(&self, password: Password) -> Result<String, PasswordFault> {
        let (hasher, salt) = (self.hasher.clone(), salt(&self.ids));
        self.in_turn(move || hasher.hash(password.expose().as_bytes(), &salt)).await
    }

    /// Whether `password` is the one of `stored`. The work is the same when there is no stored
    /// hash, or no password that could ever be right.
    pub(crate) async fn verify(
        &self,
        password: Option<Password>,
        stored: Option<&str>,
    ) -> Result<Verdict, PasswordFault> {
        let (hasher, salt) = (self.hasher.clone(), salt(&self.ids));
        let comparable = password.is_some() && stored.is_some();
        let stored: Arc<str> = stored.map_or_else(|| Arc::clone(&self.decoy), Arc::from);
        self.in_turn(move || {
            let plain = password.as_ref().map_or("", Password::expose).as_bytes();
            let stored = PasswordHash::new(&stored)?;
            match hasher.argon2.verify_password(plain, &stored) {
                Ok(()) if comparable => {}
                Ok(()) | Err(password_hash::Error::PasswordInvalid) => return Ok(Verdict::Wrong),
                Err(error) => return Err(error.into()),
            }
            let rehashed =
                (!hasher.has_present_costs(&stored)).then(|| hasher.hash(plain, &salt)).transpose()?;
            Ok(Verdict::Right { rehashed })
        })
        .await
    }

    async fn in_turn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, PasswordFault> + Send + 'static,
    ) -> Result<T, PasswordFault> {
        let turn = timeout(self.max_wait, Arc::clone(&self.turns).acquire_owned())
            .await
            .ok()
            .and_then(Result::ok)
            .ok_or(PasswordFault::Busy)?;
        spawn_blocking(move || {
            // Held by the thread: a request that goes away does not free its core.
            let _turn = turn;
            work()
        })
        .await?
    }
}

impl Hasher {
    fn hash(&self, plain: &[u8], salt: &[u8]) -> Result<String, PasswordFault> {
        Ok(self.argon2.hash_password_with_salt(plain, salt)?.to_string())
    }

    fn has_present_costs(&self, stored: &PasswordHash) -> bool {
        stored.algorithm == Algorithm::Argon2id.ident()
            && Params::try_from(stored).is_ok_and(|params| {
                (params.m_cost(), params.t_cost(), params.p_cost())
                    == (self.params.m_cost(), self.params.t_cost(), self.params.p_cost())
            })
    }
}

fn salt(ids: &SharedIds) -> [u8; SALT_BYTES] {
    let mut salt = [0; SALT_BYTES];
    ids.fill(&mut salt);
    salt
}

#[cfg(test)]
mod tests {
    use kernel::SystemIds;

    use super::*;

    fn passwords(iterations: u32) -> Passwords {
        let config = PasswordConfig { memory_kib: 8, iterations, ..PasswordConfig::default() };
        Passwords::new(&config, Arc::new(SystemIds)).unwrap()
    }

    fn password(text: &str) -> Password {
        Password::claimed(&text.into()).unwrap()
    }

    #[tokio::test]
    async fn the_right_password_is_right_and_others_are_wrong() {
        let passwords = passwords(1);
        let stored = passwords.hash(password("correct horse")).await.unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=8,t=1,p=1$"), "{stored}");
        let check = async |text: Option<&str>, stored: Option<&str>| {
            passwords.verify(text.map(password), stored).await.unwrap()
        };
        assert_eq!(check(Some("correct horse"), Some(&stored)).await, Verdict::Right { rehashed: None });
        assert_eq!(check(Some("wrong horse"), Some(&stored)).await, Verdict::Wrong);
        assert_eq!(check(Some("correct horse"), None).await, Verdict::Wrong);
        assert_eq!(check(None, Some(&stored)).await, Verdict::Wrong);
    }

    #[tokio::test]
    async fn a_hash_of_other_costs_is_renewed() {
        let stored = passwords(1).hash(password("correct horse")).await.unwrap();
        let dearer = passwords(2);
        let verdict = dearer.verify(Some(password("correct horse")), Some(&stored)).await.unwrap();
        let Verdict::Right { rehashed: Some(renewed) } = verdict else {
            panic!("not renewed: {verdict:?}");
        };
        assert!(renewed.starts_with("$argon2id$v=19$m=8,t=2,p=1$"));
        assert_eq!(
            dearer.verify(Some(password("correct horse")), Some(&renewed)).await.unwrap(),
            Verdict::Right { rehashed: None }
        );
    }

    #[tokio::test]
    async fn waiting_for_a_turn_has_an_end() {
        let config = PasswordConfig {
            memory_kib: 8,
            max_concurrent: Some(1),
            max_wait_ms: 1,
            ..PasswordConfig::default()
        };
        let passwords = Passwords::new(&config, Arc::new(SystemIds)).unwrap();
        let _taken = passwords.turns.acquire().await.unwrap();
        let refused = passwords.hash(password("correct horse")).await;
        assert!(matches!(refused, Err(PasswordFault::Busy)));
    }
}
