//! Signing up, logging in, and sessions that end.

use serde_json::{Value, json};
use tests::{
    Payload, Stack,
    people::{PASSWORD, mutate},
};

const REFRESH: &str = "mutation Refresh($input: RefreshSessionInput!) {
  refreshSession(input: $input) {
    session { accessToken refreshToken } userErrors { __typename message code path }
  }
}";

async fn refresh(stack: &Stack, token: &Value) -> Payload {
    let variables = json!({ "input": { "refreshToken": token } });
    let answer = stack.visitor().execute(REFRESH, variables).await.expect("an answer");
    Payload(answer.ok().expect("no errors")["refreshSession"].take())
}

#[tokio::test]
async fn a_stolen_refresh_token_ends_the_session() {
    let stack = Stack::start().await;
    let ada = stack.customer("Ada").await;
    let input = json!({ "email": ada.email, "password": PASSWORD });
    let first = mutate(&stack.visitor(), "LogIn", "logIn", input).await.ok();
    let second = refresh(&stack, &first["session"]["refreshToken"]).await.ok();
    assert_ne!(second["session"]["refreshToken"], first["session"]["refreshToken"]);

    // Whoever comes with the old one is a thief, or the owner after a theft: both are out.
    assert!(refresh(&stack, &first["session"]["refreshToken"]).await.0["session"].is_null());
    assert!(refresh(&stack, &second["session"]["refreshToken"]).await.0["session"].is_null());

    // Other sessions go on.
    let me = ada.client.call("Me", json!({})).await.expect("an answer").ok().expect("no errors");
    assert_eq!(me["me"]["email"], ada.email.as_str());
}

#[tokio::test]
async fn an_address_has_one_account_and_a_wrong_password_says_little() {
    let stack = Stack::start().await;
    let ada = stack.customer("Ada").await;
    let again = json!({ "email": ada.email.to_uppercase(), "password": PASSWORD, "name": "Ada" });
    assert_eq!(mutate(&stack.visitor(), "SignUp", "signUp", again).await.code(), "EMAIL_TAKEN");

    let mut messages = Vec::new();
    for email in [ada.email.as_str(), "nobody@example.org"] {
        let input = json!({ "email": email, "password": "not the password" });
        let payload = mutate(&stack.visitor(), "LogIn", "logIn", input).await;
        assert_eq!(payload.code(), "INVALID_CREDENTIALS");
        messages.push(payload.0["userErrors"].clone());
    }
    assert_eq!(messages[0], messages[1], "no hint which addresses have accounts");
}

#[tokio::test]
async fn without_a_token_nothing_private_works() {
    let stack = Stack::start().await;
    for client in [stack.visitor(), stack.visitor().with_token("not.a.token")] {
        let reply = client.call("Me", json!({})).await.expect("an answer");
        assert!(reply.data["me"].is_null());
        let input = json!({ "input": { "holdId": "hold_x" } });
        let reply = client.call("ReleaseHold", input).await.expect("an answer");
        assert_eq!(reply.error_code(), Some("UNAUTHENTICATED"), "{reply:?}");
    }
}
