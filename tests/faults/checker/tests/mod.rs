//! Histories that are right are let through, and each thing that can be wrong with them is caught.

mod cases;
mod clients;
mod mutations;
mod payments;
mod theater;
mod world;

use proptest::prelude::*;

use super::excerpt::relevant;
use super::{Rule, Violation, check, report};
use crate::history::{Action, Call, History, Outcome};
use crate::observed::Observed;
use world::{Weather, World};

fn texts(violations: &[Violation], history: &History) -> String {
    violations.iter().map(|violation| report(history, violation)).collect::<Vec<_>>().join("\n\n")
}

#[track_caller]
fn assert_right(history: &History, observed: &Observed) {
    let violations = check(history, observed);
    assert!(violations.is_empty(), "{}", texts(&violations, history));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_right_history_in_calm_weather_passes(seed: u64) {
        let (history, observed) = World::play(seed, Weather::Calm, 24, 250);
        assert_right(&history, &observed);
    }

    #[test]
    fn a_right_history_with_faults_passes(seed: u64) {
        let (history, observed) = World::play(seed, Weather::Stormy, 24, 250);
        assert_right(&history, &observed);
    }

    #[test]
    fn without_an_audit_trail_more_is_allowed_and_only_the_trail_is_missed(seed: u64) {
        let (history, mut observed) = World::play(seed, Weather::Stormy, 24, 250);
        // Who moved is not told from who was elsewhere all the time.
        prop_assume!(mutations::moved(&observed).is_none());
        observed.audit.clear();
        let violations = check(&history, &observed);
        let others = violations.iter().filter(|violation| violation.what != "there is no audit trail");
        prop_assert_eq!(others.count(), 0, "{}", texts(&violations, &history));
    }

    #[test]
    fn what_is_wrong_is_caught(seed: u64, (name, rule, mutate) in prop::sample::select(mutations::ALL)) {
        let (mut history, mut observed) = World::play(seed, Weather::Stormy, 24, 250);
        prop_assume!(mutate(&mut history, &mut observed).is_some());
        let violations = check(&history, &observed);
        let caught = violations.iter().find(|violation| violation.rule == rule);
        prop_assert!(caught.is_some(), "{}: {}", name, texts(&violations, &history));
        for violation in &violations {
            prop_assert!(relevant(&history, violation).len() <= 40);
        }
    }
}

/// A hold of `seats` beside the one that this call made, at a moment when that one lived for sure.
fn rival(history: &History, observed: &Observed, call: &Call) -> Option<Call> {
    let (Action::Hold { show, .. }, Outcome::Held { hold, seats, until, .. }) = (&call.action, &call.outcome)
    else {
        return None;
    };
    let lives = Call { from: call.to + 20, to: call.to + 60, no: 10_000, ..call.clone() };
    let ended = history.calls.iter().any(|other| {
        matches!(&other.action, Action::Release { hold: id } | Action::Checkout { hold: id, .. } if id == hold)
            && other.from <= lives.to
    });
    // Whoever has a booking of a seat outranks its holds.
    let sold = observed.bookings.iter().any(|booking| booking.seats.iter().any(|seat| seats.contains(seat)));
    let (key, seats) = ("rival".to_owned(), seats[..1].to_vec());
    let action = Action::Hold { show: show.clone(), seats: seats.clone(), key };
    let outcome = Outcome::Held { hold: "hold_rival".to_owned(), seats, until: until + 60, durable: false };
    (!ended && !sold).then(|| Call { user: "user_rival".to_owned(), action, outcome, ..lives })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 50, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_second_hold_of_a_held_seat_is_caught_wherever_it_is_put(seed: u64) {
        let (history, observed) = World::play(seed, Weather::Calm, 60, 100);
        for rival in history.calls.iter().filter_map(|call| rival(&history, &observed, call)) {
            let mut history = history.clone();
            history.calls.push(rival);
            let violations = check(&history, &observed);
            let caught = violations.iter().find(|violation| violation.rule == Rule::SeatsLinearizable);
            prop_assert!(caught.is_some(), "{}", texts(&violations, &history));
        }
    }
}

#[test]
fn each_mutation_finds_something_to_spoil() {
    for (name, _, mutate) in mutations::ALL {
        let spoilt = (0..40).any(|seed| {
            let (mut history, mut observed) = World::play(seed, Weather::Stormy, 24, 250);
            mutate(&mut history, &mut observed).is_some()
        });
        assert!(spoilt, "{name}");
    }
}

#[test]
fn a_full_round_is_checked_in_no_time() {
    let (history, observed) = World::play(7, Weather::Stormy, 120, 7_000);
    assert!(history.calls.len() > 2_000 && observed.bookings.len() >= 200, "{}", observed.bookings.len());
    let begin = std::time::Instant::now();
    assert_right(&history, &observed);
    // Without optimisation, on a busy machine.
    assert!(begin.elapsed() < std::time::Duration::from_secs(20), "{:?}", begin.elapsed());
}
