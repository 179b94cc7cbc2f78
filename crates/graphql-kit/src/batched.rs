//! Loads together what the fields of one request ask for, so that a list asks once for all that
//! its nodes refer to.
//!
//! The library's own data loader waits for a millisecond, on a timer's thread, and loads in a task
//! of its own: the fields that wait are woken one by one, on another thread, so that what they ask
//! for next comes in drops. Here one of the fields loads for all. All fields of a request are one
//! task, so once it has yielded every field that can ask has asked, and once the answer is there
//! all of them go on together.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    hash::Hash,
    sync::{Arc, Mutex, PoisonError},
};

use async_graphql::dataloader::Loader;
use futures::{
    FutureExt,
    future::{BoxFuture, Shared, WeakShared},
};

/// A loader, and what it has been asked for since it last loaded. It keeps nothing: an answer is
/// never older than the question. For one request, or one subscription.
pub struct Batched<L, K>
where
    L: Loader<K>,
    K: Hash + Eq + Clone + Send + Sync + 'static,
{
    loader: L,
    next: Mutex<Option<Batch<L, K>>>,
}

type Answer<L, K> = Result<Arc<HashMap<K, <L as Loader<K>>::Value>>, <L as Loader<K>>::Error>;
type Loading<L, K> = BoxFuture<'static, Answer<L, K>>;

/// Keys that are loaded together.
struct Batch<L, K>
where
    L: Loader<K>,
    K: Hash + Eq + Clone + Send + Sync + 'static,
{
    /// `None` when they are being loaded.
    keys: Arc<Mutex<Option<HashSet<K>>>>,
    /// It is given up when nobody waits for it.
    answer: WeakShared<Loading<L, K>>,
}

impl<L, K> Batched<L, K>
where
    L: Loader<K> + Clone,
    K: Hash + Eq + Clone + Send + Sync + 'static,
{
    /// Batches for `loader`, of which a clone should be cheap.
    pub fn new(loader: L) -> Self {
        Self { loader, next: Mutex::new(None) }
    }

    /// What `key` names, if there is such a thing.
    ///
    /// # Errors
    /// That of the loader, which is for the whole batch.
    pub async fn load_one(&self, key: K) -> Result<Option<L::Value>, L::Error> {
        Ok(self.ask([key.clone()]).await?.get(&key).cloned())
    }

    /// What `keys` name, as far as there are such things.
    ///
    /// # Errors
    /// That of the loader, which is for the whole batch.
    pub async fn load_many(
        &self,
        keys: impl IntoIterator<Item = K>,
    ) -> Result<HashMap<K, L::Value>, L::Error> {
        let keys: HashSet<K> = keys.into_iter().collect();
        if keys.is_empty() {
            return Ok(HashMap::new());
        }
        let found = self.ask(keys.iter().cloned()).await?;
        let named = |key: K| found.get(&key).cloned().map(|value| (key, value));
        Ok(keys.into_iter().filter_map(named).collect())
    }

    /// The answer to the batch that these keys are in.
    async fn ask(&self, keys: impl IntoIterator<Item = K>) -> Answer<L, K> {
        let answer = self.join(keys);
        // To the end of the queue: before this field looks for the answer, and by that lets it be
        // loaded, each of the others has asked.
        tokio::task::yield_now().await;
        answer.await
    }

    fn join(&self, keys: impl IntoIterator<Item = K>) -> Shared<Loading<L, K>> {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(batch) = &*next
            && let Some(answer) = batch.answer.upgrade()
            && let Some(waiting) = &mut *batch.keys.lock().unwrap_or_else(PoisonError::into_inner)
        {
            waiting.extend(keys);
            return answer;
        }
        let keys = Arc::new(Mutex::new(Some(keys.into_iter().collect::<HashSet<K>>())));
        let (loader, gathered) = (self.loader.clone(), Arc::clone(&keys));
        let loading = async move {
            // Whoever comes after this begins another batch.
            let keys = gathered.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or_default();
            let keys: Vec<K> = keys.into_iter().collect();
            loader.load(&keys).await.map(Arc::new)
        };
        let answer = loading.boxed().shared();
        *next = answer.downgrade().map(|answer| Batch { keys, answer });
        answer
    }
}

impl<L, K> fmt::Debug for Batched<L, K>
where
    L: Loader<K>,
    K: Hash + Eq + Clone + Send + Sync + 'static,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batched").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::{Context, EmptyMutation, EmptySubscription, Object, Request, Schema};

    use super::*;

    /// Names are loaded after some turns of the runtime, as by a database.
    #[derive(Clone, Default)]
    struct Names(Arc<Mutex<Vec<usize>>>);

    impl Names {
        fn batches(&self) -> Vec<usize> {
            std::mem::take(&mut self.0.lock().unwrap())
        }
    }

    impl Loader<u32> for Names {
        type Value = u32;
        type Error = &'static str;

        async fn load(&self, keys: &[u32]) -> Result<HashMap<u32, u32>, &'static str> {
            self.0.lock().unwrap().push(keys.len());
            let keys = keys.to_vec();
            let elsewhere = tokio::spawn(async move {
                tokio::task::yield_now().await;
                keys.into_iter().filter(|key| key % 10 != 9).map(|key| (key, key + 1_000)).collect()
            });
            let names: HashMap<u32, u32> = elsewhere.await.unwrap();
            if names.contains_key(&666) { Err("no") } else { Ok(names) }
        }
    }

    struct Node(u32);

    #[Object]
    impl Node {
        /// The node whose number is the name of this one.
        async fn next(&self, ctx: &Context<'_>) -> Option<Self> {
            ctx.data_unchecked::<Batched<Names, u32>>().load_one(self.0).await.ok()?.map(Self)
        }

        async fn number(&self) -> u32 {
            self.0
        }
    }

    struct Root;

    #[Object]
    impl Root {
        async fn nodes(&self, count: u32) -> Vec<Node> {
            (0..count).map(Node).collect()
        }
    }

    /// The sizes of the batches of a request for `count` nodes, each of which asks twice for the next
    /// one, and that for its next, over three levels.
    async fn batches(count: usize) -> Vec<usize> {
        let schema = Schema::build(Root, EmptyMutation, EmptySubscription).finish();
        let names = Names::default();
        let query = format!(
            "{{ nodes(count: {count}) {{ number next {{ next {{ next {{ number }} }} }} a: next {{ number }} }} }}"
        );
        let request = Request::new(query).data(Batched::new(names.clone()));
        let answer = tokio::spawn(async move { schema.execute(request).await }).await.unwrap();
        assert_eq!(answer.errors, []);
        names.batches()
    }

    #[tokio::test]
    async fn each_level_of_a_request_is_one_batch() {
        for count in [1, 20, 500] {
            let there = (0..count).filter(|number| number % 10 != 9).count();
            assert_eq!(batches(count).await, [count, there, there]);
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn other_threads_hardly_break_a_batch() {
        // A thread that loses its processor while it wakes fields makes late ones of the rest.
        for count in [1, 20, 500] {
            let batches = batches(count).await;
            assert!(batches.len() <= 9, "{batches:?}");
        }
    }

    #[tokio::test]
    async fn many_are_asked_for_as_one() {
        let names = Names::default();
        let batched = Batched::new(names.clone());
        let (many, one, none) =
            tokio::join!(batched.load_many([1, 2, 9, 2]), batched.load_one(2), batched.load_many([]));
        assert_eq!(many.unwrap(), HashMap::from([(1, 1_001), (2, 1_002)]));
        assert_eq!((one.unwrap(), none.unwrap()), (Some(1_002), HashMap::new()));
        assert_eq!(names.batches(), [3]);
        // Nothing is kept.
        assert_eq!(batched.load_one(1).await.unwrap(), Some(1_001));
        assert_eq!(names.batches(), [1]);
    }

    #[tokio::test]
    async fn an_error_is_that_of_its_batch_only() {
        let batched = Batched::new(Names::default());
        let (one, other) = tokio::join!(batched.load_one(666), batched.load_one(1));
        assert_eq!((one, other), (Err("no"), Err("no")));
        assert_eq!(batched.load_one(1).await, Ok(Some(1_001)));
    }

    #[tokio::test]
    async fn who_gives_up_spoils_nothing_for_others() {
        let names = Names::default();
        let batched = Batched::new(names.clone());
        {
            let mut first = std::pin::pin!(batched.load_one(1));
            assert!(futures::poll!(&mut first).is_pending());
        }
        assert_eq!(batched.load_one(2).await, Ok(Some(1_002)));
        // Alone, the first would have been given up with its batch.
        assert_eq!(names.batches(), [1]);
        let mut first = Box::pin(batched.load_one(1));
        assert!(futures::poll!(&mut first).is_pending());
        let second = batched.load_one(2);
        let second = async {
            let mut second = std::pin::pin!(second);
            assert!(futures::poll!(&mut second).is_pending());
            drop(first);
            second.await
        };
        assert_eq!(second.await, Ok(Some(1_002)));
        assert_eq!(names.batches(), [2]);
    }
}
