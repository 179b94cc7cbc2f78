//! Looking around.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use graphql_kit::Caller;
use serde_json::{Value, json};

use crate::support::{Catalog, NOW};

async fn city(catalog: &Catalog, slug: &str) -> Value {
    let query = "query($slug: String) { city(slug: $slug) { id name slug countryCode timeZone currency } }";
    catalog.ask(query, json!({ "slug": slug })).await["city"].take()
}

const NOW_SHOWING: &str = "query($cityId: ID!, $first: Int!, $after: String) {
    movies(filter: { cityId: $cityId, nowShowing: true }, first: $first, after: $after) {
        nodes { id title runtimeMinutes genres languages certificate releaseDate posterUrl rating { average count } }
        edges { cursor }
        pageInfo { endCursor hasNextPage }
        totalCount
    } }";

#[tokio::test]
async fn a_visitor_finds_a_seat_by_city_movie_and_day() {
    let catalog = Catalog::small("visitor").await;
    let data = catalog.ask("{ cities { id name slug countryCode timeZone } }", json!({})).await;
    let cities: Vec<_> = data["cities"].as_array().unwrap().iter().map(|city| &city["name"]).collect();
    assert_eq!(cities, ["Amsterdam", "Los Angeles", "Tokyo"]);

    let tokyo = city(&catalog, "tokyo").await;
    assert_eq!((&tokyo["timeZone"], &tokyo["currency"]), (&json!("Asia/Tokyo"), &json!("JPY")));
    let page = catalog.ask(NOW_SHOWING, json!({ "cityId": tokyo["id"], "first": 5 })).await;
    let movie = &page["movies"]["nodes"][0];

    // The day after tomorrow there, which is two days ahead of the test's evening in UTC.
    let query = "query($movieId: ID!, $cityId: ID!, $date: Date!) { movie(id: $movieId) { title
        showtimes(cityId: $cityId, date: $date) {
            theater { id name address }
            shows { id startsAt localStartsAt timeZone format language subtitles priceFrom { amount currency } }
        } } }";
    let mut shows = Vec::new();
    for date in ["2026-11-21", "2026-11-22", "2026-11-23", "2026-11-24", "2026-11-25", "2026-11-26"] {
        let variables = json!({ "movieId": movie["id"], "cityId": tokyo["id"], "date": date });
        let data = catalog.ask(query, variables).await;
        for theater in data["movie"]["showtimes"].as_array().unwrap() {
            for show in theater["shows"].as_array().unwrap() {
                let local = show["localStartsAt"].as_str().unwrap();
                assert!(local.starts_with(date) && local.ends_with("+09:00"), "{show}");
                assert_eq!(show["timeZone"], "Asia/Tokyo");
                assert_eq!(show["priceFrom"]["currency"], "JPY");
                assert!(!show["priceFrom"]["amount"].as_str().unwrap().contains('.'), "{show}");
                shows.push(show.clone());
            }
        }
    }
    assert!(!shows.is_empty());

    let query = "query($id: ID!) { show(id: $id) {
        startsAt endsAt status prices { kind price { amount currency } } movie { id title } theater { name }
        screen { id name revision theater { id name city { slug } }
            layout { packed columns seatCount rows { label seats { id label number kind index column } } } } } }";
    let data = catalog.ask(query, json!({ "id": shows[0]["id"] })).await;
    let show = &data["show"];
    assert_eq!(show["movie"]["id"], movie["id"]);
    assert_eq!(show["screen"]["theater"]["city"]["slug"], "tokyo");
    let layout = &show["screen"]["layout"];
    let rows = layout["rows"].as_array().unwrap();
    let seats: Vec<_> = rows.iter().flat_map(|row| row["seats"].as_array().unwrap()).collect();
    assert_eq!(seats.len(), layout["seatCount"].as_u64().unwrap() as usize);
    assert_eq!(
        seats.iter().map(|seat| seat["id"].as_str().unwrap()).collect::<BTreeSet<_>>().len(),
        seats.len()
    );
    for (seat, index) in seats.iter().zip(0..) {
        assert_eq!(seat["index"], index, "reading order is the order of packed states");
        assert!(seat["column"].as_u64() < layout["columns"].as_u64());
    }
    let kinds: BTreeSet<_> = seats.iter().map(|seat| seat["kind"].as_str().unwrap()).collect();
    let priced = show["prices"].as_array().unwrap().iter().map(|price| price["kind"].as_str().unwrap());
    assert_eq!(kinds, priced.collect::<BTreeSet<_>>());
}

#[tokio::test]
async fn pages_follow_each_other_without_gap_or_repetition() {
    let catalog = Catalog::small("pages").await;
    let amsterdam = city(&catalog, "amsterdam").await;
    let (mut ids, mut dates, mut after) = (Vec::new(), Vec::new(), Value::Null);
    let total = loop {
        let variables = json!({ "cityId": amsterdam["id"], "first": 7, "after": after });
        let movies = catalog.ask(NOW_SHOWING, variables).await["movies"].take();
        for node in movies["nodes"].as_array().unwrap() {
            ids.push(node["id"].as_str().unwrap().to_owned());
            dates.push(node["releaseDate"].as_str().unwrap().to_owned());
        }
        after = movies["pageInfo"]["endCursor"].clone();
        if movies["pageInfo"]["hasNextPage"] == false {
            break movies["totalCount"].as_u64().unwrap() as usize;
        }
    };
    assert!(total > 20, "{total} movies");
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), total);
    assert_eq!(ids.len(), total);
    assert!(dates.is_sorted_by(|a, b| a >= b), "newest first: {dates:?}");
}

#[tokio::test]
async fn filters_narrow_what_is_shown() {
    let catalog = Catalog::small("filters").await;
    let query = "query($filter: MovieFilterInput) { movies(filter: $filter, first: 100) { totalCount nodes {
        id title genres releaseDate runtimeMinutes } } }";
    let movies = async |filter: Value| -> Vec<Value> {
        let data = catalog.ask(query, json!({ "filter": filter })).await["movies"].take();
        let nodes = data["nodes"].as_array().unwrap().clone();
        assert!(data["totalCount"].as_u64().unwrap() as usize >= nodes.len());
        nodes
    };
    let amsterdam = city(&catalog, "amsterdam").await["id"].clone();

    let soon = movies(json!({ "comingSoon": true, "cityId": amsterdam })).await;
    assert!(!soon.is_empty());
    let dates: Vec<_> = soon.iter().map(|movie| movie["releaseDate"].as_str().unwrap()).collect();
    assert!(dates.is_sorted() && dates[0] > "2026-11-20", "{dates:?}");

    let showing = movies(json!({ "nowShowing": true, "cityId": amsterdam })).await;
    let animated = movies(json!({ "nowShowing": true, "cityId": amsterdam, "genre": "Animation" })).await;
    assert!(!animated.is_empty() && animated.len() < showing.len());
    assert!(animated.iter().all(|movie| movie["genres"].as_array().unwrap().contains(&json!("Animation"))));

    let imax = movies(json!({ "cityId": amsterdam, "format": "IMAX", "date": "2026-11-22" })).await;
    assert!(!imax.is_empty() && imax.len() < showing.len());
    assert_eq!(movies(json!({ "cityId": amsterdam, "language": "xx" })).await, Vec::<Value>::new());

    let titled = movies(json!({ "text": "GODFÁTHER" })).await;
    assert_eq!(titled.len(), 2);
    assert_eq!(movies(json!({ "text": "100%" })).await, Vec::<Value>::new());
}

#[tokio::test]
async fn theaters_are_listed_by_name_or_by_distance() {
    let catalog = Catalog::empty("theaters").await;
    catalog.seed(catalog::Scale::Full).await;
    let query = "query($near: NearInput, $cityId: ID, $after: String) {
        theaters(near: $near, cityId: $cityId, first: 3, after: $after) {
            edges { distanceKm node { name city { slug } } } pageInfo { endCursor hasNextPage } totalCount } }";
    // Leidseplein.
    let near = json!({ "lat": 52.3644, "lon": 4.8828, "radiusKm": 30 });
    let first = catalog.ask(query, json!({ "near": near })).await["theaters"].take();
    assert_eq!(first["totalCount"], 4);
    assert_eq!(first["edges"][0]["node"]["name"], "Grachtenlicht");
    assert_eq!(first["edges"][0]["distanceKm"], 0.0);
    let after = first["pageInfo"]["endCursor"].clone();
    let second = catalog.ask(query, json!({ "near": near, "after": after })).await["theaters"].take();
    let edges = first["edges"].as_array().unwrap().iter().chain(second["edges"].as_array().unwrap());
    let distances: Vec<_> = edges.map(|edge| edge["distanceKm"].as_f64().unwrap()).collect();
    assert!(distances.len() == 4 && distances.is_sorted() && distances[3] < 30.0, "{distances:?}");

    let all = catalog.ask(query, json!({})).await["theaters"].take();
    assert_eq!((&all["totalCount"], &all["edges"][0]["distanceKm"]), (&json!(48), &Value::Null));
    let none = json!({ "near": { "lat": 0, "lon": -140, "radiusKm": 500 } });
    assert_eq!(catalog.ask(query, none).await["theaters"]["totalCount"], 0);
    let berlin = city(&catalog, "berlin").await["id"].clone();
    let data = catalog.ask(query, json!({ "cityId": berlin })).await;
    assert!(
        data["theaters"]["edges"].as_array().unwrap().iter().all(|e| e["node"]["city"]["slug"] == "berlin")
    );

    let wrong = [
        json!({ "near": { "lat": 91, "lon": 0 } }),
        json!({ "near": { "lat": 0, "lon": 0, "radiusKm": 0 } }),
        json!({ "cityId": "nonsense" }),
        json!({ "after": after }),
        json!({ "after": "nonsense" }),
    ];
    for variables in wrong {
        let code = catalog.refused(Caller::Anonymous, query, variables.clone()).await;
        assert_eq!(code, "BAD_USER_INPUT", "{variables}");
    }
}

#[tokio::test]
async fn a_theater_tells_its_screens_hours_and_day() {
    let catalog = Catalog::small("theater").await;
    let query = "query($date: Date!) { theaters { nodes {
        amenities openingHours { day opens closes } position { lat lon }
        screens { number name formats layout { seatCount } }
        shows(date: $date) { startsAt movie { title } screen { number } } } } }";
    let data = catalog.ask(query, json!({ "date": "2026-11-23" })).await;
    let theaters = data["theaters"]["nodes"].as_array().unwrap();
    assert_eq!(theaters.len(), 6);
    for theater in theaters {
        assert_eq!(theater["openingHours"][0]["day"], "MONDAY");
        assert!(theater["screens"][0]["layout"]["seatCount"].as_u64() >= Some(80));
        let shows = theater["shows"].as_array().unwrap();
        let starts: Vec<_> = shows.iter().map(|show| show["startsAt"].as_str().unwrap()).collect();
        assert!(starts.len() > 5 && starts.is_sorted(), "{starts:?}");
    }
}

#[tokio::test]
async fn what_has_begun_is_not_offered() {
    let catalog = Catalog::small("begun").await;
    let now: DateTime<Utc> = NOW.parse().unwrap();
    let query =
        "query($cityId: ID!, $date: Date!) { movies(filter: { cityId: $cityId }, first: 100) { nodes {
        showtimes(cityId: $cityId, date: $date) { shows { startsAt } } } } }";
    let city = city(&catalog, "los-angeles").await;
    let starts = async || -> BTreeSet<DateTime<Utc>> {
        let data = catalog.ask(query, json!({ "cityId": city["id"], "date": "2026-11-20" })).await;
        let movies = data["movies"]["nodes"].as_array().unwrap().clone();
        let theaters = movies.iter().flat_map(|movie| movie["showtimes"].as_array().unwrap());
        let shows = theaters.flat_map(|theater| theater["shows"].as_array().unwrap());
        shows.map(|show| show["startsAt"].as_str().unwrap().parse().unwrap()).collect()
    };
    let before = starts().await;
    assert!(before.first().is_some_and(|first| *first > now));
    catalog.clock.set(*before.first().unwrap());
    let after = starts().await;
    assert_eq!(after, before.iter().skip(1).copied().collect());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_gateway_gets_entities_by_key_in_batches() {
    let catalog = Catalog::small("entities").await;
    let data = catalog
        .ask(
            "{ theaters { nodes { screens { id } shows(date: \"2026-11-22\") { id movie { id } } } } }",
            json!({}),
        )
        .await;
    let nodes = data["theaters"]["nodes"].as_array().unwrap();
    let shows: Vec<_> = nodes.iter().flat_map(|theater| theater["shows"].as_array().unwrap()).collect();
    let mut representations: Vec<Value> =
        shows.iter().map(|show| json!({ "__typename": "Show", "id": show["id"] })).collect();
    representations.push(json!({ "__typename": "Screen", "id": nodes[0]["screens"][0]["id"] }));
    representations.push(json!({ "__typename": "Movie", "id": "movie_00000000000000000000000000" }));
    let query = "query($representations: [_Any!]!) { _entities(representations: $representations) {
        __typename ... on Show { id movie { id } screen { theater { name } } } ... on Screen { name } ... on Movie { title } } }";
    let data = catalog.ask(query, json!({ "representations": representations })).await;
    let entities = data["_entities"].as_array().unwrap();
    let by_id: BTreeMap<_, _> =
        shows.iter().map(|show| (show["id"].as_str(), &show["movie"]["id"])).collect();
    for entity in &entities[..shows.len()] {
        assert_eq!(entity["movie"]["id"], **by_id.get(&entity["id"].as_str()).unwrap());
    }
    assert_eq!(entities[shows.len()]["name"], "Screen 1");
    assert!(entities[shows.len() + 1].is_null());
}

#[tokio::test]
async fn what_does_not_exist_is_null_and_what_makes_no_sense_is_an_error() {
    let catalog = Catalog::empty("nothing").await;
    let data = catalog
        .ask("{ city(slug: \"x\") { id } movie(id: \"x\") { id } theater(id: \"x\") { id } screen(id: \"x\") { id } show(id: \"x\") { id } title(id: \"x\") { id } }", json!({}))
        .await;
    assert!(data.as_object().unwrap().values().all(Value::is_null), "{data}");
    for query in [
        "{ city { id } }",
        "{ city(id: \"x\", slug: \"x\") { id } }",
        "{ movies(first: 0) { totalCount } }",
        "{ movies(after: \"x\") { totalCount } }",
    ] {
        assert_eq!(catalog.refused(Caller::Anonymous, query, json!({})).await, "BAD_USER_INPUT", "{query}");
    }
}
