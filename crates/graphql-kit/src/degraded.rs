//! Answers that had to do without a part of the service, and say so: `extensions.degraded` lists the
//! names of what suffers, sorted, each once. An answer that did not has no such list.

use std::{
    collections::BTreeSet,
    mem,
    sync::{Arc, Mutex, PoisonError},
};

use async_graphql::{Context, Response, Value};

/// Where answers name what is degraded, in `extensions`.
const KEY: &str = "degraded";

/// Notes that what is being resolved had to do without something; `name` is what suffers, in a word
/// that clients know. Outside the [shell](crate::shell) nobody takes notice.
pub fn mark(ctx: &Context<'_>, name: &'static str) {
    if let Some(marks) = ctx.data_opt::<Marks>() {
        marks.names.lock().unwrap_or_else(PoisonError::into_inner).insert(name);
    }
}

/// The marks of one request.
#[derive(Debug, Clone, Default)]
pub(crate) struct Marks {
    names: Arc<Mutex<BTreeSet<&'static str>>>,
}

impl Marks {
    /// The answer, which says what was marked since the last one.
    pub(crate) fn said_in(&self, answer: Response) -> Response {
        let names = mem::take(&mut *self.names.lock().unwrap_or_else(PoisonError::into_inner));
        if names.is_empty() {
            return answer;
        }
        answer.extension(KEY, Value::List(names.into_iter().map(Value::from).collect()))
    }
}
