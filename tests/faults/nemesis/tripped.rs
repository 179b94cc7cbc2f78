//! Which failpoints did what they were told to.

use std::{collections::BTreeMap, io, path::Path};

use tokio::fs;

/// How a process says that one of its failpoints trips: this, the step, and what it does.
const MARK: &str = "failpoint ";

/// How often which step of a process has tripped so far, by its log.
pub async fn tripped(log: &Path) -> BTreeMap<String, u64> {
    match fs::read(log).await {
        Ok(text) => count(&String::from_utf8_lossy(&text)),
        // A process that never started has no log.
        Err(error) if error.kind() == io::ErrorKind::NotFound => BTreeMap::new(),
        Err(error) => {
            tracing::warn!(log = %log.display(), %error, "cannot be read");
            BTreeMap::new()
        }
    }
}

fn count(log: &str) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for line in log.lines() {
        let step = line.strip_prefix(MARK).and_then(|rest| rest.split_whitespace().next());
        if let Some(step) = step {
            *counts.entry(step.to_owned()).or_default() += 1;
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_that_tripped_are_counted() {
        let counts = count(
            "2026-11-21T10:00:00Z  WARN a failpoint is set step=\"hold.held\" action=\"1*panic\"\n\
             failpoint hold.held wait:20\n\
             thread 'tokio-rt' panicked at fail-0.5.1/src/lib.rs:496:25:\n\
             failpoint hold.held panic\n\
             failpoint relay.read exit\n",
        );
        assert_eq!(counts, BTreeMap::from([("hold.held".to_owned(), 2), ("relay.read".to_owned(), 1)]));
    }
}
