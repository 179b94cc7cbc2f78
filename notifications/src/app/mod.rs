//! From events to messages.

mod compose;
mod given_up;
mod intake;
mod marker;
mod render;
#[cfg(test)]
mod sample;
mod sender;

pub(crate) use compose::Composer;
pub use given_up::{GivenUp, Which, given_up_list, given_up_retry};
pub(crate) use intake::Intake;
pub(crate) use marker::Marker;
pub(crate) use sender::Sender;
