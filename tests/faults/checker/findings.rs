//! The reconciliation finds only what a fault explains, and all of it is right again in the end.

use super::facts::Facts;
use super::{Rule, Violation};

/// What a platform that keeps its promises may find, as long as it mends it: a message that was late or
/// lost, a call to the provider whose answer was, a process that died between two steps, a cache that was
/// not told or forgot. All of these can be without anybody's fault, and so they are counted only.
///
/// Of all others none can be, not for a moment. Either both sides are rows of PostgreSQL which one
/// transaction changes and one statement reads, or one side is the provider's, which comes first in all
/// that we write down of it, and is asked after the moment up to which we are judged.
pub(super) const EXPLAINED: &[&str] = &[
    "payment_unheard",
    "cancellation_unheard",
    "intent_unrecorded",
    "intent_left_open",
    "refund_unheard",
    "refund_not_asked",
    "claim_overdue",
    "seats_shown_free",
    "seats_shown_sold",
    "outbox_stuck",
];

/// Checks all findings, those that were resolved, too.
pub(super) fn check(facts: &Facts<'_>) -> Vec<Violation> {
    let findings = facts.observed.findings.iter().filter_map(|finding| {
        let is_explained = EXPLAINED.contains(&finding.cause.as_str());
        let why = match finding.resolved_at {
            None => "unresolved finding",
            Some(_) if !is_explained => "finding that no fault explains",
            Some(_) => return None,
        };
        let what = format!("{why}: {} {} {}", finding.cause, finding.subject, finding.detail);
        Some(Violation::new(Rule::Findings, what).of(&finding.subject).at(finding.first_seen))
    });
    findings.collect()
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs};

    use xtask::workspace;

    use super::super::check;
    use super::*;
    use crate::history::History;
    use crate::observed::{Finding, Observed};

    /// The causes of which the platform's code declares `… = "name", Scope, …`.
    fn causes() -> BTreeSet<String> {
        let file = workspace::root().join("subgraphs/booking/src/domain/finding.rs");
        let code = fs::read_to_string(file).unwrap();
        let (_, declared) = code.split_once("causes! {").unwrap();
        let (declared, _) = declared.split_once("\n}").unwrap();
        declared.lines().filter_map(|line| line.split('"').nth(1)).map(str::to_owned).collect()
    }

    #[test]
    fn what_is_explained_is_what_the_platform_can_find() {
        let causes = causes();
        assert!(causes.len() > EXPLAINED.len() && causes.contains("refund_doubled"), "{causes:?}");
        assert!(EXPLAINED.iter().all(|cause| causes.contains(*cause)), "{causes:?}");
    }

    #[test]
    fn what_no_fault_explains_is_told_of_even_when_it_is_resolved() {
        let found = |cause: &str, resolved_at| {
            let [cause, subject, detail] = [cause, "booking_1", "{}"].map(str::to_owned);
            let finding = Finding { cause, subject, detail, first_seen: 5, resolved_at };
            let observed = Observed { findings: vec![finding], settled_ms: Some(1), ..Observed::default() };
            check(&History::default(), &observed).into_iter().map(|found| found.rule).collect::<Vec<_>>()
        };
        for cause in causes() {
            let is_explained = EXPLAINED.contains(&cause.as_str());
            assert_eq!(found(&cause, Some(9)).is_empty(), is_explained, "{cause}");
            assert_eq!(found(&cause, None), [Rule::Findings], "{cause}");
        }
        assert_eq!(found("something_new", Some(9)), [Rule::Findings]);
    }
}
