//! Each seat's history is linearizable, and nobody uses what is another's.
//!
//! Linearizability is local: a history is linearizable when that of each object is. The objects here
//! are the seats, once as the cache promises them ([`cache`]) and once as the store does ([`store`]);
//! what ties the two is stated for each of them.

mod cache;
mod foreign;
mod plan;
mod search;
mod seat;
mod store;
mod taken;

use super::facts::Facts;
use super::{Rule, Violation};
use plan::Plans;
use search::{Found, search};

/// Checks all seats.
pub(super) fn check(facts: &Facts<'_>) -> Vec<Violation> {
    let mut found = foreign::check(facts);
    found.extend(taken::check(facts));
    found.extend(searched("Redis", &cache::plans(facts)));
    found.extend(searched("PostgreSQL", &store::plans(facts)));
    found
}

fn searched(keeper: &str, plans: &Plans<'_>) -> Vec<Violation> {
    let mut found = Vec::new();
    for ((show, seat), plan) in plans {
        match search(&plan.seat, &plan.steps) {
            Found::Order => {}
            Found::Exhausted => {
                let what = format!("{keeper}: too many orders of {} steps to try them all", plan.steps.len());
                found.push(Violation::new(Rule::Inconclusive, what).seated(show, &[*seat]));
            }
            Found::Stuck { step, state } => {
                let Some(taken) = plan.steps.get(step) else { continue };
                let what = format!(
                    "{keeper}: no order explains {}: {}",
                    plan.tell(&taken.step),
                    plan.tell_state(&state)
                );
                let mut violation = Violation::new(Rule::SeatsLinearizable, what)
                    .seated(show, &[*seat])
                    .at(taken.window.from);
                violation.ids = plan.about(&taken.step, &state);
                found.push(violation);
            }
        }
    }
    found
}
