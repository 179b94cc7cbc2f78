//! Holds end by themselves.

use tests::{Stack, StackBuilder, eventually};

#[tokio::test]
async fn a_hold_lapses_with_no_job_running() {
    let roles = ["gateway", "catalog", "booking", "user"];
    let stack = StackBuilder::new().roles(&roles).set("booking.holds.ttl_seconds", 2).start().await;
    let show = stack.seeded_show().await;
    let (ada, bob) = (stack.customer("Ada").await, stack.customer("Bob").await);
    let seats = show.pick([0, 1]);
    let hold = ada.hold(&show, &seats).await.ok();
    bob.hold(&show, &seats).await.refused("SeatsUnavailableError");

    let bobs = eventually("Bob gets the seats", async || {
        let payload = bob.hold(&show, &seats).await;
        Some(payload).filter(|payload| !payload.0["hold"].is_null())
    })
    .await
    .ok();
    assert_eq!(bobs["hold"]["seats"].as_array().map(Vec::len), Some(2));

    // What Ada had is worth nothing any more.
    assert!(ada.checkout(&hold).await.0["booking"].is_null());
    assert!(ada.extend(&hold).await.0["hold"].is_null());
    let (_, _, states) = stack.seat_states(&show).await;
    assert_eq!(&states[..2], "HH");
}

#[tokio::test]
async fn everybody_sees_a_hold_lapse() {
    let stack = StackBuilder::new().set("booking.holds.ttl_seconds", 2).start().await;
    let show = stack.show().await;
    let (ada, bob) = (stack.customer("Ada").await, stack.customer("Bob").await);
    let mut map = stack.watch(&bob.client, &show).await;
    ada.hold(&show, &show.pick([3, 4])).await.ok();
    map.until("held seats", |map| map.state(3) == 'H' && map.state(4) == 'H').await;
    // Nobody asks for anything now: the sweeper alone makes the lapse visible.
    map.until("free seats", |map| map.state(3) == 'A' && map.state(4) == 'A').await;
    assert_eq!(map.map(), stack.seat_states(&show).await);
}

#[tokio::test]
async fn only_the_owner_extends_and_releases() {
    let stack = Stack::start().await;
    let show = stack.show().await;
    let (ada, bob) = (stack.customer("Ada").await, stack.customer("Bob").await);
    let hold = ada.hold(&show, &show.pick([0])).await.ok();

    assert_eq!(bob.extend(&hold).await.refused("NotFoundError")["code"], "NOT_FOUND");
    assert_eq!(bob.release(&hold).await.refused("NotFoundError")["code"], "NOT_FOUND");
    bob.checkout(&hold).await.refused("NotFoundError");
    let (_, _, states) = stack.seat_states(&show).await;
    assert_eq!(&states[..1], "H");

    let extended = ada.extend(&hold).await.ok();
    assert!(extended["hold"]["expiresAt"].as_str() >= hold["hold"]["expiresAt"].as_str());
    assert_eq!(ada.release(&hold).await.ok()["released"], true);
    let (_, _, states) = stack.seat_states(&show).await;
    assert_eq!(&states[..1], "A");
    // A repeat finds nothing to release, and says so without an accident.
    ada.release(&hold).await;
    bob.hold(&show, &show.pick([0])).await.ok();
}

#[tokio::test]
async fn the_same_request_holds_once() {
    let stack = Stack::start().await;
    let show = stack.show().await;
    let ada = stack.customer("Ada").await;
    let first = ada.hold_with(&show, &show.pick([0, 1]), "key-1").await.ok();
    let again = ada.hold_with(&show, &show.pick([0, 1]), "key-1").await.ok();
    assert_eq!(first["hold"]["id"], again["hold"]["id"]);
    let other = ada.hold_with(&show, &show.pick([2, 3]), "key-1").await;
    assert_eq!(other.code(), "IDEMPOTENCY_KEY_REUSED");
    let (_, _, states) = stack.seat_states(&show).await;
    assert_eq!(&states[..4], "HHAA");
}
