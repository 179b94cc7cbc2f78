//! What an account, a password and a session are allowed to be. Pure: no I/O, no clock.

pub mod access;
pub mod account;
pub mod email;
pub mod invalid;
pub mod name;
pub mod password;
pub mod region;
pub mod session;
pub mod throttle;

pub use account::{Account, Profile};
pub use email::Email;
pub use invalid::Invalid;
pub use name::Name;
pub use password::Password;
pub use region::{Locale, TimeZone};
pub use session::{EndReason, RefreshToken, Session, TokenHash};
pub use throttle::{Attempts, ThrottleConfig};
