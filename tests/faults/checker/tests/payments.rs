//! What becomes of payments in a right world, and of the claims that wait for them.

use rand::RngExt;

use super::world::{CLAIM_TTL, Later, SHOW, World};
use crate::history::{Action, Call, Millis};
use crate::observed::{Allocation, Booking, Payment, ProviderRefund, Refund, Ticket};

/// So long a claim goes on when it is over.
const EXTENSION: Millis = 2_000;

impl World {
    /// The provider takes the money.
    pub(super) fn capture(&mut self, number: usize) {
        let intent = &mut self.observed.intents[number];
        intent.status = "succeeded".to_owned();
        intent.received_minor = self.observed.bookings[number].total_minor;
        let lag =
            if self.chance(0.8) { self.rng.random_range(5..400) } else { self.rng.random_range(400..15_000) };
        self.later.push((self.now + lag, Later::Confirm(number)));
    }

    /// A bank works on a payment.
    pub(super) fn process(&mut self, number: usize) {
        self.observed.intents[number].status = "processing".to_owned();
        self.payment(number, "PROCESSING");
        let (lag, paid) = (self.rng.random_range(100..14_000), self.chance(0.7));
        self.later.push((self.now + lag, Later::Settle(number, paid)));
    }

    /// A bank has come to its end.
    pub(super) fn bank_settle(&mut self, number: usize, paid: bool) {
        if paid {
            self.capture(number);
            return;
        }
        self.payment(number, "FAILED");
        let ended = self.observed.bookings[number].status != "PENDING_PAYMENT";
        if ended {
            self.payment(number, "CANCELLED");
        }
        let status = if ended { "canceled" } else { "requires_payment_method" };
        self.observed.intents[number].status = status.to_owned();
    }

    pub(super) fn payment(&mut self, number: usize, to: &str) {
        let Payment { id, status, .. } = self.observed.payments[number].clone();
        self.audit("PAYMENT", &id, Some(&status), to, &[]);
        self.observed.payments[number].status = to.to_owned();
    }

    pub(super) fn confirm(&mut self, number: usize) {
        let Booking { id, seats, status, .. } = self.observed.bookings[number].clone();
        self.payment(number, "SUCCEEDED");
        if self.off {
            self.owe(number, "SHOW_CANCELLED");
            return;
        }
        let late = status == "EXPIRED";
        let taken = |row: &Allocation| seats.contains(&row.seat) && row.booking.is_some();
        let mut seats = seats.clone();
        if late && !self.observed.allocations.iter().any(taken) {
            let outranked: Vec<String> = self
                .observed
                .allocations
                .iter()
                .filter(|row| seats.contains(&row.seat))
                .filter_map(|row| row.hold.clone())
                .collect();
            self.observed
                .allocations
                .retain(|row| row.hold.as_ref().is_none_or(|hold| !outranked.contains(hold)));
            for hold in self.holds.iter_mut().filter(|hold| outranked.contains(&hold.id)) {
                hold.live = false;
            }
            self.break_up(&seats);
            self.allocate(&seats, Some(&id), None);
        } else if late && let Some(others) = self.equivalent(number) {
            self.break_up(&others);
            self.allocate(&others, Some(&id), None);
            self.observed.bookings[number].seats.clone_from(&others);
            seats = others;
        } else if status != "PENDING_PAYMENT" {
            self.owe(number, "LATE_PAYMENT");
            return;
        }
        self.become_(number, "CONFIRMED");
        for row in self.observed.allocations.iter_mut().filter(|row| row.booking.as_deref() == Some(&id)) {
            row.sold = true;
        }
        let tickets = seats.iter().map(|seat| Ticket { booking: id.clone(), seat: *seat, voided: false });
        self.observed.tickets.extend(tickets);
    }

    /// Neighbours that nobody owns, as many and of the same kinds as those of this booking, if its buyer
    /// agreed to that.
    fn equivalent(&self, number: usize) -> Option<Vec<u16>> {
        let Booking { hold, seats, .. } = &self.observed.bookings[number];
        let agreed = |call: &Call| match &call.action {
            Action::Checkout { hold: of, equivalent, .. } => of == hold && *equivalent,
            _ => false,
        };
        let letters = self.observed.kinds[SHOW].as_bytes();
        let kinds = |seats: &[u16]| {
            let mut kinds: Vec<u8> = seats.iter().map(|seat| letters[usize::from(*seat)]).collect();
            kinds.sort_unstable();
            kinds
        };
        let count = seats.len() as u16;
        let mut blocks = (0..=self.seats - count).map(|first| (first..first + count).collect::<Vec<u16>>());
        let block = blocks.find(|block| self.store_free(block) && kinds(block) == kinds(seats));
        block.filter(|_| self.history.calls.iter().any(agreed))
    }

    /// A claim is over: it ends, or goes on when money may come.
    pub(super) fn expire(&mut self, number: usize) {
        let Booking { status, expires_at, .. } = &self.observed.bookings[number];
        if status != "PENDING_PAYMENT" {
            return;
        }
        let last = expires_at - CLAIM_TTL + self.observed.claim_limit_ms;
        let waits = matches!(self.observed.intents[number].status.as_str(), "processing" | "succeeded");
        if waits && self.now < last {
            let lag = self.rng.random_range(0..1_500);
            self.later.push((last.min(self.now + EXTENSION) + lag, Later::Expire(number)));
            return;
        }
        self.become_(number, "EXPIRED");
        let entry = self.observed.audit.iter_mut().rfind(|entry| entry.entity == "BOOKING");
        entry.unwrap().reason = "claim_lapsed".to_owned();
    }

    pub(super) fn owe(&mut self, number: usize, cause: &str) {
        let Payment { id: payment, booking, amount_minor, .. } = self.observed.payments[number].clone();
        let amount_minor = match cause {
            "CANCELLED" => self.observed.bookings[number].comes_back(amount_minor),
            _ => amount_minor,
        };
        let id = format!("refund_{number}");
        self.audit("REFUND", &id, None, "PENDING", &[]);
        let status = "PENDING".to_owned();
        let cause = cause.to_owned();
        self.observed.refunds.push(Refund {
            id,
            payment,
            booking,
            status,
            cause,
            amount_minor,
            provider_refund: None,
        });
        let lag = self.rng.random_range(10..2_000);
        self.later.push((self.now + lag, Later::Refund(number)));
    }

    pub(super) fn refund_settle(&mut self, number: usize) {
        let place =
            self.observed.refunds.iter().position(|refund| refund.id == format!("refund_{number}")).unwrap();
        let provider = format!("re_{number}");
        let Refund { id, booking, amount_minor, .. } = self.observed.refunds[place].clone();
        self.audit("REFUND", &id, Some("PENDING"), "SUCCEEDED", &[]);
        self.observed.refunds[place].status = "SUCCEEDED".to_owned();
        self.observed.refunds[place].provider_refund = Some(provider.clone());
        let (intent, status) = (self.observed.intents[number].id.clone(), "succeeded".to_owned());
        self.observed.provider_refunds.push(ProviderRefund { id: provider, intent, status, amount_minor });
        self.become_(number, "REFUNDED");
        self.tell(&booking, "booking.refunded");
    }
}
