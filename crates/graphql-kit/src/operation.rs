//! What is measured and traced of the operations that a subgraph is asked.
//!
//! An operation is named by its first root field: the router asks for one, or for entities.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, OnceLock, PoisonError, RwLock},
};

use async_graphql::{
    Request, Response, ServerError,
    parser::types::{ExecutableDocument, OperationDefinition, OperationType, Selection},
};
use kernel::ErrorCode;
use metrics::{Counter, Histogram};
use platform::telemetry::TARGET;
use tokio::time::Instant;
use tracing::{Instrument as _, Span, field::Empty};

/// Root fields that federation adds to a schema's own.
const FEDERATION: [&str; 2] = ["_entities", "_service"];
/// What a client made up is measured under this name, so that clients cannot make up series.
const UNKNOWN: &str = "unknown";
/// How operations end, from bad to worse: `ok`, or the code of the worst error.
const OUTCOMES: [&str; 7] =
    ["ok", "bad_user_input", "rate_limited", "unauthenticated", "forbidden", "unavailable", "internal"];

/// The operations of one subgraph.
pub(crate) struct Operations {
    subgraph: &'static str,
    /// Names that are in the schema.
    known: HashSet<String>,
    meters: RwLock<HashMap<String, Arc<Meters>>>,
}

/// The series of one field. Counters are made when they first count.
struct Meters {
    seconds: Histogram,
    outcomes: [OnceLock<Counter>; OUTCOMES.len()],
}

/// One operation that is about to be executed.
pub(crate) struct Operation {
    subgraph: &'static str,
    field: String,
    meters: Arc<Meters>,
    span: Span,
}

impl Operations {
    /// `known` are the names in the schema.
    pub(crate) fn new(subgraph: &'static str, known: Vec<String>) -> Self {
        let known = known.into_iter().chain(FEDERATION.map(str::to_owned)).collect();
        Self { subgraph, known, meters: RwLock::default() }
    }

    /// Looks at what `request` asks for. It is parsed for this, and not again for its execution.
    pub(crate) fn begin(&self, request: &mut Request) -> Operation {
        let name = request.operation_name.clone();
        let document = request.parsed_query().ok();
        let definition = document.and_then(|document| definition(document, name.as_deref()));
        let kind = definition.map_or("operation", kind);
        let field = definition.and_then(first_field).filter(|field| self.known.contains(*field));
        let field = field.unwrap_or(UNKNOWN).to_owned();
        let span = tracing::info_span!(
            target: TARGET,
            "operation",
            otel.name = format_args!("{kind} {field}"),
            otel.status_code = Empty,
            graphql.operation.type = kind,
            graphql.field.name = field,
            graphql.subgraph.name = self.subgraph,
        );
        Operation { subgraph: self.subgraph, meters: self.meters(&field), field, span }
    }

    fn meters(&self, field: &str) -> Arc<Meters> {
        let known = self.meters.read().unwrap_or_else(PoisonError::into_inner).get(field).map(Arc::clone);
        known.unwrap_or_else(|| {
            let mut meters = self.meters.write().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(meters.entry(field.to_owned()).or_insert_with(|| {
                Arc::new(Meters {
                    seconds: metrics::histogram!(
                        "subgraph_operation_seconds",
                        "subgraph" => self.subgraph, "field" => field.to_owned()
                    ),
                    outcomes: Default::default(),
                })
            }))
        })
    }
}

impl Operation {
    /// The answer of `work`, measured and traced.
    pub(crate) async fn measure(self, work: impl Future<Output = Response>) -> Response {
        let start = Instant::now();
        let response = work.instrument(self.span.clone()).await;
        self.meters.seconds.record(start.elapsed());
        let worst = response.errors.iter().map(rank).max().unwrap_or(0);
        if let (Some(counter), Some(outcome)) = (self.meters.outcomes.get(worst), OUTCOMES.get(worst)) {
            let (subgraph, field) = (self.subgraph, self.field);
            let make = || {
                metrics::counter!(
                    "subgraph_operations_total",
                    "subgraph" => subgraph, "field" => field, "outcome" => *outcome
                )
            };
            counter.get_or_init(make).increment(1);
        }
        if worst > 0 {
            self.span.record("otel.status_code", "ERROR");
        }
        response
    }
}

/// The place of an error's code in [`OUTCOMES`].
fn rank(error: &ServerError) -> usize {
    let code = match error.extensions.as_ref().and_then(|values| values.get("code")) {
        Some(async_graphql::Value::String(code)) => code.as_str(),
        _ => ErrorCode::Internal.as_str(),
    };
    OUTCOMES.iter().position(|outcome| code.eq_ignore_ascii_case(outcome)).unwrap_or(OUTCOMES.len() - 1)
}

fn definition<'d>(document: &'d ExecutableDocument, name: Option<&str>) -> Option<&'d OperationDefinition> {
    let mut operations = document.operations.iter();
    let found = match name {
        Some(wanted) => operations.find(|(name, _)| name.is_some_and(|name| name.as_str() == wanted)),
        None => operations.next(),
    };
    found.map(|(_, operation)| &operation.node)
}

const fn kind(operation: &OperationDefinition) -> &'static str {
    match operation.ty {
        OperationType::Query => "query",
        OperationType::Mutation => "mutation",
        OperationType::Subscription => "subscription",
    }
}

fn first_field(operation: &OperationDefinition) -> Option<&str> {
    operation.selection_set.node.items.iter().find_map(|selection| match &selection.node {
        Selection::Field(field) => Some(field.node.name.node.as_str()),
        Selection::FragmentSpread(_) | Selection::InlineFragment(_) => None,
    })
}

#[cfg(test)]
mod tests {
    use async_graphql::ErrorExtensionValues;

    use super::*;

    #[test]
    fn an_operation_is_named_by_a_field_that_exists() {
        let operations = Operations::new("booking", vec!["holdSeats".to_owned(), "show".to_owned()]);
        let check = |query: &str, name: Option<&str>, field: &str| {
            let mut request = Request::new(query);
            request.operation_name = name.map(str::to_owned);
            assert_eq!(operations.begin(&mut request).field, field, "{query}");
        };
        check("mutation M { a: holdSeats { x } show }", None, "holdSeats");
        check("query A { show } query B { holdSeats }", Some("B"), "holdSeats");
        check("query A { show }", Some("C"), UNKNOWN);
        check("{ _entities(representations: []) { __typename } }", None, "_entities");
        check("{ madeUp }", None, UNKNOWN);
        check("{ ", None, UNKNOWN);
    }

    #[test]
    fn the_worst_error_decides_the_outcome() {
        let error = |code: &str| {
            let mut values = ErrorExtensionValues::default();
            values.set("code", code);
            ServerError { extensions: Some(values), ..ServerError::new("", None) }
        };
        let rank = |code| OUTCOMES[rank(&error(code))];
        assert_eq!(rank("FORBIDDEN"), "forbidden");
        assert_eq!(rank("UNAVAILABLE"), "unavailable");
        assert_eq!(rank("A_NEW_ONE"), "internal");
        for code in
            ["BAD_USER_INPUT", "RATE_LIMITED", "UNAUTHENTICATED", "FORBIDDEN", "UNAVAILABLE", "INTERNAL"]
        {
            assert!(OUTCOMES.contains(&code.to_ascii_lowercase().as_str()), "{code}");
        }
    }
}
