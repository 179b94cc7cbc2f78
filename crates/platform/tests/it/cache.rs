//! Others hear of what has changed, and know when they may have missed something.

use fred::bytes::Bytes;
use platform::{
    Redis, Shutdown,
    cache::{Changed, listen, tell},
    redis::RedisConfig,
};
use tokio::sync::mpsc;

use crate::support::{Proxy, redis_config, redis_url, until, within};

/// What a process hears.
struct Listener(mpsc::UnboundedReceiver<Changed>);

impl Listener {
    fn of(redis: &Redis, shutdown: &Shutdown) -> Self {
        let (sender, receiver) = mpsc::unbounded_channel();
        listen(redis, "things", shutdown, move |changed| drop(sender.send(changed)));
        Self(receiver)
    }

    async fn next(&mut self) -> Changed {
        within("a change", self.0.recv()).await.expect("not the end")
    }

    /// The next change that is not this one.
    async fn other_than(&mut self, known: &Changed) -> Changed {
        loop {
            let changed = self.next().await;
            if changed != *known {
                return changed;
            }
        }
    }
}

fn keys(keys: &[&str]) -> Changed {
    Changed::Keys(keys.iter().map(|key| (*key).to_owned()).collect())
}

#[tokio::test]
async fn every_process_hears_what_has_changed_twice() {
    let (shutdown, config) = (Shutdown::new(), redis_config());
    let (first, second) =
        (Redis::connect(&config, &shutdown).unwrap(), Redis::connect(&config, &shutdown).unwrap());
    let mut listeners = [Listener::of(&first, &shutdown), Listener::of(&second, &shutdown)];
    for listener in &mut listeners {
        assert_eq!(listener.next().await, Changed::All, "nobody knows what was before");
    }
    until("Redis of the tests", || async { first.ping().await.is_ok() }).await;
    tell(&first, "others", &["x".to_owned()]).await;
    tell(&first, "things", &["a".to_owned(), "b".to_owned()]).await;
    for listener in &mut listeners {
        assert_eq!(listener.other_than(&Changed::All).await, keys(&["a", "b"]));
        assert_eq!(listener.other_than(&Changed::All).await, keys(&["a", "b"]), "once more");
    }
    tell(&first, "things", &[]).await;
    first.publish("changed:things", Bytes::from_static(b"nonsense")).await.unwrap();
    for listener in &mut listeners {
        for _ in 0..4 {
            assert_eq!(listener.next().await, Changed::All);
        }
    }
}

#[tokio::test]
async fn who_was_away_is_told_to_forget_everything() {
    let (shutdown, config) = (Shutdown::new(), redis_config());
    let proxy = Proxy::to(&redis_url()).await;
    proxy.cut();
    let cut_off = RedisConfig { url: proxy.url(&redis_url()).into(), ..config.clone() };
    let (redis, teller) =
        (Redis::connect(&cut_off, &shutdown).unwrap(), Redis::connect(&config, &shutdown).unwrap());
    let mut listener = Listener::of(&redis, &shutdown);
    until("Redis of the tests", || async { teller.ping().await.is_ok() }).await;
    tell(&teller, "things", &["missed".to_owned()]).await;
    proxy.heal();
    assert_eq!(listener.next().await, Changed::All);
    assert_eq!(listener.next().await, Changed::All, "the echo");
    proxy.cut();
    until("the loss to be noticed", || async { !redis.subscriber().is_connected() }).await;
    tell(&teller, "things", &["missed".to_owned()]).await;
    proxy.heal();
    assert_eq!(listener.next().await, Changed::All);
    tell(&teller, "things", &["seen".to_owned()]).await;
    assert_eq!(listener.other_than(&Changed::All).await, keys(&["seen"]));
    // Who cannot tell goes on.
    proxy.cut();
    tell(&redis, "things", &["unheard".to_owned()]).await;
}
