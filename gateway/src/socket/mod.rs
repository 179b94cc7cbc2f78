//! GraphQL over WebSocket, by the
//! [graphql-transport-ws protocol](https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md).
//!
//! The router has a server for it too. It drops the headers of the upgrade, does not look at the
//! origin, buffers without bound for a client that does not read, and cannot close its sockets in
//! order. So the gateway speaks the protocol itself and hands each operation to the router as a
//! request.
//!
//! The caller's token comes from the payload of `connection_init` (`authorization`, or the same
//! inside `headers`, or a bare `token`), else from the `Authorization` header of the upgrade; an API
//! key may come as `x-api-key` in the same places. A socket whose token is not valid at
//! `connection_init`, or expires later, is closed with 4403 (Forbidden): of the codes that the
//! protocol has for this, 4401 is one that clients of it (graphql-ws) take for a mistake in their
//! code and do not come back from, while after 4403 they connect again, with a new token.
//!
//! Codes of the gateway's own, after which clients connect again as well: 4450 for who does not read, 4451
//! for a caller who has too many sockets, and 4452 for an API key that cannot be looked at now because too
//! many were tried at its address. A socket that was opened with it stays.

mod connection;
mod group;
mod headers;
mod operation;
mod protocol;

use std::{cell::Cell, io, rc::Rc, sync::Arc, time::Duration};

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

use crate::{
    Config,
    origin::Origins,
    places::{Full, Limits, Places},
    router::Router,
    settings,
};
use connection::{Connection, Opened};

pub(crate) use group::Groups;

/// The subprotocol.
pub(crate) const SUBPROTOCOL: &str = "graphql-transport-ws";

/// All sockets of the gateway, and what they have in common.
#[derive(Debug)]
pub(crate) struct Sockets {
    origins: Origins,
    forwarded: Vec<String>,
    places: Arc<Places>,
    max_operations: usize,
    /// How long a client may leave unread what it was sent.
    slow_reader: Duration,
    /// How often a client is pinged, and how long it may take to be initialised.
    ping_every: Duration,
    /// A client that was not heard of for so long is gone.
    silence: Duration,
    drain_timeout: Duration,
    shutdown: Shutdown,
    /// Cancelled when sockets have to end.
    closing: CancellationToken,
    tracker: TaskTracker,
}

impl Sockets {
    pub(crate) fn new(config: &Config, shutdown: Shutdown, closing: CancellationToken) -> Self {
        Self {
            origins: Origins::new(config),
            forwarded: settings::forwarded_headers(config),
            places: Places::new(
                Limits {
                    all: config.caps.sockets,
                    per_address: config.caps.sockets_per_address,
                    per_user: config.caps.sockets_per_user,
                },
                "gateway_sockets",
                "gateway_sockets_limit",
            ),
            max_operations: config.caps.operations_per_socket,
            slow_reader: Duration::from_millis(config.caps.slow_reader_ms),
            ping_every: Duration::from_millis(config.caps.ping_ms),
            silence: Duration::from_millis(config.caps.silence_ms),
            drain_timeout: config.drain_timeout(),
            shutdown,
            closing,
            tracker: TaskTracker::new(),
        }
    }

    /// Returns when no socket is open any more. They close themselves when they have to.
    pub(crate) async fn closed(&self) {
        self.tracker.close();
        self.tracker.wait().await;
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
        let why = "pages of this origin may not open a socket here";
        return Ok(refusal(HttpResponse::Forbidden(), "origin", why));
    }
    if sockets.closing.is_cancelled() {
        return Ok(refusal(HttpResponse::ServiceUnavailable(), "shutdown", "shutting down"));
    }
    let address = router.gate.address(request.peer_addr(), request.headers());
    let place = match sockets.places.take(address) {
        Ok(place) => place,
        Err(full @ Full::All) => {
            let why = "too many sockets are open";
            return Ok(refusal(HttpResponse::ServiceUnavailable(), full.as_str(), why));
        }
        Err(full) => {
            let why = "too many sockets are open from your address";
            return Ok(refusal(HttpResponse::TooManyRequests(), full.as_str(), why));
        }
    };
    let spoken = ws::subprotocols(&request).any(|offered| offered == SUBPROTOCOL).then_some(SUBPROTOCOL);
    let headers = headers::of_upgrade(request.headers(), &sockets.forwarded);
    let open = sockets.tracker.token();
    let opened =
        Opened { sockets: Arc::clone(&sockets), router: router.get_ref().clone(), address, headers, place };
    // The factory is called once, but has to be callable more often.
    let opened = Rc::new(Cell::new(Some((opened, open))));
    ws::start_with(
        request,
        spoken,
        fn_factory_with_config(move |sink: ws::WsSink| {
            let service = opened.take().map(|(opened, open)| SocketService {
                connection: Connection::open(sink, opened, spoken.is_some()),
                _open: open,
            });
            async move { service.ok_or_else(|| web::Error::from(io::Error::other("the socket is open"))) }
        }),
    )
    .await
}

fn refusal(mut response: web::HttpResponseBuilder, reason: &'static str, why: &'static str) -> HttpResponse {
    metrics::counter!("gateway_sockets_refused_total", "reason" => reason).increment(1);
    response.header(header::RETRY_AFTER, "5").body(why)
}

/// A connection as the service that ntex calls with each of its frames.
struct SocketService {
    connection: Rc<Connection>,
    _open: TaskTrackerToken,
}

impl Drop for SocketService {
    fn drop(&mut self) {
        self.connection.end();
        self.connection.leave();
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
