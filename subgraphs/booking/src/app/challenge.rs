//! Marked shows, whose seats are held only by those who prove that they are a person.
//!
//! * A token is good for one hold: a repetition of the same request may bring it again, or none at
//!   all once the hold is known; another request may not.
//! * While Redis is away, only the service that gave the token knows whether it was used.

use graphql_kit::{Identity, Role};
use kernel::{HoldId, ShowId};

use super::seats::HoldRefusal;
use super::seats::request::{hold_id, key_digest};
use super::{App, AppError};
use crate::challenge::{ChallengeVerifier, SiteVerify, StaticToken, Verdict};
use crate::config::{ChallengeConfig, ChallengeMode, OnFailure};
use crate::domain::audit::{Actor, Reason};
use crate::domain::hold::twin;
use crate::domain::show::Show;
use crate::store::challenges::{ChallengeStore, Spent};
use crate::store::holds::hold_get;
use crate::store::seats::Wanted;
use crate::store::shows::show_challenge_set;

/// Those who may mark shows.
const MARKERS: [Role; 2] = [Role::Manager, Role::Admin];
/// The longest token that is looked at, in bytes; those of the known services have about 2,000.
const MAX_TOKEN: usize = 4_096;

/// Checks tokens.
pub(super) struct Challenges {
    verifier: Option<Box<dyn ChallengeVerifier>>,
    store: ChallengeStore,
    config: ChallengeConfig,
}

/// What comes with the wish to hold.
#[derive(Debug, Clone, Copy)]
pub struct HoldKey<'a> {
    /// The client's idempotency key.
    pub key: &'a str,
    /// The token for a solved challenge.
    pub challenge: Option<&'a str>,
}

impl<'a> From<&'a str> for HoldKey<'a> {
    fn from(key: &'a str) -> Self {
        Self { key, challenge: None }
    }
}

impl<'a> From<&'a String> for HoldKey<'a> {
    fn from(key: &'a String) -> Self {
        key.as_str().into()
    }
}

/// Why a show was not marked.
#[derive(Debug, thiserror::Error)]
pub enum MarkError {
    /// The caller may not mark shows.
    #[error("whether holds need a challenge is for managers and admins to say")]
    Forbidden,
    /// Nobody checks tokens.
    #[error("challenges are off here: an operator has to set booking.challenge first")]
    Off,
    /// Booking has not heard of the show.
    #[error("there is no such show")]
    UnknownShow,
    /// It could not be done.
    #[error(transparent)]
    App(#[from] AppError),
}

impl Challenges {
    /// Checks tokens as configured.
    ///
    /// # Errors
    /// When the TLS of this machine cannot be set up.
    pub(super) fn new(config: &ChallengeConfig, store: ChallengeStore) -> Result<Self, reqwest::Error> {
        let verifier: Option<Box<dyn ChallengeVerifier>> = match config.mode {
            ChallengeMode::Off => None,
            ChallengeMode::Static => Some(Box::new(StaticToken::new(config.static_token.clone()))),
            ChallengeMode::Http => Some(Box::new(SiteVerify::new(config)?)),
        };
        Ok(Self { verifier, store, config: config.clone() })
    }

    /// Who has to check a token when `who` holds seats of `show`; nobody when none is needed.
    fn verifier(&self, who: &Identity, show: &Show) -> Option<&dyn ChallengeVerifier> {
        let exempt = if who.is_person() {
            who.has_any(&self.config.exempt_roles)
        } else {
            self.config.exempt_api_keys
        };
        self.verifier.as_deref().filter(|_| show.challenge_required && !exempt)
    }

    async fn check(
        &self,
        verifier: &dyn ChallengeVerifier,
        hold: HoldId,
        token: Option<&str>,
    ) -> Result<(), HoldRefusal> {
        let Some(token) = token.filter(|token| !token.is_empty()) else {
            return Err(HoldRefusal::ChallengeRequired);
        };
        if token.len() > MAX_TOKEN {
            return Err(HoldRefusal::ChallengeFailed);
        }
        match known(self.store.challenge_get(token, hold).await)? {
            Spent::Own => return Ok(()),
            Spent::Elsewhere => return Err(HoldRefusal::ChallengeFailed),
            Spent::New => {}
        }
        match verifier.verify(token).await {
            Ok(Verdict::Passed) => {}
            Ok(Verdict::Failed) => return Err(HoldRefusal::ChallengeFailed),
            Err(error) if self.config.on_failure == OnFailure::Open => {
                tracing::error!(%error, "holds are given without a solved challenge");
            }
            Err(error) => return Err(HoldRefusal::ChallengeUnjudged(error)),
        }
        match known(self.store.challenge_spend(token, hold, self.config.remember()).await)? {
            Spent::New | Spent::Own => Ok(()),
            // Somebody was faster with it.
            Spent::Elsewhere => Err(HoldRefusal::ChallengeFailed),
        }
    }
}

/// Nothing is known of any token while Redis is away.
fn known(answer: Result<Spent, platform::redis::RedisError>) -> Result<Spent, HoldRefusal> {
    match answer {
        Err(error) if error.is_unavailable() => Ok(Spent::New),
        answer => Ok(answer?),
    }
}

impl App {
    /// What browsers get a challenge with.
    pub fn challenge_site_key(&self) -> &str {
        &self.config.challenge.site_key
    }

    /// Whether somebody who is not exempt needs a token to hold seats of the show; nothing when
    /// booking has not heard of it.
    ///
    /// # Errors
    /// When the store is away.
    pub async fn challenge_required(&self, show: ShowId) -> Result<Option<bool>, AppError> {
        let show = self.shows.get(&self.deps.pg, show).await?;
        Ok(show.map(|show| show.challenge_required && self.challenges.verifier.is_some()))
    }

    /// Marks a show, or takes the mark away. Once is as good as twice. Other processes notice within
    /// two seconds.
    ///
    /// # Errors
    /// [`MarkError`].
    pub async fn show_challenge_set(
        &self,
        who: &Identity,
        show: ShowId,
        required: bool,
    ) -> Result<(), MarkError> {
        if !who.has_any(&MARKERS) {
            return Err(MarkError::Forbidden);
        }
        if required && self.challenges.verifier.is_none() {
            return Err(MarkError::Off);
        }
        let cause = Actor::User(who.user_id).because(Reason::ChallengeSet);
        let known = show_challenge_set(&self.deps.pg, show, required, &cause).await;
        if !known.map_err(AppError::from)? {
            return Err(MarkError::UnknownShow);
        }
        self.shows.forget(show).await;
        Ok(())
    }

    /// Refuses somebody who needs a token and has none that is good. Whatever would be refused
    /// anyway is refused first, so that it costs no token.
    pub(super) async fn challenge_pass(
        &self,
        who: &Identity,
        show: &Show,
        wanted: Wanted<'_>,
        ask: HoldKey<'_>,
    ) -> Result<(), HoldRefusal> {
        let Some(verifier) = self.challenges.verifier(who, show) else { return Ok(()) };
        key_digest(ask.key)?;
        self.seats.check(show, wanted)?;
        let hold = hold_id(who.user_id, show.id, ask.key);
        if self.hold_is_known(hold).await? {
            return Ok(());
        }
        self.challenges.check(verifier, hold, ask.challenge).await
    }

    /// Whether the request that makes this hold was answered by one before, wherever it is kept.
    async fn hold_is_known(&self, id: HoldId) -> Result<bool, HoldRefusal> {
        if !self.seats.is_away() {
            match self.seats.hold_is_known(id).await {
                Ok(true) => return Ok(true),
                Err(error) if !error.is_redis_away() => return Err(error.into()),
                Ok(false) | Err(_) => {}
            }
        }
        Ok(hold_get(&self.deps.pg, twin(id)).await?.is_some())
    }
}
