//! Parts of an answer that hold only as long as what they were made from: everybody may share them while
//! somebody has looked, each time, that nothing has changed ([`platform::cache::validator`]). Which fields
//! these are, the schema says ([`sharing`](crate::sharing)); here it is noted what they were made from.

use std::sync::{Arc, Mutex, PoisonError};

use async_graphql::Context;

/// An answer that depends on more is not shared: whoever gives it would have to look after all of it.
const MOST: usize = 8;

/// Notes that what is being resolved holds as long as `validator` does: visible ASCII without commas, in
/// a form that the subgraph itself reads. Outside the [shell](crate::shell) nobody takes notice.
pub fn by(ctx: &Context<'_>, validator: String) {
    note(ctx, Some(validator));
}

/// Notes that what is being resolved may be something else at any moment.
pub fn by_nothing(ctx: &Context<'_>) {
    note(ctx, None);
}

fn note(ctx: &Context<'_>, validator: Option<String>) {
    if let Some(noted) = ctx.data_opt::<Noted>() {
        noted.notes.lock().unwrap_or_else(PoisonError::into_inner).push(validator);
    }
}

/// What was noted in one request.
#[derive(Debug, Clone, Default)]
pub(crate) struct Noted {
    notes: Arc<Mutex<Vec<Option<String>>>>,
}

impl Noted {
    /// What the answer holds by, each once; `None` when something in it is held by nothing.
    pub(crate) fn validators(&self) -> Option<Vec<String>> {
        let notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        let mut validators: Vec<_> = notes.iter().cloned().collect::<Option<_>>()?;
        validators.sort_unstable();
        validators.dedup();
        (1..=MOST).contains(&validators.len()).then_some(validators)
    }
}
