//! A partner's programs sell seats with an API key, within what they were given, and nothing else.

use client::{Client, Reply};
use kernel::{Clock as _, SystemClock};
use reqwest::StatusCode;
use serde_json::{Value, json};
use tests::{
    Customer, Stack, StackBuilder, eventually, http,
    people::{PASSWORD, mutate},
};

/// An account that has to do with keys, logged in after it was granted the role.
async fn partner(stack: &Stack) -> Customer {
    let person = stack.customer("Partner").await;
    stack.command(&["user", "grant", &person.email, "partner"]).expect("granted");
    let input = json!({ "email": person.email, "password": PASSWORD });
    let session = mutate(&person.client, "LogIn", "logIn", input).await.ok();
    let token = session["session"]["accessToken"].as_str().expect("a token");
    Customer { client: person.client.with_token(token), ..person }
}

/// A new key, as an operator makes it at a terminal.
fn key(stack: &Stack, partner: &Customer, scopes: &str) -> String {
    let account = ["keys", "create", "--account", &partner.email, "--name", "Kiosk", "--scopes", scopes];
    let limits = ["--rate", "600", "--quota", "1000", "--seats-per-show", "3", "--expires", "30d"];
    let said = stack.command(&[&account[..], &limits[..]].concat()).expect("a key");
    said.lines().last().expect("the key").to_owned()
}

/// The partner's program, which has nothing but the key.
fn program(stack: &Stack, partner: &Customer, token: &str) -> Customer {
    Customer { client: stack.visitor().with_token(token), ..partner.clone() }
}

async fn code(client: &Client, document: &str) -> String {
    let reply: Reply = client.execute(document, json!({})).await.expect("an answer");
    reply.error_code().unwrap_or_default().to_owned()
}

/// Asks for a token at the gateway.
async fn token(stack: &Stack, form: &[(&str, &str)]) -> (StatusCode, Value) {
    let url = stack.graphql().replace("/graphql", "/oauth/token");
    let answer = http::client().post(url).form(form).send().await.expect("an answer");
    (answer.status(), answer.json().await.expect("JSON"))
}

#[tokio::test]
async fn a_key_sells_seats_within_its_allotment_and_its_use_is_counted() {
    let stack = StackBuilder::new()
        .set("gateway.rate_limits.enabled", true)
        .set("user.api_keys.keep_usage_every_ms", 200)
        .start()
        .await;
    let show = stack.show().await;
    let partner = partner(&stack).await;
    let key = key(&stack, &partner, "catalog:read,seats:watch,holds:write,bookings:write");
    let kiosk = program(&stack, &partner, &key);

    let booking = kiosk.buy(&stack, &show, &show.pick([0, 1])).await;
    assert_eq!(booking["seats"].as_array().map(Vec::len), Some(2), "{booking}");
    kiosk.hold(&show, &show.pick([2, 3])).await.refused("LimitExceededError");
    kiosk.hold(&show, &show.pick([4])).await.ok();
    // It is the account's booking.
    assert_eq!(partner.booking(booking["id"].as_str().expect("an id")).await["status"], "CONFIRMED");

    for document in [
        "{ me { email } }",
        "{ apiKeys { totalCount } }",
        "mutation { updateProfile(input: { name: \"Eve\" }) { userErrors { code } } }",
        "mutation { logOutEverywhere { userErrors { code } } }",
    ] {
        assert_eq!(code(&kiosk.client, document).await, "FORBIDDEN", "{document}");
    }

    let today = SystemClock.now().date_naive();
    let usage = "query($day: Date!) { apiKeys { nodes { lastUsedAt status
        usage(from: $day, to: $day) { operations classes { class operations } } } } }";
    eventually("the use is counted", async || {
        let reply = partner.client.execute(usage, json!({ "day": today })).await.expect("an answer");
        let key = reply.ok().expect("no errors")["apiKeys"]["nodes"][0].take();
        assert!(key["lastUsedAt"].is_string() && key["status"] == "ACTIVE", "{key}");
        let of = |class: &str| {
            let classes = key["usage"][0]["classes"].as_array()?;
            classes.iter().find(|of| of["class"] == class)?["operations"].as_i64()
        };
        (of("hold")? == 3 && of("payment")? == 1).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_key_is_exchanged_for_a_token_until_it_is_revoked() {
    let stack = Stack::start().await;
    let show = stack.show().await;
    let partner = partner(&stack).await;
    let key = key(&stack, &partner, "catalog:read,holds:write");
    let (prefix, _) = key.split_at(29);
    let form = [("grant_type", "client_credentials"), ("client_id", prefix), ("client_secret", &*key)];

    let (status, answer) = token(&stack, &form).await;
    assert_eq!((status, &answer["token_type"]), (StatusCode::OK, &json!("Bearer")), "{answer}");
    let kiosk = program(&stack, &partner, answer["access_token"].as_str().expect("a token"));
    let hold = kiosk.hold(&show, &show.pick([0])).await.ok();
    let checkout = json!({ "input": { "holdId": hold["hold"]["id"], "idempotencyKey": "k" } });
    let refused = kiosk.client.call("Checkout", checkout).await.expect("an answer");
    assert_eq!(refused.error_code(), Some("FORBIDDEN"), "the key has not bookings:write");

    let less = [&form[..], &[("scope", "catalog:read")]].concat();
    let (_, answer) = token(&stack, &less).await;
    assert_eq!(answer["scope"], "catalog:read");
    let reader = program(&stack, &partner, answer["access_token"].as_str().expect("a token"));
    let release = json!({ "input": { "holdId": hold["hold"]["id"] } });
    let refused = reader.client.call("ReleaseHold", release).await.expect("an answer");
    assert_eq!(refused.error_code(), Some("FORBIDDEN"), "this token is for reading");

    let listed = stack.command(&["keys", "list", "--account", &partner.email]).expect("a list");
    assert!(listed.contains(prefix) && listed.contains(" active ") && !listed.contains(&key), "{listed}");
    stack.command(&["keys", "revoke", prefix]).expect("revoked");
    let (status, answer) = token(&stack, &form).await;
    assert_eq!((status, &answer["error"]), (StatusCode::UNAUTHORIZED, &json!("invalid_client")));
    assert!(stack.command(&["keys", "list"]).expect("a list").contains(" revoked "));
    let more = [&form[..], &[("scope", "account")]].concat();
    assert_eq!(token(&stack, &more).await.0, StatusCode::UNAUTHORIZED);
}
