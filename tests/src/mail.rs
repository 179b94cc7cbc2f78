//! The mails that the platform wrote.

use std::{fs, path::Path};

use crate::wait::eventually;

/// The mails to `recipient`, as raw text.
pub fn to(dir: &Path, recipient: &str) -> Vec<String> {
    let files = fs::read_dir(dir).into_iter().flatten().flatten();
    let mails = files
        .filter(|file| file.path().extension().is_some_and(|extension| extension == "eml"))
        .filter_map(|file| fs::read_to_string(file.path()).ok());
    mails.filter(|mail| mail.contains(recipient)).collect()
}

/// Waits for a mail to `recipient` whose text has `part`.
///
/// # Panics
/// When none comes.
pub async fn expect(dir: &Path, recipient: &str, part: &str) -> String {
    eventually(format_args!("a mail to {recipient} with {part:?}"), async || {
        to(dir, recipient).into_iter().find(|mail| mail.contains(part))
    })
    .await
}
