//! Processes: started, watched and ended without leaving any behind.
//!
//! Architecture invariant: every long-lived child is recorded in a [`Ledger`] file before anything
//! else happens, by pid and time of birth, so that whoever comes next (a later command, or the
//! [guard](crate::guard) of a killed one) can end exactly what was started here and nothing else.

mod identity;
mod ledger;
mod owner;
mod run;

pub use identity::Identity;
pub use ledger::{Ledger, Managed, StopSignal, stop_below};
pub use owner::{claim, owner};
pub use run::{capture, run, run_reading};
