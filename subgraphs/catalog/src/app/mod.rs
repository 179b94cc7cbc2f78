//! Use cases of the catalog. Authorisation is decided here; browsing is for everybody.

pub(crate) mod browse;
mod cancel_show;
mod failure;
mod kept;
mod prices;
mod schedule_show;
pub(crate) mod seed;
mod update_show_prices;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use events::{Envelope, Event};
use graphql_kit::{Identity, Role};
use kernel::{EventId, SharedClock, SharedIds, ShowId};
use platform::{faults::reach, outbox};
use sea_orm::{ConnectionTrait, DatabaseConnection, DatabaseTransaction, TransactionTrait};
use tracing::Instrument as _;

pub use cancel_show::CancelShow;
pub use failure::{Failure, Outcome, Refusal};
pub use kept::{Kept, tell_all};
pub use schedule_show::ScheduleShow;
pub use update_show_prices::UpdateShowPrices;

use crate::{
    domain::{Movie, Screen, Show, Theater},
    store::{self, SCHEMA, StoreError},
};

/// The use cases with all that they need. Cheap to clone.
#[derive(Clone)]
pub struct App(Arc<Parts>);

struct Parts {
    pg: DatabaseConnection,
    clock: SharedClock,
    ids: SharedIds,
    kept: Kept,
}

/// Who may schedule, cancel and price shows.
const SCHEDULERS: [Role; 2] = [Role::Manager, Role::Admin];

impl App {
    /// The use cases over a database.
    pub fn new(pg: DatabaseConnection, clock: SharedClock, ids: SharedIds, kept: Kept) -> Self {
        Self(Arc::new(Parts { pg, clock, ids, kept }))
    }

    /// The present moment.
    pub fn now(&self) -> DateTime<Utc> {
        self.0.clock.now()
    }

    async fn begin(&self) -> Result<DatabaseTransaction, Failure> {
        Ok(self.0.pg.begin().await.map_err(StoreError::from)?)
    }

    /// Commits what was done to a show together with `event`, and lets the relay and all who keep
    /// something of the show know.
    async fn commit_with<E: Event>(
        &self,
        transaction: DatabaseTransaction,
        show: ShowId,
        event: &E,
    ) -> Result<(), Failure> {
        let id = EventId::from_uuid(self.0.ids.uuid());
        let envelope = Envelope::new(id, self.now(), event).map_err(Failure::Event)?;
        outbox::append(&transaction, SCHEMA, &envelope).await.map_err(StoreError::from)?;
        reach("catalog.updated").await;
        let app = self.clone();
        let committing = async move {
            transaction.commit().await.map_err(StoreError::from)?;
            outbox::wake(SCHEMA);
            reach("catalog.committed").await;
            app.changed(show).await;
            Ok(())
        };
        // In a task of its own: a caller who goes away must not leave what is committed untold.
        tokio::spawn(committing.in_current_span()).await.map_err(|_| Failure::Stopping)?
    }
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App").finish_non_exhaustive()
    }
}

fn authorise_scheduling(actor: &Identity) -> Result<(), Failure> {
    if actor.has_any(&SCHEDULERS) {
        return Ok(());
    }
    Err(Failure::Forbidden("only managers and administrators may change what is shown"))
}

/// The show, locked, with all that its snapshot tells.
struct LockedShow {
    show: Show,
    movie: Movie,
    theater: Theater,
    screen: Screen,
}

async fn show_lock<C: ConnectionTrait>(conn: &C, id: ShowId) -> Result<Option<LockedShow>, Failure> {
    let Some(show) = store::show::show_lock(conn, id).await? else { return Ok(None) };
    // Foreign keys promise that all three are there.
    let missing = |what| StoreError::corrupt("show, which lacks its", what);
    let movie = store::movie::movie_many(conn, &[show.movie_id]).await?.pop();
    let theater = store::theater::theater_many(conn, &[show.theater_id]).await?.pop();
    let screen = store::screen::screen_many(conn, &[show.screen_id]).await?.pop();
    Ok(Some(LockedShow {
        show,
        movie: movie.ok_or_else(|| missing("movie"))?,
        theater: theater.ok_or_else(|| missing("theater"))?,
        screen: screen.ok_or_else(|| missing("screen"))?,
    }))
}
