//! The HTTP shell around a subgraph's schema: `POST /graphql` and, by WebSocket, `GET /ws`.

use std::{sync::Arc, time::Duration};

use async_graphql::{
    Data, Executor, ObjectType, Request, Response, SDLExportOptions, Schema, ServerError, SubscriptionType,
    futures_util::stream::BoxStream, http::ALL_WEBSOCKET_PROTOCOLS,
};
use async_graphql_axum::{GraphQLProtocol, GraphQLResponse, GraphQLWebSocket};
use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, State, WebSocketUpgrade},
    http::{
        HeaderMap,
        header::{AUTHORIZATION, CACHE_CONTROL},
    },
    response::{IntoResponse, Response as HttpResponse},
    routing::{get, post},
};
use futures::{Stream, StreamExt, stream};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::{
    Limits, Schemas, TokenVerifier,
    degraded::Marks,
    document::{Documents, Excess},
    error,
    operation::Operations,
    sharing::{self, Sharing},
    validated::Noted,
};

/// A peer of whom not even a ping came for this long is gone. The router pings every five seconds.
const SILENCE: Duration = Duration::from_secs(30);

/// Adds what a request needs of its own, such as data loaders.
pub type Prepare = Arc<dyn Fn(Request) -> Request + Send + Sync>;

/// A schema whose every request has a [`Caller`](crate::Caller) and its own data, and is within the
/// [`Limits`]; whose every error has a code, and whose every answer says what was
/// [`degraded`](crate::degraded) and whether it may be [shared](crate::sharing).
struct Subgraph<Q, M, S> {
    schemas: Schemas<Q, M, S>,
    prepare: Prepare,
    documents: Documents,
    operations: Arc<Operations>,
    sharing: Arc<Sharing>,
}

impl<Q, M, S> Subgraph<Q, M, S>
where
    Q: ObjectType + 'static,
    M: ObjectType + 'static,
    S: SubscriptionType + 'static,
{
    fn new(name: &'static str, schemas: Schemas<Q, M, S>, prepare: Prepare, limits: Limits) -> Self {
        let operations = Arc::new(Operations::new(name, schemas.strict().names()));
        let documents = Documents::within(limits);
        Self { schemas, prepare, documents, operations, sharing: Arc::new(Sharing::of::<Q>()) }
    }
}

impl<Q, M, S> Clone for Subgraph<Q, M, S> {
    fn clone(&self) -> Self {
        Self {
            schemas: self.schemas.clone(),
            prepare: Arc::clone(&self.prepare),
            documents: self.documents.clone(),
            operations: Arc::clone(&self.operations),
            sharing: Arc::clone(&self.sharing),
        }
    }
}

impl<Q, M, S> Executor for Subgraph<Q, M, S>
where
    Q: ObjectType + 'static,
    M: ObjectType + 'static,
    S: SubscriptionType + 'static,
{
    async fn execute(&self, mut request: Request) -> Response {
        let document = match self.documents.read(&mut request) {
            Ok(document) => document,
            Err(excess) => return refused(excess),
        };
        let operation = self.operations.begin(&mut request);
        let terms = self.sharing.terms(&mut request);
        let (marks, noted) = (Marks::default(), Noted::default());
        let request = (self.prepare)(request.data(marks.clone()).data(noted.clone()));
        let executing =
            async { marks.said_in(error::finish(self.schemas.execute(request, document.as_deref()).await)) };
        sharing::said_in(operation.measure(executing).await, terms, &noted)
    }

    fn execute_stream(
        &self,
        mut request: Request,
        session_data: Option<Arc<Data>>,
    ) -> BoxStream<'static, Response> {
        if let Err(excess) = self.documents.read(&mut request) {
            return stream::iter([refused(excess)]).boxed();
        }
        let marks = Marks::default();
        let request = (self.prepare)(request.data(marks.clone()));
        let stream = match session_data {
            Some(data) => self.schemas.strict().execute_stream_with_session_data(request, data).boxed(),
            None => self.schemas.strict().execute_stream(request).boxed(),
        };
        stream.map(move |response| marks.said_in(error::finish(response))).boxed()
    }
}

/// The answer to an operation that nothing looked into.
fn refused(excess: Excess) -> Response {
    error::finish(Response::from_errors(vec![ServerError::new(excess.to_string(), None)]))
}

#[derive(Clone)]
struct Shell<E> {
    executor: E,
    verifier: TokenVerifier,
    body_bytes: usize,
    stop: CancellationToken,
}

/// Routes for the schema of the subgraph with this name, which was built with the same `limits`. Sockets are closed with code 1001 (going away) when `stop` is cancelled.
pub fn routes<Q, M, S>(
    name: &'static str,
    schemas: Schemas<Q, M, S>,
    verifier: TokenVerifier,
    prepare: Prepare,
    limits: Limits,
    stop: CancellationToken,
) -> Router
where
    Q: ObjectType + 'static,
    M: ObjectType + 'static,
    S: SubscriptionType + 'static,
{
    let executor = Subgraph::new(name, schemas, prepare, limits);
    Router::new()
        .route("/graphql", post(query::<Subgraph<Q, M, S>>))
        .route("/ws", get(socket::<Subgraph<Q, M, S>>))
        .layer(DefaultBodyLimit::max(limits.body_bytes))
        .with_state(Shell { executor, verifier, body_bytes: limits.body_bytes, stop })
}

/// The schema in GraphQL's own language, as composition reads it.
pub fn sdl<Q, M, S>(schema: &Schema<Q, M, S>) -> String
where
    Q: ObjectType + 'static,
    M: ObjectType + 'static,
    S: SubscriptionType + 'static,
{
    // Sorted, so that a diff shows changes only; with links to what composition must know.
    let options = SDLExportOptions::new()
        .federation()
        .compose_directive()
        .sorted_arguments()
        .sorted_enum_items()
        .sorted_fields();
    schema.sdl_with_options(options)
}

fn authorization(headers: &HeaderMap) -> Option<&str> {
    headers.get(AUTHORIZATION)?.to_str().ok()
}

/// JSON and nothing else; the library's own extractor takes other forms, too, and bodies of any size.
async fn query<E: Executor>(
    State(shell): State<Shell<E>>,
    headers: HeaderMap,
    Json(request): Json<Request>,
) -> HttpResponse {
    let caller = shell.verifier.caller(authorization(&headers)).await;
    let answer = shell.executor.execute(request.data(caller)).await;
    let sharing = sharing::header(&answer);
    let mut response = GraphQLResponse::from(answer).into_response();
    response.headers_mut().insert(CACHE_CONTROL, sharing);
    response
}

async fn socket<E: Executor>(
    State(shell): State<Shell<E>>,
    headers: HeaderMap,
    protocol: GraphQLProtocol,
    upgrade: WebSocketUpgrade,
) -> impl IntoResponse {
    let caller = shell.verifier.caller(authorization(&headers)).await;
    let upgrade = upgrade.max_message_size(shell.body_bytes).max_frame_size(shell.body_bytes);
    upgrade.protocols(ALL_WEBSOCKET_PROTOCOLS).on_upgrade(move |stream| async move {
        let Shell { executor, verifier, stop, .. } = shell;
        let (sink, stream) = stream.split();
        // The end of the incoming stream is what ends the protocol, and with it every
        // subscription of this socket. (The library's keepalive hears of no ping: it would end
        // the socket of viewers who have nothing to say.)
        let stream = heard(stream, SILENCE).take_until(stop.cancelled_owned());
        GraphQLWebSocket::new_with_pair(sink, stream, executor, protocol)
            .on_connection_init(move |payload| async move {
                let mut data = Data::default();
                // What the socket was opened with is as good as what its first message says.
                data.insert(match token(&payload) {
                    Some(token) => verifier.caller(Some(&token)).await,
                    None => caller,
                });
                Ok(data)
            })
            .serve()
            .await;
    })
}

/// Ends when nothing came for so long.
fn heard<S: Stream + Unpin>(stream: S, silence: Duration) -> impl Stream<Item = S::Item> {
    stream::unfold(stream, move |mut stream| async move {
        let item = timeout(silence, stream.next()).await.ok().flatten()?;
        Some((item, stream))
    })
}

/// The `Authorization` value in a `connection_init` payload, at the places where clients and
/// routers put it.
fn token(payload: &serde_json::Value) -> Option<String> {
    let field = |object: &serde_json::Value| {
        let (_, value) =
            object.as_object()?.iter().find(|(name, _)| name.eq_ignore_ascii_case("authorization"))?;
        value.as_str().map(str::to_owned)
    };
    field(payload).or_else(|| field(payload.get("headers")?))
}

#[cfg(test)]
mod tests {
    use async_graphql::{Context, Object, Subscription};
    use platform::cache::validator::VALIDATORS;
    use serde_json::{Value, json};
    use tokio::time::sleep;

    use super::*;
    use crate::{ApiError, degraded::mark, validated};

    #[test]
    fn the_token_is_found_where_clients_put_it() {
        for payload in [
            json!({"authorization": "Bearer x"}),
            json!({"Authorization": "Bearer x"}),
            json!({"headers": {"Authorization": "Bearer x"}}),
        ] {
            assert_eq!(token(&payload).as_deref(), Some("Bearer x"), "{payload}");
        }
        assert_eq!(token(&json!({})), None);
        assert_eq!(token(&json!(null)), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_is_heard_as_long_as_it_sends_anything() {
        let frames = stream::iter([29, 29, 31]).then(async |seconds| {
            sleep(Duration::from_secs(seconds)).await;
            seconds
        });
        let seen: Vec<u64> = heard(Box::pin(frames), SILENCE).collect().await;
        assert_eq!(seen, [29, 29]);
    }

    struct Number(i32);

    #[Object]
    impl Number {
        /// Even numbers are degraded.
        async fn value(&self, ctx: &Context<'_>) -> i32 {
            if self.0 % 2 == 0 {
                mark(ctx, "numbers");
            }
            self.0
        }
    }

    struct Root;

    #[Object]
    impl Root {
        async fn number(&self, n: i32) -> Number {
            Number(n)
        }

        async fn seats(&self, ctx: &Context<'_>) -> i32 {
            mark(ctx, "seats");
            0
        }

        /// The seats of some shows; of show 0 it is not known of what moment they are.
        #[graphql(cache_control(private, max_age = 20))]
        async fn map(&self, ctx: &Context<'_>, show: u32) -> Option<bool> {
            match show {
                0 => validated::by_nothing(ctx),
                show => validated::by(ctx, format!("show_{show}:7")),
            }
            Some(true)
        }

        async fn refused(&self, ctx: &Context<'_>) -> Result<i32, ApiError> {
            mark(ctx, "seats");
            Err(ApiError::forbidden("only managers may do this"))
        }
    }

    struct Numbers;

    #[Subscription]
    impl Numbers {
        async fn numbers(&self, ctx: &Context<'_>) -> impl Stream<Item = Number> + use<> {
            mark(ctx, "seats");
            stream::iter([Number(1), Number(2), Number(3)])
        }
    }

    fn subgraph() -> Subgraph<Root, Root, Numbers> {
        let limits = Limits::default();
        let schemas = Schemas::within(limits, || Schema::build(Root, Root, Numbers));
        Subgraph::new("test", schemas, Arc::new(|request| request), limits)
    }

    /// The names in an answer; `null` in one without.
    fn degraded(answer: &Response) -> Value {
        serde_json::to_value(answer).unwrap()["extensions"]["degraded"].take()
    }

    #[tokio::test]
    async fn an_answer_says_what_was_degraded_in_it() {
        for (operation, names) in [
            ("{ number(n: 1) { value } }", json!(null)),
            ("{ seats }", json!(["seats"])),
            ("mutation { seats }", json!(["seats"])),
            ("{ refused }", json!(["seats"])),
            ("{ a: seats b: seats number(n: 2) { value } }", json!(["numbers", "seats"])),
        ] {
            let answer = subgraph().execute(Request::new(operation)).await;
            assert_eq!(degraded(&answer), names, "{operation}");
            let answers = subgraph().execute_stream(Request::new(operation), None);
            let answers: Vec<_> = answers.map(|answer| degraded(&answer)).collect().await;
            assert_eq!(answers, [names], "{operation}");
        }
    }

    #[tokio::test]
    async fn an_answer_without_marks_is_as_it_was() {
        let answer = subgraph().execute(Request::new("{ number(n: 1) { value } }")).await;
        assert_eq!(serde_json::to_value(&answer).unwrap(), json!({ "data": { "number": { "value": 1 } } }));
        // Without the shell, a mark is for nothing.
        let bare = subgraph().schemas.strict().execute("{ seats }").await;
        assert_eq!(serde_json::to_value(&bare).unwrap(), json!({ "data": { "seats": 0 } }));
    }

    #[tokio::test]
    async fn each_event_says_what_was_degraded_since_the_last() {
        let session = Some(Arc::new(Data::default()));
        let answers = subgraph().execute_stream(Request::new("subscription { numbers { value } }"), session);
        let names: Vec<_> = answers.map(|answer| degraded(&answer)).collect().await;
        assert_eq!(names, [json!(["seats"]), json!(["numbers"]), json!(null)]);
    }

    #[tokio::test]
    async fn an_answer_says_what_it_holds_by() {
        let said = async |query: &str| {
            let answer = subgraph().execute(Request::new(query)).await;
            assert_eq!(sharing::header(&answer), "no-store", "{query}");
            answer.http_headers.get(VALIDATORS).map(|value| value.to_str().unwrap().to_owned())
        };
        assert_eq!(said("{ map(show: 1) }").await.as_deref(), Some("max-age=20, show_1:7"));
        let several = "{ b: map(show: 2) a: map(show: 1) again: map(show: 1) }";
        assert_eq!(said(several).await.as_deref(), Some("max-age=20, show_1:7, show_2:7"));
        let many: String = (1..=9).map(|show| format!("s{show}: map(show: {show}) ")).collect();
        for nothing in [
            "{ map(show: 0) }",
            "{ a: map(show: 1) b: map(show: 0) }",
            "{ map(show: 1) seats }",
            "{ map(show: 1) number(n: 1) { value } }",
            "{ map(show: 1) refused }",
            "mutation { map(show: 1) }",
            "{ map(show: 1) @skip(if: true) __typename }",
            &format!("{{ {many} }}"),
        ] {
            assert_eq!(said(nothing).await, None, "{nothing}");
        }
    }

    /// What an operation is refused with, as a request and as a stream.
    async fn refusal(subgraph: &Subgraph<Root, Root, Numbers>, operation: &str) -> String {
        let answer = subgraph.execute(Request::new(operation)).await;
        let answers: Vec<_> = subgraph.execute_stream(Request::new(operation), None).collect().await;
        assert_eq!(answers.len(), 1, "{operation}");
        let error = |answer: &Response| serde_json::to_value(&answer.errors[0]).unwrap();
        assert_eq!(error(&answer), error(&answers[0]), "{operation}");
        assert_eq!(error(&answer)["extensions"]["code"], "BAD_USER_INPUT", "{operation}");
        answer.errors[0].message.clone()
    }

    #[tokio::test]
    async fn a_hostile_document_is_refused_before_anything_looks_into_it() {
        let bomb: String = (0..30)
            .map(|n| format!(" fragment F{n} on Root {{ ...F{} ...F{} }}", n + 1, n + 1))
            .chain([" { ...F0 } fragment F30 on Root { seats }".to_owned()])
            .collect();
        for (operation, words) in [
            (bomb.as_str(), "fields"),
            ("{ ...F } fragment F on Root { ...F }", "spread themselves"),
            (&"{a".repeat(9_000), "nests deeper"),
            (&format!("{{ {} }}", "seats ".repeat(20_000)), "tokens"),
            (&format!("{{ {} }}", "seats ".repeat(6_000)), "selects more"),
            ("{ __schema { types { name } } }", "describe itself"),
        ] {
            let said = refusal(&subgraph(), operation).await;
            assert!(said.contains(words), "{said}");
        }
    }

    #[tokio::test]
    async fn limits_are_as_configured_and_names_are_not_guessed() {
        let with = |limits: Limits| {
            let schemas = Schemas::within(limits, || Schema::build(Root, Root, Numbers));
            Subgraph::new("test", schemas, Arc::new(|request| request), limits)
        };
        let said = refusal(&subgraph(), "{ seat }").await;
        assert!(said.contains("seat") && !said.contains("seats"), "{said}");
        let narrow = with(Limits { complexity: 2, ..Limits::default() });
        assert!(refusal(&narrow, "{ a: seats b: seats c: seats }").await.contains("complex"));
        let open = with(Limits { introspection: true, ..Limits::default() });
        let answer = open.execute(Request::new("{ __schema { queryType { name } } }")).await;
        assert_eq!(answer.errors, []);
    }
}
