//! Looking around, without an account.

use std::time::{Duration, Instant};

use chrono::TimeDelta;
use client::Reply;
use kernel::{Clock, SystemClock};
use serde_json::{Value, json};
use tests::{Stack, eventually};

/// Much less than what is kept is kept for.
const AT_ONCE: Duration = Duration::from_secs(10);

async fn ask(stack: &Stack, operation: &str, variables: Value) -> Value {
    let answer = stack.visitor().call(operation, variables).await.and_then(Reply::ok);
    answer.unwrap_or_else(|error| panic!("{operation}: {error}"))
}

#[tokio::test]
async fn from_a_city_to_a_seat() {
    let stack = Stack::start().await;
    let cities = ask(&stack, "Cities", json!({})).await;
    let cities = cities["cities"].as_array().expect("cities").clone();
    assert!(cities.len() >= 12);
    let city = &cities[0]["id"];

    // Pages join without a gap and without a repetition.
    let mut titles = Vec::new();
    let mut after = Value::Null;
    loop {
        let page = ask(&stack, "NowShowing", json!({ "cityId": city, "first": 7, "after": after })).await;
        let movies = &page["movies"];
        let nodes = movies["nodes"].as_array().expect("movies");
        titles.extend(nodes.iter().map(|movie| movie["id"].as_str().expect("an id").to_owned()));
        after = movies["pageInfo"]["endCursor"].clone();
        if movies["pageInfo"]["hasNextPage"] == false {
            assert_eq!(movies["totalCount"], json!(titles.len()));
            break;
        }
        assert_eq!(nodes.len(), 7);
    }
    let count = titles.len();
    titles.sort_unstable();
    titles.dedup();
    assert_eq!(titles.len(), count);

    // Every show of the day says where, when, and for how much.
    let date = (SystemClock.now() + TimeDelta::days(2)).date_naive().to_string();
    let mut shows = Vec::new();
    for movie in &titles {
        let data = ask(&stack, "MovieShows", json!({ "movieId": movie, "cityId": city, "date": date })).await;
        for theater in data["movie"]["showtimes"].as_array().expect("theaters") {
            assert_ne!(theater["theater"]["address"], Value::Null);
            shows.extend(theater["shows"].as_array().expect("shows").clone());
        }
    }
    assert!(!shows.is_empty());
    for show in &shows {
        assert!(show["localStartsAt"].as_str().expect("a time").starts_with(&date), "{show}");
        assert_eq!(show["availability"], "AVAILABLE", "{show}");
        let price = show["priceFrom"]["amount"].as_str().expect("a price");
        assert!(
            price.parse::<rust_decimal::Decimal>().is_ok_and(|price| price > rust_decimal::Decimal::ZERO)
        );
    }

    // One letter for each seat of the layout.
    let map = ask(&stack, "SeatMap", json!({ "showId": shows[0]["id"] })).await;
    let rows = map["show"]["screen"]["layout"]["rows"].as_array().expect("rows");
    let seats: usize = rows.iter().map(|row| row["seats"].as_array().map_or(0, Vec::len)).sum();
    let states = map["show"]["seatMap"]["states"].as_str().expect("states");
    assert_eq!(states.len(), seats);
    assert_eq!(map["show"]["seatMap"]["available"], json!(states.matches('A').count()));
}

#[tokio::test]
async fn searching_forgives_a_typo() {
    let stack = Stack::start().await;
    let check = async |text: &str, typename: &str, field: &str, expected: &str| {
        let data = ask(&stack, "Search", json!({ "text": text })).await;
        let hits = data["search"]["nodes"].as_array().expect("hits").clone();
        let found = hits.iter().any(|hit| {
            hit["__typename"] == typename && hit[field].as_str().is_some_and(|name| name.contains(expected))
        });
        assert!(found, "{text} finds {expected}: {hits:?}");
        assert!(data["search"]["totalCount"].as_u64() >= Some(hits.len() as u64));
    };
    let city = &ask(&stack, "Cities", json!({})).await["cities"][0]["id"];
    let movies = ask(&stack, "NowShowing", json!({ "cityId": city, "first": 100 })).await;
    let titles = movies["movies"]["nodes"].as_array().expect("movies").iter();
    // A long word with one letter missing must still find its title.
    let title = titles
        .filter_map(|movie| movie["title"].as_str())
        .find(|title| title.len() >= 9 && title.chars().all(|letter| letter.is_ascii_alphabetic()))
        .expect("a title of one long word");
    check(title, "Movie", "title", title).await;
    check(&title.to_lowercase()[..5], "Movie", "title", title).await;
    check(&format!("{}{}", &title[..4], &title[5..]), "Movie", "title", title).await;
}

/// What everybody looks at is kept by the gateway, and changes at once when it changes.
#[tokio::test]
async fn a_change_of_the_catalog_is_seen_at_once() {
    let stack = Stack::start().await;
    let show = stack.show().await;
    let manager = stack.manager().await;
    let look = async || {
        let query =
            "query($id: ID!) { show(id: $id) { priceFrom { amount } status prices { kind } movie { id } } }";
        let answer = stack.visitor().execute(query, json!({ "id": show.id })).await.and_then(Reply::ok);
        answer.expect("a show")["show"].take()
    };
    let change = async |field: &str, input: &str, value: Value| {
        let mutation =
            format!("mutation($input: {input}!) {{ {field}(input: $input) {{ userErrors {{ message }} }} }}");
        let answer = manager.client.execute(&mutation, json!({ "input": value })).await.and_then(Reply::ok);
        assert_eq!(answer.expect("a payload")[field]["userErrors"], json!([]));
        Instant::now()
    };
    let before = look().await;
    assert_eq!(look().await, before);

    let kinds = before["prices"].as_array().expect("prices").iter();
    let prices: Vec<_> = kinds.map(|price| json!({ "kind": price["kind"], "amount": "77" })).collect();
    let input = json!({ "showId": show.id, "prices": prices });
    let changed = change("updateShowPrices", "UpdateShowPricesInput", input).await;
    eventually("the new price is seen", async || {
        (look().await["priceFrom"] != before["priceFrom"]).then_some(())
    })
    .await;
    assert!(changed.elapsed() < AT_ONCE, "{:?}", changed.elapsed());

    let input = json!({ "showId": show.id, "reason": "the projector is broken" });
    let changed = change("cancelShow", "CancelShowInput", input).await;
    eventually("the show is cancelled for all", async || {
        (look().await["status"] == "CANCELLED").then_some(())
    })
    .await;
    assert!(changed.elapsed() < AT_ONCE, "{:?}", changed.elapsed());
}

/// Pages that everybody sees are for everybody; seats, and what is somebody's own, are never kept.
#[tokio::test]
async fn only_what_everybody_sees_may_be_kept() {
    let stack = Stack::start().await;
    let show = stack.show().await;
    let ada = stack.customer("Ada").await;
    let query = "query($id: ID!) { show(id: $id) { movie { id } city { id } localStartsAt } }";
    let answer = stack.visitor().execute(query, json!({ "id": show.id })).await.and_then(Reply::ok);
    let place = answer.expect("a show")["show"].take();
    let city = &place["city"]["id"];
    let date = &place["localStartsAt"].as_str().expect("a time")[..10];
    let http = tests::http::client();
    let kept = async |name: &str, variables: Value| {
        let document = client::operation(name).expect("an operation");
        let body = json!({ "query": document, "variables": variables });
        let mut said = Vec::new();
        // As nobody, and as somebody; each twice, as the gateway learns.
        for token in [None, ada.client.token(), None, ada.client.token()] {
            let request = http.post(stack.graphql()).json(&body);
            let request = match token {
                Some(token) => request.bearer_auth(token),
                None => request,
            };
            let answer = request.send().await.expect("an answer");
            let header = answer.headers()["cache-control"].to_str().expect("text");
            said.push(header.starts_with("public, max-age="));
        }
        said
    };
    let movie = &place["movie"]["id"];
    for (name, variables) in [
        ("Cities", json!({})),
        ("NowShowing", json!({ "cityId": city, "first": 20 })),
        ("MovieShows", json!({ "movieId": movie, "cityId": city, "date": date })),
        ("Search", json!({ "text": "the" })),
    ] {
        assert_eq!(kept(name, variables).await, [true; 4], "{name}");
    }
    for (name, variables) in [
        ("SeatMap", json!({ "showId": show.id })),
        ("SeatStates", json!({ "showId": show.id })),
        ("Me", json!({})),
        ("Booking", json!({ "id": "booking_0" })),
        ("MovieShows", json!({ "movieId": "movie_nobody_knows", "cityId": city, "date": date })),
    ] {
        assert_eq!(kept(name, variables).await, [false; 4], "{name}");
    }
}
