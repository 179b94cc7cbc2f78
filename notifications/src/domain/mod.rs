//! What is told to whom, in which words. Pure: no I/O, no clock.

pub mod language;
pub mod notice;
pub mod retry;

pub use language::Language;
pub use notice::Notice;
pub use retry::RetryPolicy;
