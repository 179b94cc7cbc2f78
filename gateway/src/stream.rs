//! Answers without an end of their own: the events of a viewer as clients of HTTP read them, and the end of
//! clients who do not.

use std::{
    cell::Cell,
    io,
    pin::Pin,
    rc::{Rc, Weak},
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use futures::{Stream, StreamExt, stream};
use hive_router::pipeline::multipart_subscribe::{
    APOLLO_MULTIPART_HTTP_CONTENT_TYPE, INCREMENTAL_DELIVERY_CONTENT_TYPE,
    create_apollo_multipart_http_stream, create_incremental_delivery_stream,
};
use ntex::{io::IoRef, rt, util::Bytes};
use tokio::time::{sleep, timeout};

use crate::audience::{Event, Viewer};

/// How often a stream without events shows that it is alive.
const HEARTBEAT: Duration = Duration::from_secs(10);
/// Browsers do not report an event without data.
const END: &str = "event: complete\ndata:\n\n";

/// The ways to write events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// [GraphQL over SSE](https://github.com/graphql/graphql-over-http/blob/main/rfcs/GraphQLOverSSE.md),
    /// distinct connections.
    Events,
    /// [Incremental delivery](https://github.com/graphql/graphql-over-http/blob/main/rfcs/IncrementalDelivery.md).
    Parts,
    /// [Apollo's multipart protocol](https://www.apollographql.com/docs/graphos/routing/operations/subscriptions/multipart-protocol).
    ApolloParts,
}

type Chunks = Pin<Box<dyn Stream<Item = io::Result<Bytes>>>>;

impl Format {
    pub(crate) const fn content_type(self) -> &'static str {
        match self {
            Self::Events => "text/event-stream",
            Self::Parts => INCREMENTAL_DELIVERY_CONTENT_TYPE,
            Self::ApolloParts => APOLLO_MULTIPART_HTTP_CONTENT_TYPE,
        }
    }

    /// The events of a viewer as they are sent.
    pub(crate) fn written(self, viewer: Viewer) -> Chunks {
        match self {
            Self::Events => Box::pin(events(viewer)),
            Self::Parts => Box::pin(create_incremental_delivery_stream(Box::pin(answers(viewer)))),
            Self::ApolloParts => {
                Box::pin(create_apollo_multipart_http_stream(Box::pin(answers(viewer)), HEARTBEAT))
            }
        }
    }
}

fn events(viewer: Viewer) -> impl Stream<Item = io::Result<Bytes>> {
    stream::unfold(Some(viewer), async |viewer| {
        let mut viewer = viewer?;
        let (text, viewer) = match timeout(HEARTBEAT, viewer.next()).await {
            Err(_) => (":\n\n".to_owned(), Some(viewer)),
            Ok(Some(Event::Next(json))) => (event(&json), Some(viewer)),
            Ok(Some(Event::Refused(json))) => (event(&json) + END, None),
            Ok(None) => (END.to_owned(), None),
        };
        Some((Ok(Bytes::from(text)), viewer))
    })
}

fn event(json: &[u8]) -> String {
    format!("event: next\ndata: {}\n\n", String::from_utf8_lossy(json))
}

/// The events without anything around them.
fn answers(viewer: Viewer) -> impl Stream<Item = Vec<u8>> + Send {
    stream::unfold(Some(viewer), |viewer| async move {
        let mut viewer = viewer?;
        match viewer.next().await? {
            Event::Next(json) => Some((json.to_vec(), Some(viewer))),
            Event::Refused(json) => Some((json.to_vec(), None)),
        }
    })
}

/// A stream whose client is watched: the connection is closed when the client has not taken for so long what
/// it was sent. The server asks for a chunk when those before have left, all but as much as it keeps for
/// any client; who does not read is not seen by the stream itself, which is not asked for anything.
pub(crate) struct Watched {
    chunks: Chunks,
    waits: Rc<Waits>,
}

/// Since when a client leaves what it was sent; `None` when it does not.
type Waits = Cell<Option<Instant>>;

impl Watched {
    pub(crate) fn new(chunks: Chunks, connection: Option<&IoRef>, patience: Duration) -> Self {
        let waits = Rc::new(Waits::default());
        if let Some(connection) = connection {
            rt::spawn(watch(Rc::downgrade(&waits), connection.clone(), patience));
        }
        Self { chunks, waits }
    }
}

impl Stream for Watched {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.waits.set(None);
        let chunk = ready!(self.chunks.poll_next_unpin(context));
        self.waits.set(Some(Instant::now()));
        Poll::Ready(chunk)
    }
}

async fn watch(waits: Weak<Waits>, connection: IoRef, patience: Duration) {
    loop {
        sleep(patience).await;
        let Some(waits) = waits.upgrade() else { return };
        if waits.get().is_some_and(|since| since.elapsed() >= patience) {
            metrics::counter!("gateway_streams_closed_total", "reason" => "slow").increment(1);
            // Nothing could be said that is not behind all it has not read.
            return connection.terminate();
        }
    }
}
