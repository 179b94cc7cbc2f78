//! Single stories, told by hand: what is allowed, and what is just not allowed any more.

use super::super::excerpt::relevant;
use super::super::{Rule, check};
use crate::history::{Action, Call, Fault, History, Millis, Outcome};
use crate::observed::{AuditEntry, Booking, Observed};

/// A few seats of one show, and what is known of them.
#[derive(Default)]
struct Story {
    history: History,
    observed: Observed,
}

impl Story {
    fn call(mut self, user: &str, from: Millis, to: Millis, action: Action, outcome: Outcome) -> Self {
        let no = self.history.calls.len() as u64;
        let user = user.to_owned();
        self.history.calls.push(Call { no, actor: 0, user, from, to, action, outcome });
        self
    }

    /// `user` holds at a time; the hold is named after them.
    fn hold(self, user: &str, at: Millis, seats: &[u16], until: Millis) -> Self {
        self.holding(user, at, seats, until, false)
    }

    fn durable(self, user: &str, at: Millis, seats: &[u16], until: Millis) -> Self {
        self.holding(user, at, seats, until, true)
    }

    fn holding(self, user: &str, at: Millis, seats: &[u16], until: Millis, durable: bool) -> Self {
        let seats = seats.to_vec();
        let action = Action::Hold { show: "show_1".to_owned(), seats: seats.clone(), key: user.to_owned() };
        self.call(user, at, at + 10, action, Outcome::Held { hold: hold(user), seats, until, durable })
    }

    fn unknown(self, user: &str, at: Millis, action: Action) -> Self {
        self.call(user, at, at + 10, action, Outcome::Unknown { why: "lost".to_owned() })
    }

    fn release(self, user: &str, at: Millis) -> Self {
        self.call(user, at, at + 10, Action::Release { hold: hold(user) }, Outcome::Released)
    }

    fn extend(self, user: &str, at: Millis, seats: &[u16], until: Millis) -> Self {
        let outcome = Outcome::Held { hold: hold(user), seats: seats.to_vec(), until, durable: false };
        self.call(user, at, at + 10, Action::Extend { hold: hold(user) }, outcome)
    }

    /// A checkout that is answered, and what the trail says of its booking: states with their times.
    fn checkout(mut self, user: &str, at: Millis, seats: &[u16], states: &[(&str, Millis)]) -> Self {
        let id = format!("booking_{user}");
        let mut before: Option<String> = None;
        for (to, at) in states {
            self.observed.audit.push(entry("BOOKING", &id, before.as_deref(), to, *at));
            before = Some((*to).to_owned());
        }
        self.observed.bookings.push(Booking {
            id: id.clone(),
            show: "show_1".to_owned(),
            user: user.to_owned(),
            hold: hold(user),
            status: before.unwrap_or_default(),
            seats: seats.to_vec(),
            total_minor: 1_000,
            cancel_percent: 100,
            expires_at: at + 8_000,
        });
        let action = Action::Checkout { hold: hold(user), key: user.to_owned(), equivalent: true };
        let (seats, status) = (seats.to_vec(), "PENDING_PAYMENT".to_owned());
        self.call(user, at, at + 10, action, Outcome::CheckedOut { booking: id, seats, status, intent: None })
    }

    /// This buyer's booking was confirmed with other seats.
    fn moves(mut self, user: &str, seats: &[u16]) -> Self {
        let booking = self.observed.bookings.iter_mut().rfind(|booking| booking.user == user).unwrap();
        let states = self.observed.audit.iter_mut().filter(|entry| entry.id == booking.id);
        let mut states: Vec<&mut AuditEntry> = states.collect();
        let moved = states.iter().rposition(|entry| entry.to == "CONFIRMED").unwrap();
        states[..moved].iter_mut().for_each(|entry| entry.seats.clone_from(&booking.seats));
        states[moved..].iter_mut().for_each(|entry| entry.seats = seats.to_vec());
        booking.seats = seats.to_vec();
        self
    }

    fn look(self, user: &str, at: Millis) -> Self {
        let outcome = Outcome::Booking { status: "CONFIRMED".to_owned(), tickets: 1 };
        self.call(user, at, at + 10, Action::Look { booking: format!("booking_{user}") }, outcome)
    }

    fn read(self, at: Millis, states: &str) -> Self {
        self.map(at, "e", at, states)
    }

    fn map(self, at: Millis, epoch: &str, version: i64, states: &str) -> Self {
        let (epoch, states) = (epoch.to_owned(), states.to_owned());
        let map = Outcome::Map { epoch, version, states, degraded: false };
        self.call("reader", at, at + 10, Action::Read { show: "show_1".to_owned() }, map)
    }

    fn fault(mut self, kind: &str, from: Millis, to: Millis) -> Self {
        let lost_redis = kind.starts_with("redis_lost");
        let (kind, target) = (kind.to_owned(), "somebody".to_owned());
        self.history.faults.push(Fault { kind, target, from, to, lost_redis, steps: Vec::new() });
        self
    }

    /// What is found about seats. What is left in the tables is not part of these stories.
    fn found(&self) -> Vec<(Rule, String)> {
        // There is a trail, so that nothing happened of which it does not tell.
        let mut observed = self.observed.clone();
        observed.audit.push(entry("SHOW", "show_2", None, "SCHEDULED", 0));
        let found = check(&self.history, &observed).into_iter();
        let found = found.filter(|violation| {
            let of_seats =
                matches!(violation.rule, Rule::SeatsLinearizable | Rule::SeatsTwoOwners | Rule::Maps);
            let of_tables =
                ["tickets", "owns", "in the end"].iter().any(|word| violation.what.contains(word));
            of_seats && !of_tables
        });
        found.map(|violation| (violation.rule, violation.what)).collect()
    }

    #[track_caller]
    fn right(self) {
        assert_eq!(self.found(), []);
    }

    #[track_caller]
    fn wrong(self, rule: Rule) {
        let found = self.found();
        assert!(found.iter().any(|(found, _)| *found == rule), "{found:?}");
    }
}

fn entry(entity: &str, id: &str, from: Option<&str>, to: &str, at: Millis) -> AuditEntry {
    AuditEntry {
        no: at,
        at,
        show: "show_1".to_owned(),
        entity: entity.to_owned(),
        id: id.to_owned(),
        booking: None,
        from: from.map(str::to_owned),
        to: to.to_owned(),
        seats: Vec::new(),
        actor: "SYSTEM".to_owned(),
        reason: "test".to_owned(),
    }
}

fn hold(user: &str) -> String {
    format!("hold_{user}")
}

const STUCK: Rule = Rule::SeatsLinearizable;

#[test]
fn a_seat_is_held_by_one_at_a_time() {
    let story = || Story::default().hold("ada", 1_000, &[1, 2], 5_000);
    story().hold("bob", 2_000, &[3], 6_000).right();
    story().hold("bob", 2_000, &[2], 6_000).wrong(STUCK);
    story().hold("bob", 4_900, &[2], 9_000).wrong(STUCK);
    story().hold("bob", 4_960, &[2], 9_000).right();
    story().release("ada", 1_500).hold("bob", 2_000, &[2], 6_000).right();
    story().extend("ada", 3_000, &[1, 2], 7_000).hold("bob", 6_000, &[2], 9_000).wrong(STUCK);
}

#[test]
fn calls_that_overlap_can_have_happened_in_any_order() {
    let story = Story::default().hold("ada", 1_000, &[1], 5_000).hold("bob", 1_995, &[1], 6_000);
    story.release("ada", 2_000).right();
    let story = Story::default().hold("ada", 1_000, &[1], 5_000).hold("bob", 1_980, &[1], 6_000);
    story.release("ada", 2_000).wrong(STUCK);
}

#[test]
fn a_request_without_an_answer_may_be_carried_out_later_and_never_before() {
    let story = || Story::default().hold("ada", 1_000, &[1], 5_000);
    let release = || Action::Release { hold: hold("ada") };
    story().unknown("ada", 1_500, release()).hold("bob", 4_000, &[1], 8_000).right();
    story().hold("bob", 4_000, &[1], 8_000).unknown("ada", 4_020, release()).wrong(STUCK);
    let extend = || Action::Extend { hold: hold("ada") };
    let paid = &[("PENDING_PAYMENT", 6_005)];
    story().checkout("ada", 6_000, &[1], paid).wrong(STUCK);
    story().unknown("ada", 4_000, extend()).checkout("ada", 6_000, &[1], paid).right();
    story().unknown("ada", 5_500, extend()).checkout("ada", 6_000, &[1], paid).wrong(STUCK);
}

#[test]
fn an_answered_request_may_come_again_when_its_connection_broke() {
    let story = || {
        let story = Story::default().hold("ada", 1_000, &[1], 5_000).extend("ada", 2_000, &[1], 6_000);
        story.checkout("ada", 6_500, &[1], &[("PENDING_PAYMENT", 6_505)])
    };
    story().wrong(STUCK);
    story().fault("cut", 1_990, 2_005).right();
    story().fault("cut", 3_000, 3_005).wrong(STUCK);
}

#[test]
fn holds_are_lost_with_redis_and_durable_ones_are_not() {
    let story = || Story::default().hold("ada", 1_000, &[1], 5_000).hold("bob", 2_000, &[1], 6_000);
    story().fault("redis_lost_writes", 1_500, 1_600).right();
    story().fault("redis_lost_writes", 2_100, 2_200).wrong(STUCK);
    story().fault("redis_freeze", 1_500, 1_600).wrong(STUCK);
    let story = || Story::default().durable("ada", 1_000, &[1], 5_000).durable("bob", 2_000, &[1], 6_000);
    story().fault("redis_lost_writes", 1_500, 1_600).wrong(STUCK);
    story().fault("clock", 1_500, 1_600).right();
}

#[test]
fn redis_may_go_back_to_a_time_when_a_hold_lived() {
    let story = || Story::default().hold("ada", 1_000, &[1], 5_000).release("ada", 2_000);
    let paid = &[("PENDING_PAYMENT", 3_005)];
    story().checkout("ada", 3_000, &[1], paid).wrong(STUCK);
    story().fault("redis_lost_writes", 1_900, 2_500).checkout("ada", 3_000, &[1], paid).right();
}

#[test]
fn both_modes_may_hold_a_seat_and_one_can_be_checked_out() {
    let story = || Story::default().hold("ada", 1_000, &[1], 5_000).durable("bob", 2_000, &[1], 6_000);
    story().right();
    story().checkout("bob", 3_000, &[1], &[("PENDING_PAYMENT", 3_005)]).right();
    story().checkout("ada", 3_000, &[1], &[("PENDING_PAYMENT", 3_005)]).wrong(STUCK);
    // The durable one outranks the other, so that the cache may give the seat away.
    story().hold("eve", 3_000, &[1], 7_000).right();
}

#[test]
fn a_hold_gives_way_when_it_is_consumed_not_when_its_booking_is_written() {
    let story = || {
        let late = &[("PENDING_PAYMENT", 5_200)];
        let mut story =
            Story::default().durable("ada", 1_000, &[1], 5_000).checkout("ada", 4_900, &[1], late);
        story.history.calls.last_mut().unwrap().to = 5_300;
        story
    };
    story().wrong(STUCK);
    let mut consumed = story();
    consumed.observed.audit.push(entry("HOLD", &hold("ada"), Some("HELD"), "CONSUMED", 4_950));
    consumed.right();
}

#[test]
fn a_hold_that_loses_a_seat_to_a_late_payment_is_broken_up_whole() {
    let states: &[(&str, Millis)] = &[("PENDING_PAYMENT", 505), ("EXPIRED", 8_600), ("CONFIRMED", 10_000)];
    let story = |outranked: bool| {
        let story = Story::default().hold("ada", 100, &[1], 4_000);
        let story = if outranked { story.checkout("ada", 500, &[1], states) } else { story };
        story.hold("bob", 9_000, &[1, 2], 13_000)
    };
    story(true).hold("eve", 10_100, &[2], 14_000).right();
    story(false).hold("eve", 10_100, &[2], 14_000).wrong(STUCK);
}

#[test]
fn nobody_claims_what_another_booking_has() {
    let ada = |end: Millis| {
        Story::default().hold("ada", 100, &[1], 4_000).checkout(
            "ada",
            500,
            &[1],
            &[("PENDING_PAYMENT", 505), ("CANCELLED", end)],
        )
    };
    let bob = |story: Story, at: Millis| {
        story.durable("bob", at - 500, &[1], at + 4_000).checkout(
            "bob",
            at,
            &[1],
            &[("PENDING_PAYMENT", at + 5), ("CONFIRMED", at + 400)],
        )
    };
    bob(ada(2_000), 3_000).right();
    bob(ada(5_000), 3_000).wrong(STUCK);
    bob(ada(5_000), 3_000).wrong(Rule::SeatsTwoOwners);
}

#[test]
fn who_moves_owns_the_new_seats_and_the_old_ones_no_more() {
    let states: &[(&str, Millis)] =
        &[("PENDING_PAYMENT", 505), ("EXPIRED", 8_600), ("CONFIRMED", 11_000), ("CANCELLED", 20_000)];
    let story = || {
        let story = Story::default().hold("ada", 100, &[1], 4_000).checkout("ada", 500, &[1], states);
        story.moves("ada", &[2])
    };
    let buys = |story: Story, seat: u16, at: Millis| {
        let states = &[("PENDING_PAYMENT", at + 5), ("CONFIRMED", at + 400)];
        story.durable("bob", at - 500, &[seat], at + 4_000).checkout("bob", at, &[seat], states)
    };
    buys(story(), 1, 9_500).right();
    buys(story(), 1, 12_000).right();
    buys(story(), 2, 12_000).wrong(STUCK);
    buys(story(), 2, 21_000).right();
    // Nobody has to make way for whoever moves.
    story().durable("eve", 9_000, &[2], 21_000).wrong(STUCK);
    story().durable("eve", 9_000, &[2], 10_500).right();
    story().hold("eve", 10_900, &[2], 14_900).right();
    buys(story(), 1, 4_000).wrong(STUCK);
}

#[test]
fn the_cache_gives_no_hold_on_what_everybody_knows_to_be_sold() {
    let story = || {
        let states = &[("PENDING_PAYMENT", 505), ("CONFIRMED", 900)];
        let story = Story::default().hold("ada", 100, &[1], 4_000).checkout("ada", 500, &[1], states);
        story.hold("bob", 20_000, &[1], 24_000)
    };
    story().wrong(STUCK);
    story().fault("redis_lost_writes", 10_000, 10_100).right();
    // The process may have died before it told Redis, which let the claim lapse.
    story().fault("kill", 700, 4_000).right();
    story().fault("kill", 12_000, 12_100).wrong(STUCK);
}

#[test]
fn no_map_offers_what_a_client_knows_to_be_sold() {
    let story = || {
        let states = &[("PENDING_PAYMENT", 505), ("CONFIRMED", 900)];
        let story = Story::default().hold("ada", 100, &[1], 4_000).checkout("ada", 500, &[1], states);
        story.look("ada", 1_000)
    };
    story().read(20_000, "AS").right();
    story().read(20_000, "AA").wrong(Rule::Maps);
    story().read(1_020, "AA").right();
    story().fault("kill", 900, 18_000).read(20_000, "AA").right();
    let cancel = Action::Cancel { booking: "booking_ada".to_owned(), key: "k".to_owned() };
    story().unknown("ada", 10_000, cancel).read(20_000, "AA").right();
    // A cache that forgot is put right some time after everything works again.
    story().fault("redis_lost_writes", 10_000, 10_100).read(15_000, "AA").right();
    story().fault("redis_lost_writes", 10_000, 10_100).read(15_101, "AA").wrong(Rule::Maps);
    story()
        .fault("redis_lost_writes", 10_000, 10_100)
        .fault("kill", 14_000, 16_000)
        .read(20_000, "AA")
        .right();
}

#[test]
fn a_version_is_one_map_until_the_cache_forgets() {
    let story = || Story::default().map(1_000, "e", 7, "AH").map(30_000, "f", 8, "AA");
    story().map(2_000, "e", 7, "AH").right();
    story().map(2_000, "e", 7, "HA").wrong(Rule::Maps);
    story().map(2_000, "f", 8, "HA").wrong(Rule::Maps);
    story().map(2_000, "e", 8, "HA").right();
    let story = || story().fault("redis_lost_writes", 20_000, 20_100);
    story().map(19_000, "e", 7, "HA").wrong(Rule::Maps);
    // It may count on in the old epoch, and until all is put right in any.
    story().map(26_000, "e", 7, "HA").right();
    story().map(21_000, "f", 8, "HA").right();
    story().map(26_000, "f", 8, "HA").wrong(Rule::Maps);
}

#[test]
fn what_is_told_is_what_a_person_needs() {
    let mut story = Story::default();
    for place in 0..100 {
        story = story.hold(&format!("user_{place}"), place * 10_000, &[7], place * 10_000 + 4_000);
    }
    let story = story.hold("ada", 501_000, &[7, 8], 505_000).hold("bob", 502_000, &[9], 506_000);
    let violations = check(&story.history, &story.observed);
    let violation = violations.iter().find(|violation| violation.rule == STUCK).unwrap();
    let calls = relevant(&story.history, violation);
    assert_eq!(calls.len(), 40);
    assert!(calls.is_sorted_by_key(|call| call.from));
    let users: Vec<&str> = calls.iter().map(|call| call.user.as_str()).collect();
    assert!(users.contains(&"ada") && users.contains(&"user_50") && !users.contains(&"bob"), "{users:?}");
    let ada = calls.iter().find(|call| call.user == "ada").unwrap();
    assert_eq!(
        ada.to_string(),
        "00:08:21.000 +10 ms  call 100 actor 0 ada: hold [7, 8] of show_1 key ada -> \
         hold_ada [7, 8] until 00:08:25.000"
    );
}
