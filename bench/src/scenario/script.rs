//! The platform's own scripts, run on Redis without the platform.

use std::process::Command;

use anyhow::{Context, Result};
use fred::types::Value;
use kernel::{IdSource, ShowId, SystemIds};
use platform::{Redis, Script};
use tokio::task::block_in_place;

use crate::{load::Done, stand::Stand};

/// As `booking::store::seats::scripts` puts it together.
macro_rules! script {
    ($($part:literal),+) => {
        concat!($(include_str!(concat!("../../../subgraphs/booking/src/store/lua/", $part, ".lua")), "\n"),+)
    };
}

/// Holds seats.
const HOLD: &str = script!("clock", "show_prelude", "hold_alone", "hold_prelude", "hold", "hold_place");
/// Holds seats and counts them against the limits of their user, as the platform does it where one Redis has
/// all keys.
const COUNTED: &str =
    script!("clock", "user_room", "show_prelude", "hold_prelude", "hold", "user_take", "hold_place");
/// Releases a hold.
const RELEASE: &str = script!("clock", "show_prelude", "release");

/// A digest as the platform makes them.
pub const DIGEST: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
/// An account.
pub const USER: &str = "user_01jd0000000000000000000000";
/// How long a hold lives and how long its tombstone does, in milliseconds.
pub const TTL_MS: &str = "600000";
/// See [`TTL_MS`].
pub const TOMBSTONE_MS: &str = "3600000";

/// The three keys of a show's scripts and its channel.
pub fn keys(redis: &Redis, show: ShowId) -> ([String; 3], String) {
    let key = |name: &str| redis.key(&format!("{{show:{show}}}:{name}"));
    (["ledger", "states", "deadlines"].map(key), key("deltas"))
}

/// Changes the seats of one show as holds do, without the platform: two seats are held, then they
/// are released, and so on.
pub struct Changes {
    redis: Redis,
    keys: [String; 3],
    channel: String,
    hold: Script,
    release: Script,
    /// Of the first hold; the scripts remember those that ended.
    token: u64,
    step: u64,
}

impl Changes {
    /// Of a show that is loaded.
    pub fn new(redis: &Redis, show: ShowId) -> Self {
        let (keys, channel) = keys(redis, show);
        let (hold, release) = (Script::new(HOLD), Script::new(RELEASE));
        // Even numbers: odd ones are durable holds.
        let token = SystemIds.local() & !1;
        Self { redis: redis.clone(), keys, channel, hold, release, token, step: 0 }
    }

    /// Makes the next change, which is one version.
    ///
    /// # Errors
    /// When the script refuses.
    pub async fn next(&mut self) -> Result<()> {
        let (pair, releases) = (self.step / 2, self.step % 2 == 1);
        self.step += 1;
        let token = format!("h{:016x}", self.token.wrapping_add(2 * pair));
        let mut args = vec![self.channel.clone(), TOMBSTONE_MS.to_owned(), token, USER.to_owned()];
        let script = if releases {
            &self.release
        } else {
            let first = 2 * (pair % 50);
            args.extend([DIGEST.to_owned(), TTL_MS.to_owned(), "0".to_owned()]);
            args.extend([first.to_string(), (first + 1).to_string()]);
            &self.hold
        };
        let args = args.into_iter().map(Into::into).collect();
        let answer = self.redis.eval(script, self.keys.to_vec(), args).await?;
        let answer: Vec<Value> = answer.into_array();
        let word = answer.first().and_then(Value::as_string).unwrap_or_default();
        anyhow::ensure!(word == "HELD" || word == "RELEASED", "the script says {word}");
        Ok(())
    }
}

impl Changes {
    /// Leaves no seats held.
    ///
    /// # Errors
    /// As [`Changes::next`].
    pub async fn finish(mut self) -> Result<()> {
        if self.step % 2 == 1 { self.next().await } else { Ok(()) }
    }
}

/// Shows that exist in Redis alone: one ledger, and many strings of seats to draw from.
pub struct RawShows {
    redis: Redis,
    /// How many strings there are.
    pub count: u64,
}

const FILL: &str = "
redis.call('DEL', KEYS[1], KEYS[2])
redis.call('HSET', KEYS[1], 'epoch', 'e', 'version', '0', 'revision', '1', 'blocked', '', 'due', ARGV[1])
redis.call('ZADD', KEYS[2], ARGV[1], 'end')
for i = ARGV[2], ARGV[3] do redis.call('SET', string.format('{raw}:states:%012d', i), ARGV[4]) end
return 1";
/// Strings that one script writes, and shows that one clears: it must not hold Redis up for long.
const FILL_STEP: u64 = 20_000;
const CLEAR_STEP: u64 = 5_000;
/// Seats of a string. The script looks at two, whatever the length.
const SEATS: usize = 64;
/// A time that never comes, in milliseconds.
const NEVER: &str = "9000000000000";

impl RawShows {
    /// Makes `count` of them.
    ///
    /// # Errors
    /// When Redis refuses.
    pub async fn fill(redis: &Redis, count: u64, letter: char) -> Result<Self> {
        let script = Script::new(FILL);
        let states = letter.to_string().repeat(SEATS);
        for first in (0..count).step_by(FILL_STEP as usize) {
            let last = (first + FILL_STEP).min(count) - 1;
            let keys = ["{raw}:ledger", "{raw}:deadlines"].map(str::to_owned).to_vec();
            let args =
                vec![NEVER.into(), first.to_string().into(), last.to_string().into(), states.as_str().into()];
            redis.eval(&script, keys, args).await?;
        }
        // Loads the script; there is no such show.
        let nowhere = ["show", "states", "deadlines", "user", "key"].map(|name| format!("{{raw}}:no:{name}"));
        let args = SHOW_ARGS.iter().chain(&USER_ARGS).map(|arg| Value::from(*arg));
        redis.eval(&Script::new(COUNTED), nowhere.to_vec(), args.collect()).await?;
        Ok(Self { redis: redis.clone(), count })
    }

    /// Removes them.
    ///
    /// # Errors
    /// When Redis refuses.
    pub async fn clear(self) -> Result<()> {
        let script = Script::new(
            "for i = ARGV[1], ARGV[2] do
               for _, name in ipairs({ 'states', 'user', 'key' }) do
                 redis.call('UNLINK', string.format('{raw}:%s:%012d', name, i))
               end
             end
             return redis.call('UNLINK', KEYS[1], KEYS[2])",
        );
        for first in (0..self.count).step_by(CLEAR_STEP as usize) {
            let last = (first + CLEAR_STEP).min(self.count) - 1;
            let keys = ["{raw}:ledger", "{raw}:deadlines"].map(str::to_owned).to_vec();
            let args = vec![first.to_string().into(), last.to_string().into()];
            self.redis.eval(&script, keys, args).await?;
        }
        Ok(())
    }
}

/// What a hold of two seats of a raw show says of the show.
const SHOW_ARGS: [&str; 9] =
    ["{raw}:deltas", TOMBSTONE_MS, "h__rand_int__", USER, DIGEST, TTL_MS, "1", "10", "11"];
/// What it says of its user.
const USER_ARGS: [&str; 13] = [
    DIGEST,
    "hold___rand_int__",
    "show",
    "2",
    TTL_MS,
    TOMBSTONE_MS,
    "1000",
    "1000",
    "attempt",
    "0",
    "",
    "0",
    "",
];

/// `redis-benchmark` of the hold script: 64 clients, no pipelining, two seats of a random string for a random user.
///
/// # Errors
/// When the program fails.
pub fn benchmark(stand: &Stand, shows: &RawShows, requests: u64) -> Result<Done> {
    let mut command = Command::new("redis-benchmark");
    command
        .args(["-p", &stand.servers.redis_port().to_string(), "-c", "64", "--csv"])
        .args(["-n", &requests.to_string(), "-r", &shows.count.to_string()])
        .args(["EVALSHA", &Script::new(COUNTED).sha(), "5"])
        .args(["{raw}:ledger", "{raw}:states:__rand_int__", "{raw}:deadlines"])
        .args(["{raw}:user:__rand_int__", "{raw}:key:__rand_int__"])
        .args(SHOW_ARGS)
        .args(USER_ARGS);
    let output = block_in_place(|| xtask::process::capture(&mut command))?;
    let rate = rate(&output).with_context(|| format!("redis-benchmark said: {output}"))?;
    Ok(Done { operations: requests, seconds: requests as f64 / rate })
}

/// Requests per second: the second of eight fields, the first of which may hold anything.
fn rate(csv: &str) -> Option<f64> {
    let fields: Vec<&str> = csv.trim().lines().last()?.rsplitn(8, "\",\"").collect();
    fields.get(6)?.trim_matches('"').parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_found_behind_any_command() {
        let csv = "\"test\",\"rps\",\"avg\",\"min\",\"p50\",\"p95\",\"p99\",\"max\"\n\
                   \"EVALSHA a,b\",\"55000.25\",\"0.9\",\"0.1\",\"0.8\",\"1.2\",\"1.9\",\"4.0\"\n";
        assert_eq!(rate(csv), Some(55_000.25));
        assert_eq!(rate("nothing"), None);
    }
}
