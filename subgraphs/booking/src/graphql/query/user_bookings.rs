//! The entity `User`.

use async_graphql::{ID, Object};
use kernel::UserId;

use crate::graphql::model::user::User;

#[derive(Default)]
pub struct UserQuery;

#[Object]
impl UserQuery {
    /// Who may see what of a user, its fields decide.
    #[graphql(entity)]
    async fn find_user_by_id(&self, id: ID) -> Option<User> {
        id.parse::<UserId>().ok().map(User)
    }
}
