//! The events that the parts of Marquee tell each other, as they travel over RabbitMQ.
//!
//! An event is named `noun.verb`, has a version, and its JSON is pinned by a test for each
//! version: a change that would break a reader fails there, and needs a new version. Readers
//! ignore fields that they do not know.
//!
//! Architecture invariant: contracts only. No I/O, no rules.

pub mod booking;
pub mod payment;
pub mod show;
pub mod user;

use chrono::{DateTime, Utc};
use kernel::EventId;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use uuid::Uuid;

/// A body that travels in an [`Envelope`].
pub trait Event: Serialize + DeserializeOwned {
    /// Also the routing key, `noun.verb`.
    const NAME: &'static str;
    /// Grows with each change that old readers would misunderstand.
    const VERSION: u16;

    /// What events must stay in order with each other: the show on the booking side, the user on
    /// the user side.
    fn key(&self) -> Uuid;
}

/// An event with all that is needed to route, order, deduplicate and trace it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Envelope {
    /// Unique for each event, the same for each delivery of it.
    pub id: EventId,
    /// See [`Event::NAME`].
    pub name: String,
    /// See [`Event::VERSION`].
    pub version: u16,
    /// When it happened.
    pub time: DateTime<Utc>,
    /// See [`Event::key`].
    pub key: Uuid,
    /// The W3C `traceparent` of the request that caused it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<String>,
    /// The event itself.
    pub body: serde_json::Value,
}

/// An envelope does not hold what its reader expects.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// Another event, or a version that this reader does not know.
    #[error("expected {expected} version {known} at most, found {found} version {version}")]
    Contract {
        /// The event that was asked for.
        expected: &'static str,
        /// The newest version that this reader knows.
        known: u16,
        /// The event's name.
        found: String,
        /// The event's version.
        version: u16,
    },
    /// The body does not have the contract's form.
    #[error("event {name} has a body that breaks its contract")]
    Body {
        /// The event's name.
        name: &'static str,
        /// Where it differs.
        source: serde_json::Error,
    },
}

impl Envelope {
    /// Puts `event`, which happened at `time`, into an envelope.
    ///
    /// # Errors
    /// When the body has no JSON form; no contract of this crate is such.
    pub fn new<E: Event>(id: EventId, time: DateTime<Utc>, event: &E) -> Result<Self, serde_json::Error> {
        Ok(Self {
            id,
            name: E::NAME.to_owned(),
            version: E::VERSION,
            time,
            key: event.key(),
            trace: None,
            body: serde_json::to_value(event)?,
        })
    }

    /// Whether this holds an `E`.
    pub fn is<E: Event>(&self) -> bool {
        self.name == E::NAME
    }

    /// The event itself.
    ///
    /// # Errors
    /// [`DecodeError`]: such a message will not get better by trying again.
    pub fn decode<E: Event>(&self) -> Result<E, DecodeError> {
        if !self.is::<E>() || self.version > E::VERSION {
            return Err(DecodeError::Contract {
                expected: E::NAME,
                known: E::VERSION,
                found: self.name.clone(),
                version: self.version,
            });
        }
        E::deserialize(&self.body).map_err(|source| DecodeError::Body { name: E::NAME, source })
    }
}

/// Declares events: the name, the version, and what they are ordered by.
macro_rules! events {
    ($($type:ident $name:literal v $version:literal by $key:expr;)*) => {$(
        impl $crate::Event for $type {
            const NAME: &'static str = $name;
            const VERSION: u16 = $version;

            fn key(&self) -> uuid::Uuid {
                let key: fn(&Self) -> uuid::Uuid = $key;
                key(self)
            }
        }
    )*};
}
pub(crate) use events;
