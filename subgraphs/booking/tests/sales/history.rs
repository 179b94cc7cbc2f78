//! The bookings of a user.

use kernel::UserId;
use serde_json::{Value, json};

use crate::support::World;

const BOOKINGS: &str = "query($user: [_Any!]!, $first: Int!, $after: String, $status: BookingStatus) {
    _entities(representations: $user) { ... on User {
        bookings(first: $first, after: $after, status: $status) {
            nodes { id reference status } totalCount pageInfo { endCursor hasNextPage }
        }
    } }
}";

async fn bookings(world: &World, caller: UserId, of: UserId, mut variables: Value) -> Value {
    variables["user"] = json!([{ "__typename": "User", "id": of.to_string() }]);
    let mut answer = world.post(Some(caller), BOOKINGS, variables).await;
    assert_eq!(answer.get("errors"), None);
    answer["data"]["_entities"][0]["bookings"].take()
}

#[tokio::test]
async fn newest_first_page_by_page_and_by_state() {
    let world = World::new().await;
    let user = world.person();
    let mut ids = Vec::new();
    for seat in 0..3 {
        let (booking, _) = world.confirmed(user, &[seat]).await;
        ids.insert(0, booking.id.to_string());
        world.advance(chrono::TimeDelta::seconds(1)).await;
    }
    world.confirmed(world.person(), &[7]).await;
    let page = bookings(&world, user, user, json!({ "first": 2 })).await;
    assert_eq!(page["totalCount"], 3);
    assert_eq!([&page["nodes"][0]["id"], &page["nodes"][1]["id"]], [&ids[0], &ids[1]]);
    assert_eq!(page["pageInfo"]["hasNextPage"], true);
    let after = page["pageInfo"]["endCursor"].clone();
    let rest = bookings(&world, user, user, json!({ "first": 2, "after": after })).await;
    assert_eq!(rest["nodes"].as_array().unwrap().len(), 1);
    assert_eq!((&rest["nodes"][0]["id"], &rest["pageInfo"]["hasNextPage"]), (&json!(ids[2]), &json!(false)));

    world.cancel(user, ids[1].parse().unwrap(), "c").await.unwrap();
    world.deliver().await;
    let refunded = bookings(&world, user, user, json!({ "first": 10, "status": "REFUNDED" })).await;
    assert_eq!((&refunded["totalCount"], &refunded["nodes"][0]["id"]), (&json!(1), &json!(ids[1])));
}

#[tokio::test]
async fn nobody_reads_the_history_of_another_but_staff() {
    let world = World::new().await;
    let user = world.person();
    world.confirmed(user, &[1]).await;
    assert_eq!(bookings(&world, world.person(), user, json!({ "first": 10 })).await, json!(null));
    let variables = json!({ "first": 10, "user": [{ "__typename": "User", "id": user.to_string() }] });
    let staff = world.post_as(Some(world.person()), &["STAFF"], BOOKINGS, variables).await;
    assert_eq!(staff["data"]["_entities"][0]["bookings"]["totalCount"], 1);
}

#[tokio::test]
async fn the_order_of_events_does_not_matter() {
    let world = World::new().await;
    let user = world.person();
    let (booking, payment) = world.pending(user, &[1]).await;
    let pending = world.take_events().await;
    world.webhook(&world.provider.pay(&payment.intent)).await;
    world.deliver().await;
    for event in pending {
        world.hand(&event).await.unwrap();
    }
    let page = bookings(&world, user, user, json!({ "first": 10, "status": "CONFIRMED" })).await;
    assert_eq!(page["nodes"][0]["id"], booking.id.to_string());
}
