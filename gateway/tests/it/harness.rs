//! A gateway in front of the subgraphs, and clients of it.

use std::{
    collections::{BTreeMap, VecDeque},
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, LazyLock},
    time::Duration,
};

use axum::{Router, routing::get_service};
use futures::{SinkExt, StreamExt};
use gateway::{Config, GatewayError, Outside};
use kernel::{SystemClock, SystemIds};
use platform::{Shutdown, Telemetry, auth::Verifiers, http::Direct, telemetry::TelemetryConfig};
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use tokio::{net::TcpStream, runtime::Handle, task::JoinHandle, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{
        Error, Message,
        client::IntoClientRequest,
        http::{HeaderName, HeaderValue},
    },
};

use crate::subgraphs::{Booking, Extensions, booking_routes, catalog_routes, serve};

/// Whatever takes longer has failed.
const DEADLINE: Duration = Duration::from_secs(20);

/// Waits for what a test expects next.
pub async fn within<T>(future: impl Future<Output = T>) -> T {
    timeout(DEADLINE, future).await.expect("it did not happen in time")
}

/// Waits until a condition holds.
pub async fn until(mut holds: impl FnMut() -> bool) {
    within(async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
}

fn client() -> Client {
    // Streams may last, so only the beginning has a limit.
    Client::builder().connect_timeout(DEADLINE).build().unwrap()
}

/// The metrics of this process, of which gateways in other tests may be a part.
pub fn telemetry() -> Telemetry {
    static TELEMETRY: LazyLock<Telemetry> =
        LazyLock::new(|| platform::telemetry::init(&TelemetryConfig::default()).unwrap());
    TELEMETRY.clone()
}

/// What a process gives its gateway, without Redis.
pub fn outside() -> Outside {
    let local = BTreeMap::new();
    Outside {
        clock: Arc::new(SystemClock),
        ids: Arc::new(SystemIds),
        redis: None,
        verifiers: Verifiers::default(),
        local,
        validators: None,
    }
}

/// The composed schema of the two subgraphs.
pub fn supergraph() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixture/supergraph.graphql"))
}

/// Tokens are only passed on, and nobody is limited.
fn open_to_all(change: impl FnOnce(&mut Config)) -> impl FnOnce(&mut Config) {
    move |config: &mut Config| {
        config.auth.enabled = false;
        config.rate_limits.enabled = false;
        change(config);
    }
}

/// What is behind a gateway.
struct Behind {
    booking_at: SocketAddr,
    booking: Arc<Booking>,
    catalog_at: SocketAddr,
    catalog: Extensions,
    shutdown: Shutdown,
}

/// A running gateway.
pub struct Gateway {
    pub address: SocketAddr,
    pub booking: Arc<Booking>,
    /// What the subgraph catalog adds to its answers.
    pub catalog: Extensions,
    pub shutdown: Shutdown,
    pub http: Client,
    ended: JoinHandle<Result<(), GatewayError>>,
}

impl Gateway {
    /// With defaults.
    pub async fn start() -> Self {
        Self::with(|_| {}).await
    }

    /// With what `change` changes. Tokens are only passed on, and nobody is limited.
    pub async fn with(change: impl FnOnce(&mut Config)) -> Self {
        Self::outside(outside(), open_to_all(change)).await
    }

    /// With what `change` changes of the defaults, in a process of this kind.
    pub async fn outside(outside: Outside, change: impl FnOnce(&mut Config)) -> Self {
        let ((booking_at, booking), (catalog_at, catalog)) = (booking_routes(), catalog_routes());
        let behind = Behind {
            booking_at: serve(booking_at).await,
            booking,
            catalog_at: serve(catalog_at).await,
            catalog,
            shutdown: Shutdown::new(),
        };
        Self::before(behind, outside, change).await
    }

    /// In the process of its subgraphs, which answer nothing but sockets on the network; with what `change`
    /// changes, and tokens that are only passed on.
    pub async fn local(change: impl FnOnce(&mut Config)) -> Self {
        Self::local_with(|_| {}, change).await
    }

    /// The same with other routes.
    pub async fn local_with(
        replace: impl FnOnce(&mut BTreeMap<&'static str, Router>),
        change: impl FnOnce(&mut Config),
    ) -> Self {
        let ((booking_at, booking), (catalog_at, catalog)) = (booking_routes(), catalog_routes());
        let sockets = Router::new().route("/ws", get_service(booking_at.clone()));
        let behind = Behind {
            booking_at: serve(sockets).await,
            booking,
            catalog_at: serve(Router::new()).await,
            catalog,
            shutdown: Shutdown::new(),
        };
        let mut routes = BTreeMap::from([("booking", booking_at), ("catalog", catalog_at)]);
        replace(&mut routes);
        let direct = |(name, routes): (&str, Router)| {
            (name.to_owned(), Direct::new(routes, Handle::current(), &behind.shutdown))
        };
        let outside = Outside { local: routes.into_iter().map(direct).collect(), ..outside() };
        Self::before(behind, outside, open_to_all(change)).await
    }

    async fn before(behind: Behind, outside: Outside, change: impl FnOnce(&mut Config)) -> Self {
        let Behind { booking_at, booking, catalog_at, catalog, shutdown } = behind;
        let url = |address: SocketAddr| format!("http://{address}/graphql").parse().unwrap();
        let mut config = Config {
            listen: "127.0.0.1:0".parse().unwrap(),
            supergraph: supergraph(),
            subgraph_urls: BTreeMap::from([
                ("booking".to_owned(), url(booking_at)),
                ("catalog".to_owned(), url(catalog_at)),
            ]),
            workers: Some(2),
            ..Config::default()
        };
        change(&mut config);
        let listener = gateway::bind(&config).await.unwrap();
        let address = listener.local_addr().unwrap();
        let telemetry = telemetry();
        let ended = tokio::spawn(gateway::run(config, outside, telemetry, listener, shutdown.clone()));
        let gateway = Self { address, booking, catalog, shutdown, http: client(), ended };
        within(async { while gateway.ready().await != Some(StatusCode::OK) {} }).await;
        gateway
    }

    /// What `/ready` says; `None` when nobody listens.
    pub async fn ready(&self) -> Option<StatusCode> {
        // A connection of its own each time, as load balancers make them.
        let response = client().get(self.url("/ready")).send().await;
        response.ok().map(|response| response.status())
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// A request with an operation.
    pub fn post(&self, query: &str) -> RequestBuilder {
        self.http.post(self.url("/graphql")).json(&json!({ "query": query }))
    }

    /// The answer to an operation without a token.
    pub async fn query(&self, query: &str) -> Value {
        answer(self.post(query)).await
    }

    /// A socket that is open, with `payload` in its `connection_init`.
    pub async fn socket(&self, payload: Value) -> Socket {
        let mut socket = self.raw_socket(&[]).await.unwrap();
        socket.init(payload).await;
        socket
    }

    /// A socket on which nothing was said yet.
    pub async fn raw_socket(&self, headers: &[(&'static str, &str)]) -> Result<Socket, Error> {
        let mut request = format!("ws://{}/graphql", self.address).into_client_request()?;
        request
            .headers_mut()
            .insert("sec-websocket-protocol", HeaderValue::from_static("graphql-transport-ws"));
        for (name, value) in headers {
            request
                .headers_mut()
                .insert(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        }
        let (stream, _) = within(connect_async(request)).await?;
        Ok(Socket { stream, waiting: VecDeque::new() })
    }

    /// The end of [`gateway::run`].
    pub async fn ended(self) -> Result<(), GatewayError> {
        within(self.ended).await.unwrap()
    }
}

/// The JSON body of a response.
pub async fn answer(request: RequestBuilder) -> Value {
    within(async { request.send().await.unwrap().json().await.unwrap() }).await
}

/// A stream of server-sent events.
pub struct Events {
    response: Response,
    text: String,
}

impl Events {
    pub async fn of(request: RequestBuilder) -> Self {
        let request = request.header("accept", "text/event-stream");
        let response = within(request.send()).await.unwrap();
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { response, text: String::new() }
    }

    /// The data of the next event; `None` when the subscription is complete.
    pub async fn next(&mut self) -> Option<Value> {
        loop {
            let text = within(self.event()).await;
            if let Some(data) = text.strip_prefix("event: next\ndata: ") {
                return Some(serde_json::from_str(data).unwrap());
            }
            if text.starts_with("event: complete") {
                return None;
            }
        }
    }

    /// Whether the stream ends next, and without saying that the subscription is complete.
    pub async fn breaks_off(&mut self) -> bool {
        self.text.is_empty() && matches!(within(self.response.chunk()).await, Ok(None) | Err(_))
    }

    async fn event(&mut self) -> String {
        loop {
            if let Some(end) = self.text.find("\n\n") {
                let rest = self.text.split_off(end + 2);
                return std::mem::replace(&mut self.text, rest).trim_end().to_owned();
            }
            let chunk = self.response.chunk().await.unwrap().expect("the stream broke off");
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }
}

/// A client that speaks graphql-transport-ws, message by message.
pub struct Socket {
    pub stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    waiting: VecDeque<Value>,
}

/// What comes on a socket.
#[derive(Debug)]
pub enum Received {
    Message(Value),
    Closed(u16),
}

impl Socket {
    pub async fn init(&mut self, payload: Value) {
        self.send(json!({ "type": "connection_init", "payload": payload })).await;
        assert_eq!(self.message().await, json!({ "type": "connection_ack" }));
    }

    pub async fn send(&mut self, message: Value) {
        self.stream.send(Message::text(message.to_string())).await.unwrap();
    }

    /// Starts an operation.
    pub async fn subscribe(&mut self, id: &str, query: &str) {
        self.send(json!({ "type": "subscribe", "id": id, "payload": { "query": query } })).await;
    }

    pub async fn complete(&mut self, id: &str) {
        self.send(json!({ "type": "complete", "id": id })).await;
    }

    /// The next message or the end, whatever it belongs to.
    pub async fn receive(&mut self) -> Received {
        if let Some(message) = self.waiting.pop_front() {
            return Received::Message(message);
        }
        within(async {
            loop {
                match self.stream.next().await {
                    Some(Ok(Message::Text(text))) => {
                        return Received::Message(serde_json::from_str(&text).unwrap());
                    }
                    Some(Ok(Message::Close(frame))) => {
                        // The answer is written, but not yet sent.
                        let _ = self.stream.flush().await;
                        return Received::Closed(frame.map_or(1005, |frame| frame.code.into()));
                    }
                    Some(Ok(_)) => {}
                    Some(Err(error)) => panic!("the socket broke: {error}"),
                    None => return Received::Closed(1006),
                }
            }
        })
        .await
    }

    pub async fn message(&mut self) -> Value {
        match self.receive().await {
            Received::Message(message) => message,
            Received::Closed(code) => panic!("the socket was closed with {code}"),
        }
    }

    pub async fn closed(&mut self) -> u16 {
        loop {
            if let Received::Closed(code) = self.receive().await {
                return code;
            }
        }
    }

    /// The payload of the next answer to an operation; other operations' messages wait.
    pub async fn next(&mut self, id: &str) -> Value {
        let at = self.waiting.iter().position(|message| message["id"] == id);
        let mut message = match at {
            Some(at) => self.waiting.remove(at).unwrap(),
            None => loop {
                let message = self.message_of_stream().await;
                if message["id"] == id {
                    break message;
                }
                self.waiting.push_back(message);
            },
        };
        assert_eq!(message["type"], "next", "{message}");
        message["payload"].take()
    }

    async fn message_of_stream(&mut self) -> Value {
        let waiting = std::mem::take(&mut self.waiting);
        let message = self.message().await;
        self.waiting = waiting;
        message
    }

    /// The only answer to a query or mutation.
    pub async fn query(&mut self, id: &str, query: &str) -> Value {
        self.subscribe(id, query).await;
        let payload = self.next(id).await;
        assert_eq!(self.message().await, json!({ "type": "complete", "id": id }));
        payload
    }
}
