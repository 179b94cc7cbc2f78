//! What can be done, to whom, and how long it lasts.

use std::time::Duration;

use rand::{RngExt, rngs::StdRng, seq::IndexedRandom};
use serde_json::{Value, json};

use super::Kind;
use crate::stand::{CLIENTS, PROCESSES, Peer, Role, WEBHOOKS, link, links};

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
    /// [`Kind::Failpoint`]: what each of these processes does at these steps.
    Failpoint { processes: Vec<&'static str>, steps: Vec<(&'static str, String)> },
    /// [`Kind::WebhookChaos`]
    WebhookChaos { switches: Value },
    /// [`Kind::ProviderChaos`]
    ProviderChaos { switches: Value },
    /// [`Kind::Clock`]
    Clock { process: &'static str, offset_ms: i64 },
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
    pub(super) fn lasts_ms(&self) -> std::ops::RangeInclusive<u64> {
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
            Self::Failpoint { .. } => 3_000..=6_000,
            Self::WebhookChaos { .. } | Self::ProviderChaos { .. } => 1_000..=4_000,
            Self::Clock { .. } => 1_000..=5_000,
        }
    }

    /// What its victim takes about to be as before, on a busy machine.
    pub(super) const fn aftermath(&self) -> Duration {
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
            Self::WebhookChaos { switches } | Self::ProviderChaos { switches } => switches.to_string(),
            Self::Clock { process, offset_ms } => format!("{process} {offset_ms} ms"),
            Self::Slow { link, by_ms } => format!("{link} {by_ms} ms"),
            Self::PostgresRestart { crash } => {
                format!("postgres {}", if *crash { "crash" } else { "in order" })
            }
            _ => self.places().join(" "),
        }
    }

    /// What it changes: two faults cannot change one thing at the same time.
    pub(super) fn places(&self) -> Vec<String> {
        let place = match self {
            Self::Failpoint { processes, .. } => {
                return processes.iter().map(|process| (*process).to_owned()).collect();
            }
            Self::Kill { process } | Self::Stop { process } | Self::Clock { process, .. } => {
                (*process).to_owned()
            }
            Self::RedisRestartEmpty | Self::RedisLostWrites | Self::RedisFreeze | Self::RedisRefuse => {
                "redis".to_owned()
            }
            Self::PostgresRestart { .. } | Self::PostgresFreeze => "postgres".to_owned(),
            Self::RabbitRestart | Self::RabbitFreeze => "rabbit".to_owned(),
            Self::Cut { link } | Self::Partition { link } | Self::Slow { link, .. } => link.clone(),
            Self::WebhookChaos { .. } => "webhooks".to_owned(),
            Self::ProviderChaos { .. } => "provider".to_owned(),
        };
        vec![place]
    }

    /// Whether it sets how this link behaves.
    pub(super) fn sets(&self, name: &str) -> bool {
        match self {
            Self::Partition { link } | Self::Slow { link, .. } => link == name,
            Self::RedisRefuse => PROCESSES.iter().any(|(process, _)| link(process, Peer::Redis) == name),
            _ => false,
        }
    }
}

/// A fault of this kind; none where more than a kind is needed to tell.
pub(super) fn harm(kind: Kind, rng: &mut StdRng) -> Option<Harm> {
    Some(match kind {
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
        Kind::WebhookChaos => Harm::WebhookChaos { switches: webhook_switches(rng) },
        Kind::ProviderChaos => Harm::ProviderChaos { switches: provider_switches(rng) },
        Kind::Clock => {
            let offset_ms = rng.random_range(30_000..=600_000);
            let offset_ms = if rng.random() { offset_ms } else { -offset_ms };
            Harm::Clock { process: process(rng, |role| role != Role::Gateway), offset_ms }
        }
        Kind::Failpoint | Kind::CancelShow => return None,
    })
}

/// What a process does at a step.
pub(super) fn action(rng: &mut StdRng) -> String {
    match rng.random_range(0..10) {
        0..6 => "1*return(exit)".to_owned(),
        6..8 => wait(rng),
        _ => "1*panic".to_owned(),
    }
}

/// It waits there, some times.
pub(super) fn wait(rng: &mut StdRng) -> String {
    format!("{}*return(wait:{})", rng.random_range(1..4), rng.random_range(100..2_500))
}

/// All processes of a kind.
pub(super) fn processes(of: Role) -> Vec<&'static str> {
    PROCESSES.iter().filter(|(_, role)| *role == of).map(|(name, _)| *name).collect()
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
    let switches = match rng.random_range(0..6) {
        0 => json!({ "delay_ms": rng.random_range(200..2_500) }),
        1 => json!({ "fail_next": rng.random_range(1..8), "fail_status": statuses.choose(rng) }),
        2 => json!({ "error_rate": rng.random_range(0.3..0.9), "fail_status": statuses.choose(rng) }),
        3 => json!({ "lose_next": rng.random_range(1..8) }),
        // Few requests are for refunds, and they are the ones that must not be done twice.
        4 => return json!({ "refund": { "lose_next": rng.random_range(4..16) } }),
        _ => json!({ "hang": true }),
    };
    json!({ "api": switches })
}
