//! Deliberate bugs in the statements that give seats to bookings: what a harness of faults has to
//! find. See [`platform::faults`].

use platform::faults::mutant;
use sea_orm::Statement;

/// What the statements say, and what they say when a seat is taken from whoever has it.
const CLAIMS: [&str; 2] =
    ["from line order by seat_no", "on conflict on constraint seat_allocations_pkey do nothing"];
const STEAL: &str = "on conflict on constraint seat_allocations_pkey \
                     do update set booking_no = excluded.booking_no, hold_no = null, \
                     held_until = null, sold = false";

/// What is in order, and what is not. Rows are inserted slowly, so that two orders meet soon.
const UNSORTED: [(&str, &str); 4] = [
    ("$2, false from line", "$2, pg_sleep(0.03) is null from line"),
    ("h.expires_at, false", "h.expires_at, pg_sleep(0.03) is null"),
    ("order by seat_no", "order by random()"),
    ("order by s.seat_no", "order by random()"),
];

/// The statement, with the bugs that are on.
pub(super) fn with_bugs(mut statement: Statement) -> Statement {
    if mutant("steal_allocation") {
        let [inserts, yields] = CLAIMS;
        statement.sql = statement.sql.replace(inserts, &format!("{inserts} {STEAL}")).replace(yields, STEAL);
    }
    if mutant("skip_sort") {
        for (right, wrong) in UNSORTED {
            statement.sql = statement.sql.replace(right, wrong);
        }
    }
    statement
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bug_has_its_place() {
        let [inserts, yields] = CLAIMS;
        assert!(include_str!("checkout.rs").contains(inserts));
        assert!(include_str!("allocations.rs").contains(yields));
        let [checkout, hold, by_number, by_seat] = UNSORTED.map(|(right, _)| right);
        for (file, text) in [
            (include_str!("checkout.rs"), checkout),
            (include_str!("checkout.rs"), by_number),
            (include_str!("allocations.rs"), by_number),
            (include_str!("holds.rs"), hold),
            (include_str!("holds.rs"), by_seat),
        ] {
            assert!(file.contains(text), "{text}");
        }
    }
}
