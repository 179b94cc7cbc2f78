//! What an actor remembers of what it has done.

use std::collections::VecDeque;

use super::{
    desk::{Told, millis},
    till::{Bill, REQUIRES_ACTION},
};
use crate::history::{Action, Millis, Outcome};

/// Requests that may be repeated.
const PAST: usize = 12;
/// Holds that are kept in mind, also ended ones: their ids make good wrong answers.
const OLD_HOLDS: usize = 6;

/// Everything an actor remembers.
#[derive(Debug, Default)]
pub struct Memory {
    /// Holds that it believes to have.
    pub holds: Vec<MyHold>,
    /// Bookings that it believes to wait for a payment, or to be paid.
    pub purchases: Vec<Purchase>,
    /// The last requests with an idempotency key.
    pub past: VecDeque<Action>,
    /// Ids of holds that ended.
    pub old_holds: VecDeque<String>,
    /// The seats of each show as they were last seen, by the show's place.
    pub maps: Vec<String>,
    /// The token is no longer good.
    pub needs_token: bool,
    /// How often in a row no seats were to be had.
    pub sold_out: u32,
    /// How often in a row there was no answer.
    pub unanswered: u32,
}

/// A hold.
#[derive(Debug, Clone)]
pub struct MyHold {
    /// `hold_…`.
    pub id: String,
    /// When it ends.
    pub until: Millis,
}

/// A booking on its way.
#[derive(Debug, Clone)]
pub struct Purchase {
    /// `booking_…`.
    pub booking: String,
    /// The hold and the key that made it: the same checkout again gives the bill.
    pub checkout: Action,
    /// How to pay.
    pub bill: Option<Bill>,
    /// When it lapses unpaid.
    pub expires: Option<Millis>,
    /// Not to be paid before that.
    pub pay_from: Millis,
    /// How far it is.
    pub stage: Stage,
}

impl Purchase {
    /// Waits for the money now, and not for its time to be over.
    pub fn is_due(&self, now: Millis) -> bool {
        self.stage == Stage::Unpaid && self.pay_from <= now
    }
}

/// How far a purchase is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Waits for the money.
    Unpaid,
    /// Waits for the buyer's answer to the bank.
    Asked,
    /// Paid, and not seen to be confirmed.
    Paid,
    /// Seen to be confirmed.
    Confirmed,
}

impl Memory {
    /// Nothing yet, of this many shows.
    pub fn new(shows: usize) -> Self {
        Self { maps: vec![String::new(); shows], ..Self::default() }
    }

    /// Holds that last for at least `margin` milliseconds more.
    pub fn live_holds(&self, now: Millis, margin: Millis) -> Vec<&MyHold> {
        self.holds.iter().filter(|hold| hold.until > now + margin).collect()
    }

    /// Purchases at this stage.
    pub fn at(&self, stage: Stage) -> Vec<&Purchase> {
        self.purchases.iter().filter(|purchase| purchase.stage == stage).collect()
    }

    /// Gives up a hold.
    pub fn forget_hold(&mut self, id: &str) {
        self.holds.retain(|hold| hold.id != id);
        if self.old_holds.len() == OLD_HOLDS {
            self.old_holds.pop_front();
        }
        self.old_holds.push_back(id.to_owned());
    }

    /// Gives up a booking.
    pub fn forget_purchase(&mut self, booking: &str) {
        self.purchases.retain(|purchase| purchase.booking != booking);
    }

    /// Holds and claims end without anybody being told.
    pub fn forget_overdue(&mut self, now: Millis) {
        let ended: Vec<String> =
            self.holds.iter().filter(|hold| hold.until <= now).map(|hold| hold.id.clone()).collect();
        for id in ended {
            self.forget_hold(&id);
        }
        // Some are paid late on purpose: not at once.
        const LATEST: Millis = 5_000;
        self.purchases.retain(|purchase| {
            let waits = matches!(purchase.stage, Stage::Unpaid | Stage::Asked);
            !waits || purchase.expires.is_none_or(|expires| expires + LATEST > now)
        });
    }

    /// Keeps a request, to repeat it some day.
    pub fn remember(&mut self, action: &Action) {
        if self.past.len() == PAST {
            self.past.pop_front();
        }
        self.past.push_back(action.clone());
    }

    /// Draws the conclusions from an answer. `show_place` is where the show of a map belongs.
    pub fn learn(&mut self, action: &Action, told: &Told, show_place: Option<usize>) {
        let answered = !matches!(told.outcome, Outcome::Unknown { .. });
        self.unanswered = if answered { 0 } else { self.unanswered + 1 };
        match (action, &told.outcome) {
            (_, Outcome::Held { hold, until, .. }) => {
                self.sold_out = 0;
                self.holds.retain(|known| known.id != *hold);
                self.holds.push(MyHold { id: hold.clone(), until: *until });
            }
            (Action::Release { hold }, Outcome::Released) => self.forget_hold(hold),
            (Action::Checkout { hold, .. }, Outcome::CheckedOut { booking, status, intent, .. }) => {
                self.forget_hold(hold);
                let secret = told.payload["payment"]["clientSecret"].as_str();
                let bill = intent.as_ref().zip(secret).map(|(intent, secret)| Bill {
                    booking: booking.clone(),
                    intent: intent.clone(),
                    secret: secret.to_owned(),
                });
                let expires = millis(&told.payload["booking"]["expiresAt"]);
                self.purchase(booking, status, action, bill, expires);
            }
            (_, Outcome::Cancelled { .. }) => {
                if let Action::Cancel { booking, .. } = action {
                    self.forget_purchase(booking);
                }
            }
            (Action::Look { booking }, Outcome::Booking { status, .. }) => match status.as_str() {
                "CONFIRMED" => self.set_stage(booking, Stage::Confirmed),
                "PENDING_PAYMENT" => {}
                _ => self.forget_purchase(booking),
            },
            (Action::Read { .. }, Outcome::Map { states, .. }) => {
                if let Some(map) = show_place.and_then(|place| self.maps.get_mut(place)) {
                    map.clone_from(states);
                }
            }
            (_, Outcome::Refused { code, .. }) => self.learn_refusal(action, code),
            _ => {}
        }
    }

    fn learn_refusal(&mut self, action: &Action, code: &str) {
        match (action, code) {
            (_, "UNAUTHENTICATED") => self.needs_token = true,
            (Action::Hold { .. } | Action::HoldBest { .. }, "SEATS_UNAVAILABLE") => self.sold_out += 1,
            (
                Action::Extend { hold } | Action::Release { hold } | Action::Checkout { hold, .. },
                "HOLD_EXPIRED" | "NOT_FOUND" | "NOT_ALLOWED" | "SEATS_UNAVAILABLE",
            ) => self.forget_hold(hold),
            (Action::Cancel { booking, .. } | Action::Look { booking }, "BOOKING_ENDED" | "NOT_FOUND") => {
                self.forget_purchase(booking);
            }
            _ => {}
        }
    }

    /// Draws the conclusions from an attempt to pay.
    pub fn learn_payment(&mut self, booking: &str, outcome: &Outcome) {
        match outcome {
            Outcome::Paid { .. } => self.set_stage(booking, Stage::Paid),
            Outcome::Refused { code, .. } => match code.as_str() {
                REQUIRES_ACTION => self.set_stage(booking, Stage::Asked),
                // Paid before, or called off: a look at the booking tells.
                "payment_intent_unexpected_state" | "unexpected_state" => {
                    self.set_stage(booking, Stage::Paid);
                }
                _ => self.set_stage(booking, Stage::Unpaid),
            },
            _ => {}
        }
    }

    fn purchase(
        &mut self,
        booking: &str,
        status: &str,
        checkout: &Action,
        bill: Option<Bill>,
        expires: Option<Millis>,
    ) {
        let stage = match status {
            "PENDING_PAYMENT" => Stage::Unpaid,
            "CONFIRMED" => Stage::Confirmed,
            _ => return self.forget_purchase(booking),
        };
        match self.purchases.iter_mut().find(|purchase| purchase.booking == booking) {
            Some(known) => {
                known.bill = bill.or_else(|| known.bill.take());
                known.expires = expires.or(known.expires);
            }
            None => self.purchases.push(Purchase {
                booking: booking.to_owned(),
                checkout: checkout.clone(),
                bill,
                expires,
                pay_from: 0,
                stage,
            }),
        }
    }

    fn set_stage(&mut self, booking: &str, stage: Stage) {
        if let Some(purchase) = self.purchases.iter_mut().find(|purchase| purchase.booking == booking) {
            purchase.stage = stage;
        }
    }
}
