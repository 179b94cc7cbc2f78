//! Search.

use std::collections::BTreeSet;

use catalog::Scale;
use graphql_kit::Caller;
use serde_json::{Value, json};

use crate::support::Catalog;

const SEARCH: &str = "query($text: String!, $first: Int, $after: String) {
    search(text: $text, first: $first, after: $after) {
        nodes { __typename ... on Movie { id title } ... on Theater { id name } }
        pageInfo { endCursor hasNextPage } totalCount } }";

#[tokio::test]
async fn people_find_what_they_mean() {
    let catalog = Catalog::empty("search").await;
    catalog.seed(Scale::Full).await;
    let check = async |text: &str, expected: &str| {
        let data = catalog.ask(SEARCH, json!({ "text": text, "first": 5 })).await["search"].take();
        let names: Vec<_> = data["nodes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|node| node["title"].as_str().or(node["name"].as_str()).unwrap())
            .collect();
        assert!(names.contains(&expected), "{text} finds {names:?}");
        assert!(data["totalCount"].as_u64().unwrap() >= names.len() as u64);
    };
    check("casablanca", "Casablanca").await;
    // Beginnings and parts of words, without accents.
    check("godf", "The Godfather").await;
    check("amelie", "Amélie").await;
    check("fury ro", "Mad Max: Fury Road").await;
    check("wall e", "WALL·E").await;
    // Slips of the finger.
    check("incpetion", "Inception").await;
    check("matrx", "The Matrix").await;
    check("amelei", "Amélie").await;
    check("godfahter", "The Godfather").await;
    check("intersteller", "Interstellar").await;
    // People.
    check("miyazaki", "Spirited Away").await;
    check("sigourney weaver", "Alien").await;
    // Theaters, by name and street.
    check("grachtenlicht", "Grachtenlicht").await;
    check("oranienstrasse", "Spulenhaus Kreuzberg").await;
    check("lantern", "Kloof Lantern").await;
}

#[tokio::test]
async fn pages_of_hits_follow_each_other() {
    let catalog = Catalog::empty("search_pages").await;
    catalog.seed(Scale::Full).await;
    let (mut ids, mut after) = (Vec::new(), Value::Null);
    let total = loop {
        let data =
            catalog.ask(SEARCH, json!({ "text": "the", "first": 7, "after": after })).await["search"].take();
        ids.extend(
            data["nodes"].as_array().unwrap().iter().map(|node| node["id"].as_str().unwrap().to_owned()),
        );
        after = data["pageInfo"]["endCursor"].clone();
        if data["pageInfo"]["hasNextPage"] == false {
            break data["totalCount"].as_u64().unwrap() as usize;
        }
    };
    assert!(total > 14);
    assert_eq!(ids.len(), total);
    assert_eq!(ids.into_iter().collect::<BTreeSet<_>>().len(), total);
}

#[tokio::test]
async fn nothing_is_found_for_nothing() {
    let catalog = Catalog::small("search_nothing").await;
    for text in ["", "  ", "?!", "%", "xqzwv"] {
        let data = catalog.ask(SEARCH, json!({ "text": text })).await;
        assert_eq!(data["search"]["totalCount"], 0, "{text}");
    }
    let long = json!({ "text": "x".repeat(101) });
    assert_eq!(catalog.refused(Caller::Anonymous, SEARCH, long).await, "BAD_USER_INPUT");
}
