//! Sockets are open files, of which a process may have only so many.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Files that are open besides sockets of clients: connections to subgraphs and short requests.
const OTHERS: u64 = 4_096;

/// Raises the limit of this process as far as it may, and says so if that is not enough for so many
/// sockets.
pub(crate) fn raise(sockets: usize) {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum {
        // It stays as it was if that is refused.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    }
    let wanted = u64::try_from(sockets).unwrap_or(u64::MAX).saturating_add(OTHERS);
    // No limit is as good as a high one.
    let allowed = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    if allowed < wanted {
        tracing::warn!(
            allowed,
            wanted,
            "fewer files may be open than gateway.caps.sockets needs: raise the limit (`ulimit -n`, or LimitNOFILE \
             of systemd), or lower that setting"
        );
    }
}
