//! Acknowledging what is done, many messages at a time: for the broker each answer is an entry in the
//! log of a quorum queue, whether it is about one message or about a hundred.
//!
//! An answer for many covers everything up to its message. So it is given for the first messages that are
//! all done; one that is done before others waits for these a moment, and then is answered for alone. What
//! has not been answered for when a process dies comes again, as ever.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use lapin::{Channel, message::Delivery, options::BasicAckOptions, types::DeliveryTag};
use tokio::{
    sync::Notify,
    time::{Instant, sleep},
};

use crate::faults::reach;

/// Answers are gathered for so long.
const GATHER: Duration = Duration::from_millis(5);
/// A message that is done waits so long for those before it.
const WAIT: Duration = Duration::from_millis(50);
/// The part of the messages taken in advance that may be done and not answered for.
const SHARE: usize = 4;

/// The answers of one consumer, which has a channel of its own.
pub(super) struct Answers {
    channel: Channel,
    open: Mutex<Open>,
    some: Notify,
    many: Notify,
    /// So many are answered for without delay.
    at_once: usize,
}

#[derive(Default)]
struct Open {
    /// What the broker sent and waits for, in its order; and since when it is done.
    taken: BTreeMap<DeliveryTag, Option<Instant>>,
    done: usize,
    /// Nobody has to wait any more.
    closed: bool,
}

/// For one message, or for all up to it.
#[derive(Debug, PartialEq, Eq)]
struct Answer {
    to: DeliveryTag,
    multiple: bool,
}

impl Answers {
    /// Of a consumer that takes so many messages in advance.
    pub(super) fn new(channel: Channel, prefetch: u16) -> Self {
        Self {
            channel,
            open: Mutex::default(),
            some: Notify::new(),
            many: Notify::new(),
            at_once: (usize::from(prefetch) / SHARE).max(1),
        }
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A message came. They have to be told in the order in which they come.
    pub(super) fn taken(&self, delivery: &Delivery) {
        self.open().taken.insert(delivery.delivery_tag, None);
    }

    /// A message is done.
    pub(super) fn done(&self, delivery: &Delivery) {
        let done = self.open().settle(delivery.delivery_tag);
        self.some.notify_one();
        if done >= self.at_once {
            self.many.notify_one();
        }
    }

    /// Somebody else answers for a message.
    pub(super) fn not_ours(&self, delivery: &Delivery) {
        self.open().taken.remove(&delivery.delivery_tag);
    }

    /// What is done by now is the last.
    pub(super) fn close(&self) {
        self.open().closed = true;
        self.some.notify_one();
        self.many.notify_one();
    }

    /// Answers, until it was closed and everything that is done is answered for. Dropped before, it may
    /// leave out some.
    pub(super) async fn keep(&self) {
        loop {
            let (done, closed) = {
                let open = self.open();
                (open.done, open.closed)
            };
            match done {
                0 if closed => return,
                0 => self.some.notified().await,
                _ => {
                    if done < self.at_once && !closed {
                        tokio::select! {
                            () = sleep(GATHER) => {}
                            () = self.many.notified() => {}
                        }
                    }
                    self.answer().await;
                }
            }
        }
    }

    async fn answer(&self) {
        let due = self.open().due(self.at_once);
        for Answer { to, multiple } in due {
            if let Err(error) = self.channel.basic_ack(to, BasicAckOptions { multiple }).await {
                tracing::warn!(%error, "could not answer for events; they will come again");
                return;
            }
            reach("consumer.acknowledged").await;
        }
    }
}

impl Open {
    /// A message is done; how many are.
    fn settle(&mut self, tag: DeliveryTag) -> usize {
        if let Some(place @ None) = self.taken.get_mut(&tag) {
            *place = Some(Instant::now());
            self.done += 1;
        }
        self.done
    }

    /// How to answer now.
    fn due(&mut self, at_once: usize) -> Vec<Answer> {
        let (mut covered, mut last) = (0, None);
        while let Some(first) = self.taken.first_entry()
            && first.get().is_some()
        {
            last = Some(first.remove_entry().0);
            covered += 1;
        }
        self.done -= covered;
        let mut due: Vec<Answer> = last.map(|to| Answer { to, multiple: covered > 1 }).into_iter().collect();
        if self.done > 0 {
            let all = self.closed || self.done >= at_once;
            let alone: Vec<DeliveryTag> = self
                .taken
                .iter()
                .filter(|(_, done)| done.is_some_and(|since| all || since.elapsed() >= WAIT))
                .map(|(tag, _)| *tag)
                .collect();
            self.done -= alone.len();
            for to in alone {
                self.taken.remove(&to);
                due.push(Answer { to, multiple: false });
            }
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANY: usize = 10;

    fn open(taken: u64) -> Open {
        Open { taken: (1..=taken).map(|tag| (tag, None)).collect(), done: 0, closed: false }
    }

    fn up_to(to: DeliveryTag) -> Answer {
        Answer { to, multiple: true }
    }

    fn alone(to: DeliveryTag) -> Answer {
        Answer { to, multiple: false }
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_covers_only_what_is_done() {
        let mut open = open(6);
        for tag in [2, 1, 3, 5] {
            open.settle(tag);
        }
        assert_eq!(open.due(MANY), [up_to(3)]);
        assert_eq!(open.due(MANY), [], "the fifth waits for the fourth");
        open.settle(4);
        assert_eq!(open.due(MANY), [up_to(5)]);
        assert_eq!((open.done, open.taken.len()), (0, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_too_long_is_answered_for_alone() {
        let mut open = open(4);
        open.settle(2);
        assert_eq!(open.due(MANY), []);
        tokio::time::advance(WAIT).await;
        open.settle(4);
        assert_eq!(open.due(MANY), [alone(2)]);
        open.settle(1);
        open.settle(3);
        assert_eq!(open.due(MANY), [up_to(4)]);
    }

    #[tokio::test(start_paused = true)]
    async fn many_or_the_end_wait_for_nobody() {
        let mut few = open(4);
        few.settle(2);
        few.settle(4);
        few.closed = true;
        assert_eq!(few.due(MANY), [alone(2), alone(4)]);
        let mut many = open(4);
        many.settle(1);
        many.settle(3);
        many.settle(4);
        assert_eq!(many.due(2), [alone(1), alone(3), alone(4)]);
        assert_eq!((many.done, many.taken.len()), (0, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn what_another_answers_for_is_in_nobodys_way() {
        let mut open = open(3);
        open.settle(1);
        open.settle(3);
        open.taken.remove(&2);
        assert_eq!(open.due(MANY), [up_to(3)]);
        assert_eq!(open.settle(3), 0, "it is not counted again");
    }
}
