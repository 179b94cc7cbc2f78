//! The steps between which a crash would hurt: all failpoints of the platform, where they are passed,
//! and what else has to happen for that.

use crate::stand::Role;

/// Steps that are armed together.
const TOGETHER: usize = 4;

/// What a step needs besides customers who do what they always do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Nothing.
    Nothing,
    /// Redis is away for a while.
    RedisAway,
    /// Redis has lost everything.
    RedisEmpty,
    /// A show is repriced and called off.
    CalledOff,
    /// Webhooks are lost.
    WebhooksLost,
    /// A handler fails.
    FailingHandler,
    /// Claims end before they are paid.
    LatePayments,
}

/// Steps of one kind of process, with one need.
struct Group(Role, Need, &'static [&'static str]);

const GROUPS: &[Group] = &[
    Group(
        Role::Booking,
        Need::Nothing,
        &[
            "checkout.hold_read",
            "cancel.booking_locked",
            "webhook.verified",
            "checkout.priced",
            "cancel.released",
            "announce.begun",
            "extend.extended",
            "checkout.inserted",
            "cancel.refund_owed",
            "webhook.committed",
            "release.released",
            "checkout.announced",
            "cancel.updated",
            "announce.applied",
            "hold.held",
            "checkout.payment_created",
            "cancel.committed",
            "checkout.payment_stored",
        ],
    ),
    Group(
        Role::Booking,
        Need::RedisAway,
        &[
            "durable_hold.chosen",
            "durable_extend.committed",
            "durable_checkout.consumed",
            "durable_hold.inserted",
            "durable_release.committed",
            "durable_checkout.inserted",
            "durable_hold.committed",
        ],
    ),
    Group(Role::Booking, Need::RedisEmpty, &["load.read"]),
    Group(
        Role::Worker,
        Need::Nothing,
        &[
            "relay.read",
            "confirm.read",
            "refund.requested",
            "notify.claimed",
            "reconcile.intents",
            "relay.sent",
            "confirm.booking_locked",
            "expire.locked",
            "payment_attempt.updated",
            "payment_processing.committed",
            "consumer.received",
            "expire.asked",
            "confirm.received",
            "refund.asked",
            "notify.committed",
            "reconcile.refunds",
            "relay.published",
            "payment_failed.updated",
            "expire.updated",
            "call_off.answered",
            "consumer.handled",
            "confirm.updated",
            "refund.updated",
            "notify.sent",
            "reconcile.bookings",
            "relay.deleted",
            "confirm.committed",
            "expire.committed",
            "payment_failed.committed",
            "consumer.acknowledged",
            "confirm.announced",
            "refund.settled",
            "notify.marked",
        ],
    ),
    Group(Role::Worker, Need::RedisAway, &["outage.reloaded", "durable_hold.told", "durable_hold.ended"]),
    Group(Role::Worker, Need::WebhooksLost, &["reconcile.told", "reconcile.repaired"]),
    Group(Role::Worker, Need::LatePayments, &["confirm.seats_locked", "confirm.equivalent_claimed"]),
    Group(Role::Worker, Need::FailingHandler, &["consumer.put_aside"]),
    Group(
        Role::Worker,
        Need::CalledOff,
        &[
            "show.stored",
            "show_cancel.stored",
            "show_cancel.closed",
            "show_cancel.batch_updated",
            "show_cancel.batch_committed",
        ],
    ),
    Group(Role::Catalog, Need::CalledOff, &["catalog.updated", "catalog.committed"]),
];

/// Steps that no round can pass: only API keys have an allotment, and only in a cluster a hold is made
/// in two parts.
#[cfg(test)]
const OUT_OF_REACH: [&str; 3] = ["checkout.allotted", "hold.reserved", "hold.placed"];

/// Some steps that are to be armed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// In which processes.
    pub role: Role,
    /// What has to happen besides.
    pub need: Need,
    /// Which.
    pub steps: Vec<&'static str>,
}

/// All that can be passed.
pub fn all() -> impl Iterator<Item = &'static str> {
    GROUPS.iter().flat_map(|Group(_, _, steps)| steps.iter().copied())
}

/// The batch whose turn it is. So many turns in a row as there are batches have every step, and each
/// time round a step is armed with others.
pub fn batch(turn: u64) -> Batch {
    let sizes = GROUPS.iter().map(|Group(_, _, steps)| steps.len().div_ceil(TOGETHER) as u64);
    let count: u64 = sizes.clone().sum();
    let (around, mut place) = (turn / count, turn % count);
    for (Group(role, need, steps), size) in GROUPS.iter().zip(sizes) {
        if place < size {
            let first = (around % steps.len() as u64) as usize;
            let turned = steps.iter().cycle().skip(first).take(steps.len());
            let steps = turned.skip(place as usize * TOGETHER).take(TOGETHER).copied().collect();
            return Batch { role: *role, need: *need, steps };
        }
        place -= size;
    }
    Batch { role: Role::Worker, need: Need::Nothing, steps: Vec::new() }
}

#[cfg(test)]
mod tests {
    use std::{
        collections::BTreeSet,
        fs,
        path::{Path, PathBuf},
    };

    use xtask::workspace;

    use super::*;

    /// Folders whose programs are broken here.
    const SOURCES: [&str; 4] = ["crates", "gateway", "notifications", "subgraphs"];

    fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
            let path = entry.path();
            let name = entry.file_name();
            if path.is_dir() && name != "tests" && name != "target" {
                sources(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }

    fn reached(text: &str) -> Vec<String> {
        let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        let calls = code.flat_map(|line| line.split("reach(\"").skip(1));
        calls.filter_map(|call| call.split_once('"')).map(|(step, _)| step.to_owned()).collect()
    }

    #[test]
    fn the_steps_are_those_of_the_platform() {
        let mut files = Vec::new();
        SOURCES.iter().for_each(|dir| sources(&workspace::root().join(dir), &mut files));
        let there: BTreeSet<String> =
            files.iter().flat_map(|file| reached(&fs::read_to_string(file).unwrap())).collect();
        let known: BTreeSet<String> = all().chain(OUT_OF_REACH).map(str::to_owned).collect();
        assert_eq!(known, there);
        assert_eq!(known.len(), all().count() + OUT_OF_REACH.len(), "no step twice");
    }

    #[test]
    fn every_step_has_its_turn_again_and_again_and_with_others() {
        let every = |turns: u64| (0..turns).flat_map(|turn| batch(turn).steps).collect::<BTreeSet<_>>();
        let count = (1..100).find(|turns| every(*turns).len() == all().count()).unwrap();
        assert!(count <= 25, "{count}");
        for around in 0..8 {
            let turns = around * count..(around + 1) * count;
            let steps: Vec<_> = turns.flat_map(|turn| batch(turn).steps).collect();
            assert_eq!(steps.iter().collect::<BTreeSet<_>>().len(), all().count());
            assert_eq!(steps.len(), all().count());
        }
        assert_ne!(batch(0), batch(count));
        assert_eq!(batch(7), batch(7));
    }
}
