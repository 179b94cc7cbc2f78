//! Lines of logs that should never be written, whatever is broken on purpose.

use std::{
    collections::BTreeSet,
    fs::File,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
};

/// Alarms that are kept.
const MOST: usize = 50;
/// Characters of a line that are kept.
const LENGTH: usize = 400;

/// Text that only a broken invariant or a bug writes.
const NEVER: &[&str] = &[
    // Something stored makes no sense.
    "is not valid:",
    // A step that the state machine does not know.
    "cannot become",
    // An update met more or fewer rows than there must be.
    "rows instead of",
    "a booking has seats that its show does not give it",
    "unreadable delta",
    "error without a code",
    // A statement broke a rule of the schema, and nobody expected it to.
    "violates",
    "deadlock detected",
];
/// What a failpoint says when it was told to panic, and where the panic comes from.
const ON_PURPOSE: [&str; 2] = ["failpoint ", "/fail-"];

/// Reads all logs.
pub fn read(logs: &[PathBuf]) -> Vec<String> {
    let mut alarms = BTreeSet::new();
    for log in logs {
        // A process that never started has no log.
        let Ok(file) = File::open(log) else { continue };
        scan(&name(log), BufReader::new(file), &mut alarms);
    }
    alarms.into_iter().take(MOST).collect()
}

fn name(log: &Path) -> String {
    log.file_stem().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

fn scan(process: &str, log: impl BufRead, alarms: &mut BTreeSet<String>) {
    let mut lines = log.split(b'\n').map_while(Result::ok).map(|line| plain(&line)).peekable();
    while let Some(line) = lines.next() {
        if line.contains("panicked at") {
            // The message is on the next line.
            let message = lines.peek().cloned().unwrap_or_default();
            let on_purpose = ON_PURPOSE.iter().any(|mark| line.contains(mark) || message.starts_with(mark));
            if !on_purpose {
                alarms.insert(brief(process, &format!("{line} {message}")));
            }
        } else if NEVER.iter().any(|text| line.contains(text)) {
            alarms.insert(brief(process, &line));
        }
    }
}

/// Without the colours that a log for people may have.
fn plain(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        if character == '\u{1b}' {
            // CSI … final letter (ECMA-48, 5.4).
            characters.by_ref().find(char::is_ascii_alphabetic);
        } else {
            plain.push(character);
        }
    }
    plain
}

fn brief(process: &str, line: &str) -> String {
    format!("{process}: {}", line.chars().take(LENGTH).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alarms(log: &str) -> Vec<String> {
        let mut alarms = BTreeSet::new();
        scan("booking-1", log.as_bytes(), &mut alarms);
        alarms.into_iter().collect()
    }

    #[test]
    fn panics_are_alarms_unless_a_failpoint_was_told_to() {
        let found = alarms(
            "thread 'tokio-rt' (7) panicked at /x/.cargo/registry/src/index/fail-0.5.1/src/lib.rs:496:25:\n\
             failpoint confirm.committed panic\n\
             INFO fine\n\
             thread 'main' (8) panicked at subgraphs/booking/src/app/confirm.rs:10:5:\n\
             index out of bounds\n",
        );
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains("confirm.rs:10:5: index out of bounds"));
    }

    #[test]
    fn broken_invariants_are_alarms_also_in_colour() {
        let found = alarms(
            "\u{1b}[31mERROR\u{1b}[0m internal error cause=stored \u{1b}[3mrefund\u{1b}[0m is not valid: 7\n",
        );
        assert_eq!(found, ["booking-1: ERROR internal error cause=stored refund is not valid: 7"]);
        assert_eq!(alarms("WARN dependency unavailable\n"), [""; 0]);
    }
}
