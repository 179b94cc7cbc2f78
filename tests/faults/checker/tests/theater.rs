//! What the manager of a right world does.

use super::world::{SHOW, World};
use crate::history::{Action, Outcome};
use crate::observed::Booking;

/// Nobody else's number.
const MANAGER: u64 = 100;

impl World {
    /// The show is called off: everybody loses their seats, and gets back all that they paid.
    pub(super) fn call_off(&mut self) {
        self.off = true;
        self.audit("SHOW", SHOW, Some("SCHEDULED"), "CANCELLED", &[]);
        self.holds.iter_mut().for_each(|hold| hold.live = false);
        self.observed.allocations.retain(|row| row.hold.is_none());
        for number in 0..self.observed.bookings.len() {
            let Booking { status, .. } = self.observed.bookings[number].clone();
            if matches!(status.as_str(), "PENDING_PAYMENT" | "CONFIRMED") {
                self.become_(number, "CANCELLED");
                let entry = self.observed.audit.iter_mut().rfind(|entry| entry.entity == "BOOKING");
                entry.unwrap().reason = "show_cancelled".to_owned();
            }
            if status == "CONFIRMED" {
                self.owe(number, "SHOW_CANCELLED");
            }
        }
        self.record(MANAGER, Action::CallOff { show: SHOW.to_owned() }, Outcome::ShowChanged);
    }

    /// When all is at rest somebody wants a seat all the same.
    pub(super) fn want_a_seat(&mut self) {
        self.stormy = false;
        self.pass(100);
        let action = Action::HoldBest { show: SHOW.to_owned(), quantity: 1, key: "late".to_owned() };
        self.record(MANAGER, action, Self::closed());
    }

    /// What somebody is told who wants a seat of this show now.
    pub(super) fn closed() -> Outcome {
        Outcome::Refused { code: "SHOW_CLOSED".to_owned(), seats: Vec::new() }
    }
}
