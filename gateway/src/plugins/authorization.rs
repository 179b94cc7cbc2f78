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
    GraphQLError,
    executor::response::graphql_error::{GraphQLErrorPath, GraphQLErrorPathSegment},
    plugins::hooks::{
        on_graphql_analysis::{FilterDecision, OnGraphqlAnalysisHookPayload, Selection},
        on_http_request::OnHttpRequestHookPayload,
    },
};

use crate::admission::{Admitted, Caller, Scopes};

/// Tells all hooks to come what was admitted.
pub(super) fn introduce(payload: &OnHttpRequestHookPayload<'_>) {
    let admitted = payload.router_http_request.extensions_mut().remove::<Admitted>();
    // Without it there was no operation to admit.
    if let Some(admitted) = admitted {
        payload.add_inbound_dedupe_partition(admitted.partition());
        payload.context.insert(admitted);
    }
}

/// Takes out of an operation what its caller may not read.
pub(super) fn filter(payload: &mut OnGraphqlAnalysisHookPayload<'_>) {
    let context = payload.context;
    let Some(admitted) = context.get_ref::<Admitted>().filter(|admitted| !admitted.scopes.is_empty()) else {
        return;
    };
    let (scopes, caller) = (Arc::clone(&admitted.scopes), admitted.caller.clone());
    payload.filter_operation(move |selection| decide(&scopes, &caller, selection));
}

/// Tells which root field was refused. Below it there may be lists, and nothing was fetched that
/// could tell an index.
pub(super) fn place(error: &mut GraphQLError) {
    let refused = error.extensions.extensions.remove(REFUSED).is_some();
    if let (true, None, Some(at)) = (refused, &error.path, &error.extensions.affected_path)
        && !at.contains('.')
    {
        let segments = vec![GraphQLErrorPathSegment::String(at.clone())];
        error.path = Some(GraphQLErrorPath { segments });
    }
}

/// Marks what is refused here on its way to the client.
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
