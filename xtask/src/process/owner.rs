//! Which process a folder of instances belongs to.

use std::{fs, path::Path};

use anyhow::{Context, Result};

use super::Identity;

const FILE: &str = "owner.json";

/// Makes this process the owner of a folder.
///
/// # Errors
/// When the record cannot be written.
pub fn claim(dir: &Path) -> Result<()> {
    fs::create_dir_all(dir)?;
    let file = dir.join(FILE);
    fs::write(&file, serde_json::to_vec(&Identity::own())?)
        .with_context(|| format!("cannot write {}", file.display()))
}

/// The owner of a folder, if it still lives.
pub fn owner(dir: &Path) -> Option<Identity> {
    let bytes = fs::read(dir.join(FILE)).ok()?;
    serde_json::from_slice::<Identity>(&bytes).ok().filter(Identity::is_alive)
}
