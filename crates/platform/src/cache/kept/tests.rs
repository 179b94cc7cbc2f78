use std::sync::atomic::AtomicUsize;

use tokio::{
    sync::Semaphore,
    time::{sleep, timeout},
};

use super::*;

const AGE: Duration = Duration::from_secs(30);

/// A cache over a source that can be made to wait or to fail, and that counts what it is asked.
#[derive(Clone)]
struct Bench {
    cache: Arc<Cache<u32, Option<u32>, &'static str>>,
    source: Arc<Source>,
}

#[derive(Default)]
struct Source {
    /// Keys are worth this much more than themselves; from a thousand on they do not exist.
    worth: AtomicU64,
    questions: Mutex<Vec<Vec<u32>>>,
    failing: Mutex<bool>,
    /// Answers wait until this is closed, when there is one.
    gate: Mutex<Option<Arc<Semaphore>>>,
    dropped: AtomicUsize,
}

/// Counts questions that were given up.
struct Asking(Arc<Source>, bool);

impl Drop for Asking {
    fn drop(&mut self) {
        if !self.1 {
            self.0.dropped.fetch_add(1, Ordering::SeqCst);
        }
    }
}

impl Source {
    async fn ask(self: Arc<Self>, mut keys: Vec<u32>) -> Result<HashMap<u32, Option<u32>>, &'static str> {
        let mut asking = Asking(Arc::clone(&self), false);
        keys.sort_unstable();
        self.questions.lock().unwrap().push(keys.clone());
        // What is read is as old as the question.
        let worth = u32::try_from(self.worth.load(Ordering::SeqCst)).unwrap();
        let gate = self.gate.lock().unwrap().clone();
        if let Some(gate) = gate {
            assert!(gate.acquire().await.is_err());
        }
        asking.1 = true;
        if *self.failing.lock().unwrap() {
            return Err("away");
        }
        Ok(keys.into_iter().filter(|key| *key < 1_000).map(|key| (key, Some(key + worth))).collect())
    }
}

impl Bench {
    fn new(max_age: Duration) -> Self {
        Self { cache: Arc::new(Cache::new("test", 1_000, max_age)), source: Arc::default() }
    }

    async fn get(&self, key: u32) -> Result<Option<u32>, &'static str> {
        let source = Arc::clone(&self.source);
        let load = || async move { Ok(source.ask(vec![key]).await?.remove(&key).flatten()) };
        self.cache.get(key, load).await
    }

    async fn get_many(&self, keys: &[u32]) -> Result<Vec<(u32, Option<u32>)>, &'static str> {
        let source = Arc::clone(&self.source);
        let found = self.cache.get_many(keys.iter().copied(), |keys| source.ask(keys)).await?;
        let mut found: Vec<_> = found.into_iter().collect();
        found.sort_unstable();
        Ok(found)
    }

    async fn refresh(&self) -> usize {
        let source = Arc::clone(&self.source);
        self.cache.refresh(|keys| source.ask(keys)).await.unwrap()
    }

    fn close_gate(&self) -> Arc<Semaphore> {
        let gate = Arc::new(Semaphore::new(0));
        *self.source.gate.lock().unwrap() = Some(Arc::clone(&gate));
        gate
    }

    fn open_gate(&self, gate: &Semaphore) {
        *self.source.gate.lock().unwrap() = None;
        gate.close();
    }

    fn change(&self) {
        self.source.worth.fetch_add(100, Ordering::SeqCst);
    }

    fn questions(&self) -> Vec<Vec<u32>> {
        self.source.questions.lock().unwrap().clone()
    }

    /// Waits until the source was asked so many questions.
    async fn asked(&self, questions: usize) {
        timeout(Duration::from_secs(5), async {
            while self.questions().len() < questions {
                tokio::task::yield_now().await;
            }
        })
        .await
        .unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_value_is_loaded_once_until_it_is_too_old() {
    let bench = Bench::new(AGE);
    for _ in 0..3 {
        assert_eq!(bench.get(1).await, Ok(Some(1)));
        sleep(AGE / 4).await;
    }
    assert_eq!(bench.questions(), [[1]]);
    assert_eq!(bench.cache.kept(&1), Some(Some(1)));
    bench.change();
    sleep(AGE / 4).await;
    assert_eq!(bench.cache.kept(&1), None);
    assert_eq!(bench.get(1).await, Ok(Some(101)));
}

#[tokio::test(start_paused = true)]
async fn the_age_counts_from_the_question_and_not_from_the_answer() {
    let bench = Bench::new(AGE);
    let gate = bench.close_gate();
    let asker = bench.clone();
    let answer = tokio::spawn(async move { asker.get(1).await });
    bench.asked(1).await;
    sleep(AGE).await;
    bench.open_gate(&gate);
    assert_eq!(answer.await.unwrap(), Ok(Some(1)));
    assert_eq!(bench.cache.kept(&1), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_many_want_at_once_is_asked_for_once() {
    let bench = Bench::new(AGE);
    let gate = bench.close_gate();
    let askers: Vec<_> = (0..50)
        .map(|number| {
            let bench = bench.clone();
            tokio::spawn(async move {
                match number % 2 {
                    0 => bench.get(1).await,
                    _ => Ok(bench.get_many(&[1, 2]).await?[0].1),
                }
            })
        })
        .collect();
    bench.asked(1).await;
    tokio::task::yield_now().await;
    bench.open_gate(&gate);
    for asker in askers {
        assert_eq!(asker.await.unwrap(), Ok(Some(1)));
    }
    let mut keys = bench.questions().concat();
    keys.sort_unstable();
    assert_eq!(keys, [1, 2]);
}

#[tokio::test]
async fn a_batch_asks_only_for_what_nobody_knows_or_asks() {
    let bench = Bench::new(AGE);
    bench.get(1).await.unwrap();
    let gate = bench.close_gate();
    let asker = bench.clone();
    let second = tokio::spawn(async move { asker.get(2).await });
    bench.asked(2).await;
    let asker = bench.clone();
    let all = tokio::spawn(async move { asker.get_many(&[1, 2, 3, 2, 3, 1_000]).await });
    bench.asked(3).await;
    bench.open_gate(&gate);
    assert_eq!(all.await.unwrap().unwrap(), [(1, Some(1)), (2, Some(2)), (3, Some(3)), (1_000, None)]);
    assert_eq!(second.await.unwrap(), Ok(Some(2)));
    assert_eq!(bench.questions(), [vec![1], vec![2], vec![3, 1_000]]);
    // That there is nothing is known, too.
    assert_eq!(bench.get_many(&[1_000]).await.unwrap(), [(1_000, None)]);
    assert_eq!(bench.questions().len(), 3);
}

#[tokio::test]
async fn an_error_is_for_all_who_wait_and_is_not_kept() {
    let bench = Bench::new(AGE);
    *bench.source.failing.lock().unwrap() = true;
    let gate = bench.close_gate();
    let askers: Vec<_> = (0..5)
        .map(|_| {
            let bench = bench.clone();
            tokio::spawn(async move { bench.get(1).await })
        })
        .collect();
    bench.asked(1).await;
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    bench.open_gate(&gate);
    for asker in askers {
        assert_eq!(asker.await.unwrap(), Err("away"));
    }
    assert_eq!(bench.questions().len(), 1);
    *bench.source.failing.lock().unwrap() = false;
    assert_eq!(bench.get(1).await, Ok(Some(1)));
}

#[tokio::test]
async fn who_gives_up_leaves_the_question_to_the_others() {
    let bench = Bench::new(AGE);
    let gate = bench.close_gate();
    let asker = bench.clone();
    let first = tokio::spawn(async move { asker.get(1).await });
    bench.asked(1).await;
    let asker = bench.clone();
    let second = tokio::spawn(async move { asker.get(1).await });
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    bench.open_gate(&gate);
    assert_eq!(second.await.unwrap(), Ok(Some(1)));
    assert_eq!((bench.questions().len(), bench.source.dropped.load(Ordering::SeqCst)), (1, 0));
}

#[tokio::test]
async fn a_question_that_nobody_waits_for_ends() {
    let bench = Bench::new(AGE);
    let gate = bench.close_gate();
    let asker = bench.clone();
    let only = tokio::spawn(async move { asker.get(1).await });
    bench.asked(1).await;
    only.abort();
    assert!(only.await.unwrap_err().is_cancelled());
    assert_eq!(bench.source.dropped.load(Ordering::SeqCst), 1);
    bench.open_gate(&gate);
    assert_eq!(bench.get(1).await, Ok(Some(1)));
    assert_eq!(bench.questions().len(), 2);
}

/// The race that would leave a stale value: it is read, then changed and forgotten, then kept.
async fn race(forget: impl Fn(&Cache<u32, Option<u32>, &'static str>)) {
    let bench = Bench::new(AGE);
    let gate = bench.close_gate();
    let asker = bench.clone();
    let early = tokio::spawn(async move { asker.get_many(&[1, 2]).await });
    bench.asked(1).await;
    bench.change();
    forget(&bench.cache);
    // Who comes after the change does not get what was read before it.
    let asker = bench.clone();
    let late = tokio::spawn(async move { asker.get(1).await });
    bench.asked(2).await;
    bench.open_gate(&gate);
    assert_eq!(early.await.unwrap().unwrap()[0], (1, Some(1)));
    assert_eq!(late.await.unwrap(), Ok(Some(101)));
    assert_eq!(bench.cache.kept(&1), Some(Some(101)));
    assert_eq!(bench.questions().len(), 2);
}

#[tokio::test]
async fn what_was_read_before_it_was_forgotten_is_not_kept() {
    race(|cache| cache.forget(&[1])).await;
    race(Cache::forget_all).await;
}

#[tokio::test]
async fn to_forget_one_is_not_to_forget_others() {
    let bench = Bench::new(AGE);
    bench.get_many(&[1, 2]).await.unwrap();
    bench.change();
    bench.cache.forget(&[1, 7]);
    assert_eq!(bench.get_many(&[1, 2]).await.unwrap(), [(1, Some(101)), (2, Some(2))]);
    bench.cache.forget_all();
    assert_eq!(bench.get_many(&[1, 2]).await.unwrap(), [(1, Some(101)), (2, Some(102))]);
}

#[tokio::test]
async fn with_no_age_nothing_is_kept_but_questions_are_shared() {
    let bench = Bench::new(Duration::ZERO);
    let gate = bench.close_gate();
    let askers: Vec<_> = (0..5)
        .map(|_| {
            let bench = bench.clone();
            tokio::spawn(async move { bench.get(1).await })
        })
        .collect();
    bench.asked(1).await;
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    bench.open_gate(&gate);
    for asker in askers {
        assert_eq!(asker.await.unwrap(), Ok(Some(1)));
    }
    assert_eq!(bench.questions().len(), 1);
    bench.get(1).await.unwrap();
    assert_eq!(bench.questions().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_is_asked_for_often_is_loaded_before_it_is_too_old() {
    let bench = Bench::new(AGE);
    bench.get_many(&[1, 2, 3]).await.unwrap();
    for _ in 0..OFTEN {
        bench.get_many(&[1, 2]).await.unwrap();
    }
    assert_eq!(bench.refresh().await, 0, "it is new");
    sleep(AGE * 2 / 3).await;
    bench.change();
    assert_eq!(bench.refresh().await, 2);
    assert_eq!(bench.refresh().await, 0);
    sleep(AGE / 2).await;
    assert_eq!((bench.cache.kept(&1), bench.cache.kept(&3)), (Some(Some(101)), None));
    assert_eq!(bench.questions(), [vec![1, 2, 3], vec![1, 2]]);
    // Nobody has asked for it since.
    sleep(AGE / 4).await;
    assert_eq!(bench.refresh().await, 0);
}

#[tokio::test(start_paused = true)]
async fn what_is_forgotten_while_it_is_loaded_ahead_stays_forgotten() {
    let bench = Bench::new(AGE);
    for _ in 0..=OFTEN {
        bench.get(1).await.unwrap();
    }
    sleep(AGE * 2 / 3).await;
    let gate = bench.close_gate();
    let asker = bench.clone();
    let ahead = tokio::spawn(async move { asker.refresh().await });
    bench.asked(2).await;
    bench.change();
    bench.cache.forget(&[1]);
    bench.open_gate(&gate);
    assert_eq!(ahead.await.unwrap(), 1);
    assert_eq!(bench.cache.kept(&1), None);
    assert_eq!(bench.get(1).await, Ok(Some(101)));
}
