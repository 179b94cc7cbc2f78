//! The seat map as PostgreSQL knows it, for as long as Redis is away.
//!
//! It has no versions: its epoch is a digest of the seats, so that any change shows as another
//! epoch and clients read the map anew. Holds of Redis are not in it. Readers share it for a moment, see
//! [`readers`](super::readers); whoever wants seats reads it for themselves.

use std::sync::Arc;

use kernel::{SeatState, ShowId};
use sea_orm::{ConnectionTrait, DatabaseConnection};
use sha2::{Digest, Sha256};

use super::{SeatsError, readers::Readers};
use crate::domain::{delta::Position, seats::pack, show::Show};
use crate::store::{
    StoreError,
    allocations::{TakenSeat, allocation_list_taken},
    seats::Snapshot,
    shows::Shows,
};

/// Epochs of maps that PostgreSQL makes begin like this; no epoch of Redis does.
const EPOCH: &str = "pg-";

/// Reads seat maps from PostgreSQL.
#[derive(Clone)]
pub(super) struct StoredMaps {
    pg: DatabaseConnection,
    shows: Shows,
    readers: Arc<Readers>,
}

/// The seats of a show, as far as PostgreSQL knows.
pub(crate) struct StoredMap {
    /// A letter per seat; what gives way to whoever wants it is free.
    pub(crate) states: Vec<u8>,
    taken: Vec<TakenSeat>,
}

impl StoredMap {
    /// Those of `seats` that look free but have to be taken from a hold or claim that is over.
    pub(crate) fn overdue<'a>(&'a self, seats: &'a [u16]) -> impl Iterator<Item = &'a TakenSeat> {
        self.taken.iter().filter(|taken| taken.overdue && seats.contains(&taken.seat_no))
    }
}

impl StoredMaps {
    pub(super) fn new(pg: DatabaseConnection, shows: Shows) -> Self {
        let connections = pg.get_postgres_connection_pool().options().get_max_connections();
        Self { pg, shows, readers: Arc::new(Readers::new(connections)) }
    }

    pub(super) async fn show(&self, id: ShowId) -> Result<Arc<Show>, SeatsError> {
        self.shows.get(&self.pg, id).await?.ok_or(SeatsError::UnknownShow(id))
    }

    pub(super) async fn read<C: ConnectionTrait>(
        &self,
        conn: &C,
        show: &Show,
    ) -> Result<StoredMap, StoreError> {
        let taken = allocation_list_taken(conn, show.id).await?;
        let states = pack(
            show,
            taken
                .iter()
                .filter(|taken| !taken.overdue)
                .map(|taken| (taken.seat_no, if taken.sold { SeatState::Sold } else { SeatState::Held })),
        );
        Ok(StoredMap { states, taken })
    }

    /// The seats as they are, or were a moment ago.
    pub(super) async fn snapshot(&self, id: ShowId) -> Result<Snapshot, SeatsError> {
        let maps = self.clone();
        self.readers.read(id, async move { maps.snapshot_now(id).await }).await
    }

    /// Something about the show was committed: nobody is shown what it was before.
    pub(super) fn changed(&self, id: ShowId) {
        self.readers.forget(id);
    }

    async fn snapshot_now(&self, id: ShowId) -> Result<Snapshot, SeatsError> {
        let show = self.show(id).await?;
        let states = self.read(&self.pg, &show).await?.states;
        let digest: [u8; 32] = Sha256::digest(&states).into();
        let epoch = format!("{EPOCH}{}", hex::encode(&digest[..8]));
        metrics::counter!("booking_seat_maps_stored_total").increment(1);
        Ok(Snapshot {
            position: Position { epoch: epoch.into(), version: 0 },
            states: states.into(),
            revision: show.revision,
            degraded: true,
        })
    }
}
