//! Lua scripts with their digest worked out beforehand, and with how long they take.

use std::{
    fmt,
    sync::{Arc, OnceLock},
    time::Duration,
};

use fred::bytes_utils::Str;
use metrics::Histogram;
use opentelemetry::KeyValue;
use sha1::{Digest, Sha1};

use super::RedisError;
use crate::telemetry::{is_traced, record_call};

/// A Lua script. Make it once and keep it; clones share the text.
#[derive(Clone, Debug)]
pub struct Script {
    name: &'static str,
    source: Str,
    sha: Str,
    timings: Arc<Timings>,
}

/// `redis_script_seconds` by outcome, made when they are first needed.
#[derive(Default)]
struct Timings {
    ok: OnceLock<Histogram>,
    refused: OnceLock<Histogram>,
    unavailable: OnceLock<Histogram>,
}

impl fmt::Debug for Timings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timings").finish_non_exhaustive()
    }
}

impl Script {
    /// A script from its source.
    #[must_use]
    pub fn new(source: &str) -> Self {
        let digest = Sha1::digest(source.as_bytes());
        let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        Self { name: "unnamed", source: Str::from(source), sha: Str::from(hex), timings: Arc::default() }
    }

    /// The script, called `name` in metrics (`redis_script_seconds`) and traces.
    #[must_use]
    pub fn named(self, name: &'static str) -> Self {
        Self { name, timings: Arc::default(), ..self }
    }

    /// The digest that Redis knows the script by: 40 hexadecimal digits.
    #[must_use]
    pub fn sha(&self) -> Str {
        self.sha.clone()
    }

    /// The text.
    #[must_use]
    pub fn source(&self) -> Str {
        self.source.clone()
    }

    /// Takes note of a run that has just ended.
    pub(super) fn observe<T>(&self, elapsed: Duration, answer: &Result<T, RedisError>) {
        let (timing, outcome) = match answer {
            Ok(_) => (&self.timings.ok, "ok"),
            Err(error) if error.is_unavailable() => (&self.timings.unavailable, "unavailable"),
            Err(_) => (&self.timings.refused, "refused"),
        };
        let name = self.name;
        timing
            .get_or_init(
                || metrics::histogram!("redis_script_seconds", "script" => name, "outcome" => outcome),
            )
            .record(elapsed);
        if is_traced() {
            let attributes = vec![
                KeyValue::new("db.system.name", "redis"),
                KeyValue::new("db.operation.name", "EVALSHA"),
                KeyValue::new("db.stored_procedure.name", name),
            ];
            record_call(format!("EVALSHA {name}"), elapsed, answer.is_err(), attributes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digest_is_the_one_redis_uses() {
        // From the documentation of fred's `Script`.
        assert_eq!(&*Script::new("return ARGV[1]").sha(), "098e0f0d1448c0a81dafe820f66d460eb09263da");
    }
}
