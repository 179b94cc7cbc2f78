//! Names of keys. All keys of a show share a hash tag, and so do all keys of a user, so that each
//! script finds its keys on one node of a cluster.

use kernel::{ShowId, UserId};
use platform::Redis;

const CHANNEL_START: &str = "{show:";
const CHANNEL_END: &str = "}:deltas";

/// The channel of a show's deltas, without the installation's prefix.
pub fn delta_channel(show: ShowId) -> String {
    format!("{CHANNEL_START}{show}{CHANNEL_END}")
}

/// The show whose deltas this channel (without prefix) carries.
pub fn show_of_channel(channel: &str) -> Option<ShowId> {
    channel.strip_prefix(CHANNEL_START)?.strip_suffix(CHANNEL_END)?.parse().ok()
}

/// The keys of one show.
pub(super) struct ShowKeys {
    base: String,
}

impl ShowKeys {
    pub(super) fn new(redis: &Redis, show: ShowId) -> Self {
        Self { base: redis.key(&format!("{{show:{show}}}")) }
    }

    fn key(&self, name: &str) -> String {
        format!("{}:{name}", self.base)
    }

    /// The first three keys of every script: ledger, states, deadlines.
    pub(super) fn core(&self) -> [String; 3] {
        [self.key("ledger"), self.states(), self.key("deadlines")]
    }

    /// One letter per seat.
    pub(super) fn states(&self) -> String {
        self.key("states")
    }

    /// What was decided while the show was not loaded.
    pub(super) fn notes(&self) -> String {
        self.key("notes")
    }

    /// The layout as the choice of the best seats reads it.
    pub(super) fn plan(&self) -> String {
        self.key("plan")
    }

    /// Held by the one loader.
    pub(super) fn lock(&self) -> String {
        self.key("loading")
    }

    /// Where deltas are published.
    pub(super) fn channel(&self) -> String {
        self.key("deltas")
    }
}

/// What a user holds, over all shows.
pub(super) fn user_holds(redis: &Redis, user: UserId) -> String {
    redis.key(&format!("{{user:{user}}}:holds"))
}

/// The request that used an idempotency key.
pub(super) fn user_key(redis: &Redis, user: UserId, key_digest: &str) -> String {
    redis.key(&format!("{{user:{user}}}:key:{key_digest}"))
}

/// Which shows the sweeper has to visit when, and which are being visited.
pub(super) fn sweep(redis: &Redis) -> [String; 2] {
    [redis.key("{sweep}:due"), redis.key("{sweep}:taken")]
}

#[cfg(test)]
mod tests {
    use kernel::Id;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_channel_names_its_show() {
        let show = Id::from_uuid(Uuid::from_u128(7));
        assert_eq!(show_of_channel(&delta_channel(show)), Some(show));
        assert_eq!(show_of_channel("bookings"), None);
    }
}
