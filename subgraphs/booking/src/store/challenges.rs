//! Which solved challenges were used, and for what: each is good for one hold.

use std::time::Duration;

use kernel::HoldId;
use platform::redis::RedisError;
use platform::{Redis, Script};
use sha2::{Digest, Sha256};

use super::seats::{Reply, ms};

/// What is known of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spent {
    /// Nothing.
    New,
    /// It was used for the same hold.
    Own,
    /// It was used for another.
    Elsewhere,
}

/// The used tokens.
#[derive(Clone)]
pub struct ChallengeStore {
    redis: Redis,
    spend: Script,
}

impl ChallengeStore {
    /// The used tokens in this Redis.
    pub fn new(redis: Redis) -> Self {
        Self { redis, spend: Script::new(include_str!("lua/challenge_spend.lua")).named("challenge_spend") }
    }

    /// What is known of `token`, from the view of `hold`.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn challenge_get(&self, token: &str, hold: HoldId) -> Result<Spent, RedisError> {
        self.run(token, hold, Duration::ZERO).await
    }

    /// Uses `token` for `hold`, unless it was used before, and remembers that for so long.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn challenge_spend(
        &self,
        token: &str,
        hold: HoldId,
        remember: Duration,
    ) -> Result<Spent, RedisError> {
        self.run(token, hold, remember).await
    }

    async fn run(&self, token: &str, hold: HoldId, remember: Duration) -> Result<Spent, RedisError> {
        // Whoever reads Redis cannot use what they find.
        let key = format!("challenge:{}", hex::encode(Sha256::digest(token.as_bytes())));
        let args = vec![hold.to_string().into(), ms(remember).into()];
        let reply = Reply::new(self.redis.eval(&self.spend, vec![self.redis.key(&key)], args).await?);
        match reply.word()? {
            "NEW" => Ok(Spent::New),
            "OWN" => Ok(Spent::Own),
            "SPENT" => Ok(Spent::Elsewhere),
            _ => Err(reply.unknown()),
        }
    }
}
