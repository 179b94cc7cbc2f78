//! Rows, as the database has them.

pub mod account;
pub mod api_key;
pub mod api_key_usage;
pub mod attempt;
pub mod refresh_token;
pub mod session;
