//! Everybody who watches a show sees the same, or knows that they do not.

use std::{pin::pin, sync::Arc, time::Duration};

use booking::{
    app::{
        App,
        seats::{SeatsError, Target},
    },
    domain::delta::Delta,
};
use fred::{
    interfaces::{ClientLike, HashesInterface},
    types::CustomCommand,
};
use futures::{Stream, StreamExt, future::join_all};
use kernel::ShowId;
use own_redis::OwnRedis;
use platform::redis::RedisConfig;

use crate::{
    house::{House, somebody},
    proxy::Proxy,
    support::{eventually, redis_config, service, uuid, within},
};

const ROOM: &str = "A:RRRRRRRRRR/B:RRRRRRRRRR";

/// Follows a show as clients should.
pub struct Viewer {
    pub epoch: Arc<str>,
    version: u64,
    pub states: Vec<u8>,
    pub resyncs: usize,
}

impl Viewer {
    pub async fn new(house: &House) -> Self {
        let mut viewer = Self { epoch: "".into(), version: 0, states: Vec::new(), resyncs: 0 };
        viewer.read(house).await;
        viewer
    }

    async fn read(&mut self, house: &House) {
        let snapshot = house.seats().snapshot(house.id()).await.unwrap();
        self.epoch = snapshot.position.epoch;
        self.version = snapshot.position.version;
        self.states = snapshot.states.to_vec();
    }

    async fn take(&mut self, house: &House, delta: &Delta) {
        if delta.epoch == self.epoch && delta.version <= self.version {
            return;
        }
        if delta.epoch != self.epoch || delta.from_version != self.version {
            self.resyncs += 1;
            return self.read(house).await;
        }
        for change in &delta.changes {
            self.states[usize::from(change.seat)] = change.state.byte();
        }
        self.version = delta.version;
    }

    /// Follows until the seat map has begun a new life.
    pub async fn begin_anew(&mut self, house: &House, deltas: &mut (impl Stream<Item = Arc<Delta>> + Unpin)) {
        let epoch = self.epoch.clone();
        while self.epoch == epoch {
            let delta =
                within("a new life of the seat map", deltas.next()).await.expect("the stream goes on");
            self.take(house, &delta).await;
        }
    }

    /// Follows until everything is as it is now.
    pub async fn catch_up(&mut self, house: &House, deltas: &mut (impl Stream<Item = Arc<Delta>> + Unpin)) {
        let now = house.seats().snapshot(house.id()).await.unwrap();
        while self.epoch != now.position.epoch || self.version < now.position.version {
            let delta = within("a delta", deltas.next()).await.expect("the stream goes on");
            self.take(house, &delta).await;
        }
        assert_eq!(self.states, now.states);
    }
}

#[tokio::test]
async fn many_changes_become_few_deltas_and_none_is_missed() {
    let house = House::open(ROOM).await;
    let mut deltas = pin!(house.seats().watch(house.id()).await.unwrap());
    let first = within("the first heartbeat", deltas.next()).await.unwrap();
    assert_eq!((first.from_version, first.version, first.changes.len()), (1, 1, 0));
    let mut viewer = Viewer::new(&house).await;

    let people: Vec<_> = (0..20_u16).map(|seat| (somebody(), seat)).collect();
    for _ in 0..5 {
        let holds = join_all(people.iter().map(async |(who, seat)| {
            let hold = house.hold(who, &[*seat], &uuid().to_string()).await.unwrap();
            if seat % 2 == 0 {
                house.seats().release(who, hold.id).await.unwrap();
            }
            (who, hold)
        }))
        .await;
        for (who, hold) in holds {
            house.seats().release(who, hold.id).await.unwrap();
        }
    }
    let mut count = 0;
    let now = house.seats().snapshot(house.id()).await.unwrap();
    assert_eq!(now.position.version, 1 + 5 * 40);
    while viewer.version < now.position.version {
        let delta = within("a delta", deltas.next()).await.unwrap();
        count += 1;
        assert_eq!(delta.from_version, viewer.version, "contiguous");
        viewer.take(&house, &delta).await;
    }
    assert_eq!((viewer.states, viewer.resyncs), (now.states.to_vec(), 0));
    assert!(count < 100, "{count} deltas for 200 versions");
}

#[tokio::test]
async fn processes_and_viewers_share_what_happens() {
    let house = House::open(ROOM).await;
    let other = house.another().await;
    let mut here = pin!(house.seats().watch(house.id()).await.unwrap());
    let mut there = pin!(other.seats.watch(house.id()).await.unwrap());
    let mut second = pin!(house.seats().watch(house.id()).await.unwrap());
    let (mut a, mut b, mut c) =
        (Viewer::new(&house).await, Viewer::new(&house).await, Viewer::new(&house).await);
    house.hold(&somebody(), &[0, 1], "a").await.unwrap();
    a.catch_up(&house, &mut here).await;
    b.catch_up(&house, &mut there).await;
    c.catch_up(&house, &mut second).await;
    assert_eq!(a.resyncs + b.resyncs + c.resyncs, 0);
    // Two processes, two subscriptions, however many watch.
    assert_eq!(subscriptions(&house).await, 2);
}

#[tokio::test]
async fn heartbeats_vouch_for_a_quiet_show() {
    let house = House::with(ROOM, |config| config.seat_map.heartbeat_ms = 100).await;
    let mut deltas = pin!(house.seats().watch(house.id()).await.unwrap());
    house.hold(&somebody(), &[0], "a").await.unwrap();
    let beats =
        deltas.as_mut().filter(|delta| std::future::ready(delta.version == 2 && delta.changes.is_empty()));
    let beats: Vec<_> = within("three heartbeats", beats.take(3).collect()).await;
    assert!(beats.iter().all(|beat| beat.from_version == 2));
}

#[tokio::test]
async fn a_viewer_who_slept_notices() {
    let house = House::with(ROOM, |config| config.seat_map.conflate_ms = 0).await;
    let mut slow = pin!(house.seats().watch(house.id()).await.unwrap());
    slow.next().await;
    let mut sleeper = Viewer::new(&house).await;
    let mut awake = pin!(house.seats().watch(house.id()).await.unwrap());
    let mut watcher = Viewer::new(&house).await;
    let who = somebody();
    // Far more deltas than are kept for those who are behind.
    for _ in 0..400 {
        let hold = house.hold(&who, &[0], &uuid().to_string()).await.unwrap();
        house.seats().release(&who, hold.id).await.unwrap();
        watcher.catch_up(&house, &mut awake).await;
    }
    assert_eq!(watcher.resyncs, 0, "nobody slows others");
    house.hold(&who, &[5], "a").await.unwrap();
    sleeper.catch_up(&house, &mut slow).await;
    assert!(sleeper.resyncs > 0, "what was dropped shows");
}

#[tokio::test]
async fn a_new_load_and_lost_messages_are_noticed() {
    let house = House::with(ROOM, |config| config.seat_map.heartbeat_ms = 200).await;
    let mut deltas = pin!(house.seats().watch(house.id()).await.unwrap());
    let mut viewer = Viewer::new(&house).await;
    house.hold(&somebody(), &[0], "a").await.unwrap();
    viewer.catch_up(&house, &mut deltas).await;
    assert_eq!(viewer.resyncs, 0);

    let mut changed = house.show.clone();
    changed.revision = 2;
    house.app.show_follow(&changed).await.unwrap();
    viewer.catch_up(&house, &mut deltas).await;
    assert!(viewer.resyncs > 0);

    // Everything is lost, and nobody but the viewers is there.
    house.lose_redis().await;
    viewer.begin_anew(&house, &mut deltas).await;

    // A message is lost, and nothing else happens.
    viewer.catch_up(&house, &mut deltas).await;
    let before = viewer.resyncs;
    let ledger = house.app.deps.redis.key(&format!("{{show:{}}}:ledger", house.id()));
    let _: i64 = house.app.deps.redis.pool().hincrby(ledger, "version", 1).await.unwrap();
    within("a loss that shows", async {
        while viewer.resyncs == before {
            let delta = deltas.next().await.unwrap();
            viewer.take(&house, &delta).await;
        }
    })
    .await;
    viewer.catch_up(&house, &mut deltas).await;
}

/// Redis lost what it had acknowledged: by itself (heartbeats find out), and while the show goes
/// on (the next change tells at once).
#[tokio::test]
async fn redis_that_went_back_is_put_right() {
    for heartbeat_ms in [100, 60_000] {
        let house = House::with(ROOM, |config| config.seat_map.heartbeat_ms = heartbeat_ms).await;
        let mut deltas = pin!(house.seats().watch(house.id()).await.unwrap());
        let mut viewer = Viewer::new(&house).await;
        house.hold(&somebody(), &[0], "a").await.unwrap();
        house.save_redis().await;
        let sold = house.commit_booking(&[1, 2], true).await;
        house.seats().apply(sold, 1, &[1, 2], Target::Sold, None).await.unwrap();
        house.hold(&somebody(), &[5], "b").await.unwrap();
        viewer.catch_up(&house, &mut deltas).await;

        house.set_redis_back().await;
        if heartbeat_ms > 1_000 {
            house.hold(&somebody(), &[7], "c").await.unwrap();
        }
        viewer.begin_anew(&house, &mut deltas).await;
        viewer.catch_up(&house, &mut deltas).await;
        let found = str::from_utf8(&viewer.states).unwrap();
        assert_eq!(&found[..7], "HSSAAAA", "the sale is there, the lost hold is not");
        assert_eq!(found.as_bytes()[7] == b'H', heartbeat_ms > 1_000, "what is held now stays held");
    }
}

/// Somebody has seen what Redis will lose, by a wire that can fail.
async fn before_a_loss() -> (OwnRedis, House, Arc<App>, Proxy) {
    let server = OwnRedis::start().await.unwrap();
    let redis = RedisConfig { url: server.url().into(), ..redis_config() };
    let house = House::over(redis, ROOM, |config| config.seat_map.heartbeat_ms = 60_000).await;
    let proxy = Proxy::new(&server.url()).await;
    let mut wired = house.deps_config.clone();
    wired.redis.url = proxy.url.clone().into();
    let far = house.another_with(&wired).await;
    house.hold(&somebody(), &[0], "a").await.unwrap();
    let save = CustomCommand::new_static("SAVE", None, false);
    let _: String = house.app.deps.redis.pool().custom(save, Vec::<String>::new()).await.unwrap();
    house.hold(&somebody(), &[5], "b").await.unwrap();
    (server, house, far, proxy)
}

/// Redis dies and comes back with less, and counts up to where it was.
async fn lose_and_count_up(server: &mut OwnRedis, house: &House, viewer: &Viewer) {
    server.restart().await.unwrap();
    house.knows(false).await;
    eventually("Redis is back", async || house.app.deps.redis.ping().await.ok()).await;
    house.hold(&somebody(), &[7], "c").await.unwrap();
    let now = house.seats().snapshot(house.id()).await.unwrap().position;
    assert_eq!((now.epoch, now.version), (viewer.epoch.clone(), viewer.version), "nothing shows it");
}

#[tokio::test]
async fn another_run_of_redis_that_stands_at_the_same_version_is_put_right() {
    let (mut server, house, far, proxy) = before_a_loss().await;
    let mut deltas = pin!(far.seats.watch(house.id()).await.unwrap());
    let mut viewer = Viewer::new(&house).await;
    viewer.catch_up(&house, &mut deltas).await;

    proxy.refuse();
    lose_and_count_up(&mut server, &house, &viewer).await;
    proxy.heal();
    viewer.begin_anew(&house, &mut deltas).await;
    viewer.catch_up(&house, &mut deltas).await;
    assert_eq!(&viewer.states[..8], b"HAAAAAAH");
}

/// The viewer was there before Redis lost something; whom it comes back to was not.
#[tokio::test]
async fn a_process_that_has_not_seen_the_loss_notices_it_too() {
    let (mut server, house, ..) = before_a_loss().await;
    let mut viewer = Viewer::new(&house).await;
    lose_and_count_up(&mut server, &house, &viewer).await;

    let new = house.another().await;
    let mut deltas = pin!(new.seats.watch(house.id()).await.unwrap());
    viewer.begin_anew(&house, &mut deltas).await;
    viewer.catch_up(&house, &mut deltas).await;
    assert_eq!(&viewer.states[..8], b"HAAAAAAH");

    // Once is enough.
    let epoch = viewer.epoch.clone();
    let third = house.another().await;
    let mut deltas = pin!(third.seats.watch(house.id()).await.unwrap());
    assert_eq!(within("a heartbeat", deltas.next()).await.unwrap().epoch, epoch);
}

#[tokio::test]
async fn a_lost_connection_is_noticed() {
    let house = House::open(ROOM).await;
    let proxy = Proxy::new(&service("MARQUEE_TEST_REDIS_URL")).await;
    let mut wired = house.deps_config.clone();
    wired.redis.url = proxy.url.clone().into();
    let far = house.another_with(&wired).await;
    let mut deltas = pin!(far.seats.watch(house.id()).await.unwrap());
    let mut viewer = Viewer::new(&house).await;

    // The next heartbeat is far away: the connection itself must tell.
    proxy.cut();
    house.hold(&somebody(), &[7], "a").await.unwrap();
    viewer.catch_up(&house, &mut deltas).await;
    eventually("the connection is back", async || (subscriptions(&house).await == 1).then_some(())).await;
    house.hold(&somebody(), &[8], "a").await.unwrap();
    viewer.catch_up(&house, &mut deltas).await;
}

#[tokio::test]
async fn nobody_watching_means_no_subscription() {
    let house = House::open(ROOM).await;
    {
        let mut deltas = pin!(house.seats().watch(house.id()).await.unwrap());
        deltas.next().await;
        assert_eq!(subscriptions(&house).await, 1);
    }
    eventually("the end of the subscription", async || (subscriptions(&house).await == 0).then_some(()))
        .await;
    // And it begins anew for the next.
    let mut deltas = pin!(house.seats().watch(house.id()).await.unwrap());
    let mut viewer = Viewer::new(&house).await;
    house.hold(&somebody(), &[3], "a").await.unwrap();
    viewer.catch_up(&house, &mut deltas).await;
    assert_eq!(viewer.resyncs, 0);
}

#[tokio::test]
async fn the_end_of_the_process_ends_the_streams() {
    let house = House::open(ROOM).await;
    let mut deltas = pin!(house.seats().watch(house.id()).await.unwrap());
    deltas.next().await;
    house.shutdown.begin();
    within("the end of the stream", async { while deltas.next().await.is_some() {} }).await;
}

#[tokio::test]
async fn a_show_that_nobody_knows_cannot_be_watched() {
    let house = House::open(ROOM).await;
    let refused = house.seats().watch(ShowId::from_uuid(uuid())).await.err();
    assert!(matches!(refused, Some(SeatsError::UnknownShow(_))), "{refused:?}");
}

#[tokio::test]
async fn a_thousand_viewers_see_the_same() {
    let house = House::open(ROOM).await;
    let mut streams = Vec::new();
    for _ in 0..1_000 {
        streams.push(Box::pin(house.seats().watch(house.id()).await.unwrap()));
    }
    assert_eq!(subscriptions(&house).await, 1);
    house.hold(&somebody(), &[1, 2], "a").await.unwrap();
    let seen = join_all(streams.iter_mut().map(async |stream| {
        within("the hold", stream.as_mut().filter(|delta| std::future::ready(delta.version == 2)).next())
            .await
    }))
    .await;
    assert!(seen.iter().flatten().all(|delta| delta.changes.len() == 2));
    assert_eq!(seen.len(), 1_000);
    let parsed: Vec<*const Delta> = seen.iter().flatten().map(Arc::as_ptr).collect();
    assert!(parsed.iter().all(|delta| *delta == parsed[0]), "one delta for all");
    drop(streams);
    tokio::time::timeout(Duration::from_secs(1), house.seats().snapshot(house.id())).await.unwrap().unwrap();
}

/// How many processes are subscribed to the show.
async fn subscriptions(house: &House) -> i64 {
    let redis = &house.app.deps.redis;
    let channel = redis.key(&format!("{{show:{}}}:deltas", house.id()));
    let command = CustomCommand::new_static("PUBSUB", None::<u16>, false);
    let answer: Vec<fred::types::Value> =
        redis.pool().custom(command, vec!["NUMSUB".to_owned(), channel]).await.unwrap();
    answer[1].as_i64().unwrap()
}
