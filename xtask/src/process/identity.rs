//! Which process is meant, for sure.

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use serde::{Deserialize, Serialize};

/// A process, by its id and its birth: ids are used again, births are not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The process id.
    pub pid: u32,
    /// Time of birth, in whatever form the system tells it.
    born: String,
}

impl Identity {
    /// The living process with that id.
    pub fn of(pid: u32) -> Option<Self> {
        Some(Self { pid, born: birth(pid)? })
    }

    /// This process.
    pub fn own() -> Option<Self> {
        Self::of(std::process::id())
    }

    /// Whether it still lives. One that has ended but was not waited for counts as dead.
    pub fn is_alive(&self) -> bool {
        birth(self.pid).is_some_and(|born| born == self.born)
    }

    /// Sends a signal to the process, when it lives; whether that was possible.
    pub fn signal(&self, signal: Signal) -> bool {
        self.is_alive() && self.raw().is_some_and(|pid| kill_process(pid, signal).is_ok())
    }

    /// Kills the process and, when it leads a process group, all of that.
    pub fn kill(&self) {
        if let (true, Some(pid)) = (self.is_alive(), self.raw()) {
            let _ = kill_process_group(pid, Signal::KILL);
            let _ = kill_process(pid, Signal::KILL);
        }
    }

    fn raw(&self) -> Option<Pid> {
        i32::try_from(self.pid).ok().and_then(Pid::from_raw)
    }
}

/// Boot id and start time in clock ticks since boot; `None` for the dead.
#[cfg(target_os = "linux")]
fn birth(pid: u32) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    // The command, in parentheses, may contain anything; fields are counted after it (proc(5)).
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut fields = fields.split(' ');
    let state = fields.next()?;
    let start = fields.nth(18)?;
    (!matches!(state, "Z" | "X")).then(|| format!("{start}@{}", boot.trim()))
}

#[cfg(not(target_os = "linux"))]
fn birth(pid: u32) -> Option<String> {
    let output = std::process::Command::new("ps")
        .args(["-o", "stat=,lstart=", "-p", &pid.to_string()])
        .env("LC_ALL", "C")
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let (state, born) = text.trim().split_once(char::is_whitespace)?;
    (!state.starts_with('Z')).then(|| born.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn a_process_is_known_until_it_ends() {
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let identity = Identity::of(child.id()).unwrap();
        assert!(identity.is_alive());
        assert!(identity.signal(Signal::KILL));
        child.wait().unwrap();
        assert!(!identity.is_alive());
        assert!(!identity.signal(Signal::KILL));
    }

    #[test]
    fn another_process_with_the_same_id_is_not_it() {
        let stranger = Identity { pid: std::process::id(), born: "long ago".to_owned() };
        assert!(!stranger.is_alive());
    }
}
