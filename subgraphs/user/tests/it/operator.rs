//! What operators do at the command line.

use graphql_kit::Role;
use serde_json::json;
use user::app::{CreateAccountError, NewAccount, Operator, RoleError};

use crate::support::{PASSWORD, World, device, refusals};

fn account(email: &str, roles: &[Role]) -> NewAccount {
    NewAccount {
        email: email.to_owned(),
        password: PASSWORD.into(),
        name: "Grace".to_owned(),
        roles: roles.to_vec(),
    }
}

#[tokio::test]
async fn an_operator_creates_accounts_with_any_roles() {
    let world = World::new().await;
    let operator = Operator::new(&world.config, &world.deps).unwrap();
    let roles = [Role::Admin, Role::Customer, Role::Admin];
    operator.create_account(account("Grace@example.com", &roles)).await.unwrap();
    let grace = world.other_device("grace@example.com").await;
    let me = world.me(Some(&grace.access)).await;
    assert_eq!(me["data"]["me"]["roles"], json!(["CUSTOMER", "ADMIN"]));
    assert_eq!(world.events().await[0].0, "user.registered");

    let again = operator.create_account(account("grace@example.com", &roles)).await;
    assert!(matches!(again, Err(CreateAccountError::EmailTaken)));
    let error = operator.create_account(account("grace", &[])).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the account is not valid: email: not an email address; roles: give at least one role"
    );
}

#[tokio::test]
async fn a_granted_role_comes_with_the_next_token() {
    let world = World::new().await;
    let ada = world.person("ada@example.com").await;
    let operator = Operator::new(&world.config, &world.deps).unwrap();
    assert!(operator.grant_role("ADA@example.com", Role::Manager).await.unwrap());
    assert!(!operator.grant_role("ada@example.com", Role::Manager).await.unwrap());
    let ada = device(&world.refresh(&ada.refresh).await);
    let me = world.me(Some(&ada.access)).await;
    assert_eq!(me["data"]["me"]["roles"], json!(["CUSTOMER", "MANAGER"]));
}

#[tokio::test]
async fn a_revoked_role_ends_the_sessions() {
    let world = World::new().await;
    let ada = world.person("ada@example.com").await;
    let operator = Operator::new(&world.config, &world.deps).unwrap();
    assert!(!operator.revoke_role("ada@example.com", Role::Admin).await.unwrap());
    let only = operator.revoke_role("ada@example.com", Role::Customer).await;
    assert!(matches!(only, Err(RoleError::OnlyRole)));
    device(&world.refresh(&ada.refresh).await);

    operator.grant_role("ada@example.com", Role::Admin).await.unwrap();
    let ada = world.other_device("ada@example.com").await;
    assert!(operator.revoke_role("ada@example.com", Role::Admin).await.unwrap());
    assert_eq!(refusals(&world.refresh(&ada.refresh).await), ["SessionRevokedError"]);
}

#[tokio::test]
async fn roles_of_nobody_cannot_be_changed() {
    let world = World::new().await;
    let operator = Operator::new(&world.config, &world.deps).unwrap();
    let unknown = operator.grant_role("nobody@example.com", Role::Staff).await;
    assert!(matches!(unknown, Err(RoleError::NotFound)));
    let no_address = operator.revoke_role("nobody", Role::Staff).await;
    assert!(matches!(no_address, Err(RoleError::Email(_))));
}
