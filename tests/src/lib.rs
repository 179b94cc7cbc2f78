//! The harness of the journeys: starts the whole platform as real processes on real PostgreSQL,
//! Redis and RabbitMQ, and gives tests people who use it.
//!
//! Every test has a stack of its own: a database (a copy of a seeded template), a Redis prefix, a
//! RabbitMQ prefix, and ports. The servers themselves are shared by a run; `cargo xtask test`
//! starts them.

pub mod collector;
pub mod database;
pub mod http;
pub mod mail;
pub mod metrics;
pub mod people;
pub mod ports;
pub mod process;
pub mod sandbox;
pub mod seat_map;
pub mod services;
pub mod shows;
pub mod stack;
pub mod wait;
pub mod wire;

pub use people::{Customer, Payload};
pub use seat_map::Watcher;
pub use shows::Show;
pub use stack::{Stack, StackBuilder};
pub use wait::eventually;
pub use wire::Wire;
