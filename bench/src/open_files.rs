//! Sockets are open files, of which a process may have only so many.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use xtask::console;

/// What the largest crowd needs in one process.
const NEEDED: u64 = 12_000;

/// Raises the limit as far as it may be, also for the processes that this one starts, and says so if that is
/// not enough.
pub fn raise() {
    let maximum = getrlimit(Resource::Nofile).maximum;
    // If it is refused, nothing has changed.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    let allowed = getrlimit(Resource::Nofile).current;
    if let Some(allowed) = allowed.filter(|allowed| *allowed < NEEDED) {
        console::line(&format!(
            "a process may open {allowed} files here, and a crowd needs {NEEDED}: raise the limit (ulimit -n), or \
             fan-out and growth will fail"
        ));
    }
}
