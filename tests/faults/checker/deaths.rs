//! A process dies only when somebody wants it to, and clients feel that for a moment at most; of a worker,
//! by what becomes of what they pay.

use super::{Rule, Violation};
use crate::history::{Action, Fault, History, Millis, Outcome};
use crate::observed::AuditEntry;
use crate::stand::{Death, PROBED_FOR};

/// What clients may feel of a killed process, in milliseconds.
const RESTORED_WITHIN: u64 = 2_000;
/// What was broken so shortly before may still be felt, in milliseconds.
const MARGIN: Millis = 2_000;
/// So long after everything else was broken there is no excuse any more, in milliseconds.
const CALM: Millis = 5_000;

/// Checks all deaths of a round.
pub fn check(history: &History, audit: &[AuditEntry], deaths: &[Death]) -> Vec<Violation> {
    let unwanted = deaths.iter().filter(|death| death.wanted_by.is_none()).map(|death| {
        let what = format!("{} ended by itself: {}", death.process, death.status);
        Violation::new(Rule::Settled, what).at(death.at)
    });
    let restored = deaths.iter().filter_map(|death| restored(history, deaths, death));
    let confirmed = deaths.iter().filter_map(|death| confirmed(history, audit, deaths, death));
    unwanted.chain(restored).chain(confirmed).collect()
}

/// Milliseconds from a moment until some booking was confirmed.
pub fn next_confirmation(after: Millis, audit: &[AuditEntry]) -> Option<u64> {
    confirmations(audit).filter_map(|(_, at)| u64::try_from(at - after).ok()).min()
}

fn confirmations(audit: &[AuditEntry]) -> impl Iterator<Item = (&str, Millis)> {
    let confirmed = audit.iter().filter(|entry| entry.entity == "BOOKING" && entry.to == "CONFIRMED");
    confirmed.map(|entry| (entry.id.as_str(), entry.at))
}

/// While a payment waits the other worker goes on. Only of a payment that was to confirm its booking is
/// it known that it waited: one that did so later.
fn confirmed(history: &History, audit: &[AuditEntry], deaths: &[Death], death: &Death) -> Option<Violation> {
    if !is_worker(death) {
        return None;
    }
    let waiting = history.calls.iter().filter_map(|call| match (&call.action, &call.outcome) {
        (Action::Pay { booking, .. }, Outcome::Paid { processing: false }) => {
            let (_, at) = confirmations(audit).find(|(id, _)| id == booking)?;
            // What broke earlier may have kept the provider from telling of it.
            (call.from + MARGIN >= death.at && at >= death.at).then_some(call.to.max(death.at))
        }
        _ => None,
    });
    let since = waiting.min()?;
    let felt = next_confirmation(death.at, audit)?.saturating_sub(since.abs_diff(death.at));
    let due = since.saturating_add_unsigned(RESTORED_WITHIN);
    let is_late = felt > RESTORED_WITHIN && is_alone(death, due.abs_diff(death.at), &history.faults, deaths);
    is_late.then(|| {
        let what = format!("after the death of {} no booking is confirmed for {felt} ms", death.process);
        Violation::new(Rule::Restored, what).at(death.at)
    })
}

/// Clients do not wait for these.
pub fn is_worker(death: &Death) -> bool {
    death.process.starts_with("worker")
}

/// What else is broken at the same time is an excuse, but not for ever.
fn restored(history: &History, deaths: &[Death], death: &Death) -> Option<Violation> {
    let what = match death.restored_ms {
        _ if !death.felt => return None,
        None if has_no_excuse(history, death) => {
            format!("after the death of {} clients are not answered any more", death.process)
        }
        Some(felt) if felt > RESTORED_WITHIN && is_alone(death, felt, &history.faults, deaths) => {
            format!("after the death of {} clients are not answered for {felt} ms", death.process)
        }
        _ => return None,
    };
    Some(Violation::new(Rule::Restored, what).at(death.at))
}

/// Whether clients should have been answered before the probe gave up.
fn has_no_excuse(history: &History, death: &Death) -> bool {
    let others = history.faults.iter().filter(|fault| !caused(fault, death));
    let over = others.map(|fault| fault.to).max().unwrap_or(Millis::MIN);
    let probed_for = Millis::try_from(PROBED_FOR.as_millis()).unwrap_or(Millis::MAX);
    over.saturating_add(CALM) < death.at + probed_for
}

/// Whether nothing but this death was felt until it was felt no more.
pub fn is_alone(death: &Death, felt_ms: u64, faults: &[Fault], deaths: &[Death]) -> bool {
    let end = death.at.saturating_add_unsigned(felt_ms);
    let meets = |from: Millis, to: Millis| to + MARGIN >= death.at && from <= end;
    let other_faults = faults.iter().any(|fault| !caused(fault, death) && meets(fault.from, fault.to));
    let other_deaths = deaths
        .iter()
        .any(|other| (&other.process, other.at) != (&death.process, death.at) && meets(other.at, other.at));
    !other_faults && !other_deaths
}

/// Is this what it died of?
fn caused(fault: &Fault, death: &Death) -> bool {
    let deadly = matches!(fault.kind.as_str(), "kill" | "failpoint");
    deadly && fault.target.split_whitespace().next() == Some(death.process.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::Call;

    fn fault(kind: &str, target: &str, from: Millis, to: Millis) -> Fault {
        Fault { kind: kind.to_owned(), target: target.to_owned(), from, to, ..Fault::default() }
    }

    #[test]
    fn a_death_is_alone_when_nothing_else_was_broken() {
        let check = |kind: &str, target: &str, from, to, alone: bool| {
            let death = Death::by_kill("booking-1", 10_000, Some(500));
            let faults = [fault(kind, target, from, to)];
            assert_eq!(is_alone(&death, 500, &faults, &[]), alone, "{kind} {target}");
        };
        check("kill", "booking-1", 10_000, 10_600, true);
        check("failpoint", "booking-1 hold.held=1*panic", 6_000, 12_000, true);
        check("slow", "booking-1:redis 100 ms", 9_000, 12_000, false);
        check("clock", "booking-1 30000 ms", 9_000, 12_000, false);
        check("kill", "worker-2", 10_400, 10_600, false);
        check("redis_freeze", "redis", 9_000, 9_500, false);
        check("redis_freeze", "redis", 1_000, 7_000, true);
        check("redis_freeze", "redis", 11_000, 12_000, true);
        let (first, second) =
            (Death::by_kill("booking-1", 10_000, Some(500)), Death::by_kill("booking-1", 10_300, Some(500)));
        assert!(is_alone(&first, 500, &[], &[Death::by_kill("booking-1", 10_000, Some(500))]));
        assert!(!is_alone(&first, 500, &[], &[second]));
    }

    #[test]
    fn whoever_feels_a_death_for_long_or_for_ever_is_told_of() {
        let check = |death: Death, faults: &[Fault], rule: Option<Rule>| {
            let history = History { faults: faults.to_vec(), ..History::default() };
            let found = check(&history, &[], &[death]);
            assert_eq!(found.first().map(|violation| violation.rule), rule, "{found:?}");
        };
        let freeze = [fault("redis_freeze", "redis", 10_500, 12_000)];
        check(Death::by_kill("gateway-1", 10_000, Some(2_000)), &[], None);
        check(Death::by_kill("gateway-1", 10_000, Some(2_001)), &[], Some(Rule::Restored));
        check(Death::by_kill("gateway-1", 10_000, Some(2_001)), &freeze, None);
        check(Death::by_kill("gateway-1", 10_000, None), &freeze, Some(Rule::Restored));
        let long = [fault("rabbit_restart", "rabbit", 9_000, 38_000)];
        check(Death::by_kill("gateway-1", 10_000, None), &long, None);
        check(Death::by_kill("worker-1", 10_000, None), &[], None);
        let unwanted = Death { wanted_by: None, ..Death::by_kill("worker-1", 10_000, None) };
        check(unwanted, &[], Some(Rule::Settled));
    }

    /// A booking that was paid at one time and confirmed at another.
    fn sale(booking: &str, paid: Millis, confirmed: Millis) -> (Call, AuditEntry) {
        let action = Action::Pay { booking: booking.to_owned(), intent: "pi_1".to_owned() };
        let (user, outcome) = ("user_1".to_owned(), Outcome::Paid { processing: false });
        let call = Call { no: 0, actor: 0, user, from: paid - 10, to: paid, action, outcome };
        let entry = AuditEntry {
            no: 0,
            at: confirmed,
            show: "show_1".to_owned(),
            entity: "BOOKING".to_owned(),
            id: booking.to_owned(),
            booking: None,
            from: Some("PENDING_PAYMENT".to_owned()),
            to: "CONFIRMED".to_owned(),
            seats: Vec::new(),
            actor: "PROVIDER".to_owned(),
            reason: String::new(),
        };
        (call, entry)
    }

    #[test]
    fn when_a_worker_dies_the_other_one_goes_on_with_what_is_paid() {
        let check = |sales: &[(Call, AuditEntry)], faults: &[Fault], late: bool| {
            let (calls, audit): (Vec<Call>, Vec<AuditEntry>) = sales.iter().cloned().unzip();
            let history = History { calls, faults: faults.to_vec() };
            let found = check(&history, &audit, &[Death::by_kill("worker-1", 10_000, None)]);
            let rules: Vec<Rule> = found.iter().map(|violation| violation.rule).collect();
            assert_eq!(rules, if late { vec![Rule::Restored] } else { Vec::new() }, "{found:?}");
        };
        let kill = fault("kill", "worker-1", 10_000, 10_300);
        let killed = std::slice::from_ref(&kill);
        check(&[sale("booking_1", 9_900, 12_000)], killed, false);
        check(&[sale("booking_1", 9_900, 12_001)], killed, true);
        // Nobody waits before there is something to wait for.
        check(&[sale("booking_1", 11_000, 13_000)], killed, false);
        check(&[sale("booking_1", 11_000, 13_001)], killed, true);
        check(&[sale("booking_1", 9_900, 9_990)], killed, false);
        // That one is late for another reason: others are confirmed.
        check(&[sale("booking_1", 9_900, 14_000), sale("booking_2", 9_900, 11_000)], killed, false);
        // It may be that nobody was told of this one.
        check(&[sale("booking_1", 7_000, 14_000)], killed, false);
        let freeze = fault("rabbit_freeze", "rabbit", 11_900, 12_500);
        check(&[sale("booking_1", 9_900, 14_000)], &[kill.clone(), freeze], false);
        let freeze = fault("rabbit_freeze", "rabbit", 12_100, 12_500);
        check(&[sale("booking_1", 9_900, 14_000)], &[kill, freeze], true);
    }
}
