//! Decision records: `docs/adr/NNNN-title.md`, numbered without gaps.

use super::{Problem, Source};

const FOLDER: &str = "docs/adr/";

/// Checks the records.
pub(super) fn check(sources: &[Source]) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut expected = 1;
    for source in sources {
        let Some(name) = source.path.strip_prefix(FOLDER) else { continue };
        if name == "README.md" {
            continue;
        }
        match number(name) {
            None => problems.push(source.problem(0, "a decision record is named `NNNN-title.md`")),
            Some(number) if number != expected => {
                problems.push(source.problem(0, format!("number {expected:04} is next")));
                expected = number + 1;
            }
            Some(number) => expected = number + 1,
        }
        if !source.text.starts_with("# ") {
            problems.push(source.problem(1, "a decision record begins with its title"));
        }
    }
    problems
}

fn number(name: &str) -> Option<u32> {
    let (digits, title) = name.split_once('-')?;
    let is_title = title.strip_suffix(".md").is_some_and(|title| {
        !title.is_empty() && title.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
    });
    let is_number = digits.len() == 4 && digits.chars().all(|c| c.is_ascii_digit());
    (is_title && is_number).then(|| digits.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::{expect, source};

    #[test]
    fn records_are_numbered_without_gaps() {
        let record = |name: &str| source(&format!("{FOLDER}{name}"), "# Title\n");
        let good =
            [record("0001-one.md"), record("0002-two.md"), record("README.md"), source("docs/x.md", "x")];
        expect(check(&good), &[]);
        let bad =
            [record("0001-one.md"), record("0001-other.md"), record("0003-three.md"), record("notes.md")];
        expect(
            check(&bad),
            &[
                "docs/adr/0001-other.md: number 0002 is next",
                "docs/adr/0003-three.md: number 0002 is next",
                "docs/adr/notes.md: a decision record is named `NNNN-title.md`",
            ],
        );
    }
}
