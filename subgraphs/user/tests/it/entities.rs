//! `User` as the gateway asks for it.

use graphql_kit::Role;
use serde_json::{Value, json};
use user::app::{NewAccount, Operator};

use crate::support::{PASSWORD, World};

async fn resolve(world: &World, token: Option<&str>, ids: &[&str]) -> Value {
    let representations: Vec<_> = ids.iter().map(|id| json!({ "__typename": "User", "id": id })).collect();
    let query = "query($r: [_Any!]!) { _entities(representations: $r) { ... on User { id email name } } }";
    let mut answer = world.post(token, query, json!({ "r": representations })).await;
    assert_eq!(answer.get("errors"), None);
    answer["data"]["_entities"].take()
}

#[tokio::test]
async fn a_person_sees_themself_and_nobody_else() {
    let world = World::new().await;
    let ada = world.person("ada@example.com").await;
    let bob = world.person("bob@example.com").await;
    let seen = resolve(&world, Some(&ada.access), &[&bob.user, &ada.user, "user_", "movie_1"]).await;
    assert_eq!(
        seen,
        json!([null, { "id": ada.user, "email": "ada@example.com", "name": "Ada" }, null, null])
    );
    assert_eq!(resolve(&world, None, &[&ada.user, &bob.user]).await, json!([null, null]));
}

#[tokio::test]
async fn administrators_see_everyone() {
    let world = World::new().await;
    let ada = world.person("ada@example.com").await;
    let operator = Operator::new(&world.config, &world.deps).unwrap();
    for (role, seen) in [(Role::Manager, false), (Role::Staff, false), (Role::Admin, true)] {
        let email = format!("{}@example.com", role.as_str());
        let new = NewAccount {
            email: email.clone(),
            password: PASSWORD.into(),
            name: "Root".to_owned(),
            roles: vec![role],
        };
        operator.create_account(new).await.unwrap();
        let caller = world.other_device(&email).await;
        let entities = resolve(&world, Some(&caller.access), &[&ada.user]).await;
        assert_eq!(!entities[0].is_null(), seen, "{role:?}");
    }
}

#[tokio::test]
async fn nobody_is_logged_in_without_a_token() {
    let world = World::new().await;
    let answer = world.me(None).await;
    assert_eq!(answer, json!({ "data": { "me": null } }));
}
