//! What API keys may do: what their scopes say, within their allotment, and nothing else.

use booking::app::cancel::{CancelError, CancelRequest};
use booking::app::checkout::{CheckoutError, CheckoutRequest};
use booking::app::seats::HoldRefusal;
use futures::future::join_all;
use graphql_kit::{Grant, Identity, Scope};
use kernel::seating::seat_id;
use kernel::{ApiKeyId, HoldId, IdSource as _, SystemIds, UserId};
use serde_json::{Value, json};

use crate::support::{World, identity};

const HOLD: &str = "mutation($input: HoldSeatsInput!) {
    holdSeats(input: $input) { hold { id } userErrors { __typename message code } }
}";
const EXTEND: &str =
    "mutation($input: ExtendHoldInput!) { extendHold(input: $input) { hold { id } userErrors { code } } }";
const RELEASE: &str =
    "mutation($input: ReleaseHoldInput!) { releaseHold(input: $input) { released userErrors { code } } }";
const CHECKOUT: &str = "mutation($input: CheckoutInput!) {
    checkout(input: $input) { booking { id } payment { providerIntentId } userErrors { __typename message code } }
}";
const CANCEL: &str = "mutation($input: CancelBookingInput!) {
    cancelBooking(input: $input) { booking { status } userErrors { code } }
}";
const BOOKING: &str = "query($id: ID!) { booking(id: $id) { id status } }";
const TRAIL: &str = "query($show: ID) { auditTrail(showId: $show) { totalCount } }";
const MARK: &str =
    "mutation($input: SetShowChallengeInput!) { setShowChallenge(input: $input) { userErrors { code } } }";
const HISTORY: &str = "query($users: [_Any!]!) {
    _entities(representations: $users) { ... on User { bookings { nodes { id } } } }
}";

/// An API key of an account.
struct Key<'w> {
    world: &'w World,
    account: UserId,
    scope: &'static str,
    seats: u32,
}

impl Key<'_> {
    async fn post(&self, query: &str, variables: Value) -> Value {
        self.world.post_by_key(self.account, self.scope, self.seats, query, variables).await
    }

    /// The only field of what an operation with this input answers.
    async fn run(&self, query: &str, input: Value) -> Value {
        let answer = self.post(query, json!({ "input": input })).await;
        assert_eq!(answer.get("errors"), None, "{answer}");
        answer["data"].as_object().unwrap().values().next().unwrap().clone()
    }

    async fn hold(&self, seats: &[u16]) -> Value {
        let ids: Vec<String> =
            seats.iter().map(|seat| seat_id(self.world.show.screen_id, *seat).to_string()).collect();
        let key = SystemIds.uuid().to_string();
        let input = json!({ "showId": self.world.show_id(), "seatIds": ids, "idempotencyKey": key });
        self.run(HOLD, input).await
    }

    /// Holds and checks out; gives the checkout's payload.
    async fn book(&self, seats: &[u16]) -> Value {
        let held = self.hold(seats).await;
        let hold = held["hold"]["id"].as_str().unwrap_or_else(|| panic!("{held}"));
        self.run(CHECKOUT, json!({ "holdId": hold, "idempotencyKey": hold })).await
    }
}

fn code(answer: &Value) -> &str {
    answer["errors"][0]["extensions"]["code"].as_str().unwrap_or("")
}

/// The refusal in a payload is about the allotment of so many seats.
fn over_allotment(payload: &Value, seats: u32) {
    let error = &payload["userErrors"][0];
    assert_eq!(
        (&error["__typename"], &error["code"]),
        (&json!("LimitExceededError"), &json!("LIMIT_EXCEEDED")),
        "{payload}"
    );
    let words = format!("the allotment of this API key is {seats} seats of a show");
    assert!(error["message"].as_str().unwrap().contains(&words), "{payload}");
}

#[tokio::test]
async fn a_key_does_what_its_scopes_say_and_nothing_else() {
    let world = World::new().await;
    let account = world.person();
    let none = "00000000000000000000000000";
    let id = |kind: &str| format!("{kind}_{none}0000000000000");
    let hold = json!({ "showId": world.show_id(), "seatIds": [], "idempotencyKey": "k" });
    let operations = [
        (HOLD, json!({ "input": hold }), "holds:write"),
        (EXTEND, json!({ "input": { "holdId": id("hold") } }), "holds:write"),
        (RELEASE, json!({ "input": { "holdId": id("hold") } }), "holds:write"),
        (CHECKOUT, json!({ "input": { "holdId": id("hold"), "idempotencyKey": "k" } }), "bookings:write"),
        (CANCEL, json!({ "input": { "bookingId": id("booking"), "idempotencyKey": "k" } }), "bookings:write"),
        (BOOKING, json!({ "id": id("booking") }), "bookings:write"),
        (TRAIL, json!({ "show": world.show_id() }), "nobody"),
        (MARK, json!({ "input": { "showId": world.show_id(), "required": true } }), "nobody"),
    ];
    for scope in ["", "catalog:read seats:watch", "holds:write", "bookings:write", "account role:admin"] {
        let key = Key { world: &world, account, scope, seats: 4 };
        for (operation, variables, needed) in &operations {
            let answer = key.post(operation, variables.clone()).await;
            let expected = if scope.contains(needed) { "" } else { "FORBIDDEN" };
            assert_eq!(code(&answer), expected, "{scope}: {operation}: {answer}");
        }
    }
}

/// The same, whoever asks: resolvers are not the only ones who call.
#[tokio::test]
async fn the_use_cases_refuse_keys_without_the_scope() {
    let world = World::new().await;
    let user = world.person();
    let hold = world.hold(user, &[0]).await;
    let (booking, _) = world.pending(user, &[1]).await;
    let grant = Grant {
        key: ApiKeyId::from_uuid(SystemIds.uuid()),
        scopes: [Scope::CatalogRead].into(),
        rate_per_minute: 1,
        daily_quota: 1,
        seats_per_show: 10,
    };
    let who = Identity { grant: Some(grant), ..identity(user) };
    let show = world.app.seats.show_to_hold(world.show_id()).await.unwrap();
    let key = "k".to_owned();

    let held = world.app.hold_best(&who, &show, 1, None, "k").await;
    assert!(matches!(held, Err(HoldRefusal::Forbidden)), "{held:?}");
    let extended = world.app.hold_extend(&who, hold).await;
    assert!(matches!(extended, Err(HoldRefusal::Forbidden)), "{extended:?}");
    let released = world.app.hold_release(&who, hold).await;
    assert!(matches!(released, Err(HoldRefusal::Forbidden)), "{released:?}");
    let request =
        CheckoutRequest { who: who.clone(), hold, idempotency_key: key.clone(), accept_equivalent: false };
    let booked = world.app.checkout(&request).await;
    assert!(matches!(booked, Err(CheckoutError::Forbidden)), "{booked:?}");
    let request = CancelRequest { who: who.clone(), booking: booking.id, idempotency_key: key };
    let cancelled = world.app.booking_cancel(&request).await;
    assert!(matches!(cancelled, Err(CancelError::Forbidden)), "{cancelled:?}");
    assert!(world.app.booking_visible(&who, booking.id).await.unwrap().is_none());
    assert!(world.app.booking_watch(&who, booking.id).await.unwrap().is_none());
}

#[tokio::test]
async fn a_partner_books_for_its_account_and_sees_nobody_elses() {
    // So that there is something to extend.
    let world = World::with(|config| config.holds.ttl_seconds = 3_600).await;
    let key = Key { world: &world, account: world.person(), scope: "holds:write bookings:write", seats: 4 };
    let held = key.hold(&[0, 1]).await;
    let hold = held["hold"]["id"].as_str().unwrap();
    assert_eq!(key.run(EXTEND, json!({ "holdId": hold })).await["hold"]["id"], hold);
    let booked = key.run(CHECKOUT, json!({ "holdId": hold, "idempotencyKey": "k" })).await;
    let id = &booked["booking"]["id"];
    assert!(booked["payment"]["providerIntentId"].is_string(), "{booked}");
    let seen = key.post(BOOKING, json!({ "id": id })).await;
    assert_eq!(seen["data"]["booking"]["status"], "PENDING_PAYMENT");
    let history = json!({ "users": [{ "__typename": "User", "id": key.account }] });
    world.deliver().await;
    let entries = key.post(HISTORY, history.clone()).await;
    assert_eq!(entries["data"]["_entities"][0]["bookings"]["nodes"][0]["id"], *id, "{entries}");
    let reader = Key { scope: "catalog:read", ..key };
    let entries = reader.post(HISTORY, history).await;
    assert_eq!(entries["data"]["_entities"][0]["bookings"], json!(null), "{entries}");

    // Its token says ADMIN, which counts for nothing.
    let (others, _) = world.pending(world.person(), &[8]).await;
    let seen = key.post(BOOKING, json!({ "id": others.id.to_string() })).await;
    assert_eq!(seen["data"]["booking"], json!(null));
    let cancel = json!({ "bookingId": others.id.to_string(), "idempotencyKey": "c" });
    assert_eq!(key.run(CANCEL, cancel).await["userErrors"][0]["code"], "NOT_FOUND");

    let cancel = json!({ "bookingId": id, "idempotencyKey": "c" });
    assert_eq!(key.run(CANCEL, cancel).await["booking"]["status"], "CANCELLED");
}

#[tokio::test]
async fn held_pending_and_confirmed_seats_count_once_each() {
    let world = World::new().await;
    let key = Key { world: &world, account: world.person(), scope: "holds:write bookings:write", seats: 4 };
    let held = key.hold(&[0, 1]).await;
    over_allotment(&key.hold(&[2, 3, 4]).await, 4);
    let booked = key.book(&[2, 3]).await;
    assert_eq!(booked["userErrors"], json!([]), "{booked}");
    // Two are held and two wait for their payment.
    over_allotment(&key.hold(&[4]).await, 4);
    let intent = booked["payment"]["providerIntentId"].as_str().unwrap();
    world.webhook(&world.provider.pay(intent)).await;
    world.deliver().await;
    // Two are held and two are paid for.
    over_allotment(&key.hold(&[4]).await, 4);
    key.run(RELEASE, json!({ "holdId": held["hold"]["id"] })).await;
    over_allotment(&key.hold(&[5, 6, 7]).await, 4);
    assert!(key.hold(&[5, 6]).await["hold"]["id"].is_string());
    // Another allotment, and another account, are not concerned.
    assert!(Key { seats: 5, ..key }.hold(&[7]).await["hold"]["id"].is_string());
    let other = Key { account: world.person(), ..key };
    assert!(other.hold(&[8, 9, 10, 11]).await["hold"]["id"].is_string());
    // What was cancelled counts no more.
    world.deliver().await;
    let cancel = json!({ "bookingId": booked["booking"]["id"], "idempotencyKey": "c" });
    key.run(CANCEL, cancel).await;
    over_allotment(&key.hold(&[12, 13]).await, 4);
    assert!(key.hold(&[12]).await["hold"]["id"].is_string());
}

#[tokio::test]
async fn a_claim_that_is_over_counts_no_more() {
    let world = World::new().await;
    let key = Key { world: &world, account: world.person(), scope: "holds:write bookings:write", seats: 2 };
    key.book(&[0, 1]).await;
    over_allotment(&key.hold(&[2]).await, 2);
    world.advance(chrono::TimeDelta::hours(1)).await;
    // Redis goes by its own clock; when the claim is ended, the room comes back there, too.
    world.app.claims_expire_all().await.unwrap();
    assert!(key.hold(&[2, 3]).await["hold"]["id"].is_string());
}

/// Holds that were given without each other's knowledge, as in an outage, meet at the checkout.
#[tokio::test]
async fn checkouts_at_once_stay_within_the_allotment() {
    let world = World::new().await;
    let mut partners = Vec::new();
    for seat in 0..8 {
        let account = world.person();
        let holds = [world.hold(account, &[seat]).await, world.hold(account, &[seat + 8]).await];
        partners.push((Key { world: &world, account, scope: "bookings:write", seats: 1 }, holds));
    }
    let input = |hold: &HoldId| json!({ "holdId": hold, "idempotencyKey": hold });
    let checkouts = partners.iter().map(async |(key, [first, second])| {
        futures::join!(key.run(CHECKOUT, input(first)), key.run(CHECKOUT, input(second)))
    });
    let answers = join_all(checkouts).await;
    assert_eq!(world.owned().await.len(), 8, "{answers:?}");
    for ((one, two), (key, [first, second])) in answers.into_iter().zip(&partners) {
        let first_won = two["booking"].is_null();
        let (won, lost) = if first_won { (one, two) } else { (two, one) };
        over_allotment(&lost, 1);
        // The same again is the same answer, not one seat too many.
        let (hold, free) = if first_won { (first, second) } else { (second, first) };
        let again = key.run(CHECKOUT, input(hold)).await;
        assert!(again["booking"]["id"].is_string() && again["booking"] == won["booking"], "{again}");
        // A person of the same account has no allotment.
        world.checkout(key.account, *free, "person").await.unwrap();
    }
}
