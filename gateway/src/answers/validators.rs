//! Answers that hold only as long as what they were made from, such as seats: their subgraph says in
//! [`VALIDATORS`](platform::cache::validator::VALIDATORS) what that is, and is asked each time before such an
//! answer is given again. It is then as new as one that is fetched.

use std::sync::{Arc, Mutex, PoisonError};

/// What the answer to an operation under way holds by, as the subgraphs say that it has asked so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct Noted(Arc<Mutex<Vec<String>>>);

impl Noted {
    pub(crate) fn add(&self, validators: Vec<String>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(validators);
    }

    pub(super) fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
