//! Answers that a subgraph made without a part of the service, and says so: `extensions.degraded` of
//! its answer lists the names of what suffers. The client's answer lists those of all subgraphs that
//! the operation asked, sorted, each once; it has no such list when nobody said anything. The router
//! drops whatever else is in the extensions of subgraphs.
//!
//! Callers that share a request to a subgraph each see the answer to it here, and those that share
//! all have one answer. Events of subscriptions are left as they are: the router keeps only their data
//! and errors, and no hook sees more.

use std::collections::BTreeSet;

use hive_router::{
    executor::response::value::Value,
    plugins::{
        hooks::{on_execute::OnExecuteEndHookPayload, on_subgraph_execute::OnSubgraphExecuteEndHookPayload},
        plugin_context::PluginContext,
    },
};

/// Where answers name what is degraded, in `extensions`.
const KEY: &str = "degraded";

/// What the subgraphs named so far, in the context of an operation. Absent while they named nothing.
#[derive(Default)]
struct Names(BTreeSet<String>);

/// Notes what the answer of a subgraph names.
pub(super) fn note(end: &OnSubgraphExecuteEndHookPayload<'_>) {
    let mut named = end.execution_result.extensions.iter().flat_map(named).peekable();
    if named.peek().is_none() {
        return;
    }
    if !end.context.contains::<Names>() {
        end.context.insert(Names::default());
    }
    if let Some(mut names) = end.context.get_mut::<Names>() {
        names.0.extend(named.map(str::to_owned));
    }
}

/// Tells the client what the subgraphs named.
pub(super) fn tell(context: &PluginContext, end: &mut OnExecuteEndHookPayload<'_>) {
    if let Some(names) = context.get_ref::<Names>() {
        end.add_extension(KEY, &names.0);
    }
}

/// Whether the extensions of an answer name anything.
pub(super) fn is_named(extensions: &Value<'_>) -> bool {
    named(extensions).next().is_some()
}

/// The names in the extensions of an answer. What is no list of texts names nothing.
fn named<'v>(extensions: &'v Value<'_>) -> impl Iterator<Item = &'v str> {
    let fields = extensions.as_object().into_iter().flatten();
    let lists = fields.filter_map(|(key, value)| match value {
        Value::Array(list) if *key == KEY => Some(list),
        _ => None,
    });
    lists.flatten().filter_map(Value::as_str)
}
