//! Batches what one request reads.

use std::{collections::HashMap, sync::Arc};

use async_graphql::dataloader::Loader;
use graphql_kit::Batched;
use kernel::{ApiKeyId, UserId};

use crate::{
    app::{App, Fault},
    domain::{Account, Period, Usage},
};

/// Accounts by id.
#[derive(Clone)]
pub(super) struct AccountLoader(Arc<App>);

impl Loader<UserId> for AccountLoader {
    type Value = Account;
    type Error = Arc<Fault>;

    async fn load(&self, keys: &[UserId]) -> Result<HashMap<UserId, Account>, Arc<Fault>> {
        self.0.accounts(keys).await.map_err(Arc::new)
    }
}

/// What was done with API keys, each in its period.
#[derive(Clone)]
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
    pub usage: Batched<UsageLoader, (ApiKeyId, Period)>,
    pub accounts: Batched<AccountLoader, UserId>,
}

impl Loaders {
    pub fn new(app: Arc<App>) -> Self {
        Self {
            usage: Batched::new(UsageLoader(Arc::clone(&app))),
            accounts: Batched::new(AccountLoader(app)),
        }
    }
}
