//! One caller never sees what only another may see, however equal what they ask.

use serde_json::json;

use crate::{
    guarded::{Guarded, bearer, code},
    harness::{Events, answer, until},
};

#[tokio::test]
async fn who_comes_without_a_token_does_not_get_the_answer_of_who_has_one() {
    let gateway = Guarded::start().await;
    let token = gateway.issuer.person(1, &["CUSTOMER"], 60);
    let leader = tokio::spawn(answer(gateway.post("{ slow }").bearer_auth(&token)));
    until(|| gateway.booking.slow_begun() == 1).await;
    // The leader is still being answered, and these are answered at once.
    assert_eq!(code(&gateway.query("{ slow }").await), "UNAUTHENTICATED");
    assert_eq!(code(&gateway.ask("{ slow }", "nonsense").await), "UNAUTHENTICATED");
    let expired = gateway.issuer.person(1, &["CUSTOMER"], -1);
    assert_eq!(code(&gateway.ask("{ slow }", &expired).await), "UNAUTHENTICATED");
    let mut socket = gateway.socket(json!({})).await;
    assert_eq!(code(&socket.query("1", "{ slow }").await), "UNAUTHENTICATED");
    gateway.booking.slow_may_end.add_permits(1);
    assert_eq!(leader.await.unwrap()["data"]["slow"], format!("Bearer {token}"));
    assert_eq!(gateway.booking.slow_begun(), 1);
}

#[tokio::test]
async fn who_comes_after_a_refusal_is_not_refused() {
    let gateway = Guarded::start().await;
    let token = gateway.issuer.person(1, &["CUSTOMER"], 60);
    gateway.booking.slow_may_end.add_permits(20);
    let mut answers = Vec::new();
    for n in 0..40 {
        let request = gateway.post("{ slow }");
        let request = if n % 2 == 0 { request.bearer_auth(&token) } else { request };
        answers.push((n, tokio::spawn(answer(request))));
    }
    for (n, answer) in answers {
        let answer = answer.await.unwrap();
        match n % 2 {
            0 => assert_eq!(answer, json!({ "data": { "slow": format!("Bearer {token}") } })),
            _ => assert_eq!(code(&answer), "UNAUTHENTICATED"),
        }
    }
}

#[tokio::test]
async fn different_callers_have_their_own_answers_on_every_transport() {
    let gateway = Guarded::start().await;
    let tokens: Vec<_> = (1..5).map(|n| gateway.issuer.person(n, &["CUSTOMER"], 60)).collect();
    let mut answers = Vec::new();
    for token in &tokens {
        answers.push((token, tokio::spawn(answer(gateway.post("{ slow }").bearer_auth(token)))));
    }
    let mut sockets = Vec::new();
    for token in &tokens {
        let mut socket = gateway.socket(bearer(token)).await;
        socket.subscribe("1", "{ slow }").await;
        sockets.push((token, socket));
    }
    // A caller shares with nobody but themselves.
    until(|| gateway.booking.slow_begun() >= 4).await;
    gateway.booking.slow_may_end.add_permits(8);
    for (token, answer) in answers {
        assert_eq!(answer.await.unwrap()["data"]["slow"], format!("Bearer {token}"));
    }
    for (token, mut socket) in sockets {
        assert_eq!(socket.next("1").await["data"]["slow"], format!("Bearer {token}"));
    }
}

#[tokio::test]
async fn a_key_and_a_token_and_nothing_are_three_callers() {
    let gateway = Guarded::start().await;
    let limits = json!({ "rate_per_minute": 600, "daily_quota": 1000, "seats_per_show": 10 });
    let key = gateway.issuer.partner("catalog:read", limits.clone());
    let selling = gateway.issuer.partner("holds:write", limits);
    let token = gateway.issuer.person(1, &["CUSTOMER"], 60);
    let mut answers = Vec::new();
    for _ in 0..10 {
        let ask = |request| tokio::spawn(answer(request));
        answers.push((
            ask(gateway.post("{ whoami }")),
            ask(gateway.post("{ whoami }").bearer_auth(&token)),
            ask(gateway.post_with_key("{ whoami }", &key)),
            ask(gateway.post_with_key("{ whoami }", &selling)),
        ));
    }
    for (stranger, person, reading, selling) in answers {
        assert_eq!(code(&stranger.await.unwrap()), "UNAUTHENTICATED");
        assert_eq!(person.await.unwrap()["data"]["whoami"], format!("Bearer {token}"));
        assert_eq!(code(&reading.await.unwrap()), "FORBIDDEN");
        let seen = selling.await.unwrap()["data"]["whoami"].as_str().unwrap().to_owned();
        assert!(seen.starts_with("Bearer ey") && seen != format!("Bearer {token}"), "{seen}");
    }
}

#[tokio::test]
async fn private_subscriptions_are_shared_by_their_caller_alone() {
    let gateway = Guarded::start().await;
    let subscription = "subscription { bookingChanged(id: 1) { caller } }";
    let tokens = [1, 2].map(|n| gateway.issuer.person(n, &["CUSTOMER"], 60));
    let mut sockets = Vec::new();
    for token in [&tokens[0], &tokens[1], &tokens[0]] {
        let mut socket = gateway.socket(bearer(token)).await;
        socket.subscribe("1", subscription).await;
        sockets.push((token, socket));
    }
    let mut events = Events::of(gateway.post(subscription).bearer_auth(&tokens[1])).await;
    until(|| gateway.booking.subscriptions() == 2).await;
    let mut stranger = gateway.socket(json!({})).await;
    stranger.subscribe("1", subscription).await;
    assert_eq!(stranger.message().await["type"], "error");
    gateway.booking.send(1);
    for (token, socket) in &mut sockets {
        let caller = &socket.next("1").await["data"]["bookingChanged"]["caller"];
        assert_eq!(*caller, format!("Bearer {token}"));
    }
    let caller = &events.next().await.unwrap()["data"]["bookingChanged"]["caller"];
    assert_eq!(*caller, format!("Bearer {}", tokens[1]));
    assert_eq!(gateway.booking.subscriptions(), 2);
}

#[tokio::test]
async fn what_all_share_is_asked_for_nobody_in_particular() {
    let gateway = Guarded::start().await;
    let subscription = "subscription { seatMapChanged(showId: 1) { version caller } }";
    let token = gateway.issuer.person(1, &["CUSTOMER"], 60);
    let mut first = gateway.socket(bearer(&token)).await;
    first.subscribe("1", subscription).await;
    until(|| gateway.booking.subscriptions() == 1).await;
    let mut second = gateway.socket(json!({})).await;
    second.subscribe("1", subscription).await;
    second.query("2", "{ show(id: 1) { id } }").await;
    gateway.booking.send(3);
    for socket in [&mut first, &mut second] {
        let event = json!({ "data": { "seatMapChanged": { "version": 3, "caller": null } } });
        assert_eq!(socket.next("1").await, event);
    }
    assert_eq!(gateway.booking.subscriptions(), 1);
}
