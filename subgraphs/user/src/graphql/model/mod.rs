//! The types of the schema.

mod api_key;
mod session;
mod user;
mod user_error;

pub use api_key::{ApiKey, ApiKeyScope};
pub use session::Session;
pub use user::User;
pub use user_error::UserError;
