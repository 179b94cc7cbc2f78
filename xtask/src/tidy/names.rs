//! Names that only one crate may use.

use super::{Problem, Source, paths};

/// Checks one Rust file.
pub(super) fn check(source: &Source) -> Vec<Problem> {
    let in_gateway = source.path.starts_with("gateway/");
    // The tests inject faults into connections of their own, and the benchmarks measure bare ones.
    let in_platform = ["crates/platform/", "tests/", "bench/"].iter().any(|dir| source.path.starts_with(dir));
    paths::named(&source.text)
        .into_iter()
        .filter_map(|(line, path)| {
            let (head, rest) = path.split_once("::").unwrap_or((&path, ""));
            let problem = match head {
                "hive_router" | "ntex" if !in_gateway => format!("only `gateway` names `{head}`"),
                "fred" | "lapin" if !in_platform && constructs(rest) => {
                    format!("only `platform` constructs clients of `{head}`; `{path}` is for that")
                }
                _ => return None,
            };
            Some(source.problem(line, problem))
        })
        .collect()
}

/// Whether what is named below `fred` or `lapin` is for making clients. A glob brings it all.
fn constructs(path: &str) -> bool {
    let parts: Vec<&str> = path.split("::").collect();
    let makers = [
        "Builder",
        "Config",
        "Connection",
        "ConnectionProperties",
        "ConnectionBuilder",
        "clients",
        "connect",
    ];
    matches!(parts.as_slice(), ["*"] | ["prelude", "*"]) || parts.iter().any(|part| makers.contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::{expect, source};

    #[test]
    fn reserved_names_stay_in_their_crates() {
        let text = "use ntex::rt;\nuse fred::types::Value;\nuse fred::{prelude::*, clients::Pool};\n\
                    let c = lapin::Connection::connect();\n";
        expect(
            check(&source("gateway/src/lib.rs", text)),
            &[
                "gateway/src/lib.rs:3: only `platform` constructs clients of `fred`; `fred::prelude::*` is for that",
                "gateway/src/lib.rs:3: only `platform` constructs clients of `fred`; `fred::clients::Pool` is for that",
                "gateway/src/lib.rs:4: only `platform` constructs clients of `lapin`; `lapin::Connection::connect` is for that",
            ],
        );
        expect(
            check(&source("crates/platform/src/lib.rs", text)),
            &["crates/platform/src/lib.rs:1: only `gateway` names `ntex`"],
        );
    }
}
