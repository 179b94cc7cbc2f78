//! Rules for single files.

use super::{Problem, Source, paths};

/// Most lines of a file that somebody writes by hand.
const MOST_LINES: usize = 500;
/// Kinds of files with that limit.
const WRITTEN: [&str; 9] = ["rs", "ts", "tsx", "js", "jsx", "mjs", "lua", "sql", "css"];
/// Kinds of files whose white space is looked at.
const TEXT: [&str; 20] = [
    "rs", "ts", "tsx", "js", "jsx", "mjs", "lua", "sql", "css", "toml", "md", "yaml", "yml", "json",
    "graphql", "sh", "html", "j2", "txt", "proto",
];
/// Says that no hand wrote a file.
const GENERATED: &str = concat!("@", "generated");

/// Checks one file.
pub(super) fn check(source: &Source) -> Vec<Problem> {
    let mut problems = Vec::new();
    let generated = source.text.lines().take(5).any(|line| line.contains(GENERATED));
    let lines = source.text.lines().count();
    if WRITTEN.contains(&source.extension()) && !generated && lines > MOST_LINES {
        let text = format!("{lines} lines: more than {MOST_LINES}; it wants to be two files");
        problems.push(source.problem(0, text));
    }
    if TEXT.contains(&source.extension()) && !generated && !source.path.ends_with("-lock.json") {
        problems.extend(white_space(source));
        problems.extend(machine_paths(source));
    }
    if source.extension() == "rs" {
        problems.extend(attributes(source));
    }
    problems
}

fn white_space(source: &Source) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (number, line) in source.lines() {
        if line.ends_with([' ', '\t', '\r']) {
            problems.push(source.problem(number, "white space at the end of the line"));
        }
        if line.contains('\t') && source.extension() == "rs" {
            problems.push(source.problem(number, "a tab"));
        }
    }
    if !source.text.is_empty() && !source.text.ends_with('\n') {
        problems.push(source.problem(0, "no line end at the end of the file"));
    }
    problems
}

/// Folders of somebody's machine. (In pieces, so that this file has none.)
fn machine_paths(source: &Source) -> Vec<Problem> {
    let folders = ["home", "Users", "root", "work"].map(|name| format!("/{name}/"));
    let hits = |line: &str| {
        folders
            .iter()
            .find(|folder| {
                line.match_indices(folder.as_str()).any(|(at, _)| {
                    // Inside of a longer path or an address it is no folder of this machine.
                    let before = line.get(..at).and_then(|before| before.chars().next_back());
                    before.is_none_or(|c| {
                        !c.is_alphanumeric() && !matches!(c, '.' | '/' | '}' | ')' | '_' | '-' | '*')
                    })
                })
            })
            .cloned()
    };
    source
        .lines()
        .filter_map(|(number, line)| Some((number, hits(line)?)))
        .map(|(number, folder)| source.problem(number, format!("`{folder}…` is a folder of one machine")))
        .collect()
}

/// Lints are expected with a reason, never allowed; open work is an issue, not a comment.
fn attributes(source: &Source) -> Vec<Problem> {
    let code = paths::code_only(&source.text);
    let mut problems = Vec::new();
    for (at, (line, text)) in code.lines().zip(source.text.lines()).enumerate() {
        let dense: String = line.chars().filter(|c| !c.is_whitespace()).collect();
        if dense.contains("#[allow(") || dense.contains("#![allow(") {
            problems.push(source.problem(at + 1, "`#[expect(lint, reason = \"…\")]` instead of `allow`"));
        }
        let unfinished =
            ["TO", "FIX", "XX"].into_iter().zip(["DO", "ME", "X"]).map(|(a, b)| format!("{a}{b}"));
        if let Some((_, comment)) = text.split_once("//") {
            let words: Vec<&str> = comment.split(|c: char| !c.is_alphanumeric()).collect();
            problems.extend(
                unfinished
                    .filter(|mark| words.contains(&mark.as_str()))
                    .map(|mark| source.problem(at + 1, format!("{mark}: finish it, or open an issue"))),
            );
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::{expect, source};

    #[test]
    fn long_files_want_to_be_two() {
        let long = "x\n".repeat(501);
        expect(
            check(&source("a.lua", &long)),
            &["a.lua: 501 lines: more than 500; it wants to be two files"],
        );
        expect(check(&source("a.lua", &format!("-- {GENERATED}\n{long}"))), &[]);
        expect(check(&source("a.graphql", &long)), &[]);
    }

    #[test]
    fn white_space_is_clean() {
        expect(
            check(&source("a.md", "one \ntwo")),
            &["a.md:1: white space at the end of the line", "a.md: no line end at the end of the file"],
        );
        expect(check(&source("a.rs", "\tlet x;\n")), &["a.rs:1: a tab"]);
    }

    #[test]
    fn folders_of_one_machine_are_found() {
        let path = |name: &str| format!("see /{name}/me/x, not ./{name}/y or a.b/{name}/z\n");
        let expected = format!("a.md:1: `/{}/…` is a folder of one machine", "home");
        expect(check(&source("a.md", &path("home"))), &[expected.as_str()]);
        expect(check(&source("a.md", &path("var"))), &[]);
    }

    #[test]
    fn lints_are_expected_and_work_is_finished() {
        let allow = format!("#![{}(dead_code)]\n// #[{}(x)]\n", "allow", "allow");
        expect(
            check(&source("a.rs", &allow)),
            &["a.rs:1: `#[expect(lint, reason = \"…\")]` instead of `allow`"],
        );
        let open = format!("let x = 1; // {}DO: more\n// {}do list\n", "TO", "To");
        expect(
            check(&source("a.rs", &open)),
            &[format!("a.rs:1: {}DO: finish it, or open an issue", "TO").as_str()],
        );
    }
}
