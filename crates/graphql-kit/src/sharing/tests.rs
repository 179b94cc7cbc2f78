use async_graphql::{
    Interface, Object, SimpleObject,
    connection::{Connection, Edge},
};

use super::*;

/// Shared for a minute, but for one field that is not and one that changes sooner.
#[derive(SimpleObject, Clone)]
#[graphql(cache_control(max_age = 60))]
struct Movie {
    title: String,
    #[graphql(cache_control(max_age = 30))]
    rank: i32,
    #[graphql(cache_control(private))]
    seen_by_me: bool,
    review: Option<Review>,
}

/// Nobody has said anything.
#[derive(SimpleObject, Clone)]
struct Review {
    text: String,
    #[graphql(cache_control(max_age = 90))]
    stars: i32,
}

#[derive(SimpleObject, Clone)]
#[graphql(cache_control(max_age = 20))]
struct Concert {
    title: String,
    rank: i32,
}

#[derive(Interface, Clone)]
#[graphql(field(name = "title", ty = "&String"), field(name = "rank", ty = "&i32"))]
enum Title {
    Movie(Movie),
    Concert(Concert),
}

#[derive(SimpleObject)]
#[graphql(cache_control(private, max_age = 45))]
struct Map {
    version: i32,
    #[graphql(cache_control(max_age = 15))]
    price: i32,
    #[graphql(cache_control(private))]
    mine: bool,
}

fn movie() -> Movie {
    Movie { title: "M".to_owned(), rank: 1, seen_by_me: true, review: None }
}

struct Query;

#[Object(cache_control(max_age = 600))]
impl Query {
    #[graphql(cache_control(max_age = 40))]
    async fn movie(&self) -> Movie {
        movie()
    }

    #[graphql(cache_control(max_age = 40))]
    async fn title(&self) -> Vec<Title> {
        let concert = Concert { title: "C".to_owned(), rank: 2 };
        vec![Title::Movie(movie()), Title::Concert(concert)]
    }

    #[graphql(cache_control(max_age = 10))]
    async fn movies(&self) -> Connection<usize, Movie> {
        let mut page = Connection::new(false, false);
        page.edges.push(Edge::new(0, movie()));
        page
    }

    /// The hint of the type is not enough for root fields.
    async fn unthought_of(&self) -> Movie {
        movie()
    }

    async fn me(&self) -> i32 {
        1
    }

    #[graphql(cache_control(no_cache))]
    async fn seats(&self) -> i32 {
        1
    }

    #[graphql(cache_control(private, max_age = 50))]
    async fn map(&self) -> Map {
        Map { version: 1, price: 1, mine: true }
    }

    #[graphql(entity)]
    async fn find_movie(&self, title: String) -> Option<Movie> {
        (title == "M").then(movie)
    }
}

fn terms(query: &str) -> Option<Terms> {
    Sharing::of::<Query>().terms(&mut Request::new(query))
}

fn check(query: &str, expected: Option<u32>) {
    let expected = expected.map(|age| Terms { age, validated: false });
    assert_eq!(terms(query), expected, "{query}");
}

#[test]
fn one_field_that_holds_by_validators_is_enough() {
    for (query, age) in [
        ("{ map { version } }", 45),
        ("{ map { price } movie { title } }", 15),
        ("{ movie { rank } map { version } }", 30),
    ] {
        assert_eq!(terms(query), Some(Terms { age, validated: true }), "{query}");
    }
    check("{ map { version mine } }", None);
    check("{ map { version } me }", None);
}

#[test]
fn an_answer_is_as_old_as_its_strictest_field_may_be() {
    check("{ movie { title } }", Some(40));
    check("{ movie { title rank } }", Some(30));
    check("{ a: movie { __typename } b: movie { ...F } } fragment F on Movie { rank }", Some(30));
    check("{ title { title } }", Some(20));
    check("{ title { ... on Movie { title } } }", Some(40));
    check("query A { movie { title } } ", Some(40));
}

#[test]
fn what_nothing_is_said_of_is_not_shared() {
    check("{ me }", None);
    check("{ movie { title } me }", None);
    check("{ unthoughtOf { title } }", None);
    check("{ movie { seenByMe } }", None);
    check("{ movie { review { text } } }", None);
    check("{ movie { ... on Movie { review { text } } } }", None);
    check("{ movie { review { stars } } }", Some(40));
    check("{ seats }", None);
    check("{ movie { nothing } }", None);
    check("{ movie { title } nothing }", None);
    check("{ movie { title @skip(if: true) } me @skip(if: true) }", None);
    check("{ __schema { types { name } } movie { title } }", None);
    check("{ _service { sdl } }", None);
    check("{ __typename }", None);
    check("mutation { movie { title } }", None);
    check("subscription { movie { title } }", None);
    check("query A { movie { title } } query B { me }", None);
    check("{ movie { ", None);
}

#[test]
fn pages_are_shared_as_their_field_is() {
    check("{ movies { nodes { title } edges { cursor node { rank } } pageInfo { endCursor } } }", Some(10));
    check("{ movies { nodes { seenByMe } } }", None);
    check("{ movies { pageInfo { hasNextPage } } }", Some(10));
}

#[test]
fn entities_are_shared_as_their_fields_are() {
    let of = |fields: &str| {
        format!("query($r: [_Any!]!) {{ _entities(representations: $r) {{ ... on Movie {{ {fields} }} }} }}")
    };
    check(&of("__typename title"), Some(60));
    check(&of("rank"), Some(30));
    check(&of("seenByMe title"), None);
    check(&of("__typename"), None);
    check("query($r: [_Any!]!) { _entities(representations: $r) { title } }", None);
}

#[test]
fn all_that_is_shared_is_listed() {
    assert_eq!(
        shared::<Query>(),
        [
            "Concert 20: rank title",
            "Map 15 validated: price",
            "Map 45 validated: version",
            "Movie 30: rank",
            "Movie 60: review title",
            "Query 10: movies",
            "Query 40: movie title",
            "Query 50 validated: map",
            "Review 90: stars",
            "Title 20: rank title",
        ]
    );
}

#[test]
fn what_is_not_whole_is_not_shared() {
    let say = |data: Value, age: Option<u32>| {
        let terms = age.map(|age| Terms { age, validated: false });
        header(&said_in(Response::new(data), terms, &Noted::default()))
    };
    let data = |text: &str| Value::from_json(serde_json::from_str(text).unwrap()).unwrap();
    assert_eq!(say(data(r#"{"a":{"b":null}}"#), Some(30)), "public, max-age=30");
    assert_eq!(say(data(r#"{"a":[]}"#), Some(30)), "public, max-age=30");
    for (text, age) in
        [(r#"{"a":1}"#, None), (r#"{"a":null}"#, Some(30)), (r#"{"_entities":[{"a":1},null]}"#, Some(30))]
    {
        assert_eq!(say(data(text), age), "no-store", "{text}");
    }
    let terms = Some(Terms { age: 30, validated: false });
    let degraded = Response::new(data(r#"{"a":1}"#)).extension("degraded", Value::from(vec!["seats"]));
    assert_eq!(header(&said_in(degraded, terms, &Noted::default())), "no-store");
    let failed = Response::from_errors(vec![async_graphql::ServerError::new("no", None)]);
    assert_eq!(header(&said_in(failed, terms, &Noted::default())), "no-store");
}
