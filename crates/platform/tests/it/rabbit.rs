//! What becomes of an event: handled in order, tried again, or put aside for people.

use std::{
    collections::{BTreeMap, HashSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use events::Envelope;
use platform::{Handler, HandlerError, Queue, Rabbit, Shutdown};
use tokio::sync::{Barrier, Notify};
use uuid::Uuid;

use crate::support::{event, number, rabbit, rabbit_config, until, uuid, within};

pub const PROBE: Queue = Queue { name: "probe", bindings: &["probe.*"], lanes: 4, prefetch: 64 };

/// Remembers what it handled.
#[derive(Default)]
pub struct Recorder(Mutex<Vec<Envelope>>);

impl Recorder {
    fn read<T>(&self, read: impl FnOnce(&[Envelope]) -> T) -> T {
        read(&self.0.lock().unwrap())
    }

    pub fn count(&self) -> usize {
        self.read(<[_]>::len)
    }

    /// Numbers of the events of `key`, as they came.
    pub fn numbers(&self, key: Uuid) -> Vec<u64> {
        self.read(|events| events.iter().filter(|e| e.key == key).map(number).collect())
    }

    /// The same without repetitions.
    pub fn first_numbers(&self, key: Uuid) -> Vec<u64> {
        let mut seen = HashSet::new();
        let mut numbers = self.numbers(key);
        numbers.retain(|number| seen.insert(*number));
        numbers
    }

    pub fn traces(&self) -> Vec<Option<String>> {
        self.read(|events| events.iter().map(|event| event.trace.clone()).collect())
    }
}

#[async_trait]
impl Handler for Recorder {
    async fn handle(&self, event: &Envelope) -> Result<(), HandlerError> {
        self.0.lock().unwrap().push(event.clone());
        Ok(())
    }
}

/// Fails each event as often as told, in the way told.
struct Failing {
    times: usize,
    failure: fn() -> HandlerError,
    tries: Mutex<BTreeMap<u64, usize>>,
}

impl Failing {
    fn new(times: usize, failure: fn() -> HandlerError) -> Arc<Self> {
        Arc::new(Self { times, failure, tries: Mutex::default() })
    }

    fn tries(&self, number: u64) -> usize {
        self.tries.lock().unwrap().get(&number).copied().unwrap_or(0)
    }
}

#[async_trait]
impl Handler for Failing {
    async fn handle(&self, event: &Envelope) -> Result<(), HandlerError> {
        let tries = {
            let mut tries = self.tries.lock().unwrap();
            let tries = tries.entry(number(event)).or_default();
            *tries += 1;
            *tries
        };
        if tries > self.times {
            return Ok(());
        }
        Err((self.failure)())
    }
}

/// A broker with the queue, and what handles it.
async fn consuming(handler: Arc<dyn Handler>, shutdown: &Shutdown) -> Rabbit {
    let rabbit = rabbit(&rabbit_config(), shutdown).await;
    rabbit.declare(&[PROBE]).await.unwrap();
    rabbit.consume(PROBE, handler, shutdown);
    rabbit
}

async fn depth_is(rabbit: &Rabbit, queue: &str, depth: u32) {
    until(&format!("{depth} messages in {queue}"), || async { rabbit.depth(queue).await.unwrap() == depth })
        .await;
}

#[tokio::test]
async fn a_declared_queue_keeps_events_for_a_later_consumer() {
    let shutdown = Shutdown::new();
    let rabbit = rabbit(&rabbit_config(), &shutdown).await;
    rabbit.publish(&event(uuid(), 0)).await.expect("nobody wants it, which is legal");
    rabbit.declare(&[PROBE]).await.unwrap();
    rabbit.publish(&event(uuid(), 1)).await.unwrap();
    let recorder = Arc::new(Recorder::default());
    rabbit.consume(PROBE, recorder.clone(), &shutdown);
    until("the event", || async { recorder.count() == 1 }).await;
}

#[tokio::test]
async fn events_of_one_key_stay_in_order() {
    let shutdown = Shutdown::new();
    let recorder = Arc::new(Recorder::default());
    let rabbit = consuming(recorder.clone(), &shutdown).await;
    let keys: Vec<_> = (0..10).map(|_| uuid()).collect();
    for number in 0..30 {
        for key in &keys {
            rabbit.publish(&event(*key, number)).await.unwrap();
        }
    }
    until("all events", || async { recorder.count() == 300 }).await;
    let expected: Vec<u64> = (0..30).collect();
    for key in keys {
        assert_eq!(recorder.numbers(key), expected);
    }
}

/// Lets nobody pass before all lanes are busy.
struct Together(Barrier);

#[async_trait]
impl Handler for Together {
    async fn handle(&self, _: &Envelope) -> Result<(), HandlerError> {
        self.0.wait().await;
        Ok(())
    }
}

#[tokio::test]
async fn lanes_work_at_the_same_time() {
    let shutdown = Shutdown::new();
    let rabbit = consuming(Arc::new(Together(Barrier::new(PROBE.lanes))), &shutdown).await;
    // With this many keys every lane has some.
    for number in 0..64 {
        rabbit.publish(&event(uuid(), number)).await.unwrap();
    }
    depth_is(&rabbit, "probe", 0).await;
    shutdown.begin();
}

#[tokio::test]
async fn a_failed_event_is_tried_again_until_it_works() {
    let shutdown = Shutdown::new();
    let handler = Failing::new(2, || HandlerError::retry("not yet"));
    let rabbit = consuming(handler.clone(), &shutdown).await;
    rabbit.publish(&event(uuid(), 1)).await.unwrap();
    until("the third try", || async { handler.tries(1) == 3 }).await;
    assert!(shutdown.finish(Duration::from_secs(5)).await);
}

#[tokio::test]
async fn after_the_last_delay_an_event_is_a_dead_letter_that_can_be_replayed() {
    let shutdown = Shutdown::new();
    let handler = Failing::new(3, || HandlerError::retry("still not"));
    let rabbit = consuming(handler.clone(), &shutdown).await;
    let sent = event(uuid(), 1);
    rabbit.publish(&sent).await.unwrap();
    depth_is(&rabbit, "probe.dead", 1).await;
    assert_eq!(handler.tries(1), 3, "the first, and one after each of two delays");

    let letters = rabbit.dead_letters("probe", 10).await.unwrap();
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].event.as_ref(), Some(&sent));
    assert_eq!(letters[0].attempts, 3);
    assert!(letters[0].failure.contains("still not"), "{}", letters[0].failure);
    depth_is(&rabbit, "probe.dead", 1).await;

    assert_eq!(rabbit.replay("probe", 10).await.unwrap(), 1);
    until("the replayed event", || async { handler.tries(1) == 4 }).await;
    depth_is(&rabbit, "probe.dead", 0).await;
}

#[tokio::test]
async fn a_replayed_event_has_all_its_tries_again() {
    let shutdown = Shutdown::new();
    let handler = Failing::new(5, || HandlerError::retry("still not"));
    let rabbit = consuming(handler.clone(), &shutdown).await;
    rabbit.publish(&event(uuid(), 1)).await.unwrap();
    depth_is(&rabbit, "probe.dead", 1).await;
    assert_eq!(rabbit.replay("probe", 10).await.unwrap(), 1);
    until("the sixth try", || async { handler.tries(1) == 6 }).await;
    depth_is(&rabbit, "probe.dead", 0).await;
}

#[tokio::test]
async fn one_dead_letter_of_many_is_replayed_and_the_others_stay_in_order() {
    let shutdown = Shutdown::new();
    let handler = Failing::new(1, || HandlerError::reject("never"));
    let rabbit = consuming(handler.clone(), &shutdown).await;
    let key = uuid();
    let sent: Vec<Envelope> = (1..=4).map(|number| event(key, number)).collect();
    for event in &sent {
        rabbit.publish(event).await.unwrap();
    }
    depth_is(&rabbit, "probe.dead", 4).await;
    assert!(rabbit.replay_one("probe", &sent[2].id.to_string()).await.unwrap());
    until("the third event", || async { handler.tries(3) == 2 }).await;
    let left = rabbit.dead_letters("probe", 10).await.unwrap();
    let left: Vec<&str> = left.iter().map(|letter| letter.id.as_str()).collect();
    let expected = [0, 1, 3].map(|place| sent[place].id.to_string());
    assert_eq!(left, expected);
    assert!(!rabbit.replay_one("probe", &sent[2].id.to_string()).await.unwrap(), "it is not there twice");
    depth_is(&rabbit, "probe.dead", 3).await;
}

#[tokio::test]
async fn a_refused_event_is_a_dead_letter_at_once() {
    let shutdown = Shutdown::new();
    let handler = Failing::new(1, || HandlerError::reject("never"));
    let rabbit = consuming(handler.clone(), &shutdown).await;
    rabbit.publish(&event(uuid(), 1)).await.unwrap();
    depth_is(&rabbit, "probe.dead", 1).await;
    assert_eq!(handler.tries(1), 1);
}

/// Records only once what it needs is back.
#[derive(Default)]
struct Needy {
    is_there: AtomicBool,
    tries: AtomicU32,
    recorder: Recorder,
}

#[async_trait]
impl Handler for Needy {
    async fn handle(&self, event: &Envelope) -> Result<(), HandlerError> {
        self.tries.fetch_add(1, Ordering::Relaxed);
        if !self.is_there.load(Ordering::Relaxed) {
            return Err(HandlerError::unavailable("the database is away"));
        }
        self.recorder.handle(event).await
    }
}

#[tokio::test]
async fn an_outage_keeps_events_waiting_in_their_order() {
    let shutdown = Shutdown::new();
    let handler = Arc::new(Needy::default());
    let rabbit = consuming(handler.clone(), &shutdown).await;
    let key = uuid();
    for number in 0..10 {
        rabbit.publish(&event(key, number)).await.unwrap();
    }
    // More tries than there are delays.
    until("some tries", || async { handler.tries.load(Ordering::Relaxed) > 3 }).await;
    handler.is_there.store(true, Ordering::Relaxed);
    until("all events", || async { handler.recorder.count() == 10 }).await;
    assert_eq!(handler.recorder.numbers(key), (0..10).collect::<Vec<_>>());
    depth_is(&rabbit, "probe.dead", 0).await;
}

#[tokio::test]
async fn a_shutdown_does_not_wait_for_the_end_of_an_outage() {
    let shutdown = Shutdown::new();
    let handler = Arc::new(Needy::default());
    let rabbit = consuming(handler.clone(), &shutdown).await;
    rabbit.publish(&event(uuid(), 1)).await.unwrap();
    until("a try", || async { handler.tries.load(Ordering::Relaxed) > 0 }).await;
    assert!(shutdown.finish(Duration::from_secs(5)).await);
}

#[tokio::test]
async fn a_handler_that_panics_is_tried_again_like_one_that_fails() {
    let shutdown = Shutdown::new();
    let handler = Failing::new(1, || panic!("on purpose"));
    let rabbit = consuming(handler.clone(), &shutdown).await;
    rabbit.publish(&event(uuid(), 1)).await.unwrap();
    until("the second try", || async { handler.tries(1) == 2 }).await;
    assert!(!shutdown.has_failed());
}

/// Begins, and ends when the test says so.
#[derive(Default)]
pub struct Slow {
    pub begun: Notify,
    release: Notify,
}

#[async_trait]
impl Handler for Slow {
    async fn handle(&self, _: &Envelope) -> Result<(), HandlerError> {
        self.begun.notify_one();
        self.release.notified().await;
        Ok(())
    }
}

#[tokio::test]
async fn a_shutdown_finishes_what_was_begun() {
    let (shutdown, next) = (Shutdown::new(), Shutdown::new());
    let config = rabbit_config();
    let first = rabbit(&config, &shutdown).await;
    first.declare(&[PROBE]).await.unwrap();
    let slow = Arc::new(Slow::default());
    first.consume(PROBE, slow.clone(), &shutdown);
    first.publish(&event(uuid(), 1)).await.unwrap();
    within("the event to be begun", slow.begun.notified()).await;
    let (drained, ()) = tokio::join!(shutdown.finish(Duration::from_secs(10)), async {
        shutdown.token().cancelled().await;
        slow.release.notify_one();
    });
    assert!(drained);

    // It was acknowledged: nobody else gets it.
    let second = rabbit(&config, &next).await;
    let recorder = Arc::new(Recorder::default());
    second.declare(&[PROBE]).await.unwrap();
    second.consume(PROBE, recorder.clone(), &next);
    second.publish(&event(uuid(), 2)).await.unwrap();
    until("the second event", || async { recorder.count() == 1 }).await;
    assert!(next.finish(Duration::from_secs(5)).await);
}

#[tokio::test]
async fn an_event_that_was_given_up_comes_again() {
    let (shutdown, next) = (Shutdown::new(), Shutdown::new());
    let config = rabbit_config();
    let first = rabbit(&config, &shutdown).await;
    let slow = Arc::new(Slow::default());
    first.declare(&[PROBE]).await.unwrap();
    first.consume(PROBE, slow.clone(), &shutdown);
    first.publish(&event(uuid(), 1)).await.unwrap();
    within("the event to be begun", slow.begun.notified()).await;
    assert!(!shutdown.finish(Duration::from_millis(50)).await);

    let second = rabbit(&config, &next).await;
    let recorder = Arc::new(Recorder::default());
    second.consume(PROBE, recorder.clone(), &next);
    until("the event", || async { recorder.count() == 1 }).await;
}

#[tokio::test]
async fn a_queue_that_is_not_there_is_no_failure_of_the_broker() {
    let shutdown = Shutdown::new();
    let rabbit = rabbit(&rabbit_config(), &shutdown).await;
    assert!(rabbit.depth("probe.dead").await.unwrap_err().is_not_found());
    rabbit.declare(&[PROBE]).await.unwrap();
    assert_eq!(rabbit.depth("probe.dead").await.unwrap(), 0);
}
