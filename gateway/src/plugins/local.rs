//! Subgraphs that are roles of this process are asked without HTTP. The request is the one that would
//! be sent, and the routes that answer it are those that the role serves ([`Direct`]), so that nothing
//! differs but the way between ([`fetch`]).
//!
//! Subscriptions go to the subgraph's address as ever. So do the fetches that events of subscriptions
//! cause: the router makes them without asking plugins.

mod fetch;

use std::{collections::BTreeMap, sync::Arc};

use hive_router::{
    RouterSharedState, async_trait,
    executor::executors::common::SubgraphExecutor as _,
    plugins::{
        hooks::{
            on_http_request::{OnHttpRequestHookFuture, OnHttpRequestHookPayload},
            on_plugin_init::{OnPluginInitPayload, OnPluginInitResult},
            on_subgraph_execute::{OnSubgraphExecuteStartHookPayload, OnSubgraphExecuteStartHookResult},
        },
        plugin_trait::{RouterPlugin, StartHookPayload},
    },
};
use platform::http::Direct;

use fetch::{Fetcher, Subgraph};

/// The subgraphs of this process, by name.
pub(crate) struct Local(BTreeMap<String, Arc<Subgraph>>);

impl Local {
    /// With what `router` is told about its subgraphs.
    pub(crate) fn new(routes: BTreeMap<String, Direct>, router: &RouterSharedState) -> Self {
        let subgraph = |(name, routes): (String, Direct)| {
            let subgraph = Subgraph::new(name.clone(), routes, router);
            (name, Arc::new(subgraph))
        };
        Self(routes.into_iter().map(subgraph).collect())
    }
}

/// See the module.
#[derive(Default)]
pub(crate) struct LocalPlugin;

#[async_trait]
impl RouterPlugin for LocalPlugin {
    type Config = serde_json::Value;

    fn plugin_name() -> &'static str {
        "local"
    }

    fn on_plugin_init(payload: OnPluginInitPayload<Self>) -> OnPluginInitResult<Self> {
        payload.initialize_plugin_with_defaults()
    }

    fn on_http_request<'req>(
        &'req self,
        payload: OnHttpRequestHookPayload<'req>,
    ) -> OnHttpRequestHookFuture<'req> {
        Box::pin(async move {
            let local = payload.router_http_request.app_state::<Arc<Local>>();
            if let Some(local) = local.filter(|local| !local.0.is_empty()) {
                payload.context.insert(Arc::clone(local));
            }
            payload.proceed()
        })
    }

    async fn on_subgraph_execute<'exec>(
        &'exec self,
        mut payload: OnSubgraphExecuteStartHookPayload<'exec>,
    ) -> OnSubgraphExecuteStartHookResult<'exec> {
        let name = payload.subgraph_name;
        let subgraph =
            payload.context.get_ref::<Arc<Local>>().and_then(|local| local.0.get(name).map(Arc::clone));
        if let Some(subgraph) = subgraph {
            payload.executor = Fetcher::new(subgraph, payload.executor).to_boxed_arc();
        }
        payload.proceed()
    }
}
