//! Marked shows, whose seats are held only by those who prove that they are a person.

use booking::Config;
use booking::config::{ChallengeMode, OnFailure};
use kernel::seating::seat_id;
use kernel::{IdSource as _, ShowId, SystemIds, UserId};
use serde_json::{Value, json};
use wiremock::matchers::body_string_contains;
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::support::World;

const MARK: &str = "mutation($input: SetShowChallengeInput!) {
    setShowChallenge(input: $input) { show { challengeRequired } userErrors { __typename code path } }
}";
const HOLD: &str = "mutation($input: HoldSeatsInput!) {
    holdSeats(input: $input) {
        hold { id }
        userErrors {
            __typename code path
            ... on ChallengeRequiredError { siteKey }
            ... on ChallengeFailedError { siteKey }
        }
    }
}";
const BEST: &str = "mutation($input: HoldBestAvailableInput!) {
    holdBestAvailable(input: $input) { hold { id } userErrors { __typename } }
}";
const REQUIRED: &str = "query($shows: [_Any!]!) {
    _entities(representations: $shows) { ... on Show { challengeRequired } }
}";
const TRAIL: &str = "query($show: ID) { auditTrail(showId: $show) { nodes { entity entityId from to reason actor { id } } } }";

fn of_this_process(config: &mut Config) {
    config.challenge.mode = ChallengeMode::Static;
    config.challenge.site_key = "site".to_owned();
    config.challenge.static_token = "right".into();
}

/// A world whose only show is marked.
async fn marked(adjust: impl FnOnce(&mut Config)) -> World {
    let world = World::with(adjust).await;
    let (_, payload) = mark(&world, "MANAGER", world.show_id(), true).await;
    assert_eq!(payload, json!({ "show": { "challengeRequired": true }, "userErrors": [] }));
    world
}

async fn mark(world: &World, role: &str, show: ShowId, required: bool) -> (UserId, Value) {
    let manager = world.person();
    let input = json!({ "input": { "showId": show, "required": required } });
    let answer = world.post_as(Some(manager), &[role], MARK, input).await;
    let errors = answer["errors"][0]["extensions"]["code"].clone();
    let payload = answer["data"]["setShowChallenge"].clone();
    (manager, if errors.is_null() { payload } else { errors })
}

/// What one wants to hold, and with which token.
fn seats(world: &World, seats: &[u16], key: &str, token: Option<&str>) -> Value {
    let ids: Vec<String> =
        seats.iter().map(|seat| seat_id(world.show.screen_id, *seat).to_string()).collect();
    json!({ "input": {
        "showId": world.show_id(), "seatIds": ids, "idempotencyKey": key, "challengeToken": token,
    } })
}

async fn hold(world: &World, user: UserId, seat: u16, key: &str, token: Option<&str>) -> Value {
    let answer = world.post(Some(user), HOLD, seats(world, &[seat], key, token)).await;
    assert_eq!(answer.get("errors"), None, "{answer}");
    answer["data"]["holdSeats"].clone()
}

fn refused(payload: &Value, name: &str, code: &str) {
    let error = json!({
        "__typename": name, "code": code, "siteKey": "site", "path": ["input", "challengeToken"],
    });
    assert_eq!(*payload, json!({ "hold": null, "userErrors": [error] }));
}

fn held(payload: &Value) -> &str {
    payload["hold"]["id"].as_str().unwrap_or_else(|| panic!("{payload}"))
}

#[tokio::test]
async fn managers_mark_shows_and_the_trail_says_so() {
    let world = World::with(of_this_process).await;
    let show = world.show_id();
    for role in ["CUSTOMER", "STAFF", "PARTNER"] {
        assert_eq!(mark(&world, role, show, true).await.1, "FORBIDDEN", "{role}");
    }
    let (_, unknown) = mark(&world, "ADMIN", ShowId::from_uuid(SystemIds.uuid()), true).await;
    assert_eq!(unknown["userErrors"][0]["code"], "NOT_FOUND");
    let required = async || {
        let shows = json!({ "shows": [{ "__typename": "Show", "id": show }] });
        world.post(None, REQUIRED, shows).await["data"]["_entities"][0]["challengeRequired"].clone()
    };
    assert_eq!(required().await, json!(false));
    let (manager, _) = mark(&world, "MANAGER", show, true).await;
    // Once is as good as twice.
    mark(&world, "ADMIN", show, true).await;
    assert_eq!(required().await, json!(true));
    // The catalog's news leave the mark.
    let mut snapshot = world.show.clone();
    snapshot.revision += 1;
    world.tell(&events::show::ShowChanged(snapshot)).await.unwrap();
    assert_eq!(required().await, json!(true));
    let (admin, payload) = mark(&world, "ADMIN", show, false).await;
    assert_eq!(payload["show"]["challengeRequired"], json!(false));

    let trail = world.post_as(Some(admin), &["ADMIN"], TRAIL, json!({ "show": show })).await;
    let entry = |from: &str, to: &str, by: UserId| {
        json!({
            "entity": "CHALLENGE", "entityId": show, "from": from, "to": to, "reason": "CHALLENGE_SET",
            "actor": { "id": by },
        })
    };
    let entries = [entry("REQUIRED", "NOT_REQUIRED", admin), entry("NOT_REQUIRED", "REQUIRED", manager)];
    assert_eq!(trail["data"]["auditTrail"]["nodes"], json!(entries), "{trail}");
}

#[tokio::test]
async fn nothing_is_marked_that_nobody_checks() {
    let world = World::new().await;
    let (_, payload) = mark(&world, "MANAGER", world.show_id(), true).await;
    assert_eq!(
        payload["userErrors"],
        json!([{ "__typename": "NotAllowedError", "code": "CHALLENGES_OFF", "path": ["input", "required"] }])
    );
    world.execute("update booking.shows set challenge_required = true").await;
    held(&hold(&world, world.person(), 0, "k", None).await);
}

#[tokio::test]
async fn a_solved_challenge_is_good_for_one_hold() {
    let world = marked(of_this_process).await;
    let (ada, bob) = (world.person(), world.person());
    refused(&hold(&world, ada, 0, "k", None).await, "ChallengeRequiredError", "CHALLENGE_REQUIRED");
    refused(&hold(&world, ada, 0, "k", Some("")).await, "ChallengeRequiredError", "CHALLENGE_REQUIRED");
    refused(&hold(&world, ada, 0, "k", Some("wrong")).await, "ChallengeFailedError", "CHALLENGE_FAILED");
    let long = "right".repeat(1_000);
    refused(&hold(&world, ada, 0, "k", Some(&long)).await, "ChallengeFailedError", "CHALLENGE_FAILED");

    let first = hold(&world, ada, 0, "k", Some("right:1")).await;
    held(&first);
    // A repetition of the same request needs nothing, whatever it brings along.
    for token in [None, Some("right:1"), Some("wrong")] {
        assert_eq!(hold(&world, ada, 0, "k", token).await, first, "{token:?}");
    }
    // Another request needs another one, whoever makes it.
    for (user, seat, key) in [(ada, 1, "l"), (bob, 1, "k")] {
        let replayed = hold(&world, user, seat, key, Some("right:1")).await;
        refused(&replayed, "ChallengeFailedError", "CHALLENGE_FAILED");
    }
    held(&hold(&world, bob, 1, "k", Some("right:2")).await);
    // Whoever is refused because somebody was faster can choose again with the same token.
    let cleo = world.person();
    let taken = hold(&world, cleo, 1, "k", Some("right:3")).await;
    assert_eq!(taken["userErrors"][0]["__typename"], "SeatsUnavailableError");
    held(&hold(&world, cleo, 2, "k", Some("right:3")).await);
    // What would be refused anyway costs no token.
    let dora = world.person();
    let none = world.post(Some(dora), HOLD, seats(&world, &[], "k", Some("right:4"))).await;
    assert_eq!(none["data"]["holdSeats"]["userErrors"][0]["__typename"], "InvalidInputError");

    let best = |token: Option<&str>| {
        json!({ "input": {
            "showId": world.show_id(), "quantity": 2, "idempotencyKey": "b", "challengeToken": token,
        } })
    };
    let payload = world.post(Some(dora), BEST, best(None)).await;
    let error = &payload["data"]["holdBestAvailable"]["userErrors"][0];
    assert_eq!(error["__typename"], "ChallengeRequiredError");
    let payload = world.post(Some(dora), BEST, best(Some("right:4"))).await;
    held(&payload["data"]["holdBestAvailable"]);
}

#[tokio::test]
async fn at_once_a_token_is_good_once_too() {
    let world = marked(of_this_process).await;
    let people: Vec<UserId> = (0..6).map(|_| world.person()).collect();
    let holds = people.iter().zip(0..).map(|(user, seat)| hold(&world, *user, seat, "k", Some("right")));
    let answers = futures::future::join_all(holds).await;
    let given = answers.iter().filter(|answer| answer["hold"]["id"].is_string()).count();
    assert_eq!(given, 1, "{answers:?}");
}

#[tokio::test]
async fn staff_and_keys_are_exempt_as_configured() {
    let world = marked(of_this_process).await;
    for (role, seat) in [("STAFF", 0), ("MANAGER", 1), ("ADMIN", 2)] {
        let request = seats(&world, &[seat], "k", None);
        let answer = world.post_as(Some(world.person()), &[role], HOLD, request).await;
        held(&answer["data"]["holdSeats"]);
    }
    let request = seats(&world, &[3], "k", None);
    let answer = world.post_by_key(world.person(), "holds:write", 4, HOLD, request).await;
    held(&answer["data"]["holdSeats"]);

    let world = marked(|config| {
        of_this_process(config);
        config.challenge.exempt_api_keys = false;
        config.challenge.exempt_roles.clear();
    })
    .await;
    let request = seats(&world, &[3], "k", None);
    let key = world.post_by_key(world.person(), "holds:write", 4, HOLD, request.clone()).await;
    let staff = world.post_as(Some(world.person()), &["STAFF"], HOLD, request).await;
    for answer in [key, staff] {
        refused(&answer["data"]["holdSeats"], "ChallengeRequiredError", "CHALLENGE_REQUIRED");
    }
}

/// A service that gives verdicts.
async fn service(world_of: OnFailure) -> (MockServer, World) {
    let server = MockServer::start().await;
    let url = format!("{}/siteverify", server.uri());
    let world = marked(move |config| {
        config.challenge.mode = ChallengeMode::Http;
        config.challenge.site_key = "site".to_owned();
        config.challenge.secret = "s3cret".into();
        config.challenge.verify_url = url;
        config.challenge.timeout_ms = 500;
        config.challenge.on_failure = world_of;
    })
    .await;
    (server, world)
}

#[tokio::test]
async fn a_service_is_asked_once_for_each_token() {
    let (server, world) = service(OnFailure::Closed).await;
    for (token, success) in [("good", true), ("bad", false)] {
        Mock::given(body_string_contains(format!("secret=s3cret&response={token}")))
            .respond_with(ResponseTemplate::new(200).set_body_json(json!({ "success": success })))
            .expect(1)
            .mount(&server)
            .await;
    }
    let (ada, bob) = (world.person(), world.person());
    refused(&hold(&world, ada, 0, "k", Some("bad")).await, "ChallengeFailedError", "CHALLENGE_FAILED");
    let first = hold(&world, ada, 0, "k", Some("good")).await;
    assert_eq!(hold(&world, ada, 0, "k", Some("good")).await, first);
    refused(&hold(&world, bob, 1, "k", Some("good")).await, "ChallengeFailedError", "CHALLENGE_FAILED");
}

#[tokio::test]
async fn without_a_verdict_holds_are_refused_unless_configured_otherwise() {
    let slow = || {
        let answer = ResponseTemplate::new(200).set_body_json(json!({ "success": true }));
        answer.set_delay(std::time::Duration::from_secs(5))
    };
    for trouble in [ResponseTemplate::new(503), slow()] {
        let (server, world) = service(OnFailure::Closed).await;
        Mock::given(body_string_contains("response")).respond_with(trouble.clone()).mount(&server).await;
        let user = world.person();
        let answer = world.post(Some(user), HOLD, seats(&world, &[0], "k", Some("good"))).await;
        let error = &answer["errors"][0];
        assert_eq!(error["extensions"]["code"], "UNAVAILABLE", "{answer}");
        assert!(!answer.to_string().contains("s3cret"), "{answer}");

        let (server, world) = service(OnFailure::Open).await;
        Mock::given(body_string_contains("response")).respond_with(trouble).mount(&server).await;
        held(&hold(&world, user, 0, "k", Some("good")).await);
        refused(&hold(&world, user, 1, "l", None).await, "ChallengeRequiredError", "CHALLENGE_REQUIRED");
    }
}
