//! Looking at accounts.

use std::collections::HashMap;

use graphql_kit::Identity;
use kernel::UserId;

use super::{App, Fault};
use crate::{
    domain::{Account, access},
    store::account,
};

impl App {
    /// Whether `caller` may see the account `of`; ask before [`App::accounts`].
    pub(crate) fn may_see(&self, caller: Option<&Identity>, of: UserId) -> bool {
        access::may_read(caller, of)
    }

    /// The accounts with these ids.
    ///
    /// # Errors
    /// [`Fault::Db`].
    pub(crate) async fn accounts(&self, ids: &[UserId]) -> Result<HashMap<UserId, Account>, Fault> {
        let found = account::account_list_by_ids(&self.pg, ids).await?;
        Ok(found.into_iter().map(|account| (account.id, account)).collect())
    }
}
