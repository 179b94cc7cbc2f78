//! Who asks. Requests share an answer when their operations and the headers of
//! [`caller_headers`](crate::settings::caller_headers) are equal. The router compares only values
//! of visible ASCII, but forwards all, and of several values it forwards the first alone. This
//! plugin drops such a header, so that what subgraphs get is what was compared.
//!
//! Requests to a subgraph are shared too, when all of their headers are equal. The ids that the
//! gateway made for requests are not, and so do not go on with queries.

use hive_router::{
    async_trait,
    executor::executors::common::SubgraphExecutionRequest,
    plugins::{
        hooks::{
            on_http_request::{OnHttpRequestHookFuture, OnHttpRequestHookPayload},
            on_plugin_init::{OnPluginInitPayload, OnPluginInitResult},
            on_subgraph_http_request::{OnSubgraphHttpRequestHookPayload, OnSubgraphHttpRequestHookResult},
        },
        plugin_context::PluginContext,
        plugin_trait::{RouterPlugin, StartHookPayload},
    },
};
use ntex::http::HeaderMap;
use serde::Deserialize;

use crate::admission::{Admitted, REQUEST_ID};

/// See the module.
pub(crate) struct CallerPlugin {
    config: CallerConfig,
}

/// Settings of the plugin.
#[derive(Deserialize)]
pub(crate) struct CallerConfig {
    /// Headers that decide what the caller may see; lower case.
    headers: Vec<String>,
}

#[async_trait]
impl RouterPlugin for CallerPlugin {
    type Config = CallerConfig;

    fn plugin_name() -> &'static str {
        "caller"
    }

    fn on_plugin_init(payload: OnPluginInitPayload<Self>) -> OnPluginInitResult<Self> {
        payload.initialize_plugin(Self { config: payload.config()? })
    }

    fn on_http_request<'req>(
        &'req self,
        mut payload: OnHttpRequestHookPayload<'req>,
    ) -> OnHttpRequestHookFuture<'req> {
        Box::pin(async move {
            for name in &self.config.headers {
                drop_malformed(payload.router_http_request.headers_mut(), name);
            }
            payload.proceed()
        })
    }

    async fn on_subgraph_http_request<'exec>(
        &'exec self,
        mut payload: OnSubgraphHttpRequestHookPayload<'exec>,
    ) -> OnSubgraphHttpRequestHookResult<'exec> {
        drop_made_id(payload.context, &mut payload.execution_request);
        payload.proceed()
    }
}

/// Requests to subgraphs whose answers may be shared go without the ids that the gateway made.
pub(super) fn drop_made_id(context: &PluginContext, request: &mut SubgraphExecutionRequest<'_>) {
    let shared = request.dedupe;
    let made_id = context
        .get_ref::<Admitted>()
        .is_some_and(|admitted| admitted.made_id && (shared || admitted.flight.is_some()));
    if made_id {
        request.headers.remove(REQUEST_ID);
    }
}

fn drop_malformed(headers: &mut HeaderMap, name: &str) {
    let mut values = headers.get_all(name);
    let first = values.next().map(|value| value.to_str().is_ok());
    if first == Some(false) || values.next().is_some() {
        headers.remove(name);
    }
}
