//! A client of Stripe's HTTP API, or of anything that speaks it.
//!
//! Form-encoded requests, JSON answers, `Idempotency-Key` on every call that moves money.
//! Source: <https://docs.stripe.com/api>, <https://docs.stripe.com/api/idempotent_requests>.

use std::time::Duration;

use async_trait::async_trait;
use kernel::{Money, SharedIds};
use platform::faults::mutant;
use platform::telemetry::{TARGET, current_trace};
use reqwest::{Client, Method, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use tokio::time::{Instant, sleep, timeout};
use tracing::field::Empty;
use tracing::{Instrument as _, Span};

use super::attempts::Attempts;
use super::breaker::Breaker;
use super::stripe_wire::{self, WireError, WireIntent, WireIntentOrNothing, WireList, WireRefund};
use super::{
    CALLED_OFF, CALLS, Intent, IntentOrder, ListedIntent, ListedRefund, Page, PaymentProvider, ProviderError,
    ProviderRefund, Range, RefundOrder,
};
use crate::config::PaymentsConfig;

/// The version of the API that our types were written for.
const API_VERSION: &str = "2024-06-20";

/// The client.
pub struct Stripe {
    http: Client,
    base: String,
    secret_key: SecretString,
    deadline: Duration,
    max_attempts: u32,
    breaker: Breaker,
    ids: SharedIds,
}

type Form = Vec<(&'static str, String)>;

/// One request, which may be sent several times.
struct Call<'a> {
    /// For metrics and logs.
    operation: &'static str,
    method: Method,
    path: String,
    form: &'a Form,
    idempotency_key: Option<String>,
}

/// What one attempt came to.
enum Attempt {
    Answer(Vec<u8>),
    /// A refusal that the provider gave reasons for.
    Refusal(StatusCode, Vec<u8>),
    /// Worth another attempt.
    Trouble(String),
}

impl Stripe {
    /// A client from its configuration.
    ///
    /// # Errors
    /// When the TLS of this machine cannot be set up.
    pub fn new(config: &PaymentsConfig, ids: SharedIds) -> Result<Self, reqwest::Error> {
        Ok(Self {
            http: Client::builder().connect_timeout(config.connect_timeout()).build()?,
            base: config.api_base.trim_end_matches('/').to_owned(),
            secret_key: config.secret_key.clone(),
            deadline: config.timeout(),
            max_attempts: config.max_attempts,
            breaker: Breaker::new(config.breaker_failures, config.breaker_open()),
            ids,
        })
    }

    /// Makes a call, repeated while the provider is in trouble and time is left.
    async fn call<T: DeserializeOwned>(&self, call: Call<'_>) -> Result<T, CallError> {
        let started = Instant::now();
        let outcome = if let Some(admitted) = self.breaker.admit(call.operation) {
            let span = tracing::info_span!(
                target: TARGET,
                "payment provider",
                otel.name = format_args!("payment provider {}", call.operation),
                otel.status_code = Empty,
                payment.operation = call.operation,
            );
            let outcome = self.attempts(&call).instrument(span.clone()).await;
            if outcome.is_err() {
                span.record("otel.status_code", "ERROR");
            }
            admitted.end(outcome.is_ok());
            outcome
        } else {
            Err("the circuit is open after repeated failures".to_owned())
        };
        let label = match &outcome {
            Ok(Ok(_)) => "ok",
            Ok(Err(_)) => "refused",
            Err(_) => "unavailable",
        };
        metrics::counter!(CALLS, "operation" => call.operation, "outcome" => label).increment(1);
        metrics::histogram!("payment_provider_call_seconds", "operation" => call.operation)
            .record(started.elapsed());
        match outcome {
            Ok(Ok(body)) => serde_json::from_slice(&body).map_err(|error| {
                CallError::Provider(ProviderError::Unavailable(format!("unreadable answer: {error}")))
            }),
            Ok(Err((status, body))) => Err(CallError::refused(status, &body)),
            Err(trouble) => Err(CallError::Provider(ProviderError::Unavailable(trouble))),
        }
    }

    /// The attempts of one call: an answer, a refusal, or after the last one what the trouble is.
    async fn attempts(&self, call: &Call<'_>) -> Result<Result<Vec<u8>, (StatusCode, Vec<u8>)>, String> {
        let mut attempts = Attempts::new(self.deadline, self.max_attempts);
        let mut made = 1;
        loop {
            let trouble = match self.attempt(call, attempts.limit()).await {
                Attempt::Answer(body) => return Ok(Ok(body)),
                Attempt::Refusal(status, body) => return Ok(Err((status, body))),
                Attempt::Trouble(trouble) => trouble,
            };
            tracing::warn!(
                operation = call.operation,
                attempt = made,
                trouble,
                "payment provider in trouble"
            );
            let Some(pause) = attempts.next() else { return Err(trouble) };
            sleep(self.jittered(pause)).await;
            made += 1;
        }
    }

    /// One attempt, a part of our trace: the provider is told which. One that is not answered within `limit`
    /// may have been carried out: the next one has the same key, and gets its outcome.
    async fn attempt(&self, call: &Call<'_>, limit: Duration) -> Attempt {
        let span = tracing::info_span!(
            target: TARGET,
            "HTTP",
            otel.name = call.method.as_str(),
            otel.kind = "client",
            otel.status_code = Empty,
            http.request.method = call.method.as_str(),
            http.response.status_code = Empty,
        );
        let sent = timeout(limit, self.send(call)).instrument(span.clone()).await;
        let attempt = sent.unwrap_or_else(|_| Attempt::Trouble("no answer in time".to_owned()));
        if !matches!(attempt, Attempt::Answer(_)) {
            span.record("otel.status_code", "ERROR");
        }
        attempt
    }

    async fn send(&self, call: &Call<'_>) -> Attempt {
        let url = format!("{}{}", self.base, call.path);
        let mut request = self
            .http
            .request(call.method.clone(), url)
            .bearer_auth(self.secret_key.expose_secret())
            .header("Stripe-Version", API_VERSION);
        request = if call.method == Method::GET { request.query(call.form) } else { request.form(call.form) };
        if let Some(key) = &call.idempotency_key {
            request = if call.operation == "refund_create" && mutant("refund_without_key") {
                request.header("Idempotency-Key", self.ids.local())
            } else {
                request.header("Idempotency-Key", key)
            };
        }
        if let Some(trace) = current_trace() {
            request = request.header("traceparent", trace);
        }
        let response = match request.send().await {
            Ok(response) => response,
            Err(error) => return Attempt::Trouble(error.without_url().to_string()),
        };
        let status = response.status();
        Span::current().record("http.response.status_code", i64::from(status.as_u16()));
        let body = match response.bytes().await {
            Ok(body) => body.to_vec(),
            Err(error) => return Attempt::Trouble(error.without_url().to_string()),
        };
        match status {
            status if status.is_success() => Attempt::Answer(body),
            // Conflict: the same key is being worked on; its outcome can be had in a moment.
            StatusCode::TOO_MANY_REQUESTS | StatusCode::CONFLICT => Attempt::Trouble(status.to_string()),
            status if status.is_server_error() => Attempt::Trouble(status.to_string()),
            status => Attempt::Refusal(status, body),
        }
    }

    /// Between half and the whole of `pause`, so that processes do not come back in step.
    fn jittered(&self, pause: Duration) -> Duration {
        let mut byte = [0];
        self.ids.fill(&mut byte);
        pause.mul_f32(0.5 + f32::from(byte[0]) / 512.0)
    }
}

/// How a kind of object is listed and read.
struct Listing<W, T> {
    list: &'static str,
    get: &'static str,
    path: &'static str,
    /// What is given whole instead of by its id.
    expand: Option<&'static str>,
    id: fn(&W) -> &str,
    read: fn(W) -> Option<T>,
}

const INTENTS: Listing<WireIntent, ListedIntent> = Listing {
    list: "intent_list",
    get: "intent_get",
    path: "/v1/payment_intents",
    // Its time is that of the payment, which the intent itself does not tell.
    expand: Some("latest_charge"),
    id: |wire| &wire.id,
    read: WireIntent::listed,
};

const REFUNDS: Listing<WireRefund, ListedRefund> = Listing {
    list: "refund_list",
    get: "refund_get",
    path: "/v1/refunds",
    expand: None,
    id: |wire| &wire.id,
    read: WireRefund::listed,
};

impl Stripe {
    /// A page of objects; those that cannot be understood are left out.
    /// Source: <https://docs.stripe.com/api/pagination>.
    async fn list<W: DeserializeOwned, T>(
        &self,
        listing: &Listing<W, T>,
        range: &Range<'_>,
    ) -> Result<Page<T>, ProviderError> {
        let mut form = vec![
            ("created[gte]", range.from.timestamp().to_string()),
            ("created[lt]", range.before.timestamp().to_string()),
            ("limit", range.limit.to_string()),
        ];
        form.extend(range.after.map(|after| ("starting_after", after.to_owned())));
        form.extend(listing.expand.map(|name| ("expand[]", format!("data.{name}"))));
        let list: WireList<W> = self
            .call(Call {
                operation: listing.list,
                method: Method::GET,
                path: listing.path.to_owned(),
                form: &form,
                idempotency_key: None,
            })
            .await?;
        let last = list.data.last().map(|wire| (listing.id)(wire).to_owned());
        let next = last.filter(|_| list.has_more);
        let count = list.data.len();
        let items: Vec<T> = list.data.into_iter().filter_map(listing.read).collect();
        if items.len() < count {
            tracing::warn!(operation = listing.list, skipped = count - items.len(), "objects not understood");
        }
        Ok(Page { items, next })
    }

    async fn get<W: DeserializeOwned, T>(
        &self,
        listing: &Listing<W, T>,
        id: &str,
    ) -> Result<Option<T>, ProviderError> {
        let form = listing.expand.map(|name| ("expand[]", name.to_owned())).into_iter().collect();
        let found = self
            .call(Call {
                operation: listing.get,
                method: Method::GET,
                path: format!("{}/{id}", listing.path),
                form: &form,
                idempotency_key: None,
            })
            .await;
        match found.map_err(ProviderError::from) {
            Ok(wire) => {
                let unreadable = || ProviderError::Unavailable(format!("{id} is not understood"));
                (listing.read)(wire).map(Some).ok_or_else(unreadable)
            }
            Err(ProviderError::Invalid { status: 404, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// A call that came to nothing.
enum CallError {
    Provider(ProviderError),
    /// Refused, and the provider says where the intent stands.
    Intent(Box<WireIntent>),
}

impl CallError {
    fn refused(status: StatusCode, body: &[u8]) -> Self {
        let error = serde_json::from_slice::<WireError>(body).ok().map(|wire| wire.error);
        let code = error.as_ref().map_or("unknown", |error| error.code()).to_owned();
        let is_card_error = error.as_ref().is_some_and(|e| e.kind.as_deref() == Some("card_error"));
        if let Some(WireIntentOrNothing::Intent(intent)) = error.and_then(|e| e.payment_intent) {
            return Self::Intent(intent);
        }
        // Stripe answers 402 when the parameters were fine but the request failed, and 400 with a
        // code when the state of an object does not permit it.
        let declined = is_card_error
            || status == StatusCode::PAYMENT_REQUIRED
            || matches!(code.as_str(), "charge_already_refunded" | "charge_disputed" | "insufficient_funds");
        Self::Provider(if declined {
            ProviderError::Declined { code }
        } else {
            ProviderError::Invalid { status: status.as_u16(), code }
        })
    }
}

impl From<CallError> for ProviderError {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Provider(error) => error,
            CallError::Intent(_) => Self::Declined { code: "payment_intent_unexpected_state".to_owned() },
        }
    }
}

/// The amount as the provider counts it.
fn amount(money: Money) -> Result<String, ProviderError> {
    let amount = stripe_wire::amount(money).map(|amount| amount.to_string());
    amount.ok_or_else(|| ProviderError::Invalid { status: 400, code: format!("{money} is too large") })
}

fn intent(wire: WireIntent) -> Result<Intent, ProviderError> {
    wire.intent().ok_or_else(|| ProviderError::Unavailable("an intent in an unknown currency".to_owned()))
}

#[async_trait]
impl PaymentProvider for Stripe {
    fn name(&self) -> &'static str {
        "stripe"
    }

    async fn intent_create(&self, order: &IntentOrder) -> Result<Intent, ProviderError> {
        let form = vec![
            ("amount", amount(order.amount)?),
            ("currency", order.amount.currency().code().to_ascii_lowercase()),
            ("automatic_payment_methods[enabled]", "true".to_owned()),
            ("description", order.description.clone()),
            ("metadata[booking_id]", order.booking.to_string()),
        ];
        let wire = self
            .call(Call {
                operation: "intent_create",
                method: Method::POST,
                path: "/v1/payment_intents".to_owned(),
                form: &form,
                idempotency_key: Some(order.booking.to_string()),
            })
            .await?;
        intent(wire)
    }

    async fn intent_cancel(&self, id: &str) -> Result<Intent, ProviderError> {
        // No idempotency key: cancelling twice is cancelling once, and a stored "not now" would
        // be repeated when the intent can be cancelled.
        let call = Call {
            operation: "intent_cancel",
            method: Method::POST,
            path: format!("/v1/payment_intents/{id}/cancel"),
            form: &vec![("cancellation_reason", CALLED_OFF.to_owned())],
            idempotency_key: None,
        };
        match self.call(call).await {
            Ok(wire) => intent(wire),
            // It was paid or cancelled before, or is being paid: that is where it stands.
            Err(CallError::Intent(wire)) => intent(*wire),
            Err(CallError::Provider(error)) => Err(error),
        }
    }

    async fn refund_create(&self, order: &RefundOrder) -> Result<ProviderRefund, ProviderError> {
        let form = vec![
            ("payment_intent", order.intent.clone()),
            ("amount", amount(order.amount)?),
            ("reason", "requested_by_customer".to_owned()),
            ("metadata[booking_id]", order.booking.to_string()),
            ("metadata[refund_id]", order.refund.to_string()),
        ];
        let wire: WireRefund = self
            .call(Call {
                operation: "refund_create",
                method: Method::POST,
                path: "/v1/refunds".to_owned(),
                form: &form,
                idempotency_key: Some(order.refund.to_string()),
            })
            .await?;
        Ok(wire.refund())
    }

    async fn refund_find(&self, order: &RefundOrder) -> Result<Option<ProviderRefund>, ProviderError> {
        let form = vec![("payment_intent", order.intent.clone()), ("limit", "100".to_owned())];
        let list: WireList<WireRefund> = self
            .call(Call {
                operation: "refund_find",
                method: Method::GET,
                path: "/v1/refunds".to_owned(),
                form: &form,
                idempotency_key: None,
            })
            .await?;
        let ours = list.data.into_iter().find(|wire| wire.metadata.refund() == Some(order.refund));
        Ok(ours.map(WireRefund::refund))
    }

    async fn intent_list(&self, range: &Range<'_>) -> Result<Page<ListedIntent>, ProviderError> {
        self.list(&INTENTS, range).await
    }

    async fn intent_get(&self, id: &str) -> Result<Option<ListedIntent>, ProviderError> {
        self.get(&INTENTS, id).await
    }

    async fn refund_list(&self, range: &Range<'_>) -> Result<Page<ListedRefund>, ProviderError> {
        self.list(&REFUNDS, range).await
    }

    async fn refund_get(&self, id: &str) -> Result<Option<ListedRefund>, ProviderError> {
        self.get(&REFUNDS, id).await
    }
}
