//! Private servers of one run, and a folder that is gone when it is over.

use std::{
    ops::Deref,
    path::{Path, PathBuf},
};

use anyhow::Result;

use super::{Durability, External, Home, Install, Plan, Services, remove_data};
use crate::{console, guard::Guard, interrupt::Interrupt, process};

/// The home of one run. Dropping it ends everything that was recorded there, and removes the folder;
/// should this process be killed, a guard ends it.
#[derive(Debug)]
pub struct TemporaryHome {
    home: Home,
    // Dropped after the home, which ends what runs there.
    _data: Data,
    _guard: Guard,
}

/// Removes the folder at the end.
#[derive(Debug)]
struct Data(PathBuf);

impl Drop for Data {
    fn drop(&mut self) {
        if let Err(error) = remove_data(&self.0) {
            console::line(&format!("{error:#}"));
        }
    }
}

impl TemporaryHome {
    fn open(dir: &Path) -> Result<Self> {
        process::claim(dir)?;
        let guard = Guard::start(dir)?;
        let data = Data(dir.to_owned());
        Ok(Self { home: Home::open(dir)?, _data: data, _guard: guard })
    }
}

impl Deref for TemporaryHome {
    type Target = Home;

    fn deref(&self) -> &Home {
        &self.home
    }
}

impl Services {
    /// Starts all of them in `dir`, for one run: never somebody's own, because runs make and drop
    /// databases. Drop the home after the services.
    ///
    /// # Errors
    /// What is missing, or why one of them does not start.
    pub fn start_temporary(
        dir: &Path,
        durability: Durability,
        interrupt: &Interrupt,
    ) -> Result<(Self, TemporaryHome)> {
        let home = TemporaryHome::open(dir)?;
        let plan = Plan { durability, external: External::default(), install: Install::WhenPermitted };
        let services = Self::start(&home, &plan, interrupt, &console::line)?;
        Ok((services, home))
    }
}
