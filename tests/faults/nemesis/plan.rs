//! What is done in a round, and when: all of it from the seed.

use std::time::Duration;

use clap::ValueEnum;
use rand::{RngExt, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use serde_json::{Value, json};

use super::Kind;
use crate::stand::{CLIENTS, PROCESSES, Peer, Role, WEBHOOKS, link, links};

/// Nothing is done before that: somebody should have seats by then.
const CALM: Duration = Duration::from_millis(500);
/// Faults of a round.
const FEWEST: usize = 2;
const MOST: usize = 5;
/// How often a place for a fault is looked for among the others.
const ATTEMPTS: usize = 20;

/// The faults of a round, in the order of their beginnings.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan(pub Vec<Planned>);

/// One fault.
#[derive(Debug, Clone, PartialEq)]
pub struct Planned {
    /// When it begins, from the beginning of the round.
    pub at: Duration,
    /// How long it lasts, where it lasts.
    pub lasts: Duration,
    /// What is done.
    pub harm: Harm,
}

/// What is done, and to whom.
#[derive(Debug, Clone, PartialEq)]
pub enum Harm {
    /// [`Kind::Kill`]
    Kill { process: &'static str },
    /// [`Kind::Stop`]
    Stop { process: &'static str },
    /// [`Kind::RedisRestartEmpty`]
    RedisRestartEmpty,
    /// [`Kind::RedisLostWrites`]
    RedisLostWrites,
    /// [`Kind::RedisFreeze`]
    RedisFreeze,
    /// [`Kind::RedisRefuse`]
    RedisRefuse,
    /// [`Kind::PostgresRestart`]
    PostgresRestart { crash: bool },
    /// [`Kind::PostgresFreeze`]
    PostgresFreeze,
    /// [`Kind::RabbitRestart`]
    RabbitRestart,
    /// [`Kind::RabbitFreeze`]
    RabbitFreeze,
    /// [`Kind::Cut`]
    Cut { link: String },
    /// [`Kind::Partition`]
    Partition { link: String },
    /// [`Kind::Slow`]
    Slow { link: String, by_ms: u64 },
    /// [`Kind::Failpoint`]: `picks` choose among the steps that the process has reached by then.
    Failpoint { process: &'static str, picks: Vec<usize>, action: String },
    /// [`Kind::WebhookChaos`]
    WebhookChaos { switches: Value },
    /// [`Kind::ProviderChaos`]
    ProviderChaos { switches: Value },
    /// [`Kind::Clock`]
    Clock { process: &'static str, offset_ms: i64 },
}

impl Plan {
    /// The plan of this seed for a round of this length. Only of these kinds, or of all when none
    /// is named. As many seeds in a row as half the number of kinds have each kind at least once.
    pub fn new(seed: u64, length: Duration, only: &[Kind]) -> Self {
        let kinds = if only.is_empty() { Kind::value_variants() } else { only };
        let mut rng = StdRng::seed_from_u64(seed);
        let count = rng.random_range(FEWEST..=MOST);
        let mut faults: Vec<Planned> = Vec::new();
        for number in 0..count {
            // The second one is of a kind that is far from the first in the list, and so seldom in
            // its way.
            let turn = (seed % kinds.len() as u64) as usize + number * kinds.len() / FEWEST;
            let due = kinds.get(turn % kinds.len());
            let drawn = kinds.choose(&mut rng);
            let Some(kind) = (if number < FEWEST { due } else { drawn }) else { break };
            // A round that is too short for two faults on one server has one only.
            let fits = (0..ATTEMPTS)
                .map(|_| draw(*kind, length, &mut rng))
                .find(|fault| faults.iter().all(|other| !fault.collides(other)));
            faults.extend(fits);
        }
        faults.sort_by_key(|fault| fault.at);
        Self(faults)
    }
}

/// A fault of this kind, somewhere in the round.
fn draw(kind: Kind, length: Duration, rng: &mut StdRng) -> Planned {
    let harm = harm(kind, rng);
    let longest = length.saturating_sub(CALM);
    let lasts = Duration::from_millis(rng.random_range(harm.lasts_ms())).min(longest);
    let latest = length.saturating_sub(lasts).max(CALM);
    let at = rng.random_range(CALM..=latest);
    Planned { at, lasts, harm }
}

fn harm(kind: Kind, rng: &mut StdRng) -> Harm {
    match kind {
        Kind::Kill => Harm::Kill { process: process(rng, |_| true) },
        Kind::Stop => Harm::Stop { process: process(rng, |_| true) },
        Kind::RedisRestartEmpty => Harm::RedisRestartEmpty,
        Kind::RedisLostWrites => Harm::RedisLostWrites,
        Kind::RedisFreeze => Harm::RedisFreeze,
        Kind::RedisRefuse => Harm::RedisRefuse,
        Kind::PostgresRestart => Harm::PostgresRestart { crash: rng.random() },
        Kind::PostgresFreeze => Harm::PostgresFreeze,
        Kind::RabbitRestart => Harm::RabbitRestart,
        Kind::RabbitFreeze => Harm::RabbitFreeze,
        Kind::Cut => Harm::Cut { link: any_link(rng) },
        Kind::Slow => Harm::Slow { link: any_link(rng), by_ms: rng.random_range(20..400) },
        Kind::Partition => Harm::Partition { link: links().choose(rng).cloned().unwrap_or_default() },
        Kind::Failpoint => Harm::Failpoint {
            process: process(rng, |role| matches!(role, Role::Booking | Role::Worker)),
            picks: (0..rng.random_range(1..=3)).map(|_| rng.random_range(0..10_000)).collect(),
            action: match rng.random_range(0..10) {
                0..5 => "1*return(exit)".to_owned(),
                5..8 => format!("{}*return(wait:{})", rng.random_range(1..4), rng.random_range(100..2_500)),
                _ => "1*panic".to_owned(),
            },
        },
        Kind::WebhookChaos => Harm::WebhookChaos { switches: webhook_switches(rng) },
        Kind::ProviderChaos => Harm::ProviderChaos { switches: provider_switches(rng) },
        Kind::Clock => {
            let offset_ms = rng.random_range(30_000..=600_000);
            let offset_ms = if rng.random() { offset_ms } else { -offset_ms };
            Harm::Clock { process: process(rng, |role| role != Role::Gateway), offset_ms }
        }
    }
}

fn process(rng: &mut StdRng, fits: impl Fn(Role) -> bool) -> &'static str {
    let names: Vec<_> = PROCESSES.iter().filter(|(_, role)| fits(*role)).map(|(name, _)| *name).collect();
    names.choose(rng).copied().unwrap_or_default()
}

fn any_link(rng: &mut StdRng) -> String {
    let mut all = links();
    all.extend([CLIENTS.to_owned(), WEBHOOKS.to_owned()]);
    all.choose(rng).cloned().unwrap_or_default()
}

/// See `paysim`'s switches for webhooks.
fn webhook_switches(rng: &mut StdRng) -> Value {
    let mut switches = json!({});
    for _ in 0..rng.random_range(1..=2) {
        match rng.random_range(0..5) {
            0 => switches["delay_ms"] = rng.random_range(200..3_000).into(),
            1 => switches["repeat"] = rng.random_range(1..4).into(),
            2 => {
                switches["reorder"] = true.into();
                switches["reorder_window_ms"] = rng.random_range(200..1_500).into();
            }
            3 => switches["drop"] = true.into(),
            _ => switches["drop_next"] = rng.random_range(1..6).into(),
        }
    }
    json!({ "webhook": switches })
}

/// See `paysim`'s switches for its API.
fn provider_switches(rng: &mut StdRng) -> Value {
    let statuses = [429, 500, 503];
    let switches = match rng.random_range(0..5) {
        0 => json!({ "delay_ms": rng.random_range(200..2_500) }),
        1 => json!({ "fail_next": rng.random_range(1..8), "fail_status": statuses.choose(rng) }),
        2 => json!({ "error_rate": rng.random_range(0.3..0.9), "fail_status": statuses.choose(rng) }),
        3 => json!({ "lose_next": rng.random_range(1..8) }),
        _ => json!({ "hang": true }),
    };
    json!({ "api": switches })
}

impl Harm {
    /// Of which kind it is.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Kill { .. } => Kind::Kill,
            Self::Stop { .. } => Kind::Stop,
            Self::RedisRestartEmpty => Kind::RedisRestartEmpty,
            Self::RedisLostWrites => Kind::RedisLostWrites,
            Self::RedisFreeze => Kind::RedisFreeze,
            Self::RedisRefuse => Kind::RedisRefuse,
            Self::PostgresRestart { .. } => Kind::PostgresRestart,
            Self::PostgresFreeze => Kind::PostgresFreeze,
            Self::RabbitRestart => Kind::RabbitRestart,
            Self::RabbitFreeze => Kind::RabbitFreeze,
            Self::Cut { .. } => Kind::Cut,
            Self::Partition { .. } => Kind::Partition,
            Self::Slow { .. } => Kind::Slow,
            Self::Failpoint { .. } => Kind::Failpoint,
            Self::WebhookChaos { .. } => Kind::WebhookChaos,
            Self::ProviderChaos { .. } => Kind::ProviderChaos,
            Self::Clock { .. } => Kind::Clock,
        }
    }

    /// How long it lasts, in milliseconds: for a restart, how long the server is away at least.
    fn lasts_ms(&self) -> std::ops::RangeInclusive<u64> {
        match self {
            Self::Kill { .. } | Self::Cut { .. } => 0..=0,
            Self::Stop { .. } => 300..=4_000,
            Self::RedisRestartEmpty | Self::PostgresRestart { .. } => 0..=1_500,
            // It takes some seconds by itself.
            Self::RabbitRestart => 0..=0,
            Self::RedisLostWrites => 300..=2_500,
            Self::RedisFreeze | Self::RedisRefuse | Self::PostgresFreeze | Self::RabbitFreeze => 300..=4_000,
            Self::Partition { .. } => 1_000..=3_000,
            Self::Slow { .. } => 1_000..=4_000,
            Self::Failpoint { .. } => 1_000..=4_000,
            Self::WebhookChaos { .. } | Self::ProviderChaos { .. } => 1_000..=4_000,
            Self::Clock { .. } => 1_000..=5_000,
        }
    }

    /// What its victim takes about to be as before, on a busy machine.
    const fn aftermath(&self) -> Duration {
        Duration::from_millis(match self {
            Self::RabbitRestart => 8_000,
            Self::PostgresRestart { .. } => 1_500,
            Self::Kill { .. } | Self::RedisRestartEmpty | Self::RedisLostWrites => 500,
            _ => 200,
        })
    }

    /// To whom it is done, in the words of the report.
    pub fn target(&self) -> String {
        match self {
            Self::Failpoint { process, action, .. } => format!("{process} {action}"),
            Self::WebhookChaos { switches } | Self::ProviderChaos { switches } => switches.to_string(),
            Self::Clock { process, offset_ms } => format!("{process} {offset_ms} ms"),
            Self::Slow { link, by_ms } => format!("{link} {by_ms} ms"),
            Self::PostgresRestart { crash } => {
                format!("{} {}", self.place(), if *crash { "crash" } else { "in order" })
            }
            _ => self.place(),
        }
    }

    /// What it changes: two faults cannot change one thing at the same time.
    fn place(&self) -> String {
        match self {
            Self::Kill { process }
            | Self::Stop { process }
            | Self::Failpoint { process, .. }
            | Self::Clock { process, .. } => (*process).to_owned(),
            Self::RedisRestartEmpty | Self::RedisLostWrites | Self::RedisFreeze | Self::RedisRefuse => {
                "redis".to_owned()
            }
            Self::PostgresRestart { .. } | Self::PostgresFreeze => "postgres".to_owned(),
            Self::RabbitRestart | Self::RabbitFreeze => "rabbit".to_owned(),
            Self::Cut { link } | Self::Partition { link } | Self::Slow { link, .. } => link.clone(),
            Self::WebhookChaos { .. } => "webhooks".to_owned(),
            Self::ProviderChaos { .. } => "provider".to_owned(),
        }
    }

    /// Whether it sets how this link behaves.
    fn sets(&self, name: &str) -> bool {
        match self {
            Self::Partition { link } | Self::Slow { link, .. } => link == name,
            Self::RedisRefuse => PROCESSES.iter().any(|(process, _)| link(process, Peer::Redis) == name),
            _ => false,
        }
    }
}

impl Planned {
    fn collides(&self, other: &Self) -> bool {
        let after = |fault: &Self| fault.at + fault.lasts + fault.harm.aftermath();
        let apart = after(self) < other.at || after(other) < self.at;
        let place = self.harm.place();
        let same =
            place == other.harm.place() || other.harm.sets(&place) || self.harm.sets(&other.harm.place());
        same && !apart
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const LENGTH: Duration = Duration::from_secs(8);

    fn plans() -> impl Iterator<Item = Plan> {
        (0..200).map(|seed| Plan::new(seed, LENGTH, &[]))
    }

    #[test]
    fn a_seed_is_a_plan() {
        for seed in 0..50 {
            assert_eq!(Plan::new(seed, LENGTH, &[]), Plan::new(seed, LENGTH, &[]));
        }
        assert_ne!(Plan::new(1, LENGTH, &[]), Plan::new(17, LENGTH, &[]));
    }

    #[test]
    fn a_few_seeds_have_every_kind() {
        for first in [0, 5, 1_000] {
            let seeds = first..first + 9;
            let faults = seeds.flat_map(|seed| Plan::new(seed, LENGTH, &[]).0);
            let kinds: BTreeSet<_> = faults.map(|fault| fault.harm.kind()).collect();
            assert_eq!(kinds.len(), Kind::value_variants().len(), "{kinds:?}");
        }
    }

    #[test]
    fn faults_begin_after_the_calm_and_end_in_the_round() {
        for fault in plans().flat_map(|plan| plan.0) {
            assert!(fault.at >= CALM && fault.at + fault.lasts <= LENGTH, "{fault:?}");
        }
    }

    #[test]
    fn nothing_is_done_to_one_thing_twice_at_a_time() {
        for Plan(faults) in plans() {
            assert!((1..=MOST).contains(&faults.len()));
            for (place, fault) in faults.iter().enumerate() {
                assert!(faults[..place].iter().all(|other| !fault.collides(other)), "{faults:?}");
            }
        }
    }

    #[test]
    fn only_means_only() {
        let Plan(faults) = Plan::new(3, LENGTH, &[Kind::Kill]);
        assert!(!faults.is_empty());
        assert!(faults.iter().all(|fault| fault.harm.kind() == Kind::Kill));
    }

    #[test]
    fn short_rounds_have_short_faults() {
        let short = Duration::from_secs(1);
        let faults = (0..50).flat_map(|seed| Plan::new(seed, short, &[]).0);
        assert!(faults.into_iter().all(|fault| fault.at + fault.lasts <= short));
    }
}
