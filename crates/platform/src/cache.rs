//! What a process keeps of what it has read elsewhere, and how it hears that this has changed.
//!
//! Who changes something commits, makes its own process forget it, and tells the others
//! ([`tell`]); they forget it too ([`listen`]). Nobody is sure to hear: Redis keeps nothing for
//! who is away. So everything is kept for a short time only, and nothing is decided by it.

mod kept;
pub mod validator;

use std::{collections::VecDeque, time::Duration};

use fred::bytes::Bytes;
use tokio::time::{Instant, sleep, sleep_until};

use crate::{PubSub, PubSubEvent, Redis, Shutdown, backoff::Backoff};

pub use kept::Cache;

/// Each change is acted upon once more after this time. Who keeps what it made from answers of
/// others may have asked somebody who had not heard yet; within this time all have.
const ECHO: Duration = Duration::from_secs(1);

/// What others have to forget.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Changed {
    /// Everything of the topic: nobody knows what was missed.
    All,
    /// What these keys name.
    Keys(Vec<String>),
}

impl Changed {
    /// Text that nobody could have told means everything, too.
    fn from_message(payload: &[u8]) -> Self {
        match serde_json::from_slice::<Vec<String>>(payload) {
            Ok(keys) if !keys.is_empty() => Self::Keys(keys),
            _ => Self::All,
        }
    }
}

/// Tells all processes that listen to `topic`, this one included, that what `keys` name has
/// changed; no keys: that everything may have. To be called after the commit. That it fails is
/// counted and logged, no more: the greatest age of what is kept bounds the harm.
pub async fn tell(redis: &Redis, topic: &'static str, keys: &[String]) {
    let told = match serde_json::to_vec(keys) {
        Ok(payload) => redis.publish(&channel(topic), Bytes::from(payload)).await.map_err(|e| e.to_string()),
        Err(error) => Err(error.to_string()),
    };
    match told {
        Ok(_) => count(topic, "told"),
        Err(error) => {
            count(topic, "untold");
            tracing::warn!(
                topic,
                error,
                "others were not told of a change; they see it when their caches end"
            );
        }
    }
}

/// Calls `on_change` for everything that is told of `topic`, until the hard step of `shutdown`;
/// with [`Changed::All`] whenever something may have been missed: at the beginning, and after
/// each connection to Redis.
///
/// Each change comes twice, the second time a second later. Then also what was made meanwhile
/// from the answer of a process that had not heard yet goes. `on_change` must not block.
pub fn listen(
    redis: &Redis,
    topic: &'static str,
    shutdown: &Shutdown,
    on_change: impl Fn(Changed) + Send + Sync + 'static,
) {
    let (subscriptions, hard) = (redis.subscriber(), shutdown.hard());
    shutdown.spawn_background("cache-changes", async move {
        hard.run_until_cancelled(follow(subscriptions, topic, on_change)).await;
    });
}

async fn follow(subscriptions: PubSub, topic: &'static str, on_change: impl Fn(Changed)) {
    let channel = channel(topic);
    let mut stream = subscriptions.stream();
    let mut backoff = Backoff::for_connections();
    while let Err(error) = subscriptions.subscribe(&channel).await {
        tracing::debug!(topic, %error, "cannot subscribe to changes yet");
        sleep(backoff.next()).await;
    }
    let mut echoes = Echoes::default();
    on_change(echoes.heard(Changed::All));
    loop {
        let changed = tokio::select! {
            event = stream.next() => match event {
                None => return,
                Some(PubSubEvent::Resync) => {
                    count(topic, "missed");
                    Changed::All
                }
                Some(PubSubEvent::Message(message)) if message.channel() == channel => {
                    count(topic, "heard");
                    Changed::from_message(&message.payload)
                }
                Some(PubSubEvent::Message(_)) => continue,
            },
            echo = echoes.next() => {
                on_change(echo);
                continue;
            }
        };
        on_change(echoes.heard(changed));
    }
}

/// Changes that are to be acted upon once more, the earliest first.
#[derive(Debug, Default)]
struct Echoes(VecDeque<(Instant, Changed)>);

impl Echoes {
    fn heard(&mut self, changed: Changed) -> Changed {
        self.0.push_back((Instant::now() + ECHO, changed.clone()));
        changed
    }

    /// Cancel safe; never comes while there is none.
    async fn next(&mut self) -> Changed {
        match self.0.front() {
            Some((due, _)) => sleep_until(*due).await,
            None => std::future::pending().await,
        }
        self.0.pop_front().map_or(Changed::All, |(_, changed)| changed)
    }
}

fn channel(topic: &str) -> String {
    format!("changed:{topic}")
}

fn count(topic: &'static str, result: &'static str) {
    metrics::counter!("cache_changes_total", "topic" => topic, "result" => result).increment(1);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_read_may_be_everything() {
        let check = |payload: &str, expected: Changed| {
            assert_eq!(Changed::from_message(payload.as_bytes()), expected, "{payload}");
        };
        check(r#"["show_1","show_2"]"#, Changed::Keys(vec!["show_1".to_owned(), "show_2".to_owned()]));
        for payload in ["[]", "", "show_1", r#"{"a":1}"#, r#"["show_1",2]"#, "\u{0}"] {
            check(payload, Changed::All);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn each_change_comes_back_once_after_a_second() {
        let mut echoes = Echoes::default();
        let start = Instant::now();
        echoes.heard(Changed::All);
        sleep(ECHO / 2).await;
        let keys = Changed::Keys(vec!["show_1".to_owned()]);
        echoes.heard(keys.clone());
        assert_eq!((echoes.next().await, start.elapsed().as_secs_f32().round()), (Changed::All, 1.0));
        assert_eq!(echoes.next().await, keys);
        assert!(start.elapsed() >= ECHO + ECHO / 2);
        let silence = tokio::time::timeout(ECHO * 10, echoes.next()).await;
        assert!(silence.is_err(), "{silence:?}");
    }
}
