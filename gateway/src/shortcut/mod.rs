//! Shortcuts: an operation that is one fetch as it stands, from a subgraph of this process, is asked of that
//! subgraph without the router between. Most of what people do is such an operation: what is about them
//! alone, and every change that they make.
//!
//! The router sees each operation first. It validates and plans it and has it executed as ever; from its plan
//! the shortcut is learned ([`learn`]), and kept with the document. From then on the gateway does what is left
//! to be done for each request: it looks whether the caller may read all of it, has the router's function
//! coerce the variables, and sees that the operation does not cost too much.
//!
//! Only whole answers are given by a shortcut. Whatever else comes back, errors, what a subgraph made without
//! a part of the service, a timeout, is handed to the router, which takes it as the answer to the fetch that it
//! was about to make ([`Handed`]). So what clients are told of failures is decided in one place, and nothing
//! is asked twice.
//!
//! Architecture invariant: which way an operation went, nobody can tell from its answer. Where a file of router
//! settings could make a difference, everything goes by the router.

mod learn;

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use hive_router::{
    SubgraphHttpResponse,
    executor::headers::sanitizer::is_denied_header,
    executor::{
        executors::{common::SubgraphExecutionRequest, error::SubgraphExecutorError},
        variables::collect_variables,
    },
    http::{HeaderMap as ForSubgraph, StatusCode, header::RETRY_AFTER},
    query_planner::ast::operation::OperationDefinition,
    sonic_rs,
};
use kernel::error::ErrorCode;
use metrics::Counter;
use ntex::{
    http::{
        HeaderMap, StatusCode as Status,
        header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue},
    },
    util::Bytes,
    web::HttpResponse,
};
use platform::http::Start;
use serde::{Deserialize, de::IgnoredAny};
use serde_json::{json, value::RawValue};
use tokio::time::timeout;

use crate::{
    Config,
    admission::{Admitted, Needs, REQUEST_ID},
    plugins::{
        cache_policy,
        local::{Manner, Subgraph, is_json},
    },
    settings::{TRACING_HEADERS, caller_headers},
};

pub(crate) use learn::{Facts, learn};

/// Bytes of all that is learned, about. What comes then goes by the router.
const CAPACITY: usize = 16 * 1024 * 1024;
/// What a shortcut takes besides its texts, about.
const EXTRA: usize = 1024;

/// What all shortcuts of a gateway have in common.
pub(crate) struct Shortcuts {
    facts: Arc<Facts>,
    /// Headers that decide what the caller may see.
    deciding: Vec<HeaderName>,
    tracing: [HeaderName; 3],
    /// How long a subgraph may take.
    subgraph_timeout: Duration,
    /// How long all of it may take.
    request_timeout: Duration,
    /// Counts operations that were answered.
    taken: Counter,
    /// Counts answers that the router got instead.
    handed: AtomicU64,
    /// Taken by those that are learned.
    bytes: Arc<AtomicUsize>,
}

/// The way of an operation that is one fetch.
pub(crate) struct Shortcut {
    subgraph: Arc<Subgraph>,
    /// What the router asks the subgraph.
    document: Box<str>,
    /// The variables of the operation, and nothing else of it.
    declared: OperationDefinition,
    /// The names of those that the subgraph gets.
    used: Vec<String>,
    /// What its caller must be.
    needs: Needs,
    /// Whether it changes nothing, so that equal ones in flight may share an answer.
    is_query: bool,
    /// What it costs at most without input objects, and may cost; nothing where costs are not limited.
    cost: Option<(u64, u64)>,
    /// Held as long as it is known.
    room: Option<Room>,
}

/// The memory that a shortcut takes, while it is there.
struct Room {
    bytes: usize,
    taken: Arc<AtomicUsize>,
}

/// What is known of the way that an operation goes: nothing, or that it goes by the router, or its shortcut.
#[derive(Default)]
pub(crate) struct Way(OnceLock<Option<Arc<Shortcut>>>);

/// What came of a fetch.
pub(crate) type Outcome = Result<SubgraphHttpResponse, SubgraphExecutorError>;

/// What came of the one fetch of an operation, for the router to answer with.
#[derive(Clone)]
pub(crate) struct Handed {
    subgraph: Arc<Subgraph>,
    outcome: Arc<Mutex<Option<Outcome>>>,
    /// Differs for all that are under way.
    number: u64,
}

impl Shortcuts {
    /// `None` where everything goes by the router.
    pub(crate) fn new(config: &Config, facts: Option<Arc<Facts>>) -> Option<Self> {
        let facts = facts.filter(|_| config.shortcuts && config.router_config.is_none())?;
        let names = caller_headers(config).into_iter().filter_map(|name| HeaderName::try_from(name).ok());
        Some(Self {
            facts,
            deciding: names.filter(|name| !is_denied_header(name)).collect(),
            tracing: TRACING_HEADERS.map(HeaderName::from_static),
            subgraph_timeout: Duration::from_millis(config.subgraph_timeout_ms),
            request_timeout: Duration::from_millis(config.request_timeout_ms),
            taken: metrics::counter!("gateway_shortcuts_total"),
            handed: AtomicU64::new(0),
            bytes: Arc::default(),
        })
    }

    /// Answers an operation that has a shortcut, with an answer of this type; `headers` are those that its
    /// request was left with. Otherwise it has to go by the router, with what `admitted` has then.
    pub(crate) async fn answer(
        &self,
        headers: &HeaderMap,
        body: &Bytes,
        admitted: &mut Admitted,
        kind: &'static str,
    ) -> Option<HttpResponse> {
        let asking = self.ask(headers, body, admitted, kind);
        timeout(self.request_timeout, asking).await.unwrap_or_else(|_| Some(timed_out(kind)))
    }

    async fn ask(
        &self,
        headers: &HeaderMap,
        body: &Bytes,
        admitted: &mut Admitted,
        kind: &'static str,
    ) -> Option<HttpResponse> {
        let shortcut = Arc::clone(admitted.shortcut()?);
        let endpoint = shortcut.subgraph.endpoint()?;
        if shortcut.needs.lacking(&admitted.caller).is_some() {
            return None;
        }
        let values = shortcut.values(body, &self.facts)?;
        let used = shortcut.used.iter().filter_map(|name| values.get_key_value(name));
        let mut request = SubgraphExecutionRequest {
            query: &shortcut.document,
            document_name_write_pos: 0,
            dedupe: shortcut.is_query && admitted.flight.is_none(),
            operation_name: None,
            variables: Some(used.map(|(name, value)| (name.as_str(), value)).collect()),
            headers: self.forwarded(headers, admitted, shortcut.is_query),
            raw_variable_values: None,
            extensions: None,
            custom_scalar_paths: None,
            connection_fingerprint: None,
        };
        // What is for everybody is mostly in its subgraph's memory. All else waits for a store, and would
        // only keep this thread from its other clients.
        let start = if admitted.flight.is_some() { Start::Here } else { Start::InTask };
        let manner = Manner { limit: Some(self.subgraph_timeout), start };
        let outcome = match shortcut.subgraph.ask(endpoint, &mut request, manner).await {
            Ok((response, measured)) => {
                let said = Said::by(&response);
                if let Some(measured) = measured {
                    measured.finish(said != Said::Errors, None);
                }
                if said == Said::Data {
                    self.taken.increment(1);
                    return Some(shortcut.response(&response, admitted, kind));
                }
                Ok(response)
            }
            Err(error) => Err(error),
        };
        let number = self.handed.fetch_add(1, Ordering::Relaxed);
        let outcome = Arc::new(Mutex::new(Some(outcome)));
        admitted.handed = Some(Handed { subgraph: Arc::clone(&shortcut.subgraph), outcome, number });
        None
    }

    /// What a subgraph gets of the headers of a request, as the router and its plugin have it
    /// ([`crate::plugins::caller`]).
    fn forwarded(&self, headers: &HeaderMap, admitted: &Admitted, is_query: bool) -> ForSubgraph {
        let mut forwarded = ForSubgraph::new();
        for name in &self.deciding {
            let mut values = headers.get_all(name);
            if let (Some(value), None) = (values.next(), values.next())
                && value.to_str().is_ok()
            {
                forwarded.insert(name.clone(), value.into());
            }
        }
        let drops_id = admitted.made_id && (is_query || admitted.flight.is_some());
        for name in self.tracing.iter().filter(|name| !(drops_id && **name == REQUEST_ID)) {
            if let Some(value) = headers.get(name) {
                forwarded.insert(name.clone(), value.into());
            }
        }
        forwarded
    }
}

impl Room {
    /// `None` when there is not so much left.
    fn take(bytes: usize, taken: &Arc<AtomicUsize>) -> Option<Self> {
        let room = Self { bytes, taken: Arc::clone(taken) };
        (taken.fetch_add(bytes, Ordering::Relaxed) + bytes <= CAPACITY).then_some(room)
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.taken.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// The answer to an operation that takes too long, as the router has it.
fn timed_out(kind: &'static str) -> HttpResponse {
    let extensions = json!({ "code": ErrorCode::Unavailable.as_str(), "reason": "GATEWAY_TIMEOUT" });
    let errors = json!([{ "message": "Request timed out", "extensions": extensions }]);
    HttpResponse::build(Status::GATEWAY_TIMEOUT)
        .header(CONTENT_TYPE, HeaderValue::from_static(kind))
        .body(json!({ "errors": errors }).to_string())
}

/// The variables of a request that was read before.
#[derive(Deserialize)]
struct Sent<'b> {
    #[serde(default, borrow)]
    variables: Option<&'b RawValue>,
    /// An object, for the router.
    #[serde(default)]
    #[expect(dead_code, reason = "it is only looked at what it is")]
    extensions: Option<HashMap<String, IgnoredAny>>,
}

impl Shortcut {
    /// The values of its variables in the operation with this body. `None` if the router would refuse them,
    /// or might.
    fn values(&self, body: &[u8], facts: &Facts) -> Option<HashMap<String, sonic_rs::Value>> {
        let sent: Sent<'_> = serde_json::from_slice(body).ok()?;
        let text = sent.variables.map_or("null", RawValue::get);
        if let Some((cost, max)) = self.cost {
            // Each input object counts as one.
            let objects = text.bytes().filter(|byte| *byte == b'{').count() as u64;
            if cost.saturating_add(objects) > max {
                return None;
            }
        }
        let values: Option<HashMap<_, _>> = sonic_rs::from_str(text).ok()?;
        collect_variables(&self.declared, &mut values.unwrap_or_default(), &facts.types)
            .ok()
            .map(Option::unwrap_or_default)
    }

    fn response(
        &self,
        response: &SubgraphHttpResponse,
        admitted: &Admitted,
        kind: &'static str,
    ) -> HttpResponse {
        let policy = match self.is_query {
            true => cache_policy::of_whole(&response.headers, admitted),
            false => cache_policy::NO_STORE,
        };
        HttpResponse::Ok()
            .header(CONTENT_TYPE, HeaderValue::from_static(kind))
            .header(CACHE_CONTROL, HeaderValue::from(policy))
            .body(Bytes::copy_from_slice(&response.body))
    }
}

/// What a response says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
    /// Data and nothing else: what the client gets, as it is.
    Data,
    /// More than that, but no errors.
    More,
    /// Errors, or nothing that can be read.
    Errors,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Whole<'b> {
    #[serde(borrow)]
    data: &'b RawValue,
}

#[derive(Deserialize)]
struct Partial {
    #[serde(default)]
    errors: Option<Vec<IgnoredAny>>,
}

impl Said {
    fn by(response: &SubgraphHttpResponse) -> Self {
        let SubgraphHttpResponse { status, headers, body } = response;
        if *status != StatusCode::OK || !is_json(headers) {
            return Self::Errors;
        }
        let is_whole = serde_json::from_slice::<Whole<'_>>(body)
            .is_ok_and(|whole| whole.data.get().starts_with('{') && !headers.contains_key(RETRY_AFTER));
        if is_whole {
            return Self::Data;
        }
        let has_errors = serde_json::from_slice::<Partial>(body)
            .map_or(true, |answer| answer.errors.is_some_and(|errors| !errors.is_empty()));
        if has_errors { Self::Errors } else { Self::More }
    }
}

impl Way {
    /// Whether nothing is known yet.
    fn is_unknown(&self) -> bool {
        self.0.get().is_none()
    }

    pub(crate) fn shortcut(&self) -> Option<&Arc<Shortcut>> {
        self.0.get()?.as_ref()
    }
}

impl fmt::Debug for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let way = match self.0.get() {
            None => "unknown",
            Some(None) => "router",
            Some(Some(_)) => "shortcut",
        };
        f.write_str(way)
    }
}

/// What has been learned makes no operation another one.
impl PartialEq for Way {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Way {}

impl Handed {
    /// What came of the fetch from this subgraph, for the first who asks.
    pub(crate) fn take(&self, subgraph: &Arc<Subgraph>) -> Option<Outcome> {
        let mut outcome = self.outcome.lock().unwrap_or_else(PoisonError::into_inner);
        if Arc::ptr_eq(&self.subgraph, subgraph) { outcome.take() } else { None }
    }

    /// A number that differs for operations that go on with what they got.
    pub(crate) const fn number(&self) -> u64 {
        self.number
    }
}

impl fmt::Debug for Handed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handed").field("number", &self.number).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use hive_router::http::HeaderMap;

    use super::*;

    fn response(body: &str) -> SubgraphHttpResponse {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", "application/json".parse().unwrap());
        SubgraphHttpResponse {
            status: StatusCode::OK,
            headers: Arc::new(headers),
            body: body.to_owned().into(),
        }
    }

    #[test]
    fn room_is_given_back() {
        let taken = Arc::new(AtomicUsize::new(0));
        let most = Room::take(CAPACITY - 10, &taken);
        assert!(most.is_some() && Room::take(11, &taken).is_none());
        let rest = Room::take(10, &taken);
        assert!(rest.is_some() && Room::take(1, &taken).is_none());
        drop((most, rest));
        assert_eq!(taken.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn only_data_alone_is_a_whole_answer() {
        let check = |body: &str, said: Said| assert_eq!(Said::by(&response(body)), said, "{body}");
        check(r#"{"data":{"a":null}}"#, Said::Data);
        check(r#"{"data":null}"#, Said::More);
        check(r#"{"data":{"a":1},"errors":[]}"#, Said::More);
        check(r#"{"data":{"a":1},"errors":null}"#, Said::More);
        check(r#"{"data":{"a":1},"a":1}"#, Said::More);
        check(r#"{"data":{"a":1},"data":{"a":2}}"#, Said::More);
        check(r#"{"data":{"a":1},"extensions":{"degraded":["seats"]}}"#, Said::More);
        check(r#"{"data":{"a":1},"errors":[{}]}"#, Said::Errors);
        check(r#"{"data":{"a":1}"#, Said::Errors);
        check(r#"{"data":{"a":1}} {}"#, Said::Errors);
        check("", Said::Errors);
        let whole = || response(r#"{"data":{}}"#);
        let strange = SubgraphHttpResponse { status: StatusCode::ACCEPTED, ..whole() };
        assert_eq!(Said::by(&strange), Said::Errors);
        assert_eq!(Said::by(&SubgraphHttpResponse { headers: Arc::default(), ..whole() }), Said::Errors);
    }
}
