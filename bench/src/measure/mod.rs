//! What is measured, and how it becomes one number.

mod cpu;
mod latency;
mod others;
mod outcome;
mod stats;

pub use cpu::{Children, Cpu, Process, resident_bytes};
pub use latency::{Latency, Recorder};
pub use others::Others;
pub use outcome::{Curve, Fact, Goal, Outcome, Pair, Point, Sample};
pub use stats::{Spread, median};
