//! The client of the provider: what it sends, when it tries again, when it gives up.

use std::sync::Arc;
use std::time::Duration;

use booking::config::PaymentsConfig;
use booking::domain::payment::IntentStatus;
use booking::payments::{IntentOrder, PaymentProvider as _, ProviderError, Stripe};
use kernel::{BookingId, Currency, IdSource as _, Money, ShowId, SystemIds};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, timeout};
use wiremock::matchers::{any, body_string, header, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

fn client(server: &MockServer, adjust: impl FnOnce(&mut PaymentsConfig)) -> Stripe {
    let mut config =
        PaymentsConfig { api_base: server.uri(), secret_key: "sk_test".into(), ..PaymentsConfig::default() };
    adjust(&mut config);
    Stripe::new(&config, Arc::new(SystemIds)).unwrap()
}

fn order() -> IntentOrder {
    let show = ShowId::from_uuid(SystemIds.uuid());
    IntentOrder {
        booking: BookingId::new(show, 7),
        amount: Money::new(2_400, Currency::EUR),
        description: "Booking K7MPQ2X".into(),
    }
}

fn intent() -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(json!({
        "id": "pi_1", "client_secret": "pi_1_secret", "status": "requires_payment_method",
        "amount": 2400, "currency": "eur",
    }))
}

fn error(status: u16, code: &str) -> ResponseTemplate {
    let kind = if status == 402 { "card_error" } else { "invalid_request_error" };
    ResponseTemplate::new(status).set_body_json(json!({ "error": { "type": kind, "code": code } }))
}

async fn attempts(server: &MockServer) -> usize {
    server.received_requests().await.unwrap().len()
}

#[tokio::test]
async fn an_intent_is_asked_for_in_the_providers_words() {
    let server = MockServer::start().await;
    let order = order();
    Mock::given(method("POST"))
        .and(path("/v1/payment_intents"))
        .and(header("authorization", "Bearer sk_test"))
        .and(header("idempotency-key", order.booking.to_string()))
        .and(header("content-type", "application/x-www-form-urlencoded"))
        .and(body_string(format!(
            "amount=2400&currency=eur&automatic_payment_methods%5Benabled%5D=true\
             &description=Booking+K7MPQ2X&metadata%5Bbooking_id%5D={}",
            order.booking
        )))
        .respond_with(intent())
        .expect(1)
        .mount(&server)
        .await;
    let intent = client(&server, |_| {}).intent_create(&order).await.unwrap();
    assert_eq!((intent.id.as_str(), intent.status), ("pi_1", IntentStatus::RequiresPayment));
    assert_eq!((intent.client_secret.as_deref(), intent.amount), (Some("pi_1_secret"), order.amount));
}

#[tokio::test]
async fn trouble_is_tried_again_with_the_same_key() {
    let server = MockServer::start().await;
    for status in [503, 429] {
        Mock::given(any())
            .respond_with(ResponseTemplate::new(status))
            .up_to_n_times(1)
            .with_priority(1)
            .mount(&server)
            .await;
    }
    Mock::given(any()).respond_with(intent()).mount(&server).await;
    client(&server, |_| {}).intent_create(&order()).await.unwrap();
    let requests = server.received_requests().await.unwrap();
    assert_eq!(requests.len(), 3);
    assert!(
        requests
            .windows(2)
            .all(|pair| pair[0].headers["idempotency-key"] == pair[1].headers["idempotency-key"])
    );
}

#[tokio::test]
async fn a_refusal_is_not_tried_again() {
    let server = MockServer::start().await;
    let client = client(&server, |_| {});
    let refused = async |answer| {
        server.reset().await;
        Mock::given(any()).respond_with(answer).mount(&server).await;
        let refused = client.intent_create(&order()).await.unwrap_err();
        assert_eq!(attempts(&server).await, 1);
        refused
    };
    let declined = refused(error(402, "card_declined")).await;
    assert!(matches!(&declined, ProviderError::Declined { code } if code == "card_declined"), "{declined}");
    let invalid = refused(error(400, "amount_too_small")).await;
    assert!(
        matches!(&invalid, ProviderError::Invalid { status: 400, code } if code == "amount_too_small"),
        "{invalid}"
    );
    let unreadable = refused(ResponseTemplate::new(404).set_body_string("<html>")).await;
    assert!(matches!(unreadable, ProviderError::Invalid { status: 404, .. }), "{unreadable}");
}

#[tokio::test]
async fn silence_ends_in_time() {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(intent().set_delay(Duration::from_secs(60))).mount(&server).await;
    let client = client(&server, |config| config.timeout_ms = 100);
    let begun = Instant::now();
    let error = client.intent_create(&order()).await.unwrap_err();
    assert!(error.is_unavailable(), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(5));
}

/// Reads a request as far as the last field of its form: its idempotency key.
async fn key_of(connection: &mut TcpStream) -> String {
    let mut request = String::new();
    while !request.contains("booking_id%5D=booking_") {
        let mut part = [0; 4_096];
        let length = connection.read(&mut part).await.unwrap();
        assert!(length > 0, "{request}");
        request.push_str(std::str::from_utf8(&part[..length]).unwrap());
    }
    let key = request.lines().find_map(|line| line.strip_prefix("idempotency-key: "));
    key.unwrap().to_owned()
}

#[tokio::test]
async fn an_attempt_that_hangs_leaves_time_for_the_next() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let config = PaymentsConfig {
        api_base: format!("http://{address}"),
        secret_key: "sk_test".into(),
        ..PaymentsConfig::default()
    };
    let client = Stripe::new(&config, Arc::new(SystemIds)).unwrap();
    // It makes the intent and says nothing; of the next one it says which intent that key has.
    let provider = async {
        let (mut silent, _) = listener.accept().await.unwrap();
        let first = key_of(&mut silent).await;
        let (mut connection, _) = listener.accept().await.unwrap();
        assert_eq!(key_of(&mut connection).await, first);
        let body = r#"{"id":"pi_1","status":"requires_payment_method","amount":2400,"currency":"eur"}"#;
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        connection.write_all(answer.as_bytes()).await.unwrap();
    };
    let begun = Instant::now();
    let order = order();
    let (intent, ()) = tokio::join!(client.intent_create(&order), provider);
    assert_eq!(intent.unwrap().id, "pi_1");
    assert!(begun.elapsed() < config.timeout());
}

#[tokio::test]
async fn calls_that_are_given_up_are_trouble() {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(intent().set_delay(Duration::from_secs(60))).mount(&server).await;
    let client = client(&server, |config| {
        config.breaker_failures = 2;
        config.breaker_open_ms = 600_000;
    });
    for _ in 0..2 {
        assert!(timeout(Duration::from_millis(50), client.intent_create(&order())).await.is_err());
    }
    let refused = client.intent_create(&order()).await.unwrap_err();
    assert!(refused.to_string().contains("circuit is open"), "{refused}");
}

#[tokio::test]
async fn after_repeated_trouble_the_provider_is_left_alone() {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(ResponseTemplate::new(500)).mount(&server).await;
    let client = client(&server, |config| {
        config.max_attempts = 1;
        config.breaker_failures = 2;
        config.breaker_open_ms = 600_000;
    });
    for _ in 0..4 {
        assert!(client.intent_create(&order()).await.unwrap_err().is_unavailable());
    }
    assert_eq!(attempts(&server).await, 2);
}

#[tokio::test]
async fn nobody_there_is_unavailable() {
    let server = MockServer::start().await;
    let client = client(&server, |config| config.api_base = "http://127.0.0.1:1".into());
    assert!(client.intent_create(&order()).await.unwrap_err().is_unavailable());
}
