//! GraphQL over WebSocket, by the
//! [graphql-transport-ws protocol](https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md).
//!
//! The router has a server for it too. It drops the headers of the upgrade, does not look at the
//! origin, buffers without bound for a client that does not read, and cannot close its sockets in
//! order. So the gateway speaks the protocol itself and hands each operation to the router as a
//! request.
//!
//! The caller's token comes from the payload of `connection_init` (`authorization`, or the same
//! inside `headers`, or a bare `token`), else from the `Authorization` header of the upgrade.

mod connection;
mod headers;
mod operation;
mod protocol;

use std::{
    cell::Cell,
    io,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use ntex::{
    http::header,
    io::DispatchItem,
    service::{Service, ServiceCtx, fn_factory_with_config},
    web::{self, HttpRequest, HttpResponse, ws},
    ws::Codec,
};
use platform::Shutdown;
use tokio_util::{
    sync::CancellationToken,
    task::{TaskTracker, task_tracker::TaskTrackerToken},
};

use crate::{Config, origin::Origins, router::Router, settings};
use connection::Connection;

/// The subprotocol.
pub(crate) const SUBPROTOCOL: &str = "graphql-transport-ws";

/// All sockets of the gateway, and what they have in common.
#[derive(Debug)]
pub(crate) struct Sockets {
    origins: Origins,
    forwarded: Vec<String>,
    max_sockets: usize,
    max_operations: usize,
    drain_timeout: Duration,
    shutdown: Shutdown,
    /// Cancelled when sockets have to end.
    closing: CancellationToken,
    open: AtomicUsize,
    tracker: TaskTracker,
}

impl Sockets {
    pub(crate) fn new(config: &Config, shutdown: Shutdown, closing: CancellationToken) -> Self {
        Self {
            origins: Origins::new(config),
            forwarded: settings::forwarded_headers(config),
            max_sockets: config.max_long_lived_clients,
            max_operations: config.max_operations_per_socket,
            drain_timeout: config.drain_timeout(),
            shutdown,
            closing,
            open: AtomicUsize::new(0),
            tracker: TaskTracker::new(),
        }
    }

    /// Returns when no socket is open any more. They close themselves when they have to.
    pub(crate) async fn closed(&self) {
        self.tracker.close();
        self.tracker.wait().await;
    }

    fn reserve(self: &Arc<Self>) -> Option<Place> {
        let reserved = self.open.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |open| {
            (open < self.max_sockets).then_some(open + 1)
        });
        reserved.ok().map(|_| {
            metrics::gauge!("gateway_sockets").increment(1);
            Place { sockets: Arc::clone(self), _open: self.tracker.token() }
        })
    }
}

/// One open socket in the count.
struct Place {
    sockets: Arc<Sockets>,
    _open: TaskTrackerToken,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.sockets.open.fetch_sub(1, Ordering::Relaxed);
        metrics::gauge!("gateway_sockets").decrement(1);
    }
}

/// Turns a request into a socket.
pub(crate) async fn upgrade(
    request: HttpRequest,
    sockets: web::types::State<Arc<Sockets>>,
    router: web::types::State<Router>,
) -> Result<HttpResponse, web::Error> {
    let origin = request.headers().get(header::ORIGIN).map(|origin| origin.to_str().unwrap_or_default());
    if !sockets.origins.allows(origin) {
        return Ok(refusal(HttpResponse::Forbidden(), "pages of this origin may not open a socket here"));
    }
    if sockets.closing.is_cancelled() {
        return Ok(refusal(HttpResponse::ServiceUnavailable(), "shutting down"));
    }
    let Some(place) = sockets.reserve() else {
        return Ok(refusal(HttpResponse::ServiceUnavailable(), "too many sockets are open"));
    };
    let spoken = ws::subprotocols(&request).any(|offered| offered == SUBPROTOCOL).then_some(SUBPROTOCOL);
    let caller = headers::of_upgrade(request.headers(), &sockets.forwarded);
    let sockets = Arc::clone(&sockets);
    let router = router.get_ref().clone();
    // The factory is called once, but has to be callable more often.
    let place = Rc::new(Cell::new(Some(place)));
    ws::start_with(
        request,
        spoken,
        fn_factory_with_config(move |sink: ws::WsSink| {
            let connection = Connection::open(
                sink,
                Arc::clone(&sockets),
                router.clone(),
                caller.clone(),
                spoken.is_some(),
            );
            let place = place.take();
            async move { Ok::<_, web::Error>(SocketService { connection, _place: place }) }
        }),
    )
    .await
}

fn refusal(mut response: web::HttpResponseBuilder, why: &'static str) -> HttpResponse {
    response.header(header::RETRY_AFTER, "5").body(why)
}

/// A connection as the service that ntex calls with each of its frames.
struct SocketService {
    connection: Rc<Connection>,
    _place: Option<Place>,
}

impl Drop for SocketService {
    fn drop(&mut self) {
        self.connection.end();
    }
}

impl Service<DispatchItem<Codec>> for SocketService {
    type Response = Option<ws::Message>;
    type Error = io::Error;

    async fn call(
        &self,
        item: DispatchItem<Codec>,
        _: ServiceCtx<'_, Self>,
    ) -> Result<Self::Response, Self::Error> {
        match item {
            DispatchItem::Item(frame) => Ok(self.connection.frame(frame)),
            DispatchItem::Control(control) => {
                self.connection.pressure(control);
                Ok(None)
            }
            DispatchItem::Stop(_) => {
                self.connection.end();
                Ok(None)
            }
        }
    }
}
