//! Seat maps are kept, and nobody can tell, but by how fast they come.

use client::{Client, Reply};
use serde_json::{Value, json};
use tests::{Customer, Show, Stack, StackBuilder, eventually};

/// The states of the first seats, as somebody sees them.
async fn look(client: &Client, show: &Show) -> String {
    let answer = client.call("SeatStates", json!({ "showId": show.id })).await.and_then(Reply::ok);
    let map = answer.expect("a seat map")["show"]["seatMap"].take();
    map["states"].as_str().expect("states")[..4].to_owned()
}

/// How many answers the gateway has given that were there.
async fn hits(stack: &Stack) -> f64 {
    let labels = [("cache", "gateway.answers"), ("result", "hit")];
    stack.metrics("gateway").await.sum("cache_requests_total", &labels).unwrap_or_default()
}

#[tokio::test]
async fn everybody_sees_each_change_in_the_very_next_map() {
    let stack = Stack::start().await;
    let show = stack.show().await;
    let people = [stack.customer("Ada").await, stack.customer("Bob").await];
    let [ada, bob] = &people;
    let visitor = stack.visitor();
    let all = async |states: &str| {
        for client in [&bob.client, &visitor, &ada.client] {
            assert_eq!(look(client, &show).await, states);
        }
    };
    // The news of the new show may come meanwhile, and drops what was kept before.
    eventually("what has not changed is there", async || {
        let before = hits(&stack).await;
        all("AAAA").await;
        (hits(&stack).await >= before + 3.0).then_some(())
    })
    .await;

    for _ in 0..5 {
        let hold = ada.hold(&show, &show.pick([1, 2])).await.ok();
        all("AHHA").await;
        ada.release(&hold).await.ok();
        all("AAAA").await;
    }
    let booking = ada.buy(&stack, &show, &show.pick([0])).await;
    eventually("Ada's seat is sold", async || (look(&visitor, &show).await == "SAAA").then_some(())).await;
    all("SAAA").await;
    let id = booking["id"].as_str().expect("an id");
    ada.cancel(id).await.ok();
    eventually("Ada's seat is free", async || (look(&visitor, &show).await == "AAAA").then_some(())).await;
    all("AAAA").await;

    // Called off: nobody can have anything, whatever was kept.
    let mutation =
        "mutation($input: CancelShowInput!) { cancelShow(input: $input) { userErrors { message } } }";
    let input = json!({ "input": { "showId": show.id, "reason": "no projector" } });
    let cancelled = stack.manager().await.client.execute(mutation, input).await.and_then(Reply::ok);
    assert_eq!(cancelled.expect("a payload")["cancelShow"]["userErrors"], json!([]));
    eventually("the seats are blocked", async || (look(&visitor, &show).await == "BBBB").then_some(())).await;
    all("BBBB").await;
}

/// No job runs, and nobody reads: the deadline alone frees the seats.
#[tokio::test]
async fn a_hold_that_has_lapsed_is_in_no_map() {
    let roles = ["gateway", "catalog", "booking", "user"];
    let stack = StackBuilder::new().roles(&roles).set("booking.holds.ttl_seconds", 3).start().await;
    let show = stack.seeded_show().await;
    let (ada, visitor) = (stack.customer("Ada").await, stack.visitor());
    ada.hold(&show, &show.pick([1, 2])).await.ok();
    for _ in 0..2 {
        assert_eq!(look(&visitor, &show).await, "AHHA");
    }
    eventually("the seats are free", async || (look(&visitor, &show).await == "AAAA").then_some(())).await;
}

/// Two questions about one show, and one about seats and something personal.
#[tokio::test]
async fn what_is_asked_beside_seats_is_as_new_as_ever() {
    let stack = Stack::start().await;
    let show = stack.show().await;
    let (ada, bob) = (stack.customer("Ada").await, stack.customer("Bob").await);
    let beside = async |who: &Customer| -> Value {
        let query = "query($id: ID!) { me { email } show(id: $id) { seatMap { states } } }";
        let answer = who.client.execute(query, json!({ "id": show.id })).await.and_then(Reply::ok);
        answer.expect("an answer")
    };
    let whole = async || -> Value {
        let answer = stack.visitor().call("SeatMap", json!({ "showId": show.id })).await.and_then(Reply::ok);
        answer.expect("a seat map")["show"]["seatMap"].take()
    };
    for _ in 0..2 {
        let hold = ada.hold(&show, &show.pick([3])).await.ok();
        for (who, states) in [(&ada, "AAAH"), (&bob, "AAAH")] {
            let answer = beside(who).await;
            assert_eq!(answer["me"]["email"], who.email.as_str());
            assert_eq!(&answer["show"]["seatMap"]["states"].as_str().expect("states")[..4], states);
        }
        let map = whole().await;
        assert_eq!(&map["states"].as_str().expect("states")[..4], "AAAH");
        assert!(map["prices"].as_array().is_some_and(|prices| !prices.is_empty()));
        assert_eq!(look(&bob.client, &show).await, "AAAH");
        ada.release(&hold).await.ok();
        assert_eq!(&whole().await["states"].as_str().expect("states")[..4], "AAAA");
        assert_eq!(look(&bob.client, &show).await, "AAAA");
    }
}
