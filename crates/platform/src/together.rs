//! Work that costs little more for many than for one, such as a statement with a commit.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::{
    select,
    sync::{Semaphore, oneshot},
};

/// Serves together whoever comes while others are being served (group commit). Nobody waits for company:
/// who comes when it is quiet is served at once, alone.
///
/// One of those who wait serves all of them, in its own task and trace. When it goes away the others get no
/// answer, and whether they were served is not known: what is served has to be safe to repeat.
pub struct Together<T, R> {
    most: usize,
    /// Who has one serves.
    turns: Semaphore,
    waiting: Mutex<VecDeque<(T, oneshot::Sender<R>)>>,
}

impl<T, R> Together<T, R> {
    /// For up to `most` that are served together, and so many turns that go on at the same time.
    pub fn new(most: usize, turns: usize) -> Self {
        Self { most, turns: Semaphore::new(turns), waiting: Mutex::default() }
    }

    /// Has `item` served, maybe with others by the `serve` of one of them: it gets at least one item and
    /// gives their answers in the same order. `None` when the answer was lost or not given.
    pub async fn join<S>(&self, item: T, serve: impl Fn(Vec<T>) -> S) -> Option<R>
    where
        S: Future<Output = Vec<R>>,
    {
        let (tell, mut answer) = oneshot::channel();
        self.waiting().push_back((item, tell));
        loop {
            let turn = select! {
                biased;
                answer = &mut answer => return answer.ok(),
                turn = self.turns.acquire() => turn,
            };
            let (items, tell): (Vec<_>, Vec<_>) = {
                let mut waiting = self.waiting();
                let count = waiting.len().min(self.most);
                waiting.drain(..count).unzip()
            };
            // Others may have taken it meanwhile; then they have it answered.
            if items.is_empty() {
                drop(turn);
                return answer.await.ok();
            }
            for (tell, answer) in tell.into_iter().zip(serve(items).await) {
                // Whoever has gone needs none.
                let _ = tell.send(answer);
            }
        }
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<(T, oneshot::Sender<R>)>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T, R> fmt::Debug for Together<T, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Together").field("most", &self.most).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures::{FutureExt, future::join_all, poll};
    use tokio::task::yield_now;

    use super::*;

    /// Says for each who was served with it.
    struct Table {
        together: Together<u32, Vec<u32>>,
    }

    impl Table {
        fn new(most: usize, turns: usize) -> Self {
            Self { together: Together::new(most, turns) }
        }

        async fn sit(&self, guest: u32) -> Option<Vec<u32>> {
            let serve = async |guests: Vec<u32>| {
                yield_now().await;
                vec![guests.clone(); guests.len()]
            };
            self.together.join(guest, serve).await
        }
    }

    async fn served(table: &Table, guests: u32) -> Vec<Vec<u32>> {
        join_all((1..=guests).map(|guest| table.sit(guest))).await.into_iter().map(Option::unwrap).collect()
    }

    #[tokio::test]
    async fn who_comes_when_it_is_quiet_is_served_alone_and_others_meanwhile_wait_together() {
        let expected = [vec![1], vec![2, 3, 4], vec![2, 3, 4], vec![2, 3, 4]];
        assert_eq!(served(&Table::new(8, 1), 4).await, expected);
    }

    #[tokio::test]
    async fn there_is_a_limit_to_a_table_and_to_tables() {
        let found = served(&Table::new(2, 1), 4).await;
        assert_eq!(found, [vec![1], vec![2, 3], vec![2, 3], vec![4]]);
        let found = served(&Table::new(2, 2), 4).await;
        assert_eq!(found, [vec![1], vec![2], vec![3, 4], vec![3, 4]]);
    }

    #[tokio::test]
    async fn when_the_one_who_serves_goes_away_the_others_are_told_and_the_next_is_served() {
        let table = Table::new(8, 1);
        let never = |_: Vec<u32>| std::future::pending();
        let mut first = Box::pin(table.together.join(1, never));
        assert!(poll!(&mut first).is_pending());
        let mut second = Box::pin(table.together.join(2, never));
        let mut third = pin!(table.sit(3));
        assert!(poll!(&mut second).is_pending());
        assert!(poll!(&mut third).is_pending());
        drop(first);
        // It serves the third, too.
        assert!(poll!(&mut second).is_pending());
        assert!(poll!(&mut third).is_pending());
        drop(second);
        assert_eq!(third.await, None);
        assert_eq!(table.sit(4).await, Some(vec![4]));
    }

    #[tokio::test]
    async fn who_goes_away_is_served_with_the_others() {
        let table = Table::new(8, 1);
        let mut first = pin!(table.sit(1));
        assert!(poll!(&mut first).is_pending());
        assert_eq!(table.sit(2).now_or_never(), None);
        let mut third = pin!(table.sit(3));
        assert!(poll!(&mut third).is_pending());
        assert_eq!(first.await, Some(vec![1]));
        assert_eq!(third.await, Some(vec![2, 3]));
    }
}
