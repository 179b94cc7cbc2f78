//! Rows, as the database has them.

pub mod account;
pub mod attempt;
pub mod refresh_token;
pub mod session;
