//! The ground every role of Marquee stands on: checked configuration, telemetry, start-up and
//! shut-down, and the clients of PostgreSQL, Redis and RabbitMQ with the patterns that make them
//! safe together (transactional outbox, inbox, delayed retries, dead letters).
//!
//! Architecture invariant: this is the only crate that constructs `fred` and `lapin` clients.
//!
//! Architecture invariant: no dependency has to be up for a process to start. Connections are
//! made and repaired in the background, and [`http::Readiness`] names what is missing.
//!
//! Architecture invariant: an event is published only after the transaction that caused it has
//! committed, and at least once ([`outbox`]); an effect of an event is applied only once
//! ([`inbox`]).

pub mod auth;
pub mod cache;
pub mod config;
pub mod deps;
pub mod faults;
pub mod http;
pub mod inbox;
pub mod job;
pub mod lifecycle;
pub mod outbox;
pub mod pg;
pub mod rabbit;
pub mod redis;
pub mod telemetry;
pub mod together;

mod backoff;

pub use deps::{Deps, DepsConfig, DepsError};
pub use lifecycle::Shutdown;
pub use rabbit::{Handler, HandlerError, Queue, Rabbit};
pub use redis::{PubSub, PubSubEvent, Redis, Script};
pub use telemetry::Telemetry;
