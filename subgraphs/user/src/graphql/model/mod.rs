//! The types of the schema.

mod session;
mod user;
mod user_error;

pub use session::Session;
pub use user::User;
pub use user_error::UserError;
