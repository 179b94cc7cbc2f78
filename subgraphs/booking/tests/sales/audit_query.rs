//! The audit trail, read through GraphQL.

use kernel::seating::seat_id;
use kernel::{ScreenId, ShowId};
use serde_json::{Value, json};

use crate::support::World;

const TRAIL: &str = "query($show: ID, $booking: ID, $seat: ID, $first: Int, $after: String) {
    auditTrail(showId: $show, bookingId: $booking, seatId: $seat, first: $first, after: $after) {
        nodes {
            time entity entityId bookingId from to reason traceId
            seats { id label } actor { kind id }
        }
        totalCount pageInfo { endCursor hasNextPage }
    }
}";

async fn trail(world: &World, role: &str, variables: Value) -> Value {
    world.post_as(Some(world.person()), &[role], TRAIL, variables).await
}

fn code(answer: &Value) -> &str {
    answer["errors"][0]["extensions"]["code"].as_str().unwrap_or_else(|| panic!("{answer}"))
}

#[tokio::test]
async fn managers_and_admins_read_it_and_nobody_else() {
    let world = World::new().await;
    let user = world.person();
    let (booking, _) = world.pending(user, &[0, 9]).await;
    let asked = json!({ "booking": booking.id.to_string() });
    for role in ["CUSTOMER", "STAFF", "PARTNER"] {
        assert_eq!(code(&trail(&world, role, asked.clone()).await), "FORBIDDEN");
    }
    let buyer = world.post(Some(user), TRAIL, asked.clone()).await;
    assert_eq!(code(&buyer), "FORBIDDEN", "not even the buyer");
    assert_eq!(code(&world.post(None, TRAIL, asked.clone()).await), "UNAUTHENTICATED");
    for role in ["MANAGER", "ADMIN"] {
        let answer = trail(&world, role, asked.clone()).await;
        assert_eq!(answer.get("errors"), None, "{answer}");
        let page = &answer["data"]["auditTrail"];
        assert_eq!(page["totalCount"], 2);
        let mut first = page["nodes"][1].clone();
        assert!(first["time"].take().is_string());
        let screen = world.show.screen_id;
        let expected = json!({
            "time": null, "entity": "BOOKING", "entityId": booking.id.to_string(),
            "bookingId": booking.id.to_string(), "from": null, "to": "PENDING_PAYMENT",
            "reason": "CHECKOUT", "traceId": null,
            "seats": [
                { "id": seat_id(screen, 0).to_string(), "label": "A1" },
                { "id": seat_id(screen, 9).to_string(), "label": "B2" },
            ],
            "actor": { "kind": "USER", "id": user.to_string() },
        });
        assert_eq!(first, expected);
        assert_eq!(page["nodes"][0]["entity"], "PAYMENT", "newest first");
    }
}

#[tokio::test]
async fn page_by_page_and_seat_by_seat() {
    let world = World::new().await;
    for seat in 0..3 {
        world.pending(world.person(), &[seat]).await;
    }
    let show = world.show_id().to_string();
    let mut seen = Vec::new();
    let mut after = Value::Null;
    loop {
        let asked = json!({ "show": show, "first": 4, "after": after });
        let answer = trail(&world, "ADMIN", asked).await;
        let page = &answer["data"]["auditTrail"];
        assert_eq!(page["totalCount"], 6, "{answer}");
        seen.extend(page["nodes"].as_array().unwrap().iter().map(|node| node["entityId"].clone()));
        if page["pageInfo"]["hasNextPage"] == false {
            break;
        }
        after = page["pageInfo"]["endCursor"].clone();
    }
    let stored: Vec<Value> =
        world.audit(None).await.iter().rev().map(|entry| json!(entry.entry.change.id())).collect();
    assert_eq!(seen, stored);

    let seat = seat_id(world.show.screen_id, 1).to_string();
    let answer = trail(&world, "ADMIN", json!({ "show": show, "seat": seat })).await;
    let page = &answer["data"]["auditTrail"];
    assert_eq!((&page["totalCount"], &page["nodes"][0]["seats"][0]["label"]), (&json!(1), &json!("A2")));
}

#[tokio::test]
async fn what_makes_no_sense_is_refused() {
    let world = World::new().await;
    let (booking, _) = world.pending(world.person(), &[1]).await;
    let (show, booking) = (world.show_id().to_string(), booking.id.to_string());
    let other_show = ShowId::from_uuid(uuid::Uuid::from_u128(9)).to_string();
    let other_screen = ScreenId::from_uuid(kernel::seating::screen_uuid(uuid::Uuid::from_u128(9)));
    let other_screen = seat_id(other_screen, 1).to_string();
    let too_far = seat_id(world.show.screen_id, 16).to_string();
    for asked in [
        json!({}),
        json!({ "seat": seat_id(world.show.screen_id, 1).to_string() }),
        json!({ "show": "show_x" }),
        json!({ "show": other_show, "booking": booking }),
        json!({ "show": show, "seat": other_screen }),
        json!({ "show": show, "seat": too_far }),
        json!({ "show": show, "first": 101 }),
        json!({ "show": show, "after": "nonsense" }),
    ] {
        assert_eq!(code(&trail(&world, "ADMIN", asked.clone()).await), "BAD_USER_INPUT", "{asked}");
    }
    let unknown = trail(&world, "ADMIN", json!({ "show": other_show })).await;
    assert_eq!(unknown["data"]["auditTrail"]["totalCount"], 0, "{unknown}");
}
