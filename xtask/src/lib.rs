//! The automation of this repository, as a library: the binary is a thin shell over it, and the
//! tests use [`services`] for instances of their own.

pub mod bench;
pub mod cargo;
pub mod cli;
pub mod console;
pub mod deploy;
pub mod down;
pub mod faults;
pub mod guard;
pub mod http;
pub mod interrupt;
pub mod ports;
pub mod process;
pub mod random;
pub mod schema;
pub mod services;
pub mod test;
pub mod tidy;
pub mod up;
pub mod workspace;
