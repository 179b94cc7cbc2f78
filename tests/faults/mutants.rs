//! Deliberate bugs, and what catches each: a checker that never finds anything proves nothing.

use clap::builder::PossibleValuesParser;

use crate::{
    checker::{Rule, Violation},
    nemesis::Kind,
};

/// What asks for all of them, one after the other.
pub const EVERY: &str = "all";
/// Rounds in which a mutant has to be caught: a seed does not fix everything.
pub const TRIES: u64 = 5;

/// A deliberate bug of the platform.
#[derive(Debug)]
pub struct Mutant {
    /// As in `MARQUEE_MUTANT`.
    pub name: &'static str,
    /// What is wrong.
    pub about: &'static str,
    /// The first round that catches it.
    pub seed: u64,
    /// With these faults only; with all when there are none.
    pub only: &'static [Kind],
    /// The promise that it breaks.
    pub rule: Rule,
}

/// All there are.
pub static ALL: [Mutant; 14] = [
    Mutant {
        name: "steal_allocation",
        about: "a checkout takes seats that somebody owns",
        seed: 1003,
        only: &[],
        rule: Rule::SeatsTwoOwners,
    },
    Mutant {
        name: "publish_before_commit",
        about: "an event leaves before its transaction is committed",
        seed: 1001,
        only: &[],
        rule: Rule::Events,
    },
    Mutant {
        name: "ignore_hold_token",
        about: "whose hold it is does not matter",
        seed: 1000,
        only: &[],
        rule: Rule::ForeignToken,
    },
    Mutant {
        name: "trust_redis_at_confirm",
        about: "a late payment is confirmed without claiming its seats again",
        seed: 1006,
        only: &[Kind::RedisLostWrites, Kind::Slow, Kind::RedisRestartEmpty],
        rule: Rule::SeatsLinearizable,
    },
    Mutant {
        name: "lost_delta",
        about: "a change of seats is not published",
        seed: 1000,
        only: &[],
        rule: Rule::Maps,
    },
    Mutant {
        name: "immortal_hold",
        about: "an overdue hold does not end",
        seed: 1000,
        only: &[],
        rule: Rule::Maps,
    },
    Mutant {
        name: "relay_deletes_first",
        about: "the relay deletes events that are not confirmed",
        seed: 1003,
        only: &[Kind::RabbitRestart, Kind::RabbitFreeze, Kind::Kill, Kind::Cut, Kind::Failpoint],
        rule: Rule::Events,
    },
    Mutant {
        name: "redis_not_told",
        about: "Redis is not told of commits",
        seed: 1000,
        only: &[],
        rule: Rule::Maps,
    },
    Mutant {
        name: "ack_before_commit",
        about: "a message is acknowledged before it is handled",
        seed: 1001,
        only: &[Kind::PostgresRestart, Kind::PostgresFreeze, Kind::Kill, Kind::Failpoint],
        rule: Rule::Events,
    },
    Mutant {
        name: "no_inbox",
        about: "an event that comes twice is handled twice",
        seed: 1000,
        only: &[Kind::Kill, Kind::Stop, Kind::RabbitRestart, Kind::RabbitFreeze, Kind::Cut, Kind::Failpoint],
        rule: Rule::Events,
    },
    Mutant {
        name: "refund_without_key",
        about: "a refund has another key at each attempt",
        seed: 1004,
        only: &[Kind::ProviderChaos, Kind::Kill, Kind::Cut],
        rule: Rule::Money,
    },
    Mutant {
        name: "skip_sort",
        about: "seats are claimed in any order",
        seed: 1014,
        only: &[Kind::RedisRefuse, Kind::RedisFreeze],
        rule: Rule::Settled,
    },
    Mutant {
        name: "keep_bookings",
        about: "bookings of a show that is called off are kept",
        seed: 1001,
        only: &[Kind::CancelShow],
        rule: Rule::ShowCancelled,
    },
    Mutant {
        name: "claims_end_unasked",
        about: "an overdue claim ends without asking what became of its payment",
        seed: 1004,
        only: &[Kind::Kill, Kind::Cut],
        rule: Rule::Claims,
    },
];

/// What can be asked for.
pub fn names() -> PossibleValuesParser {
    ALL.iter().map(|mutant| mutant.name).chain([EVERY]).collect::<Vec<_>>().into()
}

/// The mutant of this name.
pub fn find(name: &str) -> Option<&'static Mutant> {
    ALL.iter().find(|mutant| mutant.name == name)
}

impl Mutant {
    /// Whether it is caught by this. Other promises may be broken as well; but whoever breaks none but
    /// others is not caught for what it does.
    pub fn is_caught_by(&self, violations: &[Violation]) -> bool {
        violations.iter().any(|violation| violation.rule == self.rule)
    }

    /// Its row in a table for people, caught by this seed.
    pub fn row(&self, seed: u64) -> String {
        let Self { name, about, rule, .. } = self;
        let only: Vec<String> = self.only.iter().map(|kind| kind.name()).collect();
        let only = if only.is_empty() { String::new() } else { format!("`{}` ", only.join(",")) };
        format!("| `{name}` | {about} | {seed} | {only}| `{rule}` |")
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs};

    use xtask::workspace;

    use super::*;

    #[test]
    fn the_table_in_the_readme_is_this_one() {
        let readme = include_str!("README.md");
        let (_, table) = readme.split_once("## Mutants").unwrap();
        let rows: Vec<&str> = table.lines().filter(|line| line.starts_with("| `")).collect();
        let expected: Vec<String> = ALL.iter().map(|mutant| mutant.row(mutant.seed)).collect();
        assert_eq!(rows, expected, "it should be\n{}", expected.join("\n"));
    }

    #[test]
    fn the_platform_has_these_and_no_others() {
        let list = fs::read_to_string(workspace::root().join("crates/platform/src/faults/on.rs")).unwrap();
        let names = list.split("name: \"").skip(1).filter_map(|rest| rest.split('"').next());
        let known: BTreeSet<&str> = ALL.iter().map(|mutant| mutant.name).collect();
        assert_eq!(names.collect::<BTreeSet<_>>(), known);
        assert_eq!(known.len(), ALL.len());
    }
}
