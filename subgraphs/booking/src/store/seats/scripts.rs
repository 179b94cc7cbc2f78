//! The scripts, put together from their parts.

use platform::{Script, faults::mutant};

/// The text of these parts.
macro_rules! text {
    ($($part:literal),+) => {
        concat!($(include_str!(concat!("../lua/", $part, ".lua")), "\n"),+)
    };
}

/// A script of one show: what all share, then the parts.
macro_rules! show_script {
    ($($part:literal),+) => {
        script_of(text!("clock", "show_prelude", $($part),+))
    };
}

/// A script that holds seats of one show and counts them against the limits of a user, for where one Redis has
/// the keys of both.
macro_rules! counting_script {
    ($part:literal) => {
        script_of(text!(
            "clock",
            "user_room",
            "show_prelude",
            "hold_prelude",
            $part,
            "user_take",
            "hold_place"
        ))
    };
}

/// Deliberate bugs: the name, what is in some script, and what the bug makes of it.
const BUGS: [(&str, &str, &str); 3] = [
    // An overdue hold only loses its deadline.
    (
        "immortal_hold",
        "if hold.status == 'L' then\n        self.free",
        "if hold.status == 'L' then\n        redis.call('ZREM', DEADLINES, token)\n      \
         elseif hold.status == '' then\n        self.free",
    ),
    // Whoever asks is the owner: when a hold is released, and when it is extended.
    ("ignore_hold_token", "hold.user == ARGV[4]", "true"),
    ("ignore_hold_token", "hold.user ~= ARGV[4]", "false"),
];

/// The script, with the deliberate bugs that are on.
fn script_of(source: &str) -> Script {
    let bugs = BUGS.iter().filter(|(name, ..)| mutant(name));
    Script::new(&bugs.fold(source.to_owned(), |source, (_, right, wrong)| source.replace(right, wrong)))
}

macro_rules! script {
    ($name:literal) => {
        Script::new(include_str!(concat!("../lua/", $name, ".lua")))
    };
}

/// Counts a coming hold, where the show is in another place.
const USER_RESERVE: &str = concat!(text!("clock", "user_room", "user_take"), "return { 'RESERVED' }");

pub(super) struct Scripts {
    /// Each in two forms: one counts what it holds, too.
    pub(super) hold: Script,
    pub(super) hold_counted: Script,
    pub(super) best_available: Script,
    pub(super) best_available_counted: Script,
    pub(super) extend: Script,
    pub(super) release: Script,
    pub(super) lookup: Script,
    pub(super) read: Script,
    pub(super) expire: Script,
    pub(super) apply: Script,
    pub(super) durable_hold: Script,
    pub(super) load: Script,
    pub(super) keep_lock: Script,
    pub(super) unlock: Script,
    pub(super) user_reserve: Script,
    pub(super) user_cancel: Script,
    pub(super) user_extend: Script,
    pub(super) user_note: Script,
    pub(super) sweep_take: Script,
    pub(super) sweep_note: Script,
}

/// See [`super::validate`].
pub(super) fn validate() -> Script {
    script!("validate").named("validate")
}

impl Scripts {
    pub(super) fn new() -> Self {
        Self {
            hold: show_script!("hold_alone", "hold_prelude", "hold", "hold_place").named("hold"),
            hold_counted: counting_script!("hold").named("hold"),
            best_available: show_script!("hold_prelude", "best_available", "hold_place")
                .named("best_available"),
            best_available_counted: counting_script!("best_available").named("best_available"),
            extend: show_script!("extend").named("extend"),
            release: show_script!("release").named("release"),
            lookup: show_script!("lookup").named("lookup"),
            read: show_script!("read").named("read"),
            expire: show_script!("expire").named("expire"),
            apply: show_script!("apply").named("apply"),
            durable_hold: show_script!("durable_hold").named("durable_hold"),
            load: show_script!("load").named("load"),
            keep_lock: script!("keep_lock").named("keep_lock"),
            unlock: script!("unlock").named("unlock"),
            user_reserve: Script::new(USER_RESERVE).named("user_reserve"),
            user_cancel: script!("user_cancel").named("user_cancel"),
            user_extend: script!("user_extend").named("user_extend"),
            user_note: script!("user_note").named("user_note"),
            sweep_take: script!("sweep_take").named("sweep_take"),
            sweep_note: script!("sweep_note").named("sweep_note"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bug_has_its_place() {
        let scripts = Scripts::new();
        let sources = [&scripts.release, &scripts.extend].map(Script::source);
        for (name, right, _) in BUGS {
            assert!(sources.iter().any(|source| source.contains(right)), "{name}: {right}");
        }
    }
}
