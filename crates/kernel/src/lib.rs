//! What every part of Marquee means by an id, a sum of money, a seat or "now".
//!
//! Architecture invariant: nothing here does I/O, and nothing here knows GraphQL, SQL or queues.

pub mod error;
pub mod id;
pub mod money;
pub mod seating;
pub mod source;

pub use error::ErrorCode;
pub use id::{
    ApiKeyId, BookingId, CityId, EventId, FindingId, HoldId, Id, MovieId, ParseIdError, PaymentId, PersonId,
    RefundId, ScopedId, ScreenId, SeatId, SessionId, ShowId, TheaterId, TicketId, UserId,
};
pub use money::{Currency, Money, MoneyError};
pub use seating::{Layout, SeatKind, SeatState};
pub use source::{Clock, IdSource, ManualClock, SharedClock, SharedIds, SystemClock, SystemIds};
