//! Where things are in the checkout.

use std::path::{Path, PathBuf};

/// The root of the workspace.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map_or_else(PathBuf::new, Path::to_owned)
}

/// The folder of everything that running the platform leaves behind; not under version control.
pub fn state_dir() -> PathBuf {
    root().join(".marquee")
}
