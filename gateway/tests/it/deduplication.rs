//! What callers share, and what they never do.

use crate::harness::{Gateway, answer, until};

#[tokio::test]
async fn equal_queries_of_one_caller_are_executed_once() {
    let gateway = Gateway::start().await;
    let ask = || tokio::spawn(answer(gateway.post("{ slow }").bearer_auth("t1")));
    let first = ask();
    until(|| gateway.booking.slow_begun() == 1).await;
    let second = ask();
    // The second is known to have joined when a later one with another token has got through.
    let other = tokio::spawn(answer(gateway.post("{ slow }").bearer_auth("t2")));
    until(|| gateway.booking.slow_begun() == 2).await;
    gateway.booking.slow_may_end.add_permits(3);
    assert_eq!(other.await.unwrap()["data"]["slow"], "Bearer t2");
    assert_eq!(first.await.unwrap()["data"]["slow"], "Bearer t1");
    assert_eq!(second.await.unwrap()["data"]["slow"], "Bearer t1");
}

#[tokio::test]
async fn callers_never_share_an_answer() {
    let gateway = Gateway::start().await;
    let mut answers = Vec::new();
    for caller in 0..8 {
        let token = format!("t{caller}");
        answers.push((token.clone(), tokio::spawn(answer(gateway.post("{ slow }").bearer_auth(token)))));
    }
    let anonymous = tokio::spawn(answer(gateway.post("{ slow }")));
    until(|| gateway.booking.slow_begun() == 9).await;
    gateway.booking.slow_may_end.add_permits(9);
    for (token, answer) in answers {
        assert_eq!(answer.await.unwrap()["data"]["slow"], format!("Bearer {token}"));
    }
    assert!(anonymous.await.unwrap()["data"]["slow"].is_null());
}

#[tokio::test]
async fn a_header_that_cannot_be_compared_is_not_forwarded() {
    let gateway = Gateway::start().await;
    let strange = reqwest::header::HeaderValue::from_bytes(b"Bearer \xff").unwrap();
    let request = gateway.post("{ whoami }").header("authorization", strange);
    assert!(answer(request).await["data"]["whoami"].is_null());
    let twice = gateway.post("{ whoami }").header("authorization", "a").header("authorization", "b");
    assert!(answer(twice).await["data"]["whoami"].is_null());
}

#[tokio::test]
async fn languages_are_told_apart() {
    let gateway = Gateway::start().await;
    for language in ["de", "fr"] {
        let request = gateway.post("{ locale }").header("accept-language", language);
        assert_eq!(answer(request).await["data"]["locale"], language);
    }
}

#[tokio::test]
async fn mutations_are_never_shared() {
    let gateway = Gateway::start().await;
    let ask = || tokio::spawn(answer(gateway.post("mutation { slowly }").bearer_auth("t1")));
    let both = [ask(), ask()];
    until(|| gateway.booking.slow_begun() == 2).await;
    gateway.booking.slow_may_end.add_permits(2);
    for answer in both {
        assert_eq!(answer.await.unwrap()["data"]["slowly"], "Bearer t1");
    }
}
