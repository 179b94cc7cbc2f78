//! Sockets are open files, of which a process may have only so many.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::config::Caps;

/// Files that are open besides connections of clients: those to subgraphs and stores.
const OTHERS: u64 = 4_096;

/// Raises the limit of this process as far as it may, and says so if that is not enough for as many
/// connections as may be open.
pub(crate) fn raise(caps: &Caps) {
    let clients = caps.sockets.saturating_add(caps.connections);
    let wanted = u64::try_from(clients).unwrap_or(u64::MAX).saturating_add(OTHERS);
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let is_enough = |limit: Option<u64>| limit.is_none_or(|limit| limit >= wanted);
    // Nothing changes if it is refused. Only the privileged may go beyond the maximum.
    if !is_enough(current) && is_enough(maximum) {
        let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    } else if !is_enough(current) {
        let more = Rlimit { current: Some(wanted), maximum: Some(wanted) };
        if setrlimit(Resource::Nofile, more).is_err() {
            let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
        }
    }
    let allowed = getrlimit(Resource::Nofile).current;
    if !is_enough(allowed) {
        tracing::warn!(
            allowed,
            wanted,
            "fewer files may be open than gateway.caps.sockets and gateway.caps.connections need: raise the limit \
             (`ulimit -n`, or LimitNOFILE of systemd), or lower these settings"
        );
    }
}
