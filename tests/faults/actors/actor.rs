//! One customer at work: one thing at a time, chosen by its own dice.

use std::{ops::Range, sync::Arc, time::Duration};

use rand::{RngExt, rngs::StdRng};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::{
    bank::Settlement,
    board::Board,
    desk::{Desk, Told},
    errand::{Errand, choose},
    memory::{Memory, Purchase, Stage},
    recorder::now,
    till::{Bill, Payment, Till},
};
use crate::history::{Action, Millis, Outcome};

/// The longest that an actor thinks between two errands, in milliseconds.
const THINK: u64 = 150;
/// How many times that, when nobody answers.
const PATIENT: u32 = 5;
/// How often a request without an answer is sent at most.
const TRIES: usize = 4;
/// How many seats, so that those who want few are the most.
const QUANTITIES: [u16; 8] = [1, 1, 2, 2, 2, 3, 3, 4];
/// Of the seats that look free, so many are what everybody wants.
const HOT: usize = 20;
/// The share of the buyers who agree to other seats.
const CONSENT: f64 = 0.35;
/// How many of a hundred pay by a bank that takes its time; and how many where that makes payments late.
const BY_BANK: u32 = 16;
const BY_BANK_LATE: u32 = 55;
/// When a bank has come to its end, in milliseconds: soon, or when the claim is over.
const BANK_SOON: Range<u64> = 0..1_500;
const BANK_LATE: Range<u64> = 4_200..6_200;
/// Claims are paid at most so late on purpose, in milliseconds.
const LATE: Millis = 1_500;

/// A customer.
#[derive(Debug)]
pub struct Actor {
    pub(super) number: usize,
    pub(super) desk: Desk,
    pub(super) till: Till,
    pub(super) board: Arc<Board>,
    pub(super) rng: StdRng,
    pub(super) memory: Memory,
    keys: u32,
    /// Confirmed bookings that it does not cancel.
    keep: usize,
    stop: CancellationToken,
}

impl Actor {
    /// Somebody who does nothing yet.
    pub fn new(
        number: usize,
        desk: Desk,
        till: Till,
        board: Arc<Board>,
        rng: StdRng,
        keep: usize,
        stop: CancellationToken,
    ) -> Self {
        let memory = Memory::new(desk.target.shows.len());
        Self { number, desk, till, board, rng, memory, keys: 0, keep, stop }
    }

    /// Runs errands until it is told to stop, and finishes the last one.
    pub async fn run(mut self) {
        while !self.stop.is_cancelled() {
            // Who gets no answers becomes slower.
            self.think(THINK * u64::from(1 + self.memory.unanswered.min(PATIENT))).await;
            if self.memory.needs_token {
                self.desk.person.renew().await;
                self.memory.needs_token = false;
            }
            self.memory.forget_overdue(now());
            let errand = choose(&self.memory, self.keep, now(), &mut self.rng);
            self.go(errand).await;
        }
    }

    async fn think(&mut self, longest_ms: u64) {
        let pause = Duration::from_millis(self.rng.random_range(0..=longest_ms));
        self.stop.run_until_cancelled(sleep(pause)).await;
    }

    async fn go(&mut self, errand: Errand) {
        match errand {
            Errand::Hold => {
                let action = self.new_hold();
                self.insist(action).await;
            }
            Errand::HoldBest => {
                let (show, quantity, key) = (self.any_show().1, self.any_quantity(), self.key());
                self.insist(Action::HoldBest { show, quantity, key }).await;
            }
            Errand::Read => {
                let show = self.any_show().1;
                self.ask(Action::Read { show }).await;
            }
            Errand::Extend => {
                if let Some(hold) = self.any_hold() {
                    self.insist(Action::Extend { hold }).await;
                }
            }
            Errand::Release => {
                if let Some(hold) = self.any_hold() {
                    self.insist(Action::Release { hold }).await;
                }
            }
            Errand::AbandonHold => {
                if let Some(hold) = self.any_hold() {
                    self.memory.forget_hold(&hold);
                }
            }
            Errand::Checkout => {
                if let Some(hold) = self.any_hold() {
                    let action = self.new_checkout(hold);
                    self.insist(action).await;
                }
            }
            Errand::Bill => {
                let now = now();
                let unbilled = |purchase: &Purchase| purchase.is_due(now) && purchase.bill.is_none();
                if let Some(purchase) = self.any_purchase(unbilled) {
                    self.insist(purchase.checkout).await;
                }
            }
            Errand::Pay => self.pay_unpaid().await,
            Errand::Approve => {
                if let Some(bill) = self.any_bill(|purchase| purchase.stage == Stage::Asked) {
                    self.pay(&bill, Payment::Approve).await;
                }
            }
            Errand::PayAgain => {
                let card = self.any_card();
                let settled = |purchase: &Purchase| matches!(purchase.stage, Stage::Paid | Stage::Confirmed);
                if let Some(bill) = self.any_bill(settled) {
                    self.pay(&bill, card).await;
                }
            }
            Errand::Postpone => self.postpone(),
            Errand::AbandonPurchase => {
                let now = now();
                if let Some(purchase) = self.any_purchase(|purchase| purchase.is_due(now)) {
                    self.memory.forget_purchase(&purchase.booking);
                }
            }
            Errand::CancelUnpaid => {
                let now = now();
                self.cancel(|purchase| purchase.is_due(now)).await;
            }
            Errand::Cancel => self.cancel(|purchase| purchase.stage == Stage::Confirmed).await,
            Errand::Look => {
                let settled = |purchase: &Purchase| matches!(purchase.stage, Stage::Paid | Stage::Confirmed);
                let paid = self.any_purchase(|purchase| purchase.stage == Stage::Paid);
                if let Some(purchase) = paid.or_else(|| self.any_purchase(settled)) {
                    self.ask(Action::Look { booking: purchase.booking }).await;
                }
            }
            Errand::Again => self.again().await,
            Errand::Twice => self.twice().await,
            Errand::Swap => self.swap().await,
        }
    }

    /// Asks once.
    pub(super) async fn ask(&mut self, action: Action) -> Told {
        let told = self.desk.ask(self.number, action.clone()).await;
        self.learn(&action, &told);
        told
    }

    /// Asks, and when there is no answer mostly asks again with the same key, as a front end does.
    async fn insist(&mut self, action: Action) {
        self.memory.remember(&action);
        for _ in 0..TRIES {
            let told = self.ask(action.clone()).await;
            let answered = !matches!(told.outcome, Outcome::Unknown { .. });
            if answered || self.stop.is_cancelled() || self.rng.random_bool(0.25) {
                return;
            }
            self.think(4 * THINK).await;
        }
    }

    pub(super) fn learn(&mut self, action: &Action, told: &Told) {
        let show_place = match action {
            Action::Read { show } => self.desk.target.show_place(show),
            _ => None,
        };
        self.memory.learn(action, told, show_place);
        match &told.outcome {
            Outcome::Held { hold, .. } => self.board.post_hold(self.number, hold),
            Outcome::CheckedOut { booking, .. } => self.board.post_booking(self.number, booking),
            _ => {}
        }
    }

    async fn pay_unpaid(&mut self) {
        let now = now();
        let card = self.any_card();
        if let Some(bill) = self.any_bill(|purchase| purchase.is_due(now)) {
            self.pay(&bill, card).await;
        }
    }

    async fn pay(&mut self, bill: &Bill, payment: Payment) {
        for _ in 0..TRIES {
            let outcome = self.till.pay(self.number, self.desk.person.user(), bill, payment).await;
            self.memory.learn_payment(&bill.booking, &outcome);
            let answered = !matches!(outcome, Outcome::Unknown { .. });
            if answered || self.stop.is_cancelled() || self.rng.random_bool(0.25) {
                return;
            }
            self.think(4 * THINK).await;
        }
    }

    /// Will pay when the claim has lapsed, mostly before the payment is called off.
    fn postpone(&mut self) {
        let late = self.rng.random_range(0..LATE);
        let now = now();
        let Some(chosen) = self.any_purchase(|purchase| purchase.is_due(now)) else { return };
        for purchase in &mut self.memory.purchases {
            if purchase.booking == chosen.booking {
                purchase.pay_from = purchase.expires.unwrap_or(now) + late;
            }
        }
    }

    async fn cancel(&mut self, which: impl Fn(&Purchase) -> bool) {
        if let Some(purchase) = self.any_purchase(which) {
            let key = self.key();
            self.insist(Action::Cancel { booking: purchase.booking, key }).await;
        }
    }

    /// A key that was never used.
    pub(super) fn key(&mut self) -> String {
        self.keys += 1;
        format!("{}-{}-{:016x}", self.number, self.keys, self.rng.random::<u64>())
    }

    /// A request for seats that others want too.
    pub(super) fn new_hold(&mut self) -> Action {
        let (place, show) = self.any_show();
        Action::Hold { seats: self.any_seats(place), show, key: self.key() }
    }

    /// A checkout by somebody who may not mind to sit elsewhere.
    pub(super) fn new_checkout(&mut self, hold: String) -> Action {
        let equivalent = self.rng.random_bool(CONSENT);
        Action::Checkout { hold, key: self.key(), equivalent }
    }

    fn any_show(&mut self) -> (usize, String) {
        let shows = &self.desk.target.shows;
        // One of them is what everybody talks about.
        let place = if self.rng.random_bool(0.5) { 0 } else { self.rng.random_range(0..shows.len()) };
        (place, shows[place].id.clone())
    }

    pub(super) fn any_quantity(&mut self) -> u16 {
        QUANTITIES[self.rng.random_range(0..QUANTITIES.len())]
    }

    /// Neighbours among the seats that looked free, mostly the ones that all others want too.
    pub(super) fn any_seats(&mut self, show_place: usize) -> Vec<u16> {
        let states = self.memory.maps[show_place].as_bytes();
        let only_free = self.rng.random_bool(0.6);
        let wanted = |state: u8| state == b'A' || (state == b'H' && !only_free);
        let count = u16::try_from(self.desk.target.shows[show_place].seats.len()).unwrap_or(u16::MAX);
        let mut seats: Vec<u16> = (0..count)
            .filter(|seat| states.get(usize::from(*seat)).is_none_or(|state| wanted(*state)))
            .collect();
        if seats.is_empty() {
            seats = (0..count).collect();
        }
        let range = if self.rng.random_bool(0.85) { seats.len().min(HOT) } else { seats.len() };
        let start = self.rng.random_range(0..range);
        let quantity = usize::from(self.any_quantity());
        seats.into_iter().skip(start).take(quantity).collect()
    }

    pub(super) fn any_hold(&mut self) -> Option<String> {
        let holds = self.memory.live_holds(now(), 0);
        let place = (!holds.is_empty()).then(|| self.rng.random_range(0..holds.len()))?;
        Some(holds[place].id.clone())
    }

    pub(super) fn any_purchase(&mut self, which: impl Fn(&Purchase) -> bool) -> Option<Purchase> {
        let fitting: Vec<&Purchase> =
            self.memory.purchases.iter().filter(|purchase| which(purchase)).collect();
        let place = (!fitting.is_empty()).then(|| self.rng.random_range(0..fitting.len()))?;
        Some(fitting[place].clone())
    }

    pub(super) fn any_bill(&mut self, which: impl Fn(&Purchase) -> bool) -> Option<Bill> {
        self.any_purchase(|purchase| purchase.bill.is_some() && which(purchase))?.bill
    }

    fn any_card(&mut self) -> Payment {
        let any = self.rng.random_range(0..60);
        let by_bank = if self.desk.target.claims_wait() { BY_BANK } else { BY_BANK_LATE };
        if self.rng.random_ratio(by_bank, 100) {
            return Payment::Slow(self.any_settlement());
        }
        match self.rng.random_range(0..100) {
            0..75 => Payment::Good(any),
            75..87 => Payment::Bad(any),
            _ => Payment::Asking,
        }
    }

    fn any_settlement(&mut self) -> Settlement {
        let soon = if self.desk.target.claims_wait() { 0.5 } else { 0.15 };
        let range = if self.rng.random_bool(soon) { BANK_SOON } else { BANK_LATE };
        let after = Duration::from_millis(self.rng.random_range(range));
        Settlement { after, paid: self.rng.random_bool(0.7) }
    }
}
