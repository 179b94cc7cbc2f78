//! What clients see: one noun per file.

pub mod audit_entry;
pub mod audit_reason;
pub mod booked_seat;
pub mod booking;
pub mod hold;
pub mod payment;
pub mod refund;
pub mod seat_map;
pub mod ticket;
pub mod user;
pub mod user_error;
