//! What the gateway adds to the router's pipeline: one plugin in each file.

pub(crate) mod authorization;
pub(crate) mod cache_policy;
pub(crate) mod caller;
pub(crate) mod degraded;
pub(crate) mod errors;
pub(crate) mod local;

use hive_router::{PluginRegistry, plugins::plugin_trait::RouterPlugin};
use serde_json::{Value, json};

use crate::{Config, settings};

/// The plugins, in the order in which they see a request.
pub(crate) fn registry() -> PluginRegistry {
    PluginRegistry::new()
        .register::<caller::CallerPlugin>()
        .register::<authorization::AuthorizationPlugin>()
        .register::<errors::ErrorsPlugin>()
        .register::<degraded::DegradedPlugin>()
        .register::<cache_policy::CachePolicyPlugin>()
        .register::<local::LocalPlugin>()
}

/// Their settings. A plugin that is not named here does not run.
pub(crate) fn settings(config: &Config) -> Value {
    let plugin = |config: Value| json!({ "enabled": true, "warn_on_error": false, "config": config });
    json!({
        caller::CallerPlugin::plugin_name(): plugin(json!({ "headers": settings::caller_headers(config) })),
        authorization::AuthorizationPlugin::plugin_name(): plugin(json!({})),
        errors::ErrorsPlugin::plugin_name(): plugin(json!({})),
        degraded::DegradedPlugin::plugin_name(): plugin(json!({})),
        cache_policy::CachePolicyPlugin::plugin_name(): plugin(json!({})),
        local::LocalPlugin::plugin_name(): json!({ "enabled": config.local_subgraphs }),
    })
}
