//! What an operation wants from which buckets.

use std::net::IpAddr;

use kernel::{ApiKeyId, UserId};

use super::bucket::Bucket;
use crate::admission::{RateLimits, network};

/// The kinds of operations that are limited by themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    General,
    Search,
    Hold,
    Payment,
    SignIn,
}

impl Class {
    pub(crate) const ALL: [Self; 5] = [Self::General, Self::Search, Self::Hold, Self::Payment, Self::SignIn];

    /// In keys of Redis and names of metrics.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::General => "general",
            Self::Search => "search",
            Self::Hold => "hold",
            Self::Payment => "payment",
            Self::SignIn => "sign_in",
        }
    }
}

/// How many root fields of each class an operation has; each is counted once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts([u32; Class::ALL.len()]);

impl Counts {
    /// One of a class.
    pub(crate) fn one(class: Class) -> Self {
        let mut counts = Self::default();
        counts.add(class);
        counts
    }

    /// More than any limit.
    pub(crate) const fn too_many() -> Self {
        Self([u32::MAX; Class::ALL.len()])
    }

    pub(crate) fn add(&mut self, class: Class) {
        let count = &mut self.0[class as usize];
        *count = count.saturating_add(1);
    }

    pub(crate) fn add_all(&mut self, others: Self) {
        for (count, other) in self.0.iter_mut().zip(others.0) {
            *count = count.saturating_add(other);
        }
    }

    pub(crate) fn total(self) -> u32 {
        self.0.iter().fold(0, |total, count| total.saturating_add(*count))
    }

    /// The classes that there are any of.
    pub(crate) fn classes(self) -> impl Iterator<Item = (Class, u32)> {
        Class::ALL.into_iter().zip(self.0).filter(|(_, count)| *count > 0)
    }

    /// What buckets are asked for: all of it from the general one.
    fn wanted(self) -> impl Iterator<Item = (Class, u32)> {
        let special = self.classes().filter(|(class, _)| *class != Class::General);
        std::iter::once((Class::General, self.total())).chain(special)
    }
}

/// Whose tokens an operation takes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Subject {
    /// Nobody that we know.
    Stranger,
    User(UserId),
    Key {
        id: ApiKeyId,
        rate_per_minute: u32,
        daily_quota: u32,
    },
}

/// Tokens that are wanted from one bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Demand {
    pub(crate) key: String,
    pub(crate) bucket: Bucket,
    pub(crate) cost: u64,
}

/// The bucket that lacks tokens, and how long, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Short {
    pub(crate) index: usize,
    pub(crate) wait: u64,
}

impl Demand {
    /// Whose bucket it is: the hash tag of its key. In a cluster of Redis those of one owner are in one
    /// place, and those of a user and of an address may be apart.
    pub(crate) fn owner(&self) -> &str {
        let tagged = self.key.split_once('{').and_then(|(_, rest)| rest.split_once('}'));
        tagged.map_or(self.key.as_str(), |(owner, _)| owner)
    }
}

/// The buckets that an operation takes from.
pub(crate) fn demands(
    limits: &RateLimits,
    subject: &Subject,
    address: IpAddr,
    counts: Counts,
) -> Vec<Demand> {
    let demand = |key: String, per_minute: u32, cost: u32| Demand {
        key,
        bucket: Bucket::per_minute(per_minute),
        cost: cost.into(),
    };
    let of_address =
        |kind: &str, class: Class| format!("rate:{{ip:{}}}:{kind}{}", network(address), class.as_str());
    let mut demands = Vec::with_capacity(4);
    for (class, count) in counts.wanted() {
        let per_minute = limits.per_minute(class);
        match subject {
            Subject::Stranger => demands.push(demand(of_address("", class), per_minute, count)),
            Subject::User(user) => {
                demands.push(demand(format!("rate:{{user:{user}}}:{}", class.as_str()), per_minute, count));
                let together = per_minute.saturating_mul(limits.known_per_address);
                demands.push(demand(of_address("known:", class), together, count));
            }
            // The classes keep their proportions. A key has no address: it is used by servers.
            Subject::Key { id, rate_per_minute, .. } => {
                let share = u64::from(*rate_per_minute) * u64::from(per_minute) / u64::from(limits.general);
                let share = u32::try_from(share.max(1)).unwrap_or(u32::MAX);
                demands.push(demand(format!("rate:{{{id}}}:{}", class.as_str()), share, count));
            }
        }
    }
    demands
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(classes: &[Class]) -> Counts {
        let mut counts = Counts::default();
        classes.iter().for_each(|class| counts.add(*class));
        counts
    }

    fn check(subject: &Subject, address: &str, classes: &[Class], expected: &[(&str, u64, u64)]) {
        let demands = demands(&RateLimits::default(), subject, address.parse().unwrap(), counts(classes));
        let found: Vec<_> =
            demands.iter().map(|demand| (demand.key.as_str(), demand.bucket.burst, demand.cost)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn strangers_are_known_by_their_address() {
        check(&Subject::Stranger, "192.0.2.7", &[Class::General], &[("rate:{ip:192.0.2.7}:general", 100, 1)]);
        check(
            &Subject::Stranger,
            "2001:db8:1:2:3:4:5:6",
            &[Class::SignIn, Class::SignIn],
            &[("rate:{ip:2001:db8:1:2::}:general", 100, 2), ("rate:{ip:2001:db8:1:2::}:sign_in", 10, 2)],
        );
        check(
            &Subject::Stranger,
            "::ffff:192.0.2.7",
            &[Class::General],
            &[("rate:{ip:192.0.2.7}:general", 100, 1)],
        );
    }

    #[test]
    fn users_share_the_larger_limits_of_their_address() {
        let user = UserId::from_uuid(Default::default());
        check(
            &Subject::User(user),
            "192.0.2.7",
            &[Class::General, Class::Hold, Class::Hold],
            &[
                (&format!("rate:{{user:{user}}}:general"), 100, 3),
                ("rate:{ip:192.0.2.7}:known:general", 2_000, 3),
                (&format!("rate:{{user:{user}}}:hold"), 10, 2),
                ("rate:{ip:192.0.2.7}:known:hold", 200, 2),
            ],
        );
    }

    #[test]
    fn the_classes_of_a_key_keep_their_proportions() {
        let key = Subject::Key {
            id: ApiKeyId::from_uuid(Default::default()),
            rate_per_minute: 600,
            daily_quota: 1,
        };
        check(
            &key,
            "192.0.2.7",
            &[Class::Hold],
            &[
                ("rate:{key_00000000000000000000000000}:general", 600, 1),
                ("rate:{key_00000000000000000000000000}:hold", 60, 1),
            ],
        );
    }
}
