//! Whether answers to an operation can be kept, as far as one has seen.

use std::sync::atomic::{AtomicU8, Ordering};

/// What has come of an operation when it was executed last.
#[derive(Debug, Default)]
pub(crate) struct Habit(AtomicU8);

const UNKNOWN: u8 = 0;
const SHARED: u8 = 1;
const OWN: u8 = 2;

impl Habit {
    /// Whether to execute the operation for everybody at once. What nothing is known of is tried with a
    /// `stranger`, whose answer it then is in any case.
    pub(crate) fn invites(&self, stranger: bool) -> bool {
        match self.0.load(Ordering::Relaxed) {
            SHARED => true,
            UNKNOWN => stranger,
            _ => false,
        }
    }

    /// Learns whether everybody may have an answer to it.
    pub(crate) fn learn(&self, shared: bool) {
        self.0.store(if shared { SHARED } else { OWN }, Ordering::Relaxed);
    }
}

/// What has been seen makes no operation another one.
impl PartialEq for Habit {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Habit {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_strangers_try_what_nobody_knows() {
        let habit = Habit::default();
        assert!(habit.invites(true) && !habit.invites(false));
        habit.learn(false);
        assert!(!habit.invites(true) && !habit.invites(false));
        habit.learn(true);
        assert!(habit.invites(true) && habit.invites(false));
        assert_eq!(habit, Habit::default());
    }
}
