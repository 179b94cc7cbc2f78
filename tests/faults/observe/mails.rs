//! What people were sent: the folder into which the platform puts its mails.

use std::{fs, io::ErrorKind, path::Path};

use anyhow::{Context, Result};

/// The events that mails tell of, one for each: the names of their files. A mail that was not written to
/// its end has another name.
///
/// # Errors
/// When the folder cannot be read; one that is not there has no mails.
pub fn read(folder: &Path) -> Result<Vec<String>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.with_context(|| format!("cannot read {}", folder.display()))?,
    };
    let mut mails = Vec::new();
    for entry in entries {
        let name = entry?.file_name();
        mails.extend(name.to_str().and_then(|name| name.strip_suffix(".eml")).map(str::to_owned));
    }
    mails.sort_unstable();
    Ok(mails)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_mails_are_read() {
        let folder = tempfile::tempdir().unwrap();
        assert!(read(&folder.path().join("mail")).unwrap().is_empty());
        for name in ["event_2.eml", "event_1.eml", ".event_3.7.part"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        assert_eq!(read(folder.path()).unwrap(), ["event_1", "event_2"]);
    }
}
