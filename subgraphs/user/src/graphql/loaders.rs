//! Batches and caches what one request reads.

use std::{collections::HashMap, sync::Arc};

use async_graphql::dataloader::{DataLoader, HashMapCache, Loader};
use kernel::UserId;

use crate::{
    app::{App, Fault},
    domain::Account,
};

/// Accounts by id.
pub(super) struct AccountLoader(Arc<App>);

impl Loader<UserId> for AccountLoader {
    type Value = Account;
    type Error = Arc<Fault>;

    async fn load(&self, keys: &[UserId]) -> Result<HashMap<UserId, Account>, Arc<Fault>> {
        self.0.accounts(keys).await.map_err(Arc::new)
    }
}

/// The loaders of one request.
pub(super) struct Loaders {
    pub accounts: DataLoader<AccountLoader, HashMapCache>,
}

impl Loaders {
    pub fn new(app: Arc<App>) -> Self {
        Self { accounts: DataLoader::with_cache(AccountLoader(app), tokio::spawn, HashMapCache::default()) }
    }
}
