//! Pure types and rules of booking: no clock, no network, no database.

pub mod alternatives;
pub mod audit;
pub mod availability;
pub mod best_available;
pub mod booking;
pub mod delta;
pub mod equivalent;
pub mod finding;
pub mod hold;
pub mod payment;
pub mod pricing;
pub mod reconcile;
pub mod reference;
pub mod refund_policy;
pub mod seats;
pub mod settlement;
pub mod show;
pub mod signature;
pub mod ticket;
