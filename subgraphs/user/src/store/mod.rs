//! The tables of schema `users`. One query per function; the caller decides on transactions.

pub(crate) mod account;
pub(crate) mod api_key;
pub(crate) mod api_key_usage;
pub(crate) mod attempt;
mod entity;
pub(crate) mod purge;
pub(crate) mod refresh_token;
pub(crate) mod session;

/// The PostgreSQL schema of this service.
pub(crate) const SCHEMA: &str = "users";
