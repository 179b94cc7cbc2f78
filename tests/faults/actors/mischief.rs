//! What customers do that they should not, or that networks do for them: sending things again,
//! two at a time, or about what is not theirs.

use rand::RngExt;

use super::{actor::Actor, recorder::now, till::Payment};
use crate::history::Action;

/// An actor's second tab has the actor's number and this: it asks while the first one does.
pub const SECOND_TAB: usize = 1_000;

impl Actor {
    /// Sends an old request again: as it was, or its key with another body.
    pub(super) async fn again(&mut self) {
        if self.memory.past.is_empty() {
            return;
        }
        let place = self.rng.random_range(0..self.memory.past.len());
        let old = self.memory.past[place].clone();
        let action = if self.rng.random_bool(0.6) { old } else { self.changed(old) };
        self.ask(action).await;
    }

    /// The same key with another body, where there is a key.
    fn changed(&mut self, action: Action) -> Action {
        match action {
            Action::Hold { show, key, seats } => {
                let place = self.desk.target.show_place(&show);
                Action::Hold { seats: place.map_or(seats, |place| self.any_seats(place)), show, key }
            }
            Action::HoldBest { show, quantity, key } => {
                Action::HoldBest { show, quantity: quantity % 4 + 1, key }
            }
            Action::Checkout { hold, key, equivalent } => {
                let other = self.any_hold().or_else(|| self.memory.old_holds.back().cloned());
                Action::Checkout { hold: other.unwrap_or(hold), key, equivalent }
            }
            Action::Cancel { booking, key } => {
                let other = self.any_purchase(|purchase| purchase.booking != booking);
                Action::Cancel { booking: other.map_or(booking, |other| other.booking), key }
            }
            other => other,
        }
    }

    /// Two requests at once: the same one twice, one key with two bodies, or two keys for one
    /// thing.
    pub(super) async fn twice(&mut self) {
        let now = now();
        let payable = self.any_bill(|purchase| purchase.is_due(now));
        match self.rng.random_range(0..4) {
            0 if let Some(hold) = self.any_hold() => {
                let (first, second) = (self.new_checkout(hold.clone()), self.new_checkout(hold));
                self.both(first, second).await;
            }
            1 if let Some(bill) = payable => {
                let any = self.rng.random_range(0..60);
                let user = self.desk.person.user();
                let pay = |actor, card| self.till.pay(actor, user, &bill, card);
                let (first, second) = tokio::join!(
                    pay(self.number, Payment::Good(any)),
                    pay(self.number + SECOND_TAB, Payment::Good(any + 1))
                );
                self.memory.learn_payment(&bill.booking, &second);
                self.memory.learn_payment(&bill.booking, &first);
            }
            2 if let Some(purchase) = self.any_purchase(|purchase| purchase.is_due(now)) => {
                let first = Action::Cancel { booking: purchase.booking.clone(), key: self.key() };
                let second = Action::Cancel { booking: purchase.booking, key: self.key() };
                self.both(first, second).await;
            }
            _ => {
                let first = self.new_hold();
                let second = first.clone();
                self.both(first, second).await;
            }
        }
    }

    /// Sends `first`, and at the same time itself again or `second`.
    async fn both(&mut self, first: Action, second: Action) {
        let second = match self.rng.random_range(0..3) {
            0 => first.clone(),
            1 => second,
            _ => self.changed(first.clone()),
        };
        let (told_first, told_second) = tokio::join!(
            self.desk.ask(self.number, first.clone()),
            self.desk.ask(self.number + SECOND_TAB, second.clone())
        );
        self.memory.remember(&first);
        self.learn(&first, &told_first);
        self.learn(&second, &told_second);
    }

    /// Tries with somebody else's hold or booking. Whatever comes of it is not remembered.
    pub(super) async fn swap(&mut self) {
        let hold = self.board.foreign_hold(self.number, &mut self.rng);
        let booking = self.board.foreign_booking(self.number, &mut self.rng);
        let key = self.key();
        let action = match (self.rng.random_range(0..5), hold, booking) {
            (0, Some(hold), _) => Action::Release { hold },
            (1, Some(hold), _) => Action::Extend { hold },
            (2, Some(hold), _) => self.new_checkout(hold),
            (3, _, Some(booking)) => Action::Cancel { booking, key },
            (_, _, Some(booking)) => Action::Look { booking },
            _ => return,
        };
        self.desk.ask(self.number, action).await;
    }
}
