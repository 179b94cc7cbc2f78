//! `cargo xtask schema`: the schemas in `schema/`, made from the code.
//!
//! The SDL of each subgraph comes from the binary, the supergraph from a script over them
//! (`schema/compose.mjs`), and a second script (`schema/validate.mjs`) checks that the operations
//! which clients use are still valid. The results are committed, so that the gateway needs no Node
//! when it runs.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Instant, SystemTime},
};

use anyhow::{Context, Result, bail};

use crate::{
    cargo, console,
    interrupt::Interrupt,
    process::{capture, run as run_seen},
};

/// The subgraphs, as `marquee schema` names them.
const SUBGRAPHS: [&str; 3] = ["catalog", "booking", "user"];
const SUPERGRAPH: &str = "supergraph.graphql";
const OPERATIONS: &str = "operations.graphql";
/// The manifest of these operations, for gateways that know documents by ids.
const DOCUMENTS: &str = "documents.json";
const HEADER: &str = "# Made by `cargo xtask schema`. Do not edit.\n\n";

/// Makes the schemas; with `check`, changes nothing and fails when one is out of date.
///
/// # Errors
/// When a schema is out of date, the subgraphs do not compose, an operation of a client is not
/// valid any more, or a tool is missing.
pub fn run(check: bool, root: &Path) -> Result<()> {
    let interrupt = Interrupt::catch()?;
    let began = Instant::now();
    let schemas = Schemas { folder: root.join("schema"), check };
    schemas.install(&interrupt)?;

    let marquee = cargo::build(root, cargo::DEVELOPMENT, &interrupt)?.marquee;
    let mut stale = Vec::new();
    for subgraph in SUBGRAPHS {
        let sdl = capture(Command::new(&marquee).args(["schema", subgraph]))?;
        stale.extend(schemas.put(&format!("{subgraph}.graphql"), &sdl)?);
    }
    // The supergraph is composed of the files, so it says nothing while they are out of date.
    if stale.is_empty() {
        let supergraph = schemas.node("compose.mjs", &[])?;
        stale.extend(schemas.put(SUPERGRAPH, &supergraph)?);
    }
    if !stale.is_empty() {
        bail!("out of date: {}. Run `cargo xtask schema` and commit what it changes", stale.join(", "));
    }
    schemas.node("validate.mjs", &[SUPERGRAPH, OPERATIONS])?;
    let operations = schemas.folder.join(OPERATIONS);
    let documents = capture(Command::new(&marquee).arg("documents").arg(operations))?;
    if let Some(stale) = schemas.put_as_is(DOCUMENTS, &format!("{}\n", documents.trim()))? {
        bail!("out of date: {stale}. Run `cargo xtask schema` and commit what it changes");
    }
    console::done(if check { "the schemas are up to date" } else { "schema/" }, began.elapsed());
    Ok(())
}

/// The folder of the schemas.
struct Schemas {
    folder: PathBuf,
    check: bool,
}

impl Schemas {
    fn install(&self, interrupt: &Interrupt) -> Result<()> {
        install(&self.folder, interrupt)
    }

    /// The output of a script of the folder.
    fn node(&self, script: &str, arguments: &[&str]) -> Result<String> {
        present("node")?;
        capture(Command::new("node").arg(script).args(arguments).current_dir(&self.folder))
    }

    /// Writes a schema, or says that it is not what is there.
    fn put(&self, name: &str, schema: &str) -> Result<Option<String>> {
        self.put_as_is(name, &format!("{HEADER}{}\n", schema.trim()))
    }

    fn put_as_is(&self, name: &str, text: &str) -> Result<Option<String>> {
        let file = self.folder.join(name);
        let present = fs::read_to_string(&file).ok();
        if present.as_deref() == Some(text) {
            return Ok(None);
        }
        if !self.check {
            fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
            return Ok(None);
        }
        Ok(Some(match present.map(|present| first_difference(&present, text)) {
            Some(line) => format!("schema/{name} (line {line})"),
            None => format!("schema/{name} (missing)"),
        }))
    }
}

/// Installs the dependencies of the scripts in a folder, unless those of the lock file are there.
pub(crate) fn install(folder: &Path, interrupt: &Interrupt) -> Result<()> {
    let installed = modified(&folder.join("node_modules/.package-lock.json"));
    if installed.is_some() && installed >= modified(&folder.join("package-lock.json")) {
        return Ok(());
    }
    present("npm")?;
    let mut npm = Command::new("npm");
    npm.args(["ci", "--no-fund", "--no-audit", "--loglevel=error"]).current_dir(folder);
    run_seen(&mut npm, interrupt).with_context(|| {
        format!("the dependencies of the scripts in {} cannot be installed", folder.display())
    })
}

/// The number of the first line in which two texts differ, from 1.
fn first_difference(left: &str, right: &str) -> usize {
    let (mut left, mut right) = (left.lines(), right.lines());
    let equal = std::iter::from_fn(|| match (left.next(), right.next()) {
        (Some(left), Some(right)) if left == right => Some(()),
        _ => None,
    });
    equal.count() + 1
}

fn modified(file: &Path) -> Option<SystemTime> {
    fs::metadata(file).and_then(|metadata| metadata.modified()).ok()
}

fn present(tool: &str) -> Result<()> {
    if Command::new(tool).arg("--version").output().is_ok_and(|output| output.status.success()) {
        return Ok(());
    }
    bail!(
        "`{tool}` is needed to compose the schemas. Install Node.js 18 or newer, which comes with npm \
         (Debian: `apt-get install nodejs npm`)"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_difference_is_found() {
        assert_eq!(first_difference("a\nb\nc", "a\nb\nd"), 3);
        assert_eq!(first_difference("a\nb", "a\nb\nc"), 3);
        assert_eq!(first_difference("", "a"), 1);
    }

    #[test]
    fn a_check_writes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let schemas = |check| Schemas { folder: folder.path().to_owned(), check };
        let put = |check, schema| schemas(check).put("a.graphql", schema).unwrap();
        assert_eq!(put(true, "type A"), Some("schema/a.graphql (missing)".to_owned()));
        assert_eq!(put(false, "type A"), None);
        assert_eq!(put(true, "type A\n"), None);
        assert_eq!(put(true, "type B"), Some("schema/a.graphql (line 3)".to_owned()));
        assert_eq!(put(true, "type A"), None);
    }

    #[test]
    fn a_missing_tool_is_explained() {
        let error = present("no-such-tool-at-all").unwrap_err().to_string();
        assert!(error.contains("`no-such-tool-at-all`") && error.contains("Node.js"), "{error}");
    }
}
