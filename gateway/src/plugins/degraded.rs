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
    async_trait,
    executor::response::value::Value,
    plugins::{
        hooks::{
            on_execute::{OnExecuteStartHookPayload, OnExecuteStartHookResult},
            on_plugin_init::{OnPluginInitPayload, OnPluginInitResult},
            on_subgraph_execute::{OnSubgraphExecuteStartHookPayload, OnSubgraphExecuteStartHookResult},
        },
        plugin_context::PluginContext,
        plugin_trait::{EndHookPayload, RouterPlugin, StartHookPayload},
    },
};

/// Where answers name what is degraded, in `extensions`.
const KEY: &str = "degraded";

/// See the module.
#[derive(Default)]
pub(crate) struct DegradedPlugin;

#[async_trait]
impl RouterPlugin for DegradedPlugin {
    type Config = serde_json::Value;

    fn plugin_name() -> &'static str {
        "degraded"
    }

    fn on_plugin_init(payload: OnPluginInitPayload<Self>) -> OnPluginInitResult<Self> {
        payload.initialize_plugin_with_defaults()
    }

    async fn on_subgraph_execute<'exec>(
        &'exec self,
        payload: OnSubgraphExecuteStartHookPayload<'exec>,
    ) -> OnSubgraphExecuteStartHookResult<'exec> {
        payload.on_end(|end| {
            if let Some(extensions) = &end.execution_result.extensions {
                Names::note(end.context, extensions);
            }
            end.proceed()
        })
    }

    async fn on_execute<'exec>(
        &'exec self,
        payload: OnExecuteStartHookPayload<'exec>,
    ) -> OnExecuteStartHookResult<'exec> {
        let context = payload.context;
        payload.on_end(move |mut end| {
            if let Some(names) = context.get_ref::<Names>() {
                end.add_extension(KEY, &names.0);
            }
            end.proceed()
        })
    }
}

/// What the subgraphs named so far, in the context of an operation. Absent while they named nothing.
#[derive(Default)]
struct Names(BTreeSet<String>);

impl Names {
    fn note(context: &PluginContext, extensions: &Value<'_>) {
        let mut named = named(extensions).peekable();
        if named.peek().is_none() {
            return;
        }
        if !context.contains::<Self>() {
            context.insert(Self::default());
        }
        if let Some(mut names) = context.get_mut::<Self>() {
            names.0.extend(named.map(str::to_owned));
        }
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
