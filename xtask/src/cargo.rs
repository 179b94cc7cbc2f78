//! Calls of cargo.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Result, anyhow};
use serde::Deserialize;

use crate::{interrupt::Interrupt, process::run_reading};

/// The two programs of the platform.
#[derive(Clone, Debug)]
pub struct Programs {
    /// `marquee`.
    pub marquee: PathBuf,
    /// `paysim`.
    pub paysim: PathBuf,
}

/// A cargo command in the workspace.
pub fn command(root: &Path) -> Command {
    // Cargo names itself to the programs that it runs.
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root);
    // Of this program's own build; they would only confuse the build scripts of others.
    for (name, _) in env::vars_os() {
        if name.to_string_lossy().starts_with("CARGO_PKG_") {
            command.env_remove(name);
        }
    }
    for name in
        ["CARGO_MANIFEST_DIR", "CARGO_MANIFEST_PATH", "CARGO_PRIMARY_PACKAGE", "CARGO_CRATE_NAME", "OUT_DIR"]
    {
        command.env_remove(name);
    }
    command
}

/// What is built. All programs, not two packages: dependencies get the features that all members
/// together ask for.
const PROGRAMS: [&str; 4] = ["--workspace", "--exclude", "xtask", "--bins"];
/// Programs as they are shipped.
pub const RELEASE: &[&str] = &["--release"];
/// Programs of development. With examples cargo heeds the features that tests ask for, so `up`, `schema` and
/// `test` share one build of everything.
pub const DEVELOPMENT: &[&str] = &["--examples"];

/// What cargo is told for optimized programs, or for those of development.
pub const fn profile(release: bool) -> &'static [&'static str] {
    if release { RELEASE } else { DEVELOPMENT }
}

/// Builds the programs, with further arguments such as `--release`; cargo's own progress is seen.
///
/// # Errors
/// When the build fails, or makes no such programs.
pub fn build(root: &Path, arguments: &[&str], interrupt: &Interrupt) -> Result<Programs> {
    let [marquee, paysim] = build_named(root, ["marquee", "paysim"], arguments, interrupt)?;
    Ok(Programs { marquee, paysim })
}

/// The same for programs of these names.
///
/// # Errors
/// As [`build`].
pub fn build_named<const N: usize>(
    root: &Path,
    names: [&str; N],
    arguments: &[&str],
    interrupt: &Interrupt,
) -> Result<[PathBuf; N]> {
    let mut command = command(root);
    command.arg("build").args(PROGRAMS).args(arguments).arg("--message-format=json-render-diagnostics");
    let messages = run_reading(&mut command, interrupt)?;
    let mut programs = [const { PathBuf::new() }; N];
    for (program, name) in programs.iter_mut().zip(names) {
        *program =
            executable(&messages, name).ok_or_else(|| anyhow!("the build made no program `{name}`"))?;
    }
    Ok(programs)
}

#[derive(Deserialize)]
struct Message {
    target: Option<Target>,
    profile: Option<Profile>,
    executable: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

#[derive(Deserialize)]
struct Profile {
    test: bool,
}

/// The program of that name among cargo's messages, one JSON object a line.
fn executable(messages: &str, name: &str) -> Option<PathBuf> {
    messages.lines().filter_map(|line| serde_json::from_str::<Message>(line).ok()).find_map(|message| {
        let target = message.target?;
        let is_program = target.name == name && target.kind.iter().any(|kind| kind == "bin");
        let is_test = message.profile.is_some_and(|profile| profile.test);
        message.executable.filter(|_| is_program && !is_test)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_found_not_its_tests() {
        let messages = r#"{"reason":"build-script-executed","package_id":"x"}
{"reason":"compiler-artifact","target":{"name":"marquee","kind":["bin"]},"profile":{"test":true},"executable":"/t/deps/marquee-1"}
{"reason":"compiler-artifact","target":{"name":"marquee","kind":["lib"]},"profile":{"test":false},"executable":null}
{"reason":"compiler-artifact","target":{"name":"marquee","kind":["bin"]},"profile":{"test":false},"executable":"/t/marquee"}
{"reason":"build-finished","success":true}"#;
        assert_eq!(executable(messages, "marquee"), Some(PathBuf::from("/t/marquee")));
        assert_eq!(executable(messages, "paysim"), None);
    }
}
