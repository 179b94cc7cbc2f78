//! Failpoints, mutants and the clock of a build for tests.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{Write as _, stderr},
    sync::{
        Arc, LazyLock, Mutex, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use kernel::source::{Clock, SharedClock, SystemClock};
use rustix::process::{Signal, getpid, kill_process};

use super::UnknownMutant;

/// Names the mutants that are on, separated by commas.
const VARIABLE: &str = "MARQUEE_MUTANT";

/// A deliberate bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mutant {
    /// As in `MARQUEE_MUTANT`.
    pub name: &'static str,
    /// What is wrong when it is on.
    pub about: &'static str,
}

/// All there are.
const MUTANTS: [Mutant; 14] = [
    Mutant { name: "skip_sort", about: "seats are locked and inserted in any order" },
    Mutant { name: "steal_allocation", about: "a checkout takes seats that another booking owns" },
    Mutant { name: "ack_before_commit", about: "a message is acknowledged before it is handled" },
    Mutant { name: "publish_before_commit", about: "events are published before their transaction commits" },
    Mutant { name: "ignore_hold_token", about: "anybody may check out and release anybody's hold" },
    Mutant {
        name: "trust_redis_at_confirm",
        about: "a late payment gets its seats when Redis shows them free",
    },
    Mutant { name: "no_inbox", about: "a repeated message is applied again" },
    Mutant { name: "refund_without_key", about: "each try of a refund has another idempotency key" },
    Mutant { name: "lost_delta", about: "some changes of seats are not published" },
    Mutant { name: "immortal_hold", about: "an overdue hold is not ended" },
    Mutant { name: "relay_deletes_first", about: "the outbox forgets events before the broker has them" },
    Mutant { name: "redis_not_told", about: "Redis is not told what PostgreSQL decided" },
    Mutant { name: "keep_bookings", about: "bookings of a show that is called off are kept" },
    Mutant { name: "claims_end_unasked", about: "an overdue claim ends whatever became of its payment" },
];

/// Steps reached so far, and how often. Global, as what they break is the whole process.
static REACHED: Mutex<BTreeMap<&'static str, u64>> = Mutex::new(BTreeMap::new());
/// Milliseconds between the system's clock and this process's.
static OFFSET: AtomicI64 = AtomicI64::new(0);
/// What the environment says, read once.
static MUTATED: LazyLock<BTreeSet<String>> =
    LazyLock::new(|| names(&std::env::var(VARIABLE).unwrap_or_default()));

/// A step that tests may make the process die at, wait at or panic at. Names are `flow.step`,
/// told in the past: `confirm.committed`.
pub async fn reach(step: &'static str) {
    *REACHED.lock().unwrap_or_else(PoisonError::into_inner).entry(step).or_default() += 1;
    let Some(value) = evaluate(step) else { return };
    tell(step, &value);
    match Action::parse(&value) {
        None => {}
        Some(Action::Exit) => exit(),
        Some(Action::Wait(time)) => tokio::time::sleep(time).await,
    }
}

/// Says that a failpoint trips, in the words in which `fail` says that one panics. Past the log, which
/// may keep its last lines to itself when the process ends this very moment.
fn tell(step: &str, value: &str) {
    // Nobody to tell is no reason to do something else.
    let _ = stderr().write_all(format!("failpoint {step} {value}\n").as_bytes());
}

/// The value of the failpoint's `return(value)`, when that is what it does now.
fn evaluate(step: &str) -> Option<String> {
    fail::fail_point!(step, |value| value);
    None
}

/// What `return(…)` can ask for.
#[derive(Debug, PartialEq, Eq)]
enum Action {
    Exit,
    Wait(Duration),
}

impl Action {
    fn parse(value: &str) -> Option<Self> {
        match value.split_once(':') {
            None if value == "exit" => Some(Self::Exit),
            Some(("wait", time)) => Some(Self::Wait(Duration::from_millis(time.parse().ok()?))),
            _ => None,
        }
    }
}

/// Ends the process as `kill -9` would: nothing is unwound, flushed or closed.
fn exit() {
    let _ = kill_process(getpid(), Signal::KILL);
    std::process::abort();
}

/// Steps reached so far, and how often.
pub(super) fn reached() -> BTreeMap<&'static str, u64> {
    REACHED.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// What is set for each failpoint that is not off.
pub(super) fn actions() -> BTreeMap<String, String> {
    fail::list().into_iter().filter(|(_, action)| !action.is_empty() && action != "off").collect()
}

/// Sets what a failpoint does from now on, in the language of `fail`:
/// `[percent%][count*]task[->next]`, where the task is `off`, `panic`, `return(exit)` or
/// `return(wait:milliseconds)`. (Its other tasks would block the threads of the runtime.)
pub(super) fn set(step: &str, action: &str) -> Result<(), String> {
    for part in action.split("->") {
        let task = part.rsplit(['%', '*']).next().unwrap_or_default().trim();
        let value = task.strip_prefix("return(").and_then(|value| value.strip_suffix(')'));
        if task != "off" && task != "panic" && value.and_then(Action::parse).is_none() {
            return Err(format!(
                "cannot do `{task}`; there are off, panic, return(exit) and return(wait:milliseconds)"
            ));
        }
    }
    fail::cfg(step, action)
}

/// Whether the deliberate bug of this name is on.
#[must_use]
pub fn mutant(name: &'static str) -> bool {
    debug_assert!(MUTANTS.iter().any(|mutant| mutant.name == name), "not in the list: {name}");
    MUTATED.contains(name)
}

/// All mutants, and whether they are on.
pub fn mutants() -> impl Iterator<Item = (Mutant, bool)> {
    MUTANTS.into_iter().map(|mutant| (mutant, MUTATED.contains(mutant.name)))
}

fn names(list: &str) -> BTreeSet<String> {
    list.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

fn check(chosen: &BTreeSet<String>) -> Result<(), UnknownMutant> {
    match chosen.iter().find(|name| MUTANTS.iter().all(|mutant| mutant.name != **name)) {
        None => Ok(()),
        Some(name) => {
            Err(UnknownMutant { name: name.clone(), known: MUTANTS.map(|mutant| mutant.name).join(", ") })
        }
    }
}

/// Says what kind of build this is, and which mutants are on. Call once, at the start.
///
/// # Errors
/// [`UnknownMutant`].
pub fn start() -> Result<(), UnknownMutant> {
    check(&MUTATED)?;
    tracing::warn!(
        mutants = ?*MUTATED,
        "THIS BUILD IS FOR TESTS ONLY: anybody who reaches its ports can crash it and move its clock"
    );
    Ok(())
}

/// The process's clock: the system's, moved by what tests ask for.
#[must_use]
pub fn clock() -> SharedClock {
    Arc::new(MovedClock)
}

/// From now on [`clock`] is `offset_ms` milliseconds ahead of the system's.
pub(super) fn move_clock(offset_ms: i64) -> Result<(), String> {
    // More than any test needs, and little enough that no sum leaves the calendar.
    const LIMIT: i64 = 10 * 366 * 24 * 60 * 60 * 1_000;
    if offset_ms.checked_abs().is_none_or(|distance| distance > LIMIT) {
        return Err("offset_ms: at most ten years either way".to_owned());
    }
    OFFSET.store(offset_ms, Ordering::Relaxed);
    Ok(())
}

#[derive(Debug)]
struct MovedClock;

impl Clock for MovedClock {
    fn now(&self) -> DateTime<Utc> {
        SystemClock.now() + TimeDelta::milliseconds(OFFSET.load(Ordering::Relaxed))
    }
}
