//! Scheduling, cancelling and pricing shows.

use chrono::{DateTime, TimeDelta, Utc};
use events::show::{ShowCancelled, ShowChanged, ShowScheduled};
use graphql_kit::{Caller, Role};
use kernel::{SeatKind, seating::seat_index};
use serde_json::{Value, json};

use crate::support::{Catalog, NOW, api_key, user};

const SCHEDULE: &str = "mutation($input: ScheduleShowInput!) { scheduleShow(input: $input) {
    show { id startsAt endsAt status format language subtitles special prices { kind price { amount currency } } }
    userErrors { __typename message code path ... on ScreenBusyError { conflictingShows { id } } } } }";
pub const CANCEL: &str = "mutation($input: CancelShowInput!) { cancelShow(input: $input) {
    show { id status cancelReason } userErrors { __typename code path } } }";
pub const PRICES: &str = "mutation($input: UpdateShowPricesInput!) { updateShowPrices(input: $input) {
    show { priceFrom { amount } prices { kind price { amount } } } userErrors { __typename code path } } }";

pub fn manager() -> Caller {
    user(&[Role::Customer, Role::Manager])
}

fn now() -> DateTime<Utc> {
    NOW.parse().unwrap()
}

/// A catalog of cinemas that nobody has scheduled anything for yet.
pub async fn quiet(name: &str) -> Catalog {
    let catalog = Catalog::small(name).await;
    sea_orm::ConnectionTrait::execute_unprepared(&catalog.pg, "DELETE FROM catalog.shows").await.unwrap();
    catalog.forget_events().await;
    catalog
}

/// A movie and Amsterdam's third screen, which has wheelchair places, premium and VIP seats.
async fn what_and_where(catalog: &Catalog) -> (Value, Value) {
    let data = catalog
        .ask(
            "{ movies(filter: { text: \"casablanca\" }) { nodes { id } } city(slug: \"amsterdam\") { id } }",
            json!({}),
        )
        .await;
    let movie = data["movies"]["nodes"][0]["id"].clone();
    let query = "query($city: ID!) { theaters(cityId: $city) { nodes { screens { id } } } }";
    let theaters = catalog.ask(query, json!({ "city": data["city"]["id"] })).await;
    (movie, theaters["theaters"]["nodes"][0]["screens"][2]["id"].clone())
}

pub async fn input(catalog: &Catalog) -> Value {
    let (movie, screen) = what_and_where(catalog).await;
    json!({ "movieId": movie, "screenId": screen, "startsAt": now() + TimeDelta::hours(30), "basePrice": "12.50" })
}

pub async fn schedule(catalog: &Catalog, input: &Value) -> Value {
    catalog.ask_as(manager(), SCHEDULE, json!({ "input": input })).await["scheduleShow"].take()
}

fn with(input: &Value, field: &str, value: Value) -> Value {
    let mut input = input.clone();
    input[field] = value;
    input
}

#[tokio::test]
async fn a_manager_schedules_a_show_and_others_hear_of_it() {
    let catalog = quiet("schedule").await;
    let mut input = input(&catalog).await;
    let data = catalog
        .ask(
            "query($id: ID!) { screen(id: $id) { layout { rows { seats { id label } } } } }",
            json!({ "id": input["screenId"] }),
        )
        .await;
    let seat = data["screen"]["layout"]["rows"][0]["seats"][2]["id"].clone();
    input["prices"] = json!([{ "kind": "VIP", "amount": "33.33" }]);
    input["blockedSeatIds"] = json!([seat, seat]);
    input["subtitles"] = json!(["nl"]);
    input["special"] = json!("PREMIERE");

    let payload = schedule(&catalog, &input).await;
    assert_eq!(payload["userErrors"], json!([]));
    let show = &payload["show"];
    assert_eq!(
        (&show["status"], &show["format"], &show["language"]),
        (&json!("SCHEDULED"), &json!("TWO_D"), &json!("en"))
    );
    // 102 minutes, and a quarter of an hour of trailers.
    assert_eq!(
        show["endsAt"].as_str().unwrap().parse::<DateTime<Utc>>().unwrap(),
        now() + TimeDelta::minutes(30 * 60 + 117)
    );
    let vip = json!({ "kind": "VIP", "price": { "amount": "33.33", "currency": "EUR" } });
    assert!(show["prices"].as_array().unwrap().contains(&vip), "{show}");

    let events: Vec<ShowScheduled> = catalog.events().await;
    let [ShowScheduled(told)] = &events[..] else { panic!("one event, not {events:?}") };
    assert_eq!(told.show_id.to_string(), show["id"].as_str().unwrap());
    assert_eq!(
        (told.revision, told.title.as_str(), told.time_zone.as_str()),
        (1, "Casablanca", "Europe/Amsterdam")
    );
    assert_eq!(told.blocked, [seat_index(told.screen_id, seat.as_str().unwrap().parse().unwrap()).unwrap()]);
    let premium = told.prices.iter().find(|price| price.kind == SeatKind::Premium).unwrap();
    assert_eq!(premium.minor, 1_550);
}

#[tokio::test]
async fn a_screen_shows_one_thing_at_a_time() {
    let catalog = quiet("overlap").await;
    let input = input(&catalog).await;
    let first = schedule(&catalog, &input).await["show"].take();
    let at = |minutes: i64| {
        let start = now() + TimeDelta::hours(30) + TimeDelta::minutes(minutes);
        with(&input, "startsAt", json!(start))
    };
    // 137 minutes from the beginning until the screen is clean; as long before it.
    for minutes in [-136, 0, 136] {
        let payload = schedule(&catalog, &at(minutes)).await;
        assert_eq!(payload["show"], Value::Null);
        let [error] = &payload["userErrors"].as_array().unwrap()[..] else { panic!("{payload}") };
        assert_eq!(
            (&error["__typename"], &error["code"]),
            (&json!("ScreenBusyError"), &json!("SCREEN_BUSY"))
        );
        assert_eq!(error["conflictingShows"], json!([{ "id": first["id"] }]));
    }
    for minutes in [-137, 137] {
        assert_eq!(schedule(&catalog, &at(minutes)).await["userErrors"], json!([]), "{minutes}");
    }
    assert_eq!(catalog.events::<ShowScheduled>().await.len(), 3);
}

#[tokio::test]
async fn of_rivals_for_a_screen_one_wins() {
    let catalog = quiet("rivals").await;
    let input = input(&catalog).await;
    let rivals = (0..10).map(|minutes| {
        let start = now() + TimeDelta::hours(30) + TimeDelta::minutes(minutes);
        let input = with(&input, "startsAt", json!(start));
        let catalog = &catalog;
        async move { schedule(catalog, &input).await }
    });
    let payloads = futures::future::join_all(rivals).await;
    let won = payloads.iter().filter(|payload| payload["userErrors"] == json!([])).count();
    let busy = payloads.iter().filter(|payload| payload["userErrors"][0]["code"] == "SCREEN_BUSY").count();
    assert_eq!((won, busy), (1, 9), "{payloads:?}");
    assert_eq!(catalog.events::<ShowScheduled>().await.len(), 1);
}

#[tokio::test]
async fn what_cannot_be_shown_is_refused_with_the_field_that_is_wrong() {
    let catalog = quiet("refused").await;
    let input = input(&catalog).await;
    let unknown = catalog.ask("{ movies(filter: { comingSoon: true }) { nodes { id } } }", json!({})).await;
    let no_show = "show_00000000000000000000000000";
    let check = async |field: &str, value: Value, error: &str, code: &str| {
        let payload = schedule(&catalog, &with(&input, field, value.clone())).await;
        let found = &payload["userErrors"][0];
        assert_eq!(
            (&found["__typename"], &found["code"]),
            (&json!(error), &json!(code)),
            "{field}: {value}: {payload}"
        );
        if code != "RUNTIME_UNKNOWN" {
            assert_eq!(found["path"], json!(["input", field]));
        }
    };
    check("movieId", json!("movie_00000000000000000000000000"), "NotFoundError", "NOT_FOUND").await;
    check("screenId", json!(no_show), "NotFoundError", "NOT_FOUND").await;
    check("movieId", unknown["movies"]["nodes"][0]["id"].clone(), "NotAllowedError", "RUNTIME_UNKNOWN").await;
    for (field, value) in [
        ("startsAt", json!(now())),
        ("startsAt", json!(now() + TimeDelta::days(1_000))),
        ("format", json!("IMAX")),
        ("language", json!("English")),
        ("subtitles", json!(["?"])),
        ("basePrice", json!("0")),
        ("basePrice", json!("12.505")),
        ("prices", json!([{ "kind": "VIP", "amount": "1" }, { "kind": "VIP", "amount": "2" }])),
        ("blockedSeatIds", json!(["seat_00000000000000000000000000"])),
        ("blockedSeatIds", json!(["A1"])),
    ] {
        check(field, value, "InvalidInputError", "INVALID_INPUT").await;
    }
    assert_eq!(catalog.number("SELECT count(*) FROM catalog.shows").await, 0);
    assert_eq!(catalog.number("SELECT count(*) FROM catalog.outbox").await, 0);
}

#[tokio::test]
async fn only_managers_and_administrators_may_change_what_is_shown() {
    let catalog = quiet("roles").await;
    let input = json!({ "input": input(&catalog).await });
    assert_eq!(catalog.refused(Caller::Anonymous, SCHEDULE, input.clone()).await, "UNAUTHENTICATED");
    let people = [Role::Customer, Role::Staff, Role::Partner].map(|role| user(&[role]));
    for caller in people.into_iter().chain([api_key()]) {
        assert_eq!(catalog.refused(caller.clone(), SCHEDULE, input.clone()).await, "FORBIDDEN");
        let show = json!({ "input": { "showId": "show_00000000000000000000000000" } });
        assert_eq!(catalog.refused(caller.clone(), CANCEL, show.clone()).await, "FORBIDDEN");
        assert_eq!(catalog.refused(caller, PRICES, show).await, "FORBIDDEN");
    }
    let admin = catalog.ask_as(user(&[Role::Admin]), SCHEDULE, input).await;
    assert_eq!(admin["scheduleShow"]["userErrors"], json!([]));
}

#[tokio::test]
async fn a_show_is_cancelled_once_and_gives_its_screen_back() {
    let catalog = quiet("cancel").await;
    let input = input(&catalog).await;
    let show = schedule(&catalog, &input).await["show"]["id"].clone();
    let cancel = async |reason: &str| {
        let variables = json!({ "input": { "showId": show, "reason": reason } });
        catalog.ask_as(manager(), CANCEL, variables).await["cancelShow"].take()
    };
    let expected = json!({ "show": { "id": show, "status": "CANCELLED", "cancelReason": "the projector broke" }, "userErrors": [] });
    assert_eq!(cancel(" the projector broke ").await, expected);
    assert_eq!(cancel("another reason").await, expected, "the second time changes nothing");
    let events: Vec<ShowCancelled> = catalog.events().await;
    let [event] = &events[..] else { panic!("one event, not {events:?}") };
    assert_eq!((event.revision, event.reason.as_deref()), (2, Some("the projector broke")));

    assert_eq!(schedule(&catalog, &input).await["userErrors"], json!([]), "the screen is free again");
}

#[tokio::test]
async fn what_is_over_cannot_be_cancelled_nor_what_has_begun_be_repriced() {
    let catalog = quiet("over").await;
    let show = schedule(&catalog, &input(&catalog).await).await["show"].take();
    let input = json!({ "input": { "showId": show["id"], "basePrice": "1" } });
    let cancel = json!({ "input": { "showId": show["id"] } });
    catalog.clock.set(show["startsAt"].as_str().unwrap().parse().unwrap());
    let payload = catalog.ask_as(manager(), PRICES, input).await;
    assert_eq!(payload["updateShowPrices"]["userErrors"][0]["code"], "SHOW_BEGUN");
    catalog.clock.set(show["endsAt"].as_str().unwrap().parse().unwrap());
    let payload = catalog.ask_as(manager(), CANCEL, cancel).await;
    assert_eq!(payload["cancelShow"]["userErrors"][0]["code"], "SHOW_OVER");
}

#[tokio::test]
async fn prices_change_with_a_new_revision_only_when_they_differ() {
    let catalog = quiet("prices").await;
    let show = schedule(&catalog, &input(&catalog).await).await["show"]["id"].clone();
    let change = async |change: Value| {
        let mut input = json!({ "showId": show });
        input.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let mut payload = catalog.ask_as(manager(), PRICES, json!({ "input": input })).await;
        assert_eq!(payload["updateShowPrices"]["userErrors"], json!([]));
        payload["updateShowPrices"]["show"].take()
    };
    let of = |show: &Value, kind: &str| {
        let prices = show["prices"].as_array().unwrap();
        prices.iter().find(|price| price["kind"] == kind).unwrap()["price"]["amount"].clone()
    };
    let same = change(json!({ "basePrice": "12.50" })).await;
    assert_eq!((of(&same, "REGULAR"), of(&same, "PREMIUM")), (json!("12.50"), json!("15.50")));
    assert_eq!(catalog.events::<ShowChanged>().await.len(), 0);

    let one = change(json!({ "prices": [{ "kind": "PREMIUM", "amount": "18" }] })).await;
    assert_eq!((of(&one, "REGULAR"), of(&one, "PREMIUM")), (json!("12.50"), json!("18.00")));
    let all = change(json!({ "basePrice": "10.00" })).await;
    assert_eq!((of(&all, "REGULAR"), of(&all, "PREMIUM")), (json!("10.00"), json!("12.50")));
    assert_eq!(all["priceFrom"]["amount"], "10.00");

    let events: Vec<ShowChanged> = catalog.events().await;
    assert_eq!(events.iter().map(|event| event.0.revision).collect::<Vec<_>>(), [2, 3]);
}
