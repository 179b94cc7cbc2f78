//! From events to messages.

mod compose;
mod intake;
mod render;
#[cfg(test)]
mod sample;
mod sender;

pub(crate) use compose::Composer;
pub(crate) use intake::Intake;
pub(crate) use sender::Sender;
