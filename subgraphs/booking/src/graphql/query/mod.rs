//! Root query fields and entity resolvers, one noun per file.

pub mod audit_trail;
pub mod booking;
pub mod show_seats;
pub mod ticket_keys;
pub mod user_bookings;

use async_graphql::MergedObject;

/// The root of queries.
#[derive(MergedObject, Default)]
pub struct Query(
    audit_trail::AuditTrailQuery,
    booking::BookingQuery,
    user_bookings::UserQuery,
    ticket_keys::TicketKeysQuery,
    show_seats::ShowSeatsQuery,
);
