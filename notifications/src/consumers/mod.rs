//! One RabbitMQ consumer or periodic job per file.

mod bookings;
mod purge;
mod users;

pub(crate) use bookings::Bookings;
pub(crate) use purge::start as start_purge;
pub(crate) use users::Users;
