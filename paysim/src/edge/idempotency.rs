//! Idempotency keys, as in <https://docs.stripe.com/api/idempotent_requests>.
//!
//! The first answer to a key is kept for a day and given again to the same request; a different
//! request with that key, or one while the first is still being worked on, is refused. Only
//! answers of requests that got as far as doing something are kept: not those refused for their
//! parameters, key or rate.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{
    body::{Body, to_bytes},
    extract::{Request, State},
    http::{HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::request::{IDEMPOTENCY_KEY, text_of};
use crate::{app::App, error::StripeError, ledger::Record, model::Cause, source};

static REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
static ORIGINAL: HeaderName = HeaderName::from_static("original-request");

/// How long an answer is kept, in seconds.
const KEPT: i64 = 24 * 60 * 60;
/// Longest key that Stripe takes.
const LONGEST_KEY: usize = 255;
/// Largest body of a request or an answer, in bytes.
const LARGEST_BODY: usize = 256 * 1024;

/// A kept answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Replay {
    pub(crate) key: String,
    /// Method and path of the first request.
    endpoint: String,
    /// SHA-256 of its body.
    fingerprint: String,
    status: u16,
    body: String,
    request_id: Option<String>,
    at: i64,
}

enum Entry {
    Running { endpoint: String, fingerprint: String },
    Done(Replay),
}

/// All keys in use.
#[derive(Default)]
pub(crate) struct Keys(Mutex<HashMap<String, Entry>>);

enum Claim {
    First,
    Again(Box<Replay>),
}

impl Keys {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps answers that the journal remembers.
    pub(crate) fn restore(&self, replays: Vec<Replay>) {
        self.lock().extend(replays.into_iter().map(|replay| (replay.key.clone(), Entry::Done(replay))));
    }

    /// Forgets all keys.
    pub(crate) fn clear(&self) {
        self.lock().clear();
    }

    fn claim(&self, key: &str, endpoint: &str, fingerprint: &str) -> Result<Claim, StripeError> {
        let now = source::unix_now();
        let mut entries = self.lock();
        let (first_endpoint, first_fingerprint) = match entries.get(key) {
            Some(Entry::Done(replay)) if replay.at + KEPT > now => (&replay.endpoint, &replay.fingerprint),
            Some(Entry::Running { endpoint, fingerprint }) => (endpoint, fingerprint),
            Some(Entry::Done(_)) | None => {
                let running =
                    Entry::Running { endpoint: endpoint.to_owned(), fingerprint: fingerprint.to_owned() };
                entries.insert(key.to_owned(), running);
                return Ok(Claim::First);
            }
        };
        if first_endpoint != endpoint {
            return Err(StripeError::idempotency_mismatch(format!(
                "Keys for idempotent requests can only be used for the same endpoint they were \
                 first used for ('{first_endpoint}' vs '{endpoint}'). Try using a key other than \
                 '{key}' if you meant to execute a different request."
            )));
        }
        if first_fingerprint != fingerprint {
            return Err(StripeError::idempotency_mismatch(format!(
                "Keys for idempotent requests can only be used with the same parameters they were \
                 first used with. Try using a key other than '{key}' if you meant to execute a \
                 different request."
            )));
        }
        match entries.get(key) {
            Some(Entry::Done(replay)) => Ok(Claim::Again(Box::new(replay.clone()))),
            _ => Err(StripeError::idempotency_in_use(key)),
        }
    }

    fn release(&self, key: &str) {
        self.lock().remove(key);
    }

    fn keep(&self, replay: Replay) {
        self.lock().insert(replay.key.clone(), Entry::Done(replay));
    }
}

/// Applies idempotency keys to POST requests. The work runs in a task of its own, so that a client
/// that hangs up does not stop it half-way.
pub(crate) async fn apply(State(app): State<App>, request: Request, next: Next) -> Response {
    let key = text_of(request.headers(), &IDEMPOTENCY_KEY);
    let Some(key) = key.filter(|_| request.method() == Method::POST) else {
        work_slowly(&app).await;
        return next.run(request).await;
    };
    match keyed(app, key, request, next).await {
        Ok(response) => response,
        Err(error) => error.into_response(),
    }
}

async fn keyed(app: App, key: String, request: Request, next: Next) -> Result<Response, StripeError> {
    if key.is_empty() || key.len() > LONGEST_KEY {
        return Err(StripeError::malformed(format!("Idempotency keys have 1 to {LONGEST_KEY} characters.")));
    }
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, LARGEST_BODY)
        .await
        .map_err(|error| StripeError::malformed(format!("Unreadable body: {error}")))?;
    let endpoint = parts.uri.path().to_owned();
    let fingerprint = hex::encode(Sha256::digest(&body));
    if let Claim::Again(replay) = app.keys().claim(&key, &endpoint, &fingerprint)? {
        return Ok(replayed(*replay));
    }

    let request_id = parts.extensions.get::<Cause>().and_then(|cause| cause.id.clone());
    let request = Request::from_parts(parts, Body::from(body));
    let claimed = Claimed { app: app.clone(), key: key.clone() };
    let work = tokio::spawn(async move {
        let claimed = claimed;
        work_slowly(&claimed.app).await;
        let (parts, body) = next.run(request).await.into_parts();
        let body = to_bytes(body, LARGEST_BODY).await.unwrap_or_default();
        if worth_keeping(parts.status) {
            let replay = Replay {
                key,
                endpoint,
                fingerprint,
                status: parts.status.as_u16(),
                body: String::from_utf8_lossy(&body).into_owned(),
                request_id,
                at: source::unix_now(),
            };
            claimed.app.ledger().put(Record::Replay(replay.clone()));
            claimed.app.keys().keep(replay);
        }
        Response::from_parts(parts, Body::from(body))
    });
    work.await.map_err(|_| StripeError::on_demand(500))
}

/// A claimed key. Unless an answer was kept, the key is free again when the work ends, however it
/// ends.
struct Claimed {
    app: App,
    key: String,
}

impl Drop for Claimed {
    fn drop(&mut self) {
        let running = matches!(self.app.keys().lock().get(&self.key), Some(Entry::Running { .. }));
        if running {
            self.app.keys().release(&self.key);
        }
    }
}

async fn work_slowly(app: &App) {
    let delay = app.behaviour().api.delay_ms;
    if delay > 0 {
        tokio::time::sleep(Duration::from_millis(delay)).await;
    }
}

fn worth_keeping(status: StatusCode) -> bool {
    status.is_success() || status == StatusCode::PAYMENT_REQUIRED || status.is_server_error()
}

fn replayed(replay: Replay) -> Response {
    let status = StatusCode::from_u16(replay.status).unwrap_or(StatusCode::OK);
    let mut response = (status, replay.body).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(&REPLAYED, HeaderValue::from_static("true"));
    if let Some(id) = replay.request_id.and_then(|id| HeaderValue::from_str(&id).ok()) {
        headers.insert(&ORIGINAL, id);
    }
    response
}
