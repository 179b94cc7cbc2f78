//! Ctrl-C and its relatives, as a flag that long work looks at.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    flag,
};

/// Raised by SIGINT, SIGTERM or SIGHUP. Children are in process groups of their own, so a Ctrl-C
/// on the terminal reaches this process alone, which then ends them in order.
#[derive(Clone, Debug, Default)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Catches the signals of this process from now on.
    ///
    /// # Errors
    /// When the operating system does not permit it.
    pub fn catch() -> Result<Self> {
        let interrupt = Self::default();
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            flag::register(signal, Arc::clone(&interrupt.0)).context("cannot catch signals")?;
        }
        Ok(interrupt)
    }

    /// One that no signal raises, for callers with other means of ending.
    pub fn never() -> Self {
        Self::default()
    }

    /// Whether it was raised.
    pub fn is_raised(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// An error once it was raised.
    ///
    /// # Errors
    /// [`Interrupted`].
    pub fn check(&self) -> Result<()> {
        if self.is_raised() {
            bail!(Interrupted);
        }
        Ok(())
    }

    /// Waits a little between two looks at something.
    ///
    /// # Errors
    /// [`Interrupted`].
    pub fn pause(&self, span: Duration) -> Result<()> {
        thread::sleep(span);
        self.check()
    }
}

/// The work was interrupted by a signal.
#[derive(Debug)]
pub struct Interrupted;

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("interrupted")
    }
}

impl std::error::Error for Interrupted {}
