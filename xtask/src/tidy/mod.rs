//! `cargo xtask tidy`: the rules of the design that neither compiler nor clippy know.
//!
//! Each rule is a pure function from text to problems, with tests of its own.

mod adr;
mod edges;
mod layers;
mod manifest;
mod names;
mod paths;
mod style;

use std::{fmt, fs, path::Path};

use anyhow::{Context, Result, bail};

use crate::console;

/// Folders whose content nobody wrote by hand.
const SKIPPED: [&str; 7] = ["target", ".git", ".marquee", "node_modules", ".next", "dist", "out"];

/// A text file of the repository.
#[derive(Debug)]
pub(crate) struct Source {
    /// From the root, with `/`.
    path: String,
    text: String,
}

impl Source {
    fn extension(&self) -> &str {
        self.path.rsplit_once('.').map_or("", |(_, extension)| extension)
    }

    /// Lines with their numbers from 1.
    fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(at, line)| (at + 1, line))
    }

    fn problem(&self, line: usize, text: impl Into<String>) -> Problem {
        Problem { path: self.path.clone(), line, text: text.into() }
    }
}

/// A broken rule.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    path: String,
    /// From 1; 0 for the file as a whole.
    line: usize,
    text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.path, self.text),
            line => write!(f, "{}:{line}: {}", self.path, self.text),
        }
    }
}

/// Checks the repository at `root`.
///
/// # Errors
/// When a rule is broken; each place is printed.
pub fn run(root: &Path) -> Result<()> {
    let mut sources = Vec::new();
    collect(root, root, &mut sources)?;
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    let problems = check(&sources);
    for problem in &problems {
        console::line(&problem.to_string());
    }
    match problems.len() {
        0 => {
            console::line(&format!("{} files are tidy", sources.len()));
            Ok(())
        }
        count => bail!("{count} rules of the design are broken"),
    }
}

fn check(sources: &[Source]) -> Vec<Problem> {
    let mut problems = manifest::check(sources);
    problems.extend(adr::check(sources));
    for source in sources {
        problems.extend(style::check(source));
        if source.extension() == "rs" {
            problems.extend(names::check(source));
            problems.extend(layers::check(source));
        }
    }
    problems
}

fn collect(root: &Path, folder: &Path, sources: &mut Vec<Source>) -> Result<()> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    for entry in entries {
        let entry = entry?;
        let (path, name) = (entry.path(), entry.file_name());
        if SKIPPED.iter().any(|skipped| name == *skipped) {
            continue;
        }
        let kind = entry.file_type()?;
        if kind.is_dir() {
            collect(root, &path, sources)?;
        } else if kind.is_file()
            && let Ok(text) = fs::read_to_string(&path)
        {
            let relative = path.strip_prefix(root).unwrap_or(&path);
            sources.push(Source { path: relative.to_string_lossy().replace('\\', "/"), text });
        }
    }
    Ok(())
}

#[cfg(test)]
fn source(path: &str, text: &str) -> Source {
    Source { path: path.to_owned(), text: text.to_owned() }
}

/// Asserts the texts of the problems that `check` finds.
#[cfg(test)]
fn expect(problems: Vec<Problem>, expected: &[&str]) {
    let texts: Vec<_> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(texts, expected);
}
