//! What an account, a password and a session are allowed to be. Pure: no I/O, no clock.

pub mod access;
pub mod account;
pub mod api_key;
pub mod email;
pub mod invalid;
pub mod name;
pub mod password;
pub mod region;
pub mod session;
pub mod throttle;
pub mod token_request;
pub mod usage;

pub use account::{Account, Profile};
pub use api_key::{ApiKey, AskedTerms, KeyStatus, KeyText, SecretHash, Terms};
pub use email::Email;
pub use invalid::Invalid;
pub use name::Name;
pub use password::Password;
pub use region::{Locale, TimeZone};
pub use session::{EndReason, RefreshToken, Session, TokenHash};
pub use throttle::{Attempts, ThrottleConfig};
pub use token_request::{TokenRefusal, TokenRequest};
pub use usage::{Period, Usage};
