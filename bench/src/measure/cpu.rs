//! What processes cost, from `/proc` (proc(5)).

use std::{collections::BTreeMap, fs};

/// A tick of the times in `/proc`: Linux gives them in hundredths of a second on every machine
/// (`USER_HZ`).
const TICKS_PER_SECOND: f64 = 100.0;

/// A process that is measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// What reports call it.
    pub name: String,
    /// Its number.
    pub pid: u32,
    /// Which of its children belong to it.
    pub children: Children,
}

/// Children of a process that count as a part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Children {
    /// None.
    None,
    /// Those that have ended: programs that it has run, beside servers that go on.
    Ended,
    /// All: PostgreSQL has one for each connection.
    All,
}

/// What everything else on the machine uses meanwhile is called.
const OTHERS: &str = "others";

/// CPU seconds that processes have used so far, by name.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Cpu {
    by_name: BTreeMap<String, f64>,
    /// Of the whole machine.
    busy: f64,
}

/// What `/proc` tells of a process.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stat {
    pub(super) pid: u32,
    pub(super) parent: u32,
    /// Its user and system time.
    pub(super) own: f64,
    /// That of its children that have ended.
    pub(super) of_ended: f64,
}

impl Cpu {
    /// Looks at these processes now. One that has ended counts as nothing.
    pub fn now(processes: &[Process]) -> Self {
        let all = all();
        let seconds = |Process { pid, children, .. }: &Process| {
            let own = stat(*pid).map_or(0.0, |stat| match children {
                Children::None => stat.own,
                Children::Ended | Children::All => stat.own + stat.of_ended,
            });
            let alive = all.iter().filter(|child| *children == Children::All && child.parent == *pid);
            own + alive.map(|child| child.own).sum::<f64>()
        };
        let by_name = processes.iter().map(|process| (process.name.clone(), seconds(process))).collect();
        Self { by_name, busy: busy_now() }
    }

    /// What was used since `before`, without those that used nothing; and by all others together.
    pub fn since(&self, before: &Self) -> BTreeMap<String, f64> {
        let used = |name: &String, now: f64| now - before.by_name.get(name).copied().unwrap_or(0.0);
        let mut used: BTreeMap<String, f64> =
            self.by_name.iter().map(|(name, now)| (name.clone(), used(name, *now))).collect();
        let known: f64 = used.values().sum();
        used.insert(OTHERS.to_owned(), self.busy - before.busy - known);
        // Nothing, or less than what the resolution of the times can tell.
        used.retain(|_, seconds| *seconds > 0.0);
        used
    }
}

/// Of all processors since the machine began: all but idle times, and of guests, which are counted
/// as user time too.
fn busy(stat: &str) -> Option<f64> {
    let fields = stat.lines().next()?.strip_prefix("cpu ")?.split_whitespace();
    let ticks: Vec<f64> = fields.map_while(|field| field.parse().ok()).collect();
    let idle = [3, 4];
    let busy = ticks.iter().take(8).enumerate().filter(|(at, _)| !idle.contains(at));
    Some(busy.map(|(_, ticks)| ticks).sum::<f64>() / TICKS_PER_SECOND)
}

/// CPU seconds of the whole machine so far.
pub(super) fn busy_now() -> f64 {
    fs::read_to_string("/proc/stat").ok().and_then(|text| busy(&text)).unwrap_or(0.0)
}

/// All processes of the machine.
pub(super) fn all() -> Vec<Stat> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| stat(entry.file_name().to_str()?.parse().ok()?)).collect()
}

fn stat(pid: u32) -> Option<Stat> {
    parse(pid, &fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// The name of the program is in brackets and may hold anything, brackets too.
fn parse(pid: u32, text: &str) -> Option<Stat> {
    let (_, rest) = text.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let number = |at: usize| fields.get(at)?.parse::<f64>().ok();
    Some(Stat {
        pid,
        parent: fields.get(1)?.parse().ok()?,
        own: (number(11)? + number(12)?) / TICKS_PER_SECOND,
        of_ended: (number(13)? + number(14)?) / TICKS_PER_SECOND,
    })
}

/// Memory of a process that is in RAM.
pub fn resident_bytes(pid: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_a_process_and_its_dead_children_are_added() {
        let text = "7 (a) b) S 3 7 7 0 -1 4194304 100 0 0 0 150 50 20 30 20 0 1 0 12345 1000 100";
        let stat = parse(7, text).unwrap();
        assert_eq!((stat.parent, stat.own, stat.of_ended), (3, 2.0, 0.5));
    }

    #[test]
    fn idle_time_is_not_busy() {
        assert_eq!(busy("cpu  100 0 50 9000 9000 0 25 25 7 7\ncpu0 1 2"), Some(2.0));
    }

    #[test]
    fn this_process_costs_something() {
        assert!(resident_bytes(std::process::id()) > 100_000);
        assert!(stat(std::process::id()).is_some());
    }
}
