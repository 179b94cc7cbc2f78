//! Cargo manifests: crate edges, and what is inherited from the root.

use toml::{Table, Value};

use super::{Problem, Source, edges};

const SECTIONS: [&str; 3] = ["dependencies", "dev-dependencies", "build-dependencies"];

/// Checks all members' manifests.
pub(super) fn check(sources: &[Source]) -> Vec<Problem> {
    let manifests: Vec<_> = sources
        .iter()
        .filter(|source| source.path.ends_with("/Cargo.toml"))
        .filter_map(|source| Some((source, source.text.parse::<Table>().ok()?)))
        .filter(|(_, table)| table.contains_key("package"))
        .collect();
    let members: Vec<&str> = manifests.iter().filter_map(|(_, table)| name(table)).collect();
    manifests.iter().flat_map(|(source, table)| check_one(source, table, &members)).collect()
}

fn name(table: &Table) -> Option<&str> {
    table.get("package")?.get("name")?.as_str()
}

fn check_one(source: &Source, table: &Table, members: &[&str]) -> Vec<Problem> {
    let mut problems = Vec::new();
    let inherits_lints =
        table.get("lints").and_then(|lints| lints.get("workspace")) == Some(&Value::Boolean(true));
    if !inherits_lints {
        problems.push(source.problem(0, "lints are declared at the root: `[lints] workspace = true`"));
    }
    let own_name = name(table).unwrap_or_default();
    for (section, dependency, value) in dependencies(table) {
        let line = line_of(source, dependency);
        if value.get("workspace") != Some(&Value::Boolean(true)) {
            let text = format!("versions are declared at the root: `{dependency}.workspace = true`");
            problems.push(source.problem(line, text));
        }
        if members.contains(&dependency) {
            let for_tests = section == "dev-dependencies";
            let refusal = edges::refusal(own_name, dependency, for_tests);
            problems.extend(refusal.map(|text| source.problem(line, text)));
        }
        let reserved = matches!(dependency, "hive-router" | "ntex") && own_name != "gateway";
        if reserved {
            problems.push(source.problem(line, format!("only `gateway` names `{dependency}`")));
        }
    }
    problems
}

/// All dependencies, of all kinds and targets: section, name, value.
fn dependencies(table: &Table) -> Vec<(&'static str, &str, &Value)> {
    let targets = table.get("target").and_then(Value::as_table).into_iter().flatten();
    let tables = targets.filter_map(|(_, target)| target.as_table()).chain([table]);
    tables
        .flat_map(|table| {
            SECTIONS.iter().filter_map(|section| Some((*section, table.get(*section)?.as_table()?)))
        })
        .flat_map(|(section, table)| table.iter().map(move |(name, value)| (section, name.as_str(), value)))
        .collect()
}

fn line_of(source: &Source, dependency: &str) -> usize {
    source.lines().find(|(_, line)| line.trim_start().starts_with(dependency)).map_or(0, |(line, _)| line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::{expect, source};

    #[test]
    fn manifests_inherit_and_keep_to_the_edges() {
        let kernel =
            source("crates/kernel/Cargo.toml", "[package]\nname = \"kernel\"\n[lints]\nworkspace = true\n");
        let gateway = source(
            "gateway/Cargo.toml",
            "[package]\nname = \"gateway\"\n[dependencies]\nkernel.workspace = true\ncatalog.workspace = true\n\
             serde = \"1\"\nhive-router.workspace = true\n",
        );
        let catalog = source(
            "subgraphs/catalog/Cargo.toml",
            "[package]\nname = \"catalog\"\n[lints]\nworkspace = true\n[target.'cfg(unix)'.dev-dependencies]\n\
             ntex.workspace = true\n",
        );
        expect(
            check(&[kernel, gateway, catalog]),
            &[
                "gateway/Cargo.toml: lints are declared at the root: `[lints] workspace = true`",
                "gateway/Cargo.toml:5: `gateway` may use platform, kernel only, so not `catalog`",
                "gateway/Cargo.toml:6: versions are declared at the root: `serde.workspace = true`",
                "subgraphs/catalog/Cargo.toml:6: only `gateway` names `ntex`",
            ],
        );
    }
}
