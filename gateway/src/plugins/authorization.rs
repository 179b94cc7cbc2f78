//! Who may read what, before anything is fetched. Fields that need a log-in or a scope say so in
//! the supergraph ([`crate::admission::Scopes`]); those that the caller may not read are taken out
//! of the operation and answered with `null` and an error, as their subgraph would. The rest of the
//! operation is executed: a client that asks for something private without a token sees what it saw
//! when only subgraphs decided. When nothing is left, nothing is fetched.
//!
//! The router can do the same, but only for tokens that it verified itself, and it verifies those
//! of the first of several that share an answer. So the pipeline says who the caller is, with each
//! request, and callers of different standing never share ([`Admitted`]).
//!
//! Subgraphs decide again: this is the first of two doors.

use std::sync::Arc;

use hive_router::{
    GraphQLError, async_trait,
    executor::response::graphql_error::{GraphQLErrorPath, GraphQLErrorPathSegment},
    plugins::{
        hooks::{
            on_graphql_analysis::{
                FilterDecision, OnGraphqlAnalysisHookPayload, OnGraphqlAnalysisHookResult, Selection,
            },
            on_graphql_error::{OnGraphQLErrorHookPayload, OnGraphQLErrorHookResult},
            on_http_request::{OnHttpRequestHookFuture, OnHttpRequestHookPayload},
            on_plugin_init::{OnPluginInitPayload, OnPluginInitResult},
        },
        plugin_trait::{RouterPlugin, StartHookPayload},
    },
};

use crate::admission::{Admitted, Caller, Scopes};

/// See the module.
#[derive(Default)]
pub(crate) struct AuthorizationPlugin;

#[async_trait]
impl RouterPlugin for AuthorizationPlugin {
    type Config = serde_json::Value;

    fn plugin_name() -> &'static str {
        "authorization"
    }

    fn on_plugin_init(payload: OnPluginInitPayload<Self>) -> OnPluginInitResult<Self> {
        payload.initialize_plugin_with_defaults()
    }

    fn on_http_request<'req>(
        &'req self,
        payload: OnHttpRequestHookPayload<'req>,
    ) -> OnHttpRequestHookFuture<'req> {
        Box::pin(async move {
            let admitted = payload.router_http_request.extensions().get::<Admitted>().cloned();
            // Without it there was no operation to admit.
            if let Some(admitted) = admitted {
                payload.add_inbound_dedupe_partition(admitted.partition());
                payload.context.insert(admitted);
            }
            payload.proceed()
        })
    }

    async fn on_graphql_analysis<'exec>(
        &'exec self,
        payload: &mut OnGraphqlAnalysisHookPayload<'exec>,
    ) -> OnGraphqlAnalysisHookResult {
        let Some(admitted) = payload.context.get_ref::<Admitted>().map(|admitted| Admitted::clone(&admitted))
        else {
            return OnGraphqlAnalysisHookResult::Proceed;
        };
        if !admitted.scopes.is_empty() {
            let Admitted { caller, scopes, .. } = admitted;
            payload.filter_operation(move |selection| decide(&scopes, &caller, selection));
        }
        OnGraphqlAnalysisHookResult::Proceed
    }

    /// Tells which root field was refused. Below it there may be lists, and nothing was fetched that
    /// could tell an index.
    fn on_graphql_error<'req>(
        &'req self,
        mut payload: OnGraphQLErrorHookPayload<'req>,
    ) -> OnGraphQLErrorHookResult<'req> {
        let error = &mut payload.error;
        let refused = error.extensions.extensions.remove(REFUSED).is_some();
        if let (true, None, Some(at)) = (refused, &error.path, &error.extensions.affected_path)
            && !at.contains('.')
        {
            let segments = vec![GraphQLErrorPathSegment::String(at.clone())];
            error.path = Some(GraphQLErrorPath { segments });
        }
        payload.proceed()
    }
}

/// Marks the errors of this plugin on their way to the client.
const REFUSED: &str = "refusedByGateway";

fn decide(scopes: &Arc<Scopes>, caller: &Caller, selection: &Selection<'_>) -> FilterDecision {
    let checked = match selection {
        Selection::Field(field) => {
            scopes.check_field(caller, field.parent_type_name, field.field_name, field.output_type_name)
        }
        Selection::Fragment(fragment) => scopes.check_type(caller, fragment.type_condition),
    };
    match checked {
        Ok(()) => selection.keep(),
        Err(lists) => {
            let (code, message) = caller.lacks(lists);
            let mut error = GraphQLError::from_message_and_code(message, code.as_str());
            error.extensions.extensions.insert(REFUSED.to_owned(), true.into());
            selection.reject(error)
        }
    }
}
