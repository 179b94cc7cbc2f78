//! What people see while a command works.
#![expect(clippy::print_stdout, reason = "progress on the terminal is this tool's interface")]

use std::{
    io::{IsTerminal, stdout},
    time::Duration,
};

/// Begins a part of the work.
pub fn heading(text: &str) {
    println!("\n{}", styled("1", &format!("==> {text}")));
}

/// One line about the part under way.
pub fn line(text: &str) {
    println!("    {text}");
}

/// A line that stands for itself.
pub fn plain(text: &str) {
    println!("{text}");
}

/// The end of a part that went well.
pub fn done(text: &str, took: Duration) {
    line(&format!("{} {text} ({})", styled("32", "ok"), duration(took)));
}

/// Why the command failed: what was wanted first, the cause last.
pub fn error(error: &anyhow::Error) {
    let causes: Vec<String> = error.chain().map(ToString::to_string).collect();
    println!("\n{} {}", styled("31", "error:"), causes.join("\n  because: "));
}

/// A time span as people say it.
pub fn duration(span: Duration) -> String {
    let seconds = span.as_secs();
    if seconds < 60 {
        format!("{:.1} s", span.as_secs_f64())
    } else {
        format!("{} min {:02} s", seconds / 60, seconds % 60)
    }
}

fn styled(code: &str, text: &str) -> String {
    let plain = std::env::var_os("NO_COLOR").is_some() || !stdout().is_terminal();
    if plain { text.to_owned() } else { format!("\u{1b}[{code}m{text}\u{1b}[0m") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_spans_read_well() {
        assert_eq!(duration(Duration::from_millis(1_940)), "1.9 s");
        assert_eq!(duration(Duration::from_secs(125)), "2 min 05 s");
    }
}
