//! Installing what is missing, where that is possible and permitted.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, anyhow, bail};

use super::{External, Programs, Say, program};
use crate::{
    interrupt::Interrupt,
    process::{capture, run},
};

/// Whether missing programs may be installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Install {
    /// Debian's packages, when this user may install them.
    WhenPermitted,
    /// Only say what is missing.
    Never,
}

const SERVICES_HINT: &str = "The services need not be started: private instances are used. Or point \
    DATABASE_URL, REDIS_URL and AMQP_URL to servers that you run.";
const PROMTOOL_HINT: &str = "Prometheus need not be started.";

/// Set to anything, it forbids installing.
const FORBID: &str = "MARQUEE_NO_INSTALL";

/// Debian and Ubuntu ask this script before a package starts its service (policy-rc.d(8)).
const POLICY: &str = "/usr/sbin/policy-rc.d";

/// What we need, and what it is called elsewhere.
struct Need {
    name: String,
    debian: &'static str,
    fedora: &'static str,
    homebrew: &'static str,
}

/// The programs for everything that is not external.
pub(super) fn find_or_install(
    external: &External,
    install: Install,
    interrupt: &Interrupt,
    say: Say<'_>,
) -> Result<Programs> {
    let (programs, missing) = find(external);
    if missing.is_empty() {
        return Ok(programs);
    }
    install_missing(&missing, SERVICES_HINT, install, interrupt, say)?;
    let (programs, missing) = find(external);
    if missing.is_empty() { Ok(programs) } else { bail!(instructions(&missing, SERVICES_HINT)) }
}

/// `promtool`, which comes with Prometheus and checks its rules.
///
/// # Errors
/// When there is none and it may not, or cannot, be installed.
pub fn promtool(install: Install, interrupt: &Interrupt, say: Say<'_>) -> Result<PathBuf> {
    if let Some(promtool) = program::everywhere("promtool").into_iter().next() {
        return Ok(promtool);
    }
    let missing = [Need {
        name: "promtool, which comes with Prometheus".to_owned(),
        debian: "prometheus",
        fedora: "golang-github-prometheus",
        homebrew: "prometheus",
    }];
    install_missing(&missing, PROMTOOL_HINT, install, interrupt, say)?;
    let found = program::everywhere("promtool").into_iter().next();
    found.ok_or_else(|| anyhow!(instructions(&missing, PROMTOOL_HINT)))
}

/// Installs what is missing, or says how.
fn install_missing(
    missing: &[Need],
    hint: &str,
    install: Install,
    interrupt: &Interrupt,
    say: Say<'_>,
) -> Result<()> {
    let names: Vec<_> = missing.iter().map(|need| need.name.as_str()).collect();
    say(&format!("not found: {}", names.join(", ")));
    let Some(mut apt) = permitted(install) else { bail!(instructions(missing, hint)) };

    say("installing Debian's packages; they are used from private instances only");
    let hushed = Hush::begin(&apt)?;
    let packages: Vec<_> = missing.iter().map(|need| need.debian).collect();
    run(apt.command().args(["update", "-q"]), interrupt)
        .and_then(|()| {
            let install = ["install", "-q", "-y", "--no-install-recommends"];
            run(apt.command().args(install).args(packages), interrupt)
        })
        .with_context(|| instructions(missing, hint))?;
    drop(hushed);
    Ok(())
}

fn find(external: &External) -> (Programs, Vec<Need>) {
    let mut programs = Programs::find();
    let mut missing = Vec::new();
    if external.postgres.is_some() {
        programs.postgres = None;
    } else if programs.postgres.is_none() {
        missing.push(Need {
            name: format!("PostgreSQL {} or newer", program::POSTGRES_AT_LEAST),
            debian: "postgresql",
            fedora: "postgresql-server",
            homebrew: "postgresql@16",
        });
    }
    if external.redis.is_some() {
        programs.redis = None;
    } else if programs.redis.is_none() {
        missing.push(Need {
            name: format!("Redis {} or newer", program::REDIS_AT_LEAST),
            debian: "redis-server",
            fedora: "redis",
            homebrew: "redis",
        });
    }
    if external.rabbit.is_some() {
        programs.rabbit = None;
    } else if programs.rabbit.is_none() {
        missing.push(Need {
            name: "RabbitMQ 3.10 or newer".to_owned(),
            debian: "rabbitmq-server",
            fedora: "rabbitmq-server",
            homebrew: "rabbitmq",
        });
    }
    (programs, missing)
}

fn instructions(missing: &[Need], hint: &str) -> String {
    let list = |package: fn(&Need) -> &'static str| missing.iter().map(package).collect::<Vec<_>>().join(" ");
    let names: Vec<_> = missing.iter().map(|need| need.name.as_str()).collect();
    format!(
        "please install {}:\n\
         \x20   Debian, Ubuntu:  sudo apt-get install --no-install-recommends {}\n\
         \x20   Fedora:          sudo dnf install {}\n\
         \x20   macOS:           brew install {}\n\
         {hint}",
        names.join(", "),
        list(|need| need.debian),
        list(|need| need.fedora),
        list(|need| need.homebrew),
    )
}

/// How apt-get is called.
struct Apt {
    sudo: bool,
}

impl Apt {
    fn elevated(&self, program: &str) -> Command {
        if self.sudo {
            let mut command = Command::new("sudo");
            command.args(["-n", program]);
            command
        } else {
            Command::new(program)
        }
    }

    fn command(&mut self) -> Command {
        let mut command = self.elevated("env");
        command.args(["DEBIAN_FRONTEND=noninteractive", "apt-get"]);
        // Another apt may be at work on a machine that has just booted.
        command.args(["-o", "DPkg::Lock::Timeout=300", "-o", "Dpkg::Use-Pty=0", "-o", "Acquire::Retries=3"]);
        command
    }
}

/// apt-get, when there is one and this user may call it without being asked for a password.
fn permitted(install: Install) -> Option<Apt> {
    let forbidden = install == Install::Never || env::var_os(FORBID).is_some();
    if forbidden || !Path::new("/usr/bin/apt-get").is_file() {
        return None;
    }
    if rustix::process::geteuid().is_root() {
        return Some(Apt { sudo: false });
    }
    capture(Command::new("sudo").args(["-n", "true"])).is_ok().then_some(Apt { sudo: true })
}

/// While it exists, packages do not start their services.
struct Hush {
    sudo: bool,
    ours: bool,
}

impl Hush {
    fn begin(apt: &Apt) -> Result<Self> {
        let ours = !Path::new(POLICY).exists();
        if ours {
            let script = env::temp_dir().join(format!("policy-rc.d.{}", std::process::id()));
            fs::write(&script, "#!/bin/sh\nexit 101\n")?;
            let placed = capture(apt.elevated("install").args(["-m", "755"]).arg(&script).arg(POLICY));
            fs::remove_file(&script)?;
            placed.context("cannot keep new packages from starting their services")?;
        }
        Ok(Self { sudo: apt.sudo, ours })
    }
}

impl Drop for Hush {
    fn drop(&mut self) {
        if self.ours {
            let apt = Apt { sudo: self.sudo };
            // Left behind, it would only keep services from starting at installation.
            let _ = capture(apt.elevated("rm").args(["-f", POLICY]));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instructions_name_the_packages_of_each_system() {
        let need = || Need {
            name: "Redis 7 or newer".to_owned(),
            debian: "redis-server",
            fedora: "redis",
            homebrew: "redis",
        };
        let text = instructions(&[need(), need()], "Or not.");
        assert!(
            text.contains("apt-get install --no-install-recommends redis-server redis-server\n"),
            "{text}"
        );
        assert!(text.contains("brew install redis redis\n"), "{text}");
    }
}
