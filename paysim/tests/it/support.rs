//! A shop that uses the sandbox: its server, its buyer's browser and its webhook.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use paysim::{Paysim, PaysimConfig, PaysimHandle, RetryPolicy, WebhookTarget};
use reqwest::{Client, Method, Response};
use serde_json::Value;
use tokio::{net::TcpListener, sync::mpsc, time::timeout};

/// Longest wait for anything; reached only by a failure.
pub(crate) const DEADLINE: Duration = Duration::from_secs(10);
pub(crate) const SECRET: &str = "whsec_test";

/// A sandbox and a client that speaks to it.
pub(crate) struct Shop {
    pub(crate) sandbox: PaysimHandle,
    pub(crate) client: Client,
}

/// An answer, taken apart.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) async fn of(response: Response) -> Self {
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let body = response.json().await.unwrap_or(Value::Null);
        Self { status, headers, body }
    }

    /// A field of the body that is text.
    pub(crate) fn text(&self, field: &str) -> String {
        self.body[field].as_str().unwrap_or_else(|| panic!("no {field} in {}", self.body)).to_owned()
    }

    /// Asserts Stripe's error envelope.
    pub(crate) fn is_error(&self, status: u16, kind: &str, code: Option<&str>) {
        let error = &self.body["error"];
        assert_eq!(
            (self.status, error["type"].as_str(), error["code"].as_str()),
            (status, Some(kind), code),
            "{}",
            self.body
        );
        assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()));
    }
}

pub(crate) fn impatient(webhooks: Vec<WebhookTarget>) -> PaysimConfig {
    PaysimConfig {
        webhooks,
        retry: RetryPolicy {
            first: Duration::from_millis(5),
            longest: Duration::from_millis(20),
            ..RetryPolicy::default()
        },
        ..PaysimConfig::default()
    }
}

impl Shop {
    pub(crate) async fn open() -> Self {
        Self::with(PaysimConfig::default()).await
    }

    pub(crate) async fn with(config: PaysimConfig) -> Self {
        let sandbox = Paysim::start(config).await.unwrap();
        Self { sandbox, client: Client::builder().no_proxy().build().unwrap() }
    }

    /// A request by the shop's server.
    pub(crate) async fn server(&self, method: Method, path: &str, form: &[(&str, &str)]) -> Answer {
        self.keyed(method, path, form, None).await
    }

    /// The same with an idempotency key.
    pub(crate) async fn keyed(
        &self,
        method: Method,
        path: &str,
        form: &[(&str, &str)],
        key: Option<&str>,
    ) -> Answer {
        let mut request = self
            .client
            .request(method.clone(), format!("{}{path}", self.sandbox.base_url()))
            .bearer_auth(self.sandbox.secret_key());
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        request = if method == Method::POST { request.form(form) } else { request.query(form) };
        Answer::of(request.send().await.unwrap()).await
    }

    /// A request by a browser, which has no key.
    pub(crate) async fn browser(&self, path: &str, form: &[(&str, &str)]) -> Answer {
        let url = format!("{}{path}", self.sandbox.base_url());
        Answer::of(self.client.post(url).form(form).send().await.unwrap()).await
    }

    /// A new intent over 12.50 EUR: its id and client secret.
    pub(crate) async fn intent(&self) -> (String, String) {
        let form = [("amount", "1250"), ("currency", "eur")];
        let intent = self.server(Method::POST, "/v1/payment_intents", &form).await;
        assert_eq!(intent.status, 200, "{}", intent.body);
        (intent.text("id"), intent.text("client_secret"))
    }

    /// The buyer pays an intent.
    pub(crate) async fn pay(&self, (id, secret): &(String, String), method: &str) -> Answer {
        let form = [("client_secret", secret.as_str()), ("payment_method", method)];
        self.browser(&format!("/v1/payment_intents/{id}/confirm"), &form).await
    }

    /// The id of a new intent that is paid.
    pub(crate) async fn paid_intent(&self, method: &str) -> String {
        let intent = self.intent().await;
        let answer = self.pay(&intent, method).await;
        assert_eq!(answer.text("status"), "succeeded");
        intent.0
    }

    /// A request to the sandbox's own switches.
    pub(crate) async fn switch(&self, path: &str, body: &Value) -> Answer {
        let url = format!("{}{path}", self.sandbox.base_url());
        Answer::of(self.client.post(url).json(body).send().await.unwrap()).await
    }
}

/// One delivery that arrived.
#[derive(Debug)]
pub(crate) struct Arrival {
    pub(crate) signature: String,
    pub(crate) raw: Vec<u8>,
    pub(crate) event: Value,
}

impl Arrival {
    pub(crate) fn kind(&self) -> &str {
        self.event["type"].as_str().unwrap()
    }
}

/// The shop's webhook: answers with the statuses it was told, then 200.
pub(crate) struct Webhook {
    pub(crate) url: String,
    arrivals: mpsc::UnboundedReceiver<Arrival>,
}

#[derive(Clone)]
struct Receiver {
    statuses: Arc<Mutex<Vec<u16>>>,
    arrivals: mpsc::UnboundedSender<Arrival>,
}

impl Webhook {
    pub(crate) async fn open() -> Self {
        Self::answering(&[]).await
    }

    pub(crate) async fn answering(statuses: &[u16]) -> Self {
        let (sender, arrivals) = mpsc::unbounded_channel();
        let mut statuses = statuses.to_vec();
        statuses.reverse();
        let receiver = Receiver { statuses: Arc::new(Mutex::new(statuses)), arrivals: sender };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/webhook", listener.local_addr().unwrap());
        let router = Router::new().route("/webhook", post(receive)).with_state(receiver);
        tokio::spawn(axum::serve(listener, router).into_future());
        Self { url, arrivals }
    }

    pub(crate) fn target(&self) -> WebhookTarget {
        WebhookTarget::new(&self.url, SECRET)
    }

    /// The next arrival.
    pub(crate) async fn next(&mut self) -> Arrival {
        timeout(DEADLINE, self.arrivals.recv()).await.expect("an event arrives").unwrap()
    }

    /// The next arrival of that type; others are passed over.
    pub(crate) async fn next_of(&mut self, kind: &str) -> Arrival {
        loop {
            let arrival = self.next().await;
            if arrival.kind() == kind {
                return arrival;
            }
        }
    }

    /// The types of the next arrivals.
    pub(crate) async fn next_kinds(&mut self, count: usize) -> Vec<String> {
        let mut kinds = Vec::new();
        for _ in 0..count {
            kinds.push(self.next().await.kind().to_owned());
        }
        kinds
    }
}

async fn receive(State(receiver): State<Receiver>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let arrival = Arrival {
        signature: headers["stripe-signature"].to_str().unwrap().to_owned(),
        event: serde_json::from_slice(&body).unwrap(),
        raw: body.to_vec(),
    };
    receiver.arrivals.send(arrival).unwrap();
    let status = receiver.statuses.lock().unwrap().pop();
    StatusCode::from_u16(status.unwrap_or(200)).unwrap()
}
