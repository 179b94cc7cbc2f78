//! Whether an answer may be shared by everybody, which the subgraphs say: each in `Cache-Control` of its
//! answers (RFC 9111). The router makes one of all that an operation has fetched: the shortest life, and
//! `public` only if all say so. It takes silence for consent to the rest, and looks at no extensions; so
//! an answer of a subgraph that does not say clearly that everybody may have it, or that has errors or is
//! degraded, is made to say that it must not be kept.
//!
//! What is kept ([`crate::answers`]) is fetched by requests that share nothing with others under way:
//! those may have begun before something changed.

use std::sync::Arc;

use hive_router::{
    async_trait,
    executor::response::subgraph_response::SubgraphResponse,
    http::{HeaderMap, HeaderValue, header::CACHE_CONTROL},
    plugins::{
        hooks::{
            on_plugin_init::{OnPluginInitPayload, OnPluginInitResult},
            on_subgraph_execute::{OnSubgraphExecuteStartHookPayload, OnSubgraphExecuteStartHookResult},
        },
        plugin_trait::{EndHookPayload, RouterPlugin, StartHookPayload},
    },
};

use super::degraded;
use crate::admission::Admitted;

/// See the module.
#[derive(Default)]
pub(crate) struct CachePolicyPlugin;

#[async_trait]
impl RouterPlugin for CachePolicyPlugin {
    type Config = serde_json::Value;

    fn plugin_name() -> &'static str {
        "cache_policy"
    }

    fn on_plugin_init(payload: OnPluginInitPayload<Self>) -> OnPluginInitResult<Self> {
        payload.initialize_plugin_with_defaults()
    }

    async fn on_subgraph_execute<'exec>(
        &'exec self,
        mut payload: OnSubgraphExecuteStartHookPayload<'exec>,
    ) -> OnSubgraphExecuteStartHookResult<'exec> {
        let is_kept = payload.context.get_ref::<Admitted>().is_some_and(|admitted| admitted.flight.is_some());
        if is_kept {
            payload.execution_request.dedupe = false;
        }
        payload.on_end(|mut end| {
            let result = &mut end.execution_result;
            if !is_for_all(result) {
                let headers = Arc::make_mut(result.headers.get_or_insert_default());
                headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
            }
            end.proceed()
        })
    }
}

/// Whether the answer of a subgraph says that everybody may have it.
fn is_for_all(result: &SubgraphResponse<'_>) -> bool {
    let whole = result.errors.as_ref().is_none_or(Vec::is_empty)
        && result.status.is_none_or(|status| status.is_success())
        && result.extensions.as_ref().is_none_or(|extensions| !degraded::is_named(extensions));
    whole && result.headers.as_ref().is_some_and(|headers| is_public(headers))
}

fn is_public(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(CACHE_CONTROL).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return false };
    let parts = value.to_str().unwrap_or_default().split(',').map(str::trim);
    let (public, rest): (Vec<_>, Vec<_>) = parts.partition(|part| *part == "public");
    !public.is_empty() && !rest.is_empty() && rest.iter().all(|part| part.starts_with("max-age="))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_no_consent() {
        let check = |values: &[&'static str], expected: bool| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(CACHE_CONTROL, HeaderValue::from_static(value));
            }
            assert_eq!(is_public(&headers), expected, "{values:?}");
        };
        check(&["public, max-age=30"], true);
        check(&["max-age=30, public"], true);
        for no in [&[] as &[_], &["max-age=30"], &["public"], &["public, max-age=30, private"], &["no-store"]]
        {
            check(no, false);
        }
        check(&["public, max-age=30", "private"], false);
    }
}
