//! An event has its effect once, however often it comes.

use platform::{inbox, pg};
use sea_orm::TransactionTrait;

use crate::support::{SCHEMA, database, event, uuid, within};

#[tokio::test]
async fn the_first_delivery_counts_for_each_consumer() {
    let pg = pg::connect(&database().await).await.unwrap();
    let event = event(uuid(), 1);
    assert!(inbox::record(&pg, SCHEMA, "booking", &event).await.unwrap());
    assert!(!inbox::record(&pg, SCHEMA, "booking", &event).await.unwrap());
    assert!(inbox::record(&pg, SCHEMA, "history", &event).await.unwrap());
}

#[tokio::test]
async fn a_rolled_back_effect_is_applied_by_the_delivery_that_waited() {
    let pg = pg::connect(&database().await).await.unwrap();
    let event = event(uuid(), 1);
    let first = pg.begin().await.unwrap();
    assert!(inbox::record(&first, SCHEMA, "booking", &event).await.unwrap());
    let second = inbox::record(&pg, SCHEMA, "booking", &event);
    let (second, ()) = within("the second delivery", async {
        tokio::join!(second, async { first.rollback().await.unwrap() })
    })
    .await;
    assert!(second.unwrap());
}

#[tokio::test]
async fn old_entries_are_forgotten() {
    let pg = pg::connect(&database().await).await.unwrap();
    for number in 0..3 {
        inbox::record(&pg, SCHEMA, "booking", &event(uuid(), number)).await.unwrap();
    }
    let past = chrono::DateTime::UNIX_EPOCH;
    let future = chrono::DateTime::from_timestamp(32_503_680_000, 0).unwrap();
    assert_eq!(inbox::purge(&pg, SCHEMA, past, 10).await.unwrap(), 0);
    assert_eq!(inbox::purge(&pg, SCHEMA, future, 2).await.unwrap(), 2);
    assert_eq!(inbox::purge(&pg, SCHEMA, future, 2).await.unwrap(), 1);
}
