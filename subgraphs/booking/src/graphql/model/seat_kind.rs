//! `SeatKind`.

use async_graphql::Enum;

/// What a seat is like; decides its price.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "kernel::SeatKind")]
pub enum SeatKind {
    /// An ordinary seat.
    Regular,
    /// A better row.
    Premium,
    /// The best seats of the house.
    Vip,
    /// A seat that reclines.
    Recliner,
    /// A place for a wheelchair.
    Wheelchair,
    /// Beside a wheelchair place, for who comes along.
    Companion,
}
