//! Subgraphs that are roles of this process are asked without HTTP. The request is the one that would
//! be sent, and the routes that answer it are those that the role serves ([`Direct`]), so that nothing
//! differs but the way between ([`fetch`]).
//!
//! Subscriptions go to the subgraph's address as ever. So do the fetches that events of subscriptions
//! cause: the router makes them without asking plugins.

mod fetch;

use std::{collections::BTreeMap, sync::Arc};

use hive_router::{
    RouterSharedState,
    executor::executors::common::{SubgraphExecutor as _, SubgraphExecutorBoxedArc},
    plugins::{hooks::on_http_request::OnHttpRequestHookPayload, plugin_context::PluginContext},
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

/// Tells all hooks to come which subgraphs are here, if any are.
pub(super) fn introduce(payload: &OnHttpRequestHookPayload<'_>) {
    let local = payload.router_http_request.app_state::<Arc<Local>>();
    if let Some(local) = local.filter(|local| !local.0.is_empty()) {
        payload.context.insert(Arc::clone(local));
    }
}

/// Who asks a subgraph for one fetch; `network` if that is not here.
pub(super) fn executor(
    context: &PluginContext,
    name: &str,
    network: SubgraphExecutorBoxedArc,
) -> SubgraphExecutorBoxedArc {
    let subgraph = context.get_ref::<Arc<Local>>().and_then(|local| local.0.get(name).map(Arc::clone));
    match subgraph {
        Some(subgraph) => Fetcher::new(subgraph, network).to_boxed_arc(),
        None => network,
    }
}
