//! The operations that clients use.

use std::sync::Arc;

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{Request, StatusCode},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use booking::app::App;
use ed25519_dalek::{Signer, SigningKey};
use graphql_kit::{AuthConfig, TokenVerifier};
use kernel::{Clock, SystemClock, UserId, seating::seat_id};
use platform::cache::validator::VALIDATORS;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::{
    house::{House, show},
    support::{person, uuid},
};

const TOKEN_SEED: [u8; 32] = [6; 32];

const HOLD: &str = "mutation HoldSeats($input: HoldSeatsInput!) {
    holdSeats(input: $input) {
        hold { id expiresAt show { id } seats { id label price { amount currency } } total { amount currency } }
        userErrors { __typename message code path ... on SeatsUnavailableError { seatIds alternatives { seatIds } } }
    }
}";
const BEST: &str = "mutation HoldBestAvailable($input: HoldBestAvailableInput!) {
    holdBestAvailable(input: $input) {
        hold { id expiresAt seats { id label price { amount currency } } total { amount currency } }
        userErrors { __typename message code path }
    }
}";
const EXTEND: &str = "mutation ExtendHold($input: ExtendHoldInput!) { extendHold(input: $input) { hold { id expiresAt } userErrors { __typename message code } } }";
const RELEASE: &str = "mutation ReleaseHold($input: ReleaseHoldInput!) { releaseHold(input: $input) { released userErrors { __typename message code } } }";
const SHOW: &str = "query($shows: [_Any!]!) { _entities(representations: $shows) { ... on Show { id availability seatMap {
    epoch version states available prices { kind price { amount currency } } seats { id label index kind state price { amount } }
} } } }";

struct Api {
    house: House,
    router: Router,
}

impl Api {
    async fn open(layout: &str) -> Self {
        let house = House::open(layout).await;
        let router = booking::routes_over(&house.app, verifier(&house.app), &house.shutdown);
        Self { house, router }
    }

    async fn post(&self, user: Option<UserId>, query: &str, variables: Value) -> Value {
        self.ask(user, query, variables).await.0
    }

    /// An answer, and what it holds by.
    async fn ask(&self, user: Option<UserId>, query: &str, variables: Value) -> (Value, Option<String>) {
        let mut request = Request::post("/graphql").header("content-type", "application/json");
        if let Some(user) = user {
            request = request.header("authorization", format!("Bearer {}", token(user)));
        }
        let body = json!({ "query": query, "variables": variables }).to_string();
        let response = self.router.clone().oneshot(request.body(Body::from(body)).unwrap()).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        let validators = response.headers().get(VALIDATORS).map(|value| value.to_str().unwrap().to_owned());
        if validators.is_some() {
            assert_eq!(response.headers()["cache-control"], "no-store");
        }
        let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        (serde_json::from_slice(&body).unwrap(), validators)
    }

    /// The only field of a mutation's answer.
    async fn mutate(&self, user: UserId, query: &str, input: Value) -> Value {
        let answer = self.post(Some(user), query, json!({ "input": input })).await;
        assert_eq!(answer.get("errors"), None, "{answer}");
        answer["data"].as_object().unwrap().values().next().unwrap().clone()
    }

    async fn show(&self) -> Value {
        let shows = json!({ "shows": [{ "__typename": "Show", "id": self.house.id() }] });
        let answer = self.post(None, SHOW, shows).await;
        assert_eq!(answer.get("errors"), None, "{answer}");
        answer["data"]["_entities"][0].clone()
    }

    fn seat(&self, index: u16) -> String {
        seat_id(self.house.show.screen_id, index).to_string()
    }

    fn hold(&self, seats: &[u16], key: &str) -> Value {
        let seats: Vec<String> = seats.iter().map(|seat| self.seat(*seat)).collect();
        json!({ "showId": self.house.id(), "seatIds": seats, "idempotencyKey": key })
    }
}

fn token(user: UserId) -> String {
    let now = SystemClock.now().timestamp();
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let head = part(json!({ "alg": "EdDSA", "typ": "JWT", "kid": "test" }));
    let claims = json!({
        "sub": user, "sid": kernel::SessionId::from_uuid(uuid()), "roles": ["CUSTOMER"],
        "iss": "marquee", "aud": "marquee", "iat": now, "exp": now + 900, "jti": uuid(),
    });
    let signed = format!("{head}.{}", part(claims));
    let signature = SigningKey::from_bytes(&TOKEN_SEED).sign(signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.to_bytes()))
}

fn verifier(app: &App) -> TokenVerifier {
    let key = SigningKey::from_bytes(&TOKEN_SEED).verifying_key();
    let keys = json!({ "keys": [{
        "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": "test",
        "x": URL_SAFE_NO_PAD.encode(key.as_bytes()),
    }] });
    TokenVerifier::fixed(
        AuthConfig::default(),
        Arc::clone(&app.deps.clock),
        &serde_json::from_value(keys).unwrap(),
    )
}

#[tokio::test]
async fn a_hold_from_beginning_to_end() {
    let api = Api::open("A:RRRR/B:VV").await;
    let ada = person();
    let payload = api.mutate(ada, HOLD, api.hold(&[4, 1], "a")).await;
    assert_eq!(payload["userErrors"], json!([]));
    let hold = &payload["hold"];
    assert_eq!(hold["show"]["id"], json!(api.house.id()));
    assert_eq!(hold["seats"][0]["id"], api.seat(1));
    assert_eq!((&hold["seats"][0]["label"], &hold["seats"][1]["label"]), (&json!("A2"), &json!("B1")));
    assert_eq!(hold["seats"][1]["price"], json!({ "amount": "20.00", "currency": "EUR" }));
    assert_eq!(hold["total"], json!({ "amount": "30.00", "currency": "EUR" }));
    assert_eq!(
        api.mutate(ada, HOLD, api.hold(&[1, 4], "a")).await,
        payload,
        "a repetition, in another order"
    );

    let id = json!({ "holdId": hold["id"] });
    let extended = api.mutate(ada, EXTEND, id.clone()).await;
    assert!(extended["hold"]["expiresAt"].as_str() >= hold["expiresAt"].as_str(), "{extended}");
    let stranger = api.mutate(person(), EXTEND, id.clone()).await;
    assert_eq!(stranger["userErrors"][0]["__typename"], "NotFoundError");
    let stranger = api.mutate(person(), RELEASE, id.clone()).await;
    assert_eq!(
        (&stranger["released"], &stranger["userErrors"][0]["code"]),
        (&json!(false), &json!("NOT_FOUND"))
    );
    for _ in 0..2 {
        assert_eq!(api.mutate(ada, RELEASE, id.clone()).await["released"], true);
    }
    let gone = api.mutate(ada, EXTEND, id).await;
    assert_eq!(gone["userErrors"][0]["__typename"], "HoldExpiredError");
    let late = api.mutate(ada, HOLD, api.hold(&[1, 4], "a")).await;
    assert_eq!(late["userErrors"][0]["code"], "HOLD_EXPIRED");
}

#[tokio::test]
async fn a_refusal_says_what_is_taken_and_what_is_free() {
    let api = Api::open("A:RRRRRR").await;
    api.mutate(person(), HOLD, api.hold(&[1], "a")).await;
    let refused = api.mutate(person(), HOLD, api.hold(&[0, 1], "a")).await;
    let error = &refused["userErrors"][0];
    assert_eq!(
        (&error["__typename"], &error["code"]),
        (&json!("SeatsUnavailableError"), &json!("SEATS_UNAVAILABLE"))
    );
    assert_eq!(error["message"], "A2 is taken; choose others");
    assert_eq!(error["seatIds"], json!([api.seat(1)]));
    assert_eq!(error["alternatives"][0]["seatIds"], json!([api.seat(2), api.seat(3)]));
    assert_eq!(error["path"], json!(["input", "seatIds"]));
}

#[tokio::test]
async fn what_can_never_be_held() {
    let api = Api::open("A:RRRRRRRRRRRR/B:P").await;
    let ada = person();
    let foreign = show("A:RR");
    let eleven: Vec<u16> = (0..11).collect();
    let show = json!(api.house.id());
    let seats = |seats: Value| json!({ "showId": show, "seatIds": seats, "idempotencyKey": "k" });
    let cases = [
        (api.hold(&[], "k"), "InvalidInputError", "seatIds"),
        (api.hold(&eleven, "k"), "InvalidInputError", "seatIds"),
        (api.hold(&[3, 3], "k"), "InvalidInputError", "seatIds"),
        (api.hold(&[99], "k"), "InvalidInputError", "seatIds"),
        (api.hold(&[12], "k"), "InvalidInputError", "seatIds"),
        (seats(json!(["nonsense"])), "InvalidInputError", "seatIds"),
        (seats(json!([seat_id(foreign.screen_id, 0)])), "InvalidInputError", "seatIds"),
        (api.hold(&[3], ""), "InvalidInputError", "idempotencyKey"),
        (
            json!({ "showId": "nonsense", "seatIds": [api.seat(3)], "idempotencyKey": "k" }),
            "NotFoundError",
            "showId",
        ),
        (
            json!({ "showId": foreign.show_id, "seatIds": [api.seat(3)], "idempotencyKey": "k" }),
            "NotFoundError",
            "showId",
        ),
    ];
    for (input, name, path) in cases {
        let payload = api.mutate(ada, HOLD, input.clone()).await;
        assert_eq!(payload["hold"], Value::Null, "{input}");
        let error = &payload["userErrors"][0];
        assert_eq!(
            (&error["__typename"], &error["path"]),
            (&json!(name), &json!(["input", path])),
            "{input}: {error}"
        );
    }
    for quantity in [0, -1, 11] {
        let input = json!({ "showId": show, "quantity": quantity, "idempotencyKey": "k" });
        let payload = api.mutate(ada, BEST, input).await;
        assert_eq!(payload["userErrors"][0]["path"], json!(["input", "quantity"]));
    }
    for query in [HOLD, BEST, EXTEND, RELEASE] {
        let input = match query {
            HOLD => api.hold(&[0], "k"),
            BEST => json!({ "showId": show, "quantity": 2, "idempotencyKey": "k" }),
            _ => json!({ "holdId": "hold_x" }),
        };
        let answer = api.post(None, query, json!({ "input": input })).await;
        assert_eq!(answer["errors"][0]["extensions"]["code"], "UNAUTHENTICATED", "{answer}");
    }
    assert_eq!(api.show().await["seatMap"]["states"], "AAAAAAAAAAAAB");
}

#[tokio::test]
async fn the_seat_map_and_the_best_seats() {
    let api = Api::open("A:RRRR/B:RRRR/C:VVVV").await;
    let input = json!({ "showId": api.house.id(), "quantity": 2, "kind": "VIP", "idempotencyKey": "k" });
    let payload = api.mutate(person(), BEST, input).await;
    assert_eq!(payload["hold"]["total"]["amount"], "40.00", "{payload}");
    let too_many = json!({ "showId": api.house.id(), "quantity": 5, "idempotencyKey": "k" });
    let refused = api.mutate(person(), BEST, too_many).await;
    assert_eq!(refused["userErrors"][0]["code"], "SEATS_UNAVAILABLE");

    let show = api.show().await;
    let map = &show["seatMap"];
    assert_eq!(map["available"], 10);
    assert_eq!(map["version"], 2);
    let states = map["states"].as_str().unwrap();
    assert_eq!(&states[..8], "AAAAAAAA");
    assert_eq!(states[8..].matches('H').count(), 2);
    let prices: Vec<_> =
        map["prices"].as_array().unwrap().iter().map(|price| price["kind"].as_str().unwrap()).collect();
    assert!(prices.contains(&"REGULAR") && prices.contains(&"VIP"), "{prices:?}");
    assert_eq!(map["seats"].as_array().unwrap().len(), 12);
    assert_eq!(map["seats"][0]["id"], api.seat(0));
    assert_eq!(map["seats"][0]["state"], "AVAILABLE");
    assert_eq!(show["availability"], "AVAILABLE");

    // A show that booking has not heard of has no seat map, and that is no error.
    let shows = json!({ "shows": [{ "__typename": "Show", "id": kernel::ShowId::from_uuid(uuid()) }] });
    let answer = api.post(None, SHOW, shows).await;
    assert_eq!(answer["data"]["_entities"][0]["seatMap"], Value::Null, "{answer}");
}

#[tokio::test]
async fn a_seat_map_says_what_it_holds_by() {
    let api = Api::open("A:RRRR").await;
    let look = async |fields: &str, show: kernel::ShowId| {
        let query = format!(
            "query($shows: [_Any!]!) {{ _entities(representations: $shows) {{ ... on Show {{ {fields} }} }} }}"
        );
        let shows = json!({ "shows": [{ "__typename": "Show", "id": show }] });
        let (mut answer, validators) = api.ask(Some(person()), &query, shows).await;
        (answer["data"]["_entities"][0]["seatMap"].take(), validators)
    };
    let id = api.house.id();
    for (fields, age) in [
        ("seatMap { epoch version states available }", 60),
        ("id seatMap { epoch version prices { kind price { amount } } }", 30),
        ("seatMap { epoch version seats { id label index kind state price { amount currency } } }", 30),
        ("availability seatMap { epoch version states }", 10),
    ] {
        let (map, validators) = look(fields, id).await;
        let (epoch, version) = (map["epoch"].as_str().unwrap(), &map["version"]);
        assert_eq!(validators, Some(format!("max-age={age}, {id}:{epoch}:{version}")), "{fields}");
    }
    assert_eq!(look("challengeRequired seatMap { states }", id).await.1, None);
    assert_eq!(look("availability", id).await.1, None);
    // It may be on sale in a moment.
    assert_eq!(look("seatMap { states }", kernel::ShowId::from_uuid(uuid())).await, (Value::Null, None));
}

/// One process hears of a new price; the other one still has the old one, and shows the new with the new map.
#[tokio::test]
async fn prices_are_never_older_than_their_map() {
    let api = Api::open("A:RRRR").await;
    let other = api.house.another().await;
    let router = booking::routes_over(&other, verifier(&other), &api.house.shutdown);
    let other = Api { house: api.house.over_unwired(&other), router };
    for revision in 2..6 {
        assert_ne!(other.show().await["seatMap"]["prices"], Value::Null);
        let mut changed = api.house.show.clone();
        changed.revision = revision;
        changed.prices[0].minor = 1_000 * revision;
        api.house.app.show_follow(&changed).await.unwrap();
        let prices = other.show().await["seatMap"]["prices"].take();
        assert_eq!(prices[0]["price"]["amount"], format!("{revision}0.00"), "{prices}");
    }
}

#[tokio::test]
async fn answers_without_redis_say_so() {
    let (house, proxy) = House::wired("A:RRRR", |_| {}).await;
    let router = booking::routes_over(&house.app, verifier(&house.app), &house.shutdown);
    let api = Api { house, router };
    let hold = "mutation($input: HoldSeatsInput!) { holdSeats(input: $input) { hold { id degraded } userErrors { code } } }";
    let map = "query($shows: [_Any!]!) { _entities(representations: $shows) { ... on Show { seatMap { states degraded epoch } } } }";
    let shows = json!({ "shows": [{ "__typename": "Show", "id": api.house.id() }] });
    for away in [false, true] {
        if away {
            proxy.refuse();
            api.house.knows(true).await;
        }
        let said = if away { json!({ "degraded": ["seats"] }) } else { Value::Null };
        let ada = person();
        let seat = u16::from(away);
        let answer = api.post(Some(ada), hold, json!({ "input": api.hold(&[seat], "a") })).await;
        assert_eq!(answer["data"]["holdSeats"]["hold"]["degraded"], away, "{answer}");
        assert_eq!(answer.get("extensions").cloned().unwrap_or_default(), said);
        let refused = api.post(Some(person()), hold, json!({ "input": api.hold(&[seat], "a") })).await;
        assert_eq!(refused["data"]["holdSeats"]["userErrors"][0]["code"], "SEATS_UNAVAILABLE", "{refused}");
        assert_eq!(refused.get("extensions").cloned().unwrap_or_default(), said);
        let (answer, validators) = api.ask(None, map, shows.clone()).await;
        assert_eq!(validators.is_some(), !away, "{validators:?}");
        let seat_map = &answer["data"]["_entities"][0]["seatMap"];
        assert_eq!(seat_map["degraded"], away, "{answer}");
        assert_eq!(answer.get("extensions").cloned().unwrap_or_default(), said);
        // The first hold is Redis's, and not known now.
        assert_eq!(seat_map["states"], if away { "AHAA" } else { "HAAA" });
    }
}
