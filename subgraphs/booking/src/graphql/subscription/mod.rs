//! Subscriptions, one per file.

pub mod booking_changed;
pub mod seat_map_changed;

use async_graphql::MergedSubscription;

/// The root of subscriptions.
#[derive(MergedSubscription, Default)]
pub struct Subscription(
    seat_map_changed::SeatMapChangedSubscription,
    booking_changed::BookingChangedSubscription,
);
