//! Sockets are open files, of which a process may have only so many.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Files that are open besides sockets of clients: connections to subgraphs and short requests.
const OTHERS: u64 = 4_096;

/// Raises the limit of this process as far as it may, and says so if that is not enough for so many
/// sockets.
pub(crate) fn raise(sockets: usize) {
    let wanted = u64::try_from(sockets).unwrap_or(u64::MAX).saturating_add(OTHERS);
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
            "fewer files may be open than gateway.caps.sockets needs: raise the limit (`ulimit -n`, or LimitNOFILE \
             of systemd), or lower that setting"
        );
    }
}
