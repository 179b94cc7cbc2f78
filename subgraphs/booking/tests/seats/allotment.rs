//! The allotment of an API key, while Redis is away.

use booking::app::seats::{HoldRefusal, Limit};
use graphql_kit::{Grant, Identity, Scope};
use kernel::ApiKeyId;

use crate::away::{ROOM, check_out, hold};
use crate::house::{House, somebody};
use crate::support::uuid;

fn key_of(account: &Identity, seats_per_show: u32) -> Identity {
    let grant = Grant {
        key: ApiKeyId::from_uuid(uuid()),
        scopes: Scope::ALL.into(),
        rate_per_minute: 1,
        daily_quota: 1,
        seats_per_show,
    };
    Identity { grant: Some(grant), ..account.clone() }
}

#[tokio::test]
async fn durable_holds_and_bookings_are_counted_together() {
    let (house, proxy) = House::wired(ROOM, |_| {}).await;
    proxy.refuse();
    house.knows(true).await;
    let account = somebody();
    let key = key_of(&account, 4);
    let over = |refused: Result<_, HoldRefusal>| {
        assert!(
            matches!(refused, Err(HoldRefusal::Limit(Limit::Allotment { max: 4 }))),
            "{:?}",
            refused.map(|hold: booking::app::seats::Hold| hold)
        );
    };
    let first = hold(&house.app, &house, &key, &[0, 1, 2], "a").await.unwrap();
    assert!(first.is_durable());
    over(hold(&house.app, &house, &key, &[3, 4], "b").await);
    check_out(&house.app, &key, first.id).await.unwrap();
    over(hold(&house.app, &house, &key, &[3, 4], "b").await);
    let second = hold(&house.app, &house, &key, &[3], "c").await.unwrap();
    over(hold(&house.app, &house, &key, &[4], "d").await);
    check_out(&house.app, &key, second.id).await.unwrap();
    // The same request again is no further one.
    assert_eq!(
        hold(&house.app, &house, &key, &[3], "c").await.unwrap_err().to_string(),
        "the hold has ended"
    );
    // A person has no allotment, and a smaller one is full.
    let third = hold(&house.app, &house, &account, &[5], "e").await.unwrap();
    check_out(&house.app, &key, third.id).await.unwrap_err();
    check_out(&house.app, &account, third.id).await.unwrap();
}
