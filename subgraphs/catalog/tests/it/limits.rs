//! How much one operation may ask for.

use graphql_kit::Caller;
use serde_json::json;

use crate::support::Catalog;

#[tokio::test]
async fn the_largest_pages_of_clients_pass_and_what_multiplies_them_does_not() {
    let catalog = Catalog::empty("limits").await;
    for operation in [
        "{ movies(first: 100) { nodes { id title description genres languages certificate posterUrl
            cast { name character } crew { name job } rating { average count } } pageInfo { endCursor } totalCount } }",
        "{ theaters(first: 100) { edges { distanceKm node { id name address position { lat lon }
            openingHours { day opens closes } screens { id name formats seats: layout { seatCount } } } } } }",
        "{ search(text: \"night\", first: 100) { nodes { __typename ... on Movie { id title }
            ... on Theater { id name city { name } } } } }",
        "{ cities { id name theaters: slug position { lat lon } } }",
    ] {
        catalog.ask(operation, json!({})).await;
    }
    for operation in [
        "{ theaters(first: 100) { nodes { screens { layout { rows { seats { id label } } } } } } }",
        "{ movies(first: 100) { nodes { showtimes(cityId: \"c\", date: \"2026-11-20\") { shows { screen {
            layout { rows { seats { id } } } } } } } } }",
    ] {
        let code = catalog.refused(Caller::Anonymous, operation, json!({})).await;
        assert_eq!(code, "BAD_USER_INPUT", "{operation}");
    }
    // Small pages of the same are nobody's harm.
    catalog
        .ask(
            "{ theaters(first: 2) { nodes { screens { layout { rows { seats { id label } } } } } } }",
            json!({}),
        )
        .await;
}
