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

use fetch::Fetcher;
pub(crate) use fetch::{Manner, Subgraph, is_json};

use crate::{
    admission::Admitted,
    shortcut::{Handed, Shortcuts},
};

/// The subgraphs of this process.
pub(crate) struct Local {
    by_name: BTreeMap<String, Arc<Subgraph>>,
    /// Ways to them without the router, if there are any.
    pub(crate) shortcuts: Option<Shortcuts>,
}

impl Local {
    /// With what `router` is told about its subgraphs.
    pub(crate) fn new(
        routes: BTreeMap<String, Direct>,
        router: &RouterSharedState,
        shortcuts: Option<Shortcuts>,
    ) -> Self {
        let subgraph = |(name, routes): (String, Direct)| {
            let subgraph = Subgraph::new(name.clone(), routes, router);
            (name, Arc::new(subgraph))
        };
        Self { by_name: routes.into_iter().map(subgraph).collect(), shortcuts }
    }

    pub(crate) fn subgraph(&self, name: &str) -> Option<Arc<Subgraph>> {
        self.by_name.get(name).map(Arc::clone)
    }
}

/// Tells all hooks to come which subgraphs are here, if any are.
pub(super) fn introduce(payload: &OnHttpRequestHookPayload<'_>) {
    let local = payload.router_http_request.app_state::<Arc<Local>>();
    if let Some(local) = local.filter(|local| !local.by_name.is_empty()) {
        payload.context.insert(Arc::clone(local));
    }
}

/// Who asks a subgraph for one fetch; `network` if that is not here.
pub(super) fn executor(
    context: &PluginContext,
    name: &str,
    network: SubgraphExecutorBoxedArc,
) -> SubgraphExecutorBoxedArc {
    let subgraph = context.get_ref::<Arc<Local>>().and_then(|local| local.subgraph(name));
    let Some(subgraph) = subgraph else { return network };
    let handed = context.get_ref::<Admitted>().and_then(|admitted| admitted.handed.clone());
    let outcome = handed.as_ref().and_then(|handed: &Handed| handed.take(&subgraph));
    Fetcher::new(subgraph, network, outcome).to_boxed_arc()
}
