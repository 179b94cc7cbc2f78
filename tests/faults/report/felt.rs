//! What clients felt of dead processes.

use serde::Serialize;

use super::spread::Spread;
use crate::{
    checker::deaths::{is_alone, is_worker, next_confirmation},
    history::Fault,
    observed::AuditEntry,
    stand::Death,
};

/// Deaths of a run, and how long they were felt.
#[derive(Debug, Default, Serialize)]
pub(super) struct Felt {
    /// All deaths.
    deaths: u64,
    /// Of these, of processes that clients wait for.
    by_clients: u64,
    /// Of these, with nothing else broken.
    by_clients_alone: u64,
    /// Deaths of workers with nothing else broken.
    workers_alone: u64,
    /// Milliseconds from the death of a process to the moment from which clients were answered,
    /// when nothing else was broken.
    restored_alone_ms: Spread,
    /// The same for all deaths.
    restored_ms: Spread,
    /// Milliseconds from the death of a process until it was ready again, when nothing else was
    /// broken.
    ready_alone_ms: Spread,
    /// Milliseconds from the death of a worker to the next confirmation of a booking, when nothing
    /// else was broken.
    confirmed_alone_ms: Spread,
}

impl Felt {
    /// Takes in the deaths of a round.
    pub(super) fn add(&mut self, deaths: &[Death], faults: &[Fault], audit: &[AuditEntry]) {
        for death in deaths {
            let worker = is_worker(death);
            let confirmed_ms = if worker { next_confirmation(death.at, audit) } else { None };
            let felt_ms = [death.restored_ms, death.ready_ms, confirmed_ms].into_iter().flatten().max();
            self.deaths += 1;
            self.by_clients += u64::from(death.felt);
            death.restored_ms.into_iter().for_each(|ms| self.restored_ms.add(ms));
            if !is_alone(death, felt_ms.unwrap_or_default(), faults, deaths) {
                continue;
            }
            self.by_clients_alone += u64::from(death.felt);
            self.workers_alone += u64::from(worker);
            death.restored_ms.into_iter().for_each(|ms| self.restored_alone_ms.add(ms));
            death.ready_ms.into_iter().for_each(|ms| self.ready_alone_ms.add(ms));
            confirmed_ms.into_iter().for_each(|ms| self.confirmed_alone_ms.add(ms));
        }
    }

    /// For people.
    pub(super) fn page(&self) -> Vec<String> {
        let Self { deaths, by_clients, by_clients_alone, workers_alone, .. } = self;
        let line = |name: &str, spread: &Spread, of: u64| format!("{name:<46}{} of {of}", spread.text());
        vec![
            format!("deaths        {deaths}, {by_clients} of processes that clients wait for"),
            "after a killed process, nothing else broken".to_owned(),
            line("  clients are answered", &self.restored_alone_ms, *by_clients_alone),
            line("  the process is ready", &self.ready_alone_ms, by_clients_alone + workers_alone),
            line("  the next booking is confirmed (workers)", &self.confirmed_alone_ms, *workers_alone),
            line("clients are answered, whatever else is broken", &self.restored_ms, *by_clients),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deaths_are_counted_whether_they_were_measured_or_not() {
        let mut felt = Felt::default();
        let deaths = [
            Death::by_kill("gateway-1", 0, Some(100)),
            Death::by_kill("booking-1", 10_000, None),
            Death::by_kill("worker-1", 20_000, None),
        ];
        felt.add(&deaths, &[], &[]);
        let page = felt.page();
        assert_eq!(page[0], "deaths        3, 2 of processes that clients wait for");
        assert!(page[2].ends_with("p50 100 ms, p95 100 ms, max 100 ms (1 measured) of 2"), "{}", page[2]);
        assert!(page[4].ends_with("not measured of 1"), "{}", page[4]);
    }
}
