//! What everything else on the machine uses while we measure: a ratio of two sides that are measured one
//! after the other means little when somebody else comes and goes.

use std::{collections::BTreeSet, time::Instant};

use super::cpu::{Stat, all, busy_now};

/// Watches what neither these processes nor anything that they have begun uses.
#[derive(Debug)]
pub struct Others {
    roots: Vec<u32>,
    begin: Instant,
    before: f64,
}

impl Others {
    /// From now on.
    pub fn watch(roots: Vec<u32>) -> Self {
        let before = unknown(&roots);
        Self { roots, begin: Instant::now(), before }
    }

    /// How many cores others have used on average.
    pub fn cores(&self) -> f64 {
        let used = unknown(&self.roots) - self.before;
        // The times have a resolution of ten milliseconds.
        (used / self.begin.elapsed().as_secs_f64().max(f64::EPSILON)).max(0.0)
    }
}

/// CPU seconds so far of everything else, the kernel included.
fn unknown(roots: &[u32]) -> f64 {
    busy_now() - family(roots, &all())
}

/// CPU seconds of these processes and of all that they have begun, whether it has ended or not.
fn family(roots: &[u32], processes: &[Stat]) -> f64 {
    let mut members: BTreeSet<u32> = roots.iter().copied().collect();
    loop {
        let known = members.len();
        let found: Vec<u32> =
            processes.iter().filter(|one| members.contains(&one.parent)).map(|one| one.pid).collect();
        members.extend(found);
        if members.len() == known {
            break;
        }
    }
    let ours = processes.iter().filter(|one| members.contains(&one.pid));
    ours.map(|one| one.own + one.of_ended).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_has_grandchildren_and_the_dead() {
        let stat = |pid, parent, own, of_ended| Stat { pid, parent, own, of_ended };
        let processes = [
            // A child may have a lower number than its parent, and a root may be the child of another.
            stat(5, 30, 1.0, 0.0),
            stat(10, 1, 2.0, 0.5),
            stat(30, 10, 4.0, 0.0),
            stat(40, 1, 8.0, 0.0),
            stat(41, 40, 16.0, 0.0),
        ];
        assert_eq!(family(&[10, 30], &processes), 7.5);
        assert_eq!(family(&[10, 40], &processes), 31.5);
    }
}
