//! A payment provider of Stripe's kind, told what to do.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use kernel::{Clock as _, SystemClock};
use serde_json::{Value, json};
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate, matchers::any};

pub const WEBHOOK_SECRET: &str = "whsec_sales";

/// Handles share the provider.
#[derive(Clone)]
pub struct Provider {
    server: Arc<MockServer>,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
pub struct State {
    /// Answer every call with this status instead.
    pub broken: Option<u16>,
    /// Take so long for each answer.
    pub slow: Option<Duration>,
    /// Answer this operation with this status instead.
    pub refusal: Option<(&'static str, u16)>,
    /// What new refunds begin as.
    pub refund_status: String,
    /// Has it forgotten which idempotency keys it saw?
    pub forgetful: bool,
    pub intents: BTreeMap<String, Value>,
    pub refunds: BTreeMap<String, Value>,
    /// Operation and idempotency key of every call, in order.
    pub calls: Vec<(String, Option<String>)>,
    keys: HashMap<String, String>,
}

impl Provider {
    pub async fn start() -> Self {
        let state = Arc::new(Mutex::new(State { refund_status: "succeeded".into(), ..State::default() }));
        let server = MockServer::start().await;
        Mock::given(any()).respond_with(Answers(Arc::clone(&state))).mount(&server).await;
        Self { server: Arc::new(server), state }
    }

    pub fn url(&self) -> String {
        self.server.uri()
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub fn calls(&self, operation: &str) -> usize {
        self.state().calls.iter().filter(|(name, _)| name == operation).count()
    }

    /// The intent as the provider has it.
    pub fn intent(&self, id: &str) -> Value {
        self.state().intents[id].clone()
    }

    /// The buyer pays: the webhook that tells of it.
    pub fn pay(&self, id: &str) -> Value {
        let mut state = self.state();
        let intent = state.intents.get_mut(id).unwrap();
        intent["status"] = json!("succeeded");
        intent["amount_received"] = intent["amount"].clone();
        intent["latest_charge"] = json!({ "id": "ch_1", "created": SystemClock.now().timestamp() });
        event("payment_intent.succeeded", &intent.clone())
    }

    /// The buyer has done their part, and the bank takes its time: the webhook that tells of it.
    pub fn process(&self, id: &str) -> Value {
        event("payment_intent.processing", &self.set(id, "processing"))
    }

    /// Where the intent stands from now on.
    pub fn set(&self, id: &str, status: &str) -> Value {
        let mut state = self.state();
        let intent = state.intents.get_mut(id).unwrap();
        intent["status"] = json!(status);
        intent.clone()
    }

    /// The buyer's card, or the bank that took its time, says no: the webhook that tells of it.
    pub fn decline(&self, id: &str) -> Value {
        let mut intent = self.set(id, "requires_payment_method");
        intent["last_payment_error"] =
            json!({ "type": "card_error", "code": "card_declined", "decline_code": "generic_decline" });
        event("payment_intent.payment_failed", &intent)
    }

    /// The only refund.
    pub fn refund(&self) -> Value {
        let state = self.state();
        assert_eq!(state.refunds.len(), 1, "{:?}", state.refunds);
        state.refunds.values().next().unwrap().clone()
    }

    /// The only refund comes to an end: the webhook that tells of it.
    pub fn settle_refund(&self, status: &str) -> Value {
        let mut state = self.state();
        assert_eq!(state.refunds.len(), 1);
        let refund = state.refunds.values_mut().next().unwrap();
        refund["status"] = json!(status);
        event("refund.updated", &refund.clone())
    }
}

/// A webhook's body, with a new id.
pub fn event(kind: &str, object: &Value) -> Value {
    use std::sync::atomic::{AtomicU32, Ordering};
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let id = format!("evt_{}", COUNT.fetch_add(1, Ordering::Relaxed));
    json!({ "id": id, "object": "event", "type": kind, "data": { "object": object } })
}

struct Answers(Arc<Mutex<State>>);

impl Respond for Answers {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let slow = self.0.lock().unwrap().slow;
        self.answer(request).set_delay(slow.unwrap_or_default())
    }
}

impl Answers {
    fn answer(&self, request: &Request) -> ResponseTemplate {
        let mut state = self.0.lock().unwrap();
        let key = request.headers.get("idempotency-key").map(|key| key.to_str().unwrap().to_owned());
        let path: Vec<&str> = request.url.path().trim_start_matches("/v1/").split('/').collect();
        let operation = match (request.method.as_str(), path.as_slice()) {
            ("POST", ["payment_intents"]) => "intent_create",
            ("POST", ["payment_intents", _, "cancel"]) => "intent_cancel",
            ("POST", ["refunds"]) => "refund_create",
            ("GET", ["refunds"]) if request.url.query_pairs().any(|(name, _)| name == "payment_intent") => {
                "refund_find"
            }
            ("GET", ["refunds"]) => "refund_list",
            ("GET", ["refunds", _]) => "refund_get",
            ("GET", ["payment_intents"]) => "intent_list",
            ("GET", ["payment_intents", _]) => "intent_get",
            other => panic!("the provider knows no {other:?}"),
        };
        state.calls.push((operation.to_owned(), key.clone()));
        let refusal = state.refusal.filter(|(refused, _)| *refused == operation);
        if let Some(status) = state.broken.or(refusal.map(|(_, status)| status)) {
            return ResponseTemplate::new(status).set_body_json(json!({ "error": { "type": "api_error" } }));
        }
        let form: HashMap<String, String> =
            serde_urlencoded::from_bytes(&request.body).expect("a form-encoded body");
        match operation {
            "intent_create" => state.create_intent(key.unwrap(), &form),
            "intent_cancel" => state.cancel_intent(path[1], &form["cancellation_reason"]),
            "refund_create" => state.create_refund(key.unwrap(), &form),
            "intent_list" => list(&state.intents, request),
            "intent_get" => found(state.intents.get(path[1])),
            "refund_list" => list(&state.refunds, request),
            "refund_get" => found(state.refunds.get(path[1])),
            _ => json_answer(200, &json!({ "data": state.refunds.values().collect::<Vec<_>>() })),
        }
    }
}

fn json_answer(status: u16, body: &Value) -> ResponseTemplate {
    ResponseTemplate::new(status).set_body_json(body)
}

fn found(object: Option<&Value>) -> ResponseTemplate {
    match object {
        Some(object) => json_answer(200, object),
        None => json_answer(404, &json!({ "error": { "type": "invalid_request_error" } })),
    }
}

/// A page of what was made in the given time.
fn list(objects: &BTreeMap<String, Value>, request: &Request) -> ResponseTemplate {
    let query: HashMap<_, _> = request.url.query_pairs().into_owned().collect();
    let number = |name: &str| query[name].parse::<i64>().unwrap();
    let within = number("created[gte]")..number("created[lt]");
    let after = query.get("starting_after");
    let mut rest = objects
        .iter()
        .rev()
        .filter(|(id, _)| after.is_none_or(|after| *id < after))
        .map(|(_, object)| object)
        .filter(|object| within.contains(&object["created"].as_i64().unwrap()));
    let page: Vec<&Value> = rest.by_ref().take(number("limit") as usize).collect();
    json_answer(200, &json!({ "data": page, "has_more": rest.next().is_some() }))
}

impl State {
    fn create_intent(&mut self, key: String, form: &HashMap<String, String>) -> ResponseTemplate {
        if let Some(id) = self.keys.get(&key) {
            return json_answer(200, &self.intents[id]);
        }
        let id = format!("pi_{}", key.rsplit('_').next().unwrap());
        let intent = json!({
            "id": id, "object": "payment_intent", "client_secret": format!("{id}_secret"),
            "status": "requires_payment_method", "created": SystemClock.now().timestamp(),
            "amount": form["amount"].parse::<i64>().unwrap(), "amount_received": 0,
            "currency": form["currency"],
            "metadata": { "booking_id": form["metadata[booking_id]"] },
        });
        self.keys.insert(key, id.clone());
        self.intents.insert(id, intent.clone());
        json_answer(200, &intent)
    }

    fn cancel_intent(&mut self, id: &str, reason: &str) -> ResponseTemplate {
        let intent = self.intents.get_mut(id).unwrap();
        // Stripe calls off some kinds of payments that are being processed: here all of them, so nobody may try.
        if intent["status"] == "succeeded" {
            let error = json!({ "type": "invalid_request_error", "code": "payment_intent_unexpected_state",
                                "payment_intent": intent });
            return json_answer(400, &json!({ "error": error }));
        }
        intent["status"] = json!("canceled");
        intent["cancellation_reason"] = json!(reason);
        json_answer(200, intent)
    }

    fn create_refund(&mut self, key: String, form: &HashMap<String, String>) -> ResponseTemplate {
        if let Some(id) = self.keys.get(&key).filter(|_| !self.forgetful) {
            return json_answer(200, &self.refunds[id]);
        }
        let id = format!("re_{}", self.refunds.len());
        let refund = json!({
            "id": id, "object": "refund", "status": self.refund_status,
            "created": SystemClock.now().timestamp(), "currency": "eur",
            "payment_intent": form["payment_intent"], "amount": form["amount"].parse::<i64>().unwrap(),
            "metadata": { "booking_id": form["metadata[booking_id]"],
                          "refund_id": form["metadata[refund_id]"] },
        });
        self.keys.insert(key, id.clone());
        self.refunds.insert(id, refund.clone());
        json_answer(200, &refund)
    }
}
