//! What the gateway adds to the router's pipeline: one part in each file, and one plugin that asks all parts.
//!
//! The router moves what a hook gets into every plugin and out again, in boxes, whether the plugin has that
//! hook or not. So there is one plugin, and its parts are functions.

pub(crate) mod authorization;
pub(crate) mod cache_policy;
pub(crate) mod caller;
pub(crate) mod degraded;
pub(crate) mod errors;
pub(crate) mod local;

use std::future::ready;

use hive_router::{
    PluginRegistry, async_trait,
    plugins::{
        hooks::{
            on_execute::{OnExecuteStartHookPayload, OnExecuteStartHookResult},
            on_graphql_analysis::{OnGraphqlAnalysisHookPayload, OnGraphqlAnalysisHookResult},
            on_graphql_error::{OnGraphQLErrorHookPayload, OnGraphQLErrorHookResult},
            on_http_request::{OnHttpRequestHookFuture, OnHttpRequestHookPayload},
            on_plugin_init::{OnPluginInitPayload, OnPluginInitResult},
            on_subgraph_execute::{OnSubgraphExecuteStartHookPayload, OnSubgraphExecuteStartHookResult},
        },
        plugin_trait::{EndHookPayload, RouterPlugin, StartHookPayload},
    },
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{Config, admission::Admitted, settings, shortcut};

/// The plugin, as its settings say.
#[derive(Deserialize)]
struct GatewayPlugin {
    /// Headers that decide what the caller may see; lower case.
    caller_headers: Vec<String>,
}

#[async_trait]
impl RouterPlugin for GatewayPlugin {
    type Config = Self;

    fn plugin_name() -> &'static str {
        "gateway"
    }

    fn on_plugin_init(payload: OnPluginInitPayload<Self>) -> OnPluginInitResult<Self> {
        payload.initialize_plugin(payload.config()?)
    }

    fn on_http_request<'req>(
        &'req self,
        mut payload: OnHttpRequestHookPayload<'req>,
    ) -> OnHttpRequestHookFuture<'req> {
        caller::drop_malformed(payload.router_http_request.headers_mut(), &self.caller_headers);
        authorization::introduce(&payload);
        local::introduce(&payload);
        Box::pin(ready(payload.on_end(|end| end.map_response(errors::told_in_events).proceed())))
    }

    async fn on_graphql_analysis<'exec>(
        &'exec self,
        payload: &mut OnGraphqlAnalysisHookPayload<'exec>,
    ) -> OnGraphqlAnalysisHookResult {
        authorization::filter(payload);
        OnGraphqlAnalysisHookResult::Proceed
    }

    async fn on_execute<'exec>(
        &'exec self,
        payload: OnExecuteStartHookPayload<'exec>,
    ) -> OnExecuteStartHookResult<'exec> {
        shortcut::learn(&payload);
        let context = payload.context;
        payload.on_end(|mut end| {
            degraded::tell(context, &mut end);
            end.proceed()
        })
    }

    async fn on_subgraph_execute<'exec>(
        &'exec self,
        mut payload: OnSubgraphExecuteStartHookPayload<'exec>,
    ) -> OnSubgraphExecuteStartHookResult<'exec> {
        if let Some(admitted) = payload.context.get_ref::<Admitted>() {
            caller::drop_made_id(&admitted, &mut payload.execution_request);
            cache_policy::ask_apart(&admitted, &mut payload.execution_request);
        }
        payload.executor = local::executor(payload.context, payload.subgraph_name, payload.executor);
        payload.on_end(|mut end| {
            degraded::note(&end);
            cache_policy::judge(&mut end);
            end.proceed()
        })
    }

    fn on_graphql_error<'req>(
        &'req self,
        mut payload: OnGraphQLErrorHookPayload<'req>,
    ) -> OnGraphQLErrorHookResult<'req> {
        authorization::place(&mut payload.error);
        errors::told(&mut payload.error);
        payload.proceed()
    }
}

/// All plugins.
pub(crate) fn registry() -> PluginRegistry {
    PluginRegistry::new().register::<GatewayPlugin>()
}

/// Their settings. A plugin that is not named here does not run.
pub(crate) fn settings(config: &Config) -> Value {
    json!({ GatewayPlugin::plugin_name(): {
        "enabled": true,
        "warn_on_error": false,
        "config": { "caller_headers": settings::caller_headers(config) },
    } })
}
