//! Two subgraphs that share the entity `Show`. The one called booking says who it takes its caller
//! for, and counts what the gateway asks of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicI32, AtomicUsize, Ordering},
    },
};

use async_graphql::{
    ComplexObject, Context, Data, EmptyMutation, EmptySubscription, Error, ErrorExtensions, ID, Object,
    Response, Schema, SimpleObject, Subscription, Value as GraphQLValue,
};
use async_graphql_axum::{GraphQLProtocol, GraphQLRequest, GraphQLResponse, GraphQLWebSocket};
use axum::{
    Router,
    extract::{State, WebSocketUpgrade},
    http::{HeaderMap, HeaderValue, header::CACHE_CONTROL},
    response::IntoResponse,
    routing::{get, post},
};
use futures::{Stream, StreamExt};
use platform::cache::validator::VALIDATORS;
use serde_json::Value;
use tokio::{
    net::TcpListener,
    sync::{Semaphore, broadcast},
};

/// What a test sees of the subgraph booking, and makes it do.
pub struct Booking {
    /// Executions of `slow` and `slowly` that have begun.
    pub slow_begun: AtomicUsize,
    /// A permit lets one of them end.
    pub slow_may_end: Semaphore,
    /// Subscriptions that are open now.
    pub subscriptions: AtomicUsize,
    /// Sends an event to all of them.
    pub events: broadcast::Sender<Event>,
    /// The names of the headers of all requests and `connection_init` payloads.
    pub seen: Mutex<BTreeSet<String>>,
    /// The ids of requests by HTTP that had one.
    pub request_ids: Mutex<BTreeSet<String>>,
    /// What it adds to its answers over HTTP.
    pub extensions: Extensions,
    /// The version of its seats, and how many are available in it. Answers hold by it, unless it is zero.
    pub seats: AtomicI32,
}

/// What a subgraph has in `extensions` of its answers, and what it says of keeping them; and how many it
/// has given.
#[derive(Clone, Default)]
pub struct Extensions(Arc<Added>);

#[derive(Default)]
struct Added {
    extensions: Mutex<BTreeMap<String, GraphQLValue>>,
    cache_control: Mutex<Option<HeaderValue>>,
    answers: AtomicUsize,
}

impl Extensions {
    /// From the next answer on; `extensions` is an object.
    pub fn set(&self, extensions: Value) {
        let object = serde_json::from_value(extensions).unwrap();
        *self.0.extensions.lock().unwrap() = object;
    }

    /// Says this of keeping answers, from the next one on; whatever is in it.
    pub fn cache_control(&self, value: &'static str) {
        *self.0.cache_control.lock().unwrap() = Some(HeaderValue::from_static(value));
    }

    /// How many answers were given.
    pub fn answers(&self) -> usize {
        self.0.answers.load(Ordering::SeqCst)
    }

    fn added_to(&self, mut response: Response) -> Response {
        self.0.answers.fetch_add(1, Ordering::SeqCst);
        response.extensions.extend(self.0.extensions.lock().unwrap().clone());
        if let Some(value) = self.0.cache_control.lock().unwrap().clone() {
            response.http_headers.insert(CACHE_CONTROL, value);
        }
        response
    }
}

/// An event of either subscription.
#[derive(Debug, Clone)]
pub struct Event {
    pub version: i32,
    pub padding: usize,
}

impl Booking {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            slow_begun: AtomicUsize::new(0),
            slow_may_end: Semaphore::new(0),
            subscriptions: AtomicUsize::new(0),
            events: broadcast::channel(4096).0,
            seen: Mutex::default(),
            request_ids: Mutex::default(),
            extensions: Extensions::default(),
            seats: AtomicI32::new(0),
        })
    }

    pub fn subscriptions(&self) -> usize {
        self.subscriptions.load(Ordering::SeqCst)
    }

    pub fn slow_begun(&self) -> usize {
        self.slow_begun.load(Ordering::SeqCst)
    }

    pub fn send(&self, version: i32) {
        self.events.send(Event { version, padding: 0 }).unwrap();
    }

    async fn slow(&self) {
        self.slow_begun.fetch_add(1, Ordering::SeqCst);
        self.slow_may_end.acquire().await.unwrap().forget();
    }

    fn subscribe(self: &Arc<Self>) -> impl Stream<Item = Event> + use<> {
        self.subscriptions.fetch_add(1, Ordering::SeqCst);
        let open = Open(Arc::clone(self));
        let mut events = self.events.subscribe();
        async_stream::stream! {
            let _open = open;
            while let Ok(event) = events.recv().await {
                yield event;
            }
        }
    }
}

struct Open(Arc<Booking>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.subscriptions.fetch_sub(1, Ordering::SeqCst);
    }
}

/// What the caller sent along.
#[derive(Clone, Default)]
struct Caller {
    authorization: Option<String>,
    language: Option<String>,
    request_id: Option<String>,
    /// The version of the seats when it asked.
    seats: i32,
}

impl Caller {
    fn of(header: impl Fn(&str) -> Option<String>) -> Self {
        Self {
            authorization: header("authorization"),
            language: header("accept-language"),
            request_id: header("x-request-id"),
            seats: 0,
        }
    }
}

fn booking<'c>(context: &Context<'c>) -> &'c Arc<Booking> {
    context.data_unchecked()
}

fn caller<'c>(context: &Context<'c>) -> &'c Caller {
    context.data_unchecked()
}

struct BookingQuery;

#[Object(name = "Query")]
impl BookingQuery {
    async fn whoami(&self, context: &Context<'_>) -> Option<String> {
        caller(context).authorization.clone()
    }

    async fn locale(&self, context: &Context<'_>) -> Option<String> {
        caller(context).language.clone()
    }

    async fn refused(&self) -> Result<Option<String>, Error> {
        Err(Error::new("Not yours.").extend_with(|_, extensions| extensions.set("code", "FORBIDDEN")))
    }

    async fn broken(&self) -> Result<Option<String>, Error> {
        Err(Error::new("column \"secret\" does not exist"))
    }

    async fn slow(&self, context: &Context<'_>) -> Option<String> {
        booking(context).slow().await;
        caller(context).authorization.clone()
    }

    #[graphql(entity)]
    async fn find_show(&self, context: &Context<'_>, id: ID) -> Seats {
        let available = match caller(context).seats {
            0 => 42,
            version => version,
        };
        Seats { id, available }
    }
}

struct BookingMutation;

#[Object(name = "Mutation")]
impl BookingMutation {
    async fn slowly(&self, context: &Context<'_>) -> Option<String> {
        booking(context).slow().await;
        caller(context).authorization.clone()
    }
}

struct BookingSubscription;

#[Subscription(name = "Subscription")]
impl BookingSubscription {
    async fn seat_map_changed(
        &self,
        context: &Context<'_>,
        show_id: ID,
    ) -> impl Stream<Item = Option<SeatMapDelta>> + use<> {
        let caller = caller(context).authorization.clone();
        booking(context).subscribe().map(move |event| {
            Some(SeatMapDelta {
                version: event.version,
                show: Some(Seats { id: show_id.clone(), available: event.version }),
                caller: caller.clone(),
                padding: "x".repeat(event.padding),
            })
        })
    }

    async fn booking_changed(
        &self,
        context: &Context<'_>,
        id: ID,
    ) -> Result<impl Stream<Item = Option<BookingState>> + use<>, Error> {
        if id == "forbidden" {
            let error = Error::new("Not yours.");
            return Err(error.extend_with(|_, extensions| extensions.set("code", "FORBIDDEN")));
        }
        let caller = caller(context).clone();
        Ok(booking(context).subscribe().map(move |event| {
            Some(BookingState {
                id: id.clone(),
                status: event.version.to_string(),
                caller: caller.authorization.clone(),
                request_id: caller.request_id.clone(),
            })
        }))
    }
}

#[derive(SimpleObject)]
#[graphql(name = "Show")]
struct Seats {
    id: ID,
    available: i32,
}

#[derive(SimpleObject)]
struct SeatMapDelta {
    version: i32,
    show: Option<Seats>,
    caller: Option<String>,
    padding: String,
}

#[derive(SimpleObject)]
#[graphql(name = "Booking")]
struct BookingState {
    id: ID,
    status: String,
    caller: Option<String>,
    request_id: Option<String>,
}

type BookingSchema = Schema<BookingQuery, BookingMutation, BookingSubscription>;

#[derive(Clone)]
struct BookingApp {
    schema: BookingSchema,
    booking: Arc<Booking>,
}

async fn booking_query(
    State(app): State<BookingApp>,
    headers: HeaderMap,
    request: GraphQLRequest,
) -> GraphQLResponse {
    app.booking.seen.lock().unwrap().extend(headers.keys().map(ToString::to_string));
    let seats = app.booking.seats.load(Ordering::SeqCst);
    let caller = Caller::of(|name| Some(headers.get(name)?.to_str().ok()?.to_owned()));
    app.booking.request_ids.lock().unwrap().extend(caller.request_id.clone());
    let caller = Caller { seats, ..caller };
    let mut response = app.schema.execute(request.into_inner().data(caller)).await;
    if seats != 0 {
        let validators = HeaderValue::try_from(format!("max-age=60, seats:{seats}")).unwrap();
        response.http_headers.insert(VALIDATORS, validators);
    }
    app.booking.extensions.added_to(response).into()
}

async fn booking_socket(
    State(app): State<BookingApp>,
    protocol: GraphQLProtocol,
    upgrade: WebSocketUpgrade,
) -> impl IntoResponse {
    upgrade.protocols(["graphql-transport-ws"]).on_upgrade(move |stream| {
        let BookingApp { schema, booking } = app;
        GraphQLWebSocket::new(stream, schema, protocol)
            .on_connection_init(async move |payload: Value| {
                let fields = payload.as_object().cloned().unwrap_or_default();
                booking.seen.lock().unwrap().extend(fields.keys().cloned());
                let mut data = Data::default();
                data.insert(Caller::of(|name| Some(fields.get(name)?.as_str()?.to_owned())));
                Ok(data)
            })
            .serve()
    })
}

/// The subgraph booking.
pub fn booking_routes() -> (Router, Arc<Booking>) {
    let booking = Booking::new();
    let schema = Schema::build(BookingQuery, BookingMutation, BookingSubscription)
        .enable_federation()
        .enable_subscription_in_federation()
        .data(Arc::clone(&booking))
        .finish();
    let app = BookingApp { schema, booking: Arc::clone(&booking) };
    let routes = Router::new()
        .route("/graphql", post(booking_query))
        .route("/ws", get(booking_socket))
        .with_state(app);
    (routes, booking)
}

struct CatalogQuery;

#[Object(name = "Query")]
impl CatalogQuery {
    async fn show(&self, id: ID) -> Option<Title> {
        Some(Title::of(id))
    }

    async fn shows(&self) -> Vec<Title> {
        vec![Title::of("1".into())]
    }

    #[graphql(entity)]
    async fn find_show(&self, id: ID) -> Option<Title> {
        Some(Title::of(id))
    }
}

impl Title {
    fn of(id: ID) -> Self {
        Self { title: format!("Show {}", *id), id }
    }
}

#[derive(SimpleObject)]
#[graphql(name = "Show", complex)]
struct Title {
    id: ID,
    title: String,
}

#[ComplexObject]
impl Title {
    /// So that queries can be deep.
    async fn again(&self) -> Title {
        Title::of(self.id.clone())
    }
}

type CatalogSchema = Schema<CatalogQuery, EmptyMutation, EmptySubscription>;

async fn catalog_query(
    State((schema, extensions)): State<(CatalogSchema, Extensions)>,
    request: GraphQLRequest,
) -> GraphQLResponse {
    extensions.added_to(schema.execute(request.into_inner()).await).into()
}

/// The subgraph catalog, which adds the extensions to its answers.
pub fn catalog_routes() -> (Router, Extensions) {
    let schema = Schema::build(CatalogQuery, EmptyMutation, EmptySubscription).enable_federation().finish();
    let extensions = Extensions::default();
    let routes =
        Router::new().route("/graphql", post(catalog_query)).with_state((schema, extensions.clone()));
    (routes, extensions)
}

/// Serves routes at an address of their own.
pub async fn serve(routes: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
    address
}
