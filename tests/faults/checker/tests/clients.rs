//! What the clients of a right world do.

use rand::RngExt;

use super::world::{HOLD_TTL, Hold, SHOW, USERS, World};
use crate::history::{Action, Outcome};

impl World {
    /// Somebody does something.
    pub(super) fn act(&mut self) {
        let user = self.rng.random_range(0..USERS);
        match self.rng.random_range(0..20) {
            0..7 => self.hold(user),
            7 => self.repeat_hold(),
            8 => self.extend(user),
            9..11 => self.release(user),
            11..15 => self.checkout(user),
            15..17 => self.pay(),
            17 => self.cancel_some(),
            18 => self.read(user),
            _ => self.look(),
        }
    }

    fn refused() -> Outcome {
        Outcome::Refused { code: "NO".to_owned(), seats: Vec::new() }
    }

    /// Nobody answers, and nothing is done.
    fn silence() -> Outcome {
        Outcome::Unknown { why: "away".to_owned() }
    }

    fn held(hold: &Hold) -> Outcome {
        let Hold { id, seats, until, durable, .. } = hold.clone();
        Outcome::Held { hold: id, seats, until, durable }
    }

    fn hold(&mut self, user: u64) {
        let first = self.rng.random_range(0..self.seats - 3);
        let seats: Vec<u16> = (first..first + self.rng.random_range(1..4)).collect();
        let number = self.holds.len();
        let key = format!("key_{number}");
        let action = Action::Hold { show: SHOW.to_owned(), seats: seats.clone(), key: key.clone() };
        // The request is lost on its way.
        if self.stormy && self.chance(0.05) {
            self.record(user, action, Self::silence());
            return;
        }
        if self.off {
            self.record(user, action, Self::closed());
            return;
        }
        let durable = self.away;
        let free = if durable { self.store_free(&seats) } else { self.cache_free(&seats) };
        if !free {
            self.record(user, action, Self::refused());
            return;
        }
        let id = format!("hold_{number}");
        let until = self.now + HOLD_TTL;
        if durable {
            self.allocate(&seats, None, Some((&id, until)));
            self.audit("HOLD", &id, None, "HELD", &seats);
            self.audit("HOLD", &id, Some("HELD"), "EXPIRED", &seats);
            // It ends later, whatever happens to it.
            self.observed.audit.last_mut().unwrap().at = until + 100;
        }
        let hold = Hold { id, user, key, seats, until, durable, live: true, told: false };
        self.holds.push(hold.clone());
        let told = self.record(user, action, Self::held(&hold));
        self.holds[number].told = told;
    }

    fn repeat_hold(&mut self) {
        let Some(hold) = self.holds.last().cloned() else { return };
        let (seats, key) = (hold.seats.clone(), hold.key.clone());
        let action = Action::Hold { show: SHOW.to_owned(), seats, key };
        let outcome = match (hold.live, hold.durable || !self.away) {
            (true, true) => Self::held(&hold),
            (false, true) => Self::refused(),
            (_, false) => Self::silence(),
        };
        let held = matches!(outcome, Outcome::Held { .. });
        if self.record(hold.user, action, outcome)
            && held
            && let Some(hold) = self.holds.last_mut()
        {
            hold.told = true;
        }
    }

    /// A hold, mostly of this user.
    fn some_hold(&mut self, user: u64) -> Option<usize> {
        let foreign = self.chance(0.1);
        let recent = self.holds.len().saturating_sub(12);
        let mine = |place: &usize| {
            let hold = &self.holds[*place];
            hold.told && (foreign || hold.user == user)
        };
        let found: Vec<usize> = (recent..self.holds.len()).filter(mine).collect();
        (!found.is_empty()).then(|| found[self.rng.random_range(0..found.len())])
    }

    fn extend(&mut self, user: u64) {
        let Some(place) = self.some_hold(user) else { return };
        let hold = self.holds[place].clone();
        let action = Action::Extend { hold: hold.id.clone() };
        let outcome = if !hold.durable && self.away {
            Self::silence()
        } else if !hold.live || hold.user != user {
            Self::refused()
        } else {
            let until = self.now + HOLD_TTL;
            self.holds[place].until = until;
            for row in &mut self.observed.allocations {
                if row.hold.as_ref() == Some(&hold.id) {
                    row.held_until = Some(until);
                }
            }
            Self::held(&self.holds[place].clone())
        };
        self.record(user, action, outcome);
    }

    fn release(&mut self, user: u64) {
        let Some(place) = self.some_hold(user) else { return };
        let hold = self.holds[place].clone();
        let action = Action::Release { hold: hold.id.clone() };
        let outcome = if !hold.durable && self.away {
            Self::silence()
        } else if !hold.live || hold.user != user {
            Self::refused()
        } else {
            self.holds[place].live = false;
            self.observed.allocations.retain(|row| row.hold.as_ref() != Some(&hold.id));
            Outcome::Released
        };
        self.record(user, action, outcome);
    }

    fn checkout(&mut self, user: u64) {
        let Some(place) = self.some_hold(user) else { return };
        let hold = self.holds[place].clone();
        let key = format!("checkout of {}", hold.id);
        let action = Action::Checkout { hold: hold.id.clone(), key, equivalent: place.is_multiple_of(2) };
        let earlier = self.observed.bookings.iter().position(|booking| booking.hold == hold.id);
        let number = match earlier {
            _ if hold.user != user => None,
            Some(number) => Some(number),
            None if !hold.durable && self.away => {
                self.record(user, action, Self::silence());
                return;
            }
            None if hold.live && (hold.durable || self.store_free(&hold.seats)) => {
                self.holds[place].live = false;
                Some(self.book(&hold))
            }
            None => None,
        };
        let outcome = number.map_or_else(Self::refused, |number| {
            let booking = &self.observed.bookings[number];
            Outcome::CheckedOut {
                booking: booking.id.clone(),
                seats: booking.seats.clone(),
                status: booking.status.clone(),
                intent: Some(format!("pi_{number}")),
            }
        });
        self.record(user, action, outcome);
    }

    fn pay(&mut self) {
        // Some are never paid.
        let pending = |place: &usize| {
            self.observed.intents[*place].status == "requires_payment_method" && !place.is_multiple_of(5)
        };
        let Some(number) = (0..self.observed.intents.len()).rev().find(pending) else { return };
        let (booking, intent) = (format!("booking_{number}"), format!("pi_{number}"));
        let processing = self.chance(0.2);
        if processing {
            self.process(number);
        } else {
            self.capture(number);
        }
        self.record(0, Action::Pay { booking, intent }, Outcome::Paid { processing });
    }

    fn cancel_some(&mut self) {
        if self.observed.bookings.is_empty() {
            return;
        }
        let number = self.rng.random_range(0..self.observed.bookings.len());
        let booking = self.observed.bookings[number].clone();
        let user = booking.user.trim_start_matches("user_").parse().unwrap();
        let due = booking.comes_back(booking.total_minor);
        let outcome = match booking.status.as_str() {
            "CONFIRMED" => {
                self.cancel(number);
                Outcome::Cancelled { refund_minor: due }
            }
            "PENDING_PAYMENT" => {
                self.cancel(number);
                Outcome::Cancelled { refund_minor: 0 }
            }
            // Again, or after the theater: what was decided then.
            "CANCELLED" | "REFUNDED" => {
                let mut refunds = self.observed.refunds.iter();
                let refund = refunds.rfind(|refund| refund.booking == booking.id);
                Outcome::Cancelled { refund_minor: refund.map_or(0, |refund| refund.amount_minor) }
            }
            _ => Self::refused(),
        };
        let key = format!("cancel {}", booking.id);
        self.record(user, Action::Cancel { booking: booking.id, key }, outcome);
    }

    fn read(&mut self, user: u64) {
        let map = self.map();
        let outcome = Outcome::Map {
            epoch: map.epoch,
            version: map.version,
            states: map.states,
            degraded: map.degraded,
        };
        self.record(user, Action::Read { show: SHOW.to_owned() }, outcome);
    }

    fn look(&mut self) {
        let Some(booking) = self.observed.bookings.last().cloned() else { return };
        let tickets = self.observed.tickets.iter().filter(|ticket| ticket.booking == booking.id).count();
        let user = booking.user.trim_start_matches("user_").parse().unwrap();
        let outcome = Outcome::Booking { status: booking.status, tickets };
        self.record(user, Action::Look { booking: booking.id }, outcome);
    }
}
