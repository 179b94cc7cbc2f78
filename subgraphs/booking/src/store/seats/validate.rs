//! Whether seats that were read once are those of now.
//!
//! Whoever keeps an answer with seats asks this each time before it is given again: a small script that
//! writes nothing, by Redis's own clock like all others, so that what is due counts as ended here too. Many
//! who ask at the same time are answered by one.

use std::{collections::HashMap, fmt, str::FromStr, sync::Arc};

use fred::types::Value;
use futures::future::{BoxFuture, join_all};
use kernel::ShowId;
use platform::{
    Redis, Script,
    cache::validator::{Validator, Validators},
};
use tokio::sync::{
    mpsc::{self, UnboundedReceiver, UnboundedSender},
    oneshot,
};

use super::keys::ShowKeys;
use crate::domain::delta::Position;

/// As many shows does one script look at.
const AT_ONCE: usize = 256;

/// The seats of a show at one position in their history. Its text is `SHOW:EPOCH:VERSION`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeatsAt {
    /// The show.
    pub show: ShowId,
    /// When.
    pub position: Position,
}

/// A text that names no seats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("seats are named by SHOW:EPOCH:VERSION")]
pub struct ParseSeatsAtError;

impl fmt::Display for SeatsAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Position { epoch, version } = &self.position;
        write!(f, "{}:{epoch}:{version}", self.show)
    }
}

impl FromStr for SeatsAt {
    type Err = ParseSeatsAtError;

    fn from_str(text: &str) -> Result<Self, ParseSeatsAtError> {
        let mut parts = text.split(':');
        let (Some(show), Some(epoch), Some(version), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(ParseSeatsAtError);
        };
        let show = show.parse().map_err(|_| ParseSeatsAtError)?;
        let version = version.parse().map_err(|_| ParseSeatsAtError)?;
        Ok(Self { show, position: Position { epoch: epoch.into(), version } })
    }
}

/// Knows of seats that were read once whether they are those of now. Needs no more than Redis.
pub struct SeatValidators {
    redis: Redis,
    asking: UnboundedSender<Question>,
}

impl SeatValidators {
    /// Over the Redis that has the seats. Within a runtime, on which it asks.
    pub fn new(redis: Redis) -> Self {
        let (asking, asked) = mpsc::unbounded_channel();
        tokio::spawn(Asker { redis: redis.clone(), script: super::scripts::validate() }.answer(asked));
        Self { redis, asking }
    }
}

impl Validators for SeatValidators {
    fn read(&self, validators: &[String]) -> Option<Box<dyn Validator>> {
        let check = |text: &String| {
            let SeatsAt { show, position } = text.parse().ok()?;
            let [ledger, ..] = ShowKeys::new(&self.redis, show).core();
            let Position { epoch, version } = position;
            Some(Arc::new(Check { ledger, epoch: epoch.to_string(), version: version.to_string() }))
        };
        let checks = validators.iter().map(check).collect::<Option<_>>()?;
        Some(Box::new(SeatValidator { asking: self.asking.clone(), checks }))
    }
}

/// The seats that one answer was made from.
#[derive(Debug)]
struct SeatValidator {
    asking: UnboundedSender<Question>,
    checks: Vec<Arc<Check>>,
}

impl Validator for SeatValidator {
    fn holds(&self) -> BoxFuture<'_, bool> {
        let ask = |check: &Arc<Check>| {
            let (answer, answered) = oneshot::channel();
            // If nobody is there to answer, that is an answer.
            let _ = self.asking.send(Question { check: Arc::clone(check), answer });
            answered
        };
        let answers: Vec<_> = self.checks.iter().map(ask).collect();
        Box::pin(async move {
            for answer in answers {
                if answer.await != Ok(true) {
                    return false;
                }
            }
            true
        })
    }
}

/// The seats of one show, as the script names them.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Check {
    ledger: String,
    epoch: String,
    version: String,
}

#[derive(Debug)]
struct Question {
    check: Arc<Check>,
    answer: oneshot::Sender<bool>,
}

/// Asks Redis. What comes while it waits for an answer is asked with the next script, so that many
/// readers cost little more than one, and nobody gets an answer to a script that began before they asked.
struct Asker {
    redis: Redis,
    script: Script,
}

impl Asker {
    async fn answer(self, mut asked: UnboundedReceiver<Question>) {
        let mut questions = Vec::with_capacity(AT_ONCE);
        while asked.recv_many(&mut questions, AT_ONCE).await > 0 {
            let mut waiting = HashMap::<_, Vec<_>>::new();
            for Question { check, answer } in questions.drain(..) {
                waiting.entry(check).or_default().push(answer);
            }
            let (checks, waiting): (Vec<_>, Vec<_>) = waiting.into_iter().unzip();
            // Shows may be in different places of a cluster, where no script has both.
            let at_once = if self.redis.is_clustered() { 1 } else { AT_ONCE };
            let answers = join_all(checks.chunks(at_once).map(|checks| self.ask(checks))).await;
            for (holds, waiting) in answers.into_iter().flatten().zip(waiting) {
                for answer in waiting {
                    // Whoever has gone needs none.
                    let _ = answer.send(holds);
                }
            }
        }
    }

    /// No answer is no good answer: who asked reads the seats, and is told there what is wrong.
    async fn ask(&self, checks: &[Arc<Check>]) -> Vec<bool> {
        let keys = checks.iter().map(|check| check.ledger.clone()).collect();
        let args =
            checks.iter().flat_map(|check| [&check.epoch, &check.version]).map(|arg| arg.as_str().into());
        let answer = self.redis.eval(&self.script, keys, args.collect()).await;
        match answer.ok().and_then(Value::into_bytes) {
            Some(digits) if digits.len() == checks.len() => {
                digits.iter().map(|digit| *digit == b'1').collect()
            }
            _ => vec![false; checks.len()],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seats_survive_text() {
        let show = ShowId::from_uuid(uuid::Uuid::from_u128(7));
        let seats = SeatsAt { show, position: Position { epoch: "e1".into(), version: 12 } };
        assert_eq!(seats.to_string().parse(), Ok(seats));
        for text in [
            "",
            "show_1",
            "show_1:e:1",
            &format!("{show}:e"),
            &format!("{show}:e:x"),
            &format!("{show}:e:1:2"),
        ] {
            assert_eq!(text.parse::<SeatsAt>(), Err(ParseSeatsAtError), "{text}");
        }
    }
}
