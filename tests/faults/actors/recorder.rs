//! Writes down what clients ask and hear, and what the nemesis does.

use std::sync::{Mutex, MutexGuard, PoisonError};

use kernel::{Clock, SystemClock};

use crate::history::{Action, Call, Fault, History, Millis, Outcome};

/// Collects the history of a round. Shared by all who take part.
#[derive(Debug, Default)]
pub struct Recorder {
    // Held for a push only: at some hundred calls a second nobody waits for it.
    history: Mutex<History>,
}

/// The machine's clock now, rounded down.
pub fn now() -> Millis {
    SystemClock.now().timestamp_millis()
}

/// The machine's clock now, rounded up: a call that ended at or before the `from` of another was
/// over when that one was sent.
fn now_rounded_up() -> Millis {
    now() + 1
}

impl Recorder {
    fn history(&self) -> MutexGuard<'_, History> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request is about to be sent; gives its number. Until [`Recorder::end`] its outcome is
    /// unknown.
    pub fn begin(&self, actor: usize, user: &str, action: Action) -> u64 {
        let mut history = self.history();
        let no = history.calls.len() as u64;
        history.calls.push(Call {
            no,
            actor,
            user: user.to_owned(),
            from: now(),
            to: Millis::MAX,
            action,
            outcome: Outcome::Unknown { why: "under way".to_owned() },
        });
        no
    }

    /// The answer is there, or the actor gave up.
    pub fn end(&self, no: u64, outcome: Outcome) {
        let mut history = self.history();
        let place = usize::try_from(no).unwrap_or(usize::MAX);
        if let Some(call) = history.calls.get_mut(place) {
            call.to = now_rounded_up();
            call.outcome = outcome;
        }
    }

    /// Something bad that is over.
    pub fn fault(&self, fault: Fault) {
        self.history().faults.push(fault);
    }

    /// Everything so far. What is still under way counts as given up now.
    pub fn finish(&self) -> History {
        let mut history = self.history().clone();
        let end = now_rounded_up();
        for call in &mut history.calls {
            call.to = call.to.min(end);
        }
        history.faults.sort_by_key(|fault| fault.from);
        history
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_numbered_in_order_and_those_without_an_answer_are_unknown() {
        let recorder = Recorder::default();
        let first = recorder.begin(0, "user_a", Action::Read { show: "show_a".to_owned() });
        let second = recorder.begin(1, "user_b", Action::Release { hold: "hold_a".to_owned() });
        recorder.end(second, Outcome::Released);
        let History { calls, .. } = recorder.finish();
        assert_eq!((first, second), (0, 1));
        assert!(matches!(calls[0].outcome, Outcome::Unknown { .. }));
        assert_eq!(calls[1].outcome, Outcome::Released);
        assert!(calls.iter().all(|call| call.from < call.to && call.to < Millis::MAX));
    }
}
