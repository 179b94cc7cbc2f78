//! Batches and caches what one request reads.

use std::{collections::HashMap, sync::Arc};

use async_graphql::dataloader::{DataLoader, HashMapCache, Loader};
use kernel::{ApiKeyId, UserId};

use crate::{
    app::{App, Fault},
    domain::{Account, Period, Usage},
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

/// What was done with API keys, each in its period.
pub(super) struct UsageLoader(Arc<App>);

impl Loader<(ApiKeyId, Period)> for UsageLoader {
    type Value = Vec<Usage>;
    type Error = Arc<Fault>;

    async fn load(
        &self,
        keys: &[(ApiKeyId, Period)],
    ) -> Result<HashMap<(ApiKeyId, Period), Vec<Usage>>, Arc<Fault>> {
        self.0.api_key_usage(keys).await.map_err(Arc::new)
    }
}

/// The loaders of one request.
pub(super) struct Loaders {
    pub usage: DataLoader<UsageLoader>,
    pub accounts: DataLoader<AccountLoader, HashMapCache>,
}

impl Loaders {
    pub fn new(app: Arc<App>) -> Self {
        Self {
            usage: DataLoader::new(UsageLoader(Arc::clone(&app)), tokio::spawn),
            accounts: DataLoader::with_cache(AccountLoader(app), tokio::spawn, HashMapCache::default()),
        }
    }
}
