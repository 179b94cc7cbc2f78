//! Where the gateway counts what API keys do, and the user subgraph reads it.

use std::time::Duration;

use chrono::NaiveDate;
use kernel::ApiKeyId;

/// Counts stay in Redis for this long after the last one: time enough to copy them.
pub const USAGE_TTL: Duration = Duration::from_hours(3 * 24);

/// The Redis hash, without the prefix of the installation, that counts the operations of `key` on
/// `day` (UTC): one field for each class of operation, whose value is their number.
///
/// The key's id is a hash tag, so that a script may count beside other keys of the same key.
pub fn usage_key(key: ApiKeyId, day: NaiveDate) -> String {
    format!("usage:{{{key}}}:{day}")
}

#[cfg(test)]
mod tests {
    use kernel::Id;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn the_name_is_a_contract_between_two_roles() {
        let key = Id::from_uuid(Uuid::from_u128(1));
        let day = NaiveDate::from_ymd_opt(2026, 11, 1).unwrap();
        assert_eq!(usage_key(key, day), "usage:{key_00000000000000000000000001}:2026-11-01");
    }
}
