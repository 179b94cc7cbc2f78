//! Reading seats.

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use fred::{interfaces::KeysInterface, types::Value};
use kernel::ShowId;
use platform::redis::RedisError;

use super::{NO_FIELD, SeatStore, SeatsAt, moment, reply};
use crate::domain::{delta::Position, hold::HoldEnd, seats};

/// All seats of a show at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Where in the history of the seat map this is.
    pub position: Position,
    /// A letter per seat in layout order.
    pub states: Bytes,
    /// The revision of the show that they were loaded from.
    pub revision: i64,
    /// Was it made of what PostgreSQL knows, because Redis is away?
    pub degraded: bool,
}

impl Snapshot {
    /// How many seats can be had.
    pub fn available(&self) -> u32 {
        seats::available(&self.states)
    }

    /// What the snapshot of this show holds by; nothing when Redis does not have the seats.
    pub fn validator(&self, show: ShowId) -> Option<SeatsAt> {
        (!self.degraded).then(|| SeatsAt { show, position: self.position.clone() })
    }
}

/// Where a loaded show stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Where in the history of the seat map.
    pub position: Position,
    /// The revision of the show that it was loaded from.
    pub revision: i64,
    /// When there may be something to end.
    pub next_end: DateTime<Utc>,
    /// The run of Redis that it was loaded into (see [`platform::PubSub::servers`]); empty when that was not
    /// known.
    pub server: String,
}

impl SeatStore {
    /// The seats as they are now; `None` when the show is not loaded.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn snapshot(&self, show: ShowId) -> Result<Option<Snapshot>, RedisError> {
        let reply = self.run(&self.scripts.read, show, NO_FIELD, [], []).await?;
        match reply.word()? {
            "SEATS" => {
                let (position, states, revision) = (position(&reply)?, reply.bytes(3)?, reply.number(4)?);
                Ok(Some(Snapshot { position, states, revision, degraded: false }))
            }
            "NOT_LOADED" => Ok(None),
            _ => Err(reply.unknown()),
        }
    }

    /// Ends what is overdue, and tells where the show stands; `None` when it is not loaded.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn expire(&self, show: ShowId) -> Result<Option<Standing>, RedisError> {
        let reply = self.run(&self.scripts.expire, show, NO_FIELD, [], []).await?;
        match reply.word()? {
            "DONE" => {
                let lapsed = u64::try_from(reply.number(5)?).unwrap_or_default();
                if lapsed > 0 {
                    let reason = HoldEnd::Expired.label();
                    metrics::counter!("booking_holds_ended_total", "reason" => reason).increment(lapsed);
                }
                Ok(Some(Standing {
                    position: position(&reply)?,
                    next_end: moment(reply.number(3)?)?,
                    revision: reply.number(4)?,
                    server: reply.text(6)?.to_owned(),
                }))
            }
            "NOT_LOADED" => Ok(None),
            _ => Err(reply.unknown()),
        }
    }

    /// The present run of the server that has the show, if the one that it was loaded into is no more. A show that
    /// moved to another node of a cluster has lost nothing on the way: it may name any of them.
    pub async fn other_server(&self, show: ShowId, standing: &Standing) -> Option<Arc<str>> {
        let subscriber = self.redis.subscriber();
        if subscriber.servers()?.has(&standing.server) {
            return None;
        }
        // Whoever loaded it may have known sooner.
        let servers = subscriber.ask_servers().await?;
        if servers.has(&standing.server) {
            return None;
        }
        servers.of(&self.keys(show).states()).cloned()
    }

    /// The states of those of `shows` that are loaded, in one round trip. What is overdue still
    /// counts as held.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn states_of(&self, shows: &[ShowId]) -> Result<HashMap<ShowId, Bytes>, RedisError> {
        self.redis.available()?;
        let pipeline = self.redis.pipeline();
        for show in shows {
            let _: Value = pipeline.get(self.keys(*show).states()).await?;
        }
        let answers = pipeline.try_all::<Value>().await;
        if answers.len() != shows.len() {
            // The pipeline failed as a whole, with one error.
            return match answers.into_iter().next() {
                Some(Err(error)) => Err(error.into()),
                other => Err(reply::unexpected("an answer for each show", other)),
            };
        }
        let mut states = HashMap::with_capacity(shows.len());
        for (show, answer) in shows.iter().zip(answers) {
            if let Some(letters) = answer?.into_bytes() {
                states.insert(*show, letters);
            }
        }
        Ok(states)
    }
}

/// `… EPOCH VERSION …`
fn position(reply: &reply::Reply) -> Result<Position, RedisError> {
    let version = reply.number(2)?;
    let version = u64::try_from(version).map_err(|_| reply::unexpected("a version", version))?;
    Ok(Position { epoch: Arc::from(reply.text(1)?), version })
}
