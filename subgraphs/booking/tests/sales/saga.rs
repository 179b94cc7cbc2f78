//! Everything at once, in an order that nobody chose: checkouts, payments, cancellations, expiry,
//! with messages that come twice, late, in any order, or never.
//!
//! Whatever happened, in the end no seat has two owners, and every captured payment has become
//! tickets or one refund.

use std::collections::BTreeMap;

use booking::app::checkout::{CheckedOut, PaymentState};
use booking::domain::booking::BookingStatus;
use chrono::TimeDelta;
use events::Envelope;
use futures::future::join_all;
use kernel::{BookingId, UserId};
use serde_json::Value;

use crate::provider::event;
use crate::support::{World, identity};

const STEPS: usize = 70;
const SEATS: u64 = 16;

/// xorshift64*: the same numbers for the same seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % sides
    }

    fn pick<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        if items.is_empty() { None } else { Some(&items[self.roll(items.len() as u64) as usize]) }
    }
}

struct Saga {
    world: World,
    dice: Dice,
    people: Vec<UserId>,
    bookings: Vec<(UserId, BookingId, String)>,
    /// Told, and not delivered yet.
    events: Vec<Envelope>,
}

impl Saga {
    async fn step(&mut self) {
        match self.dice.roll(10) {
            0..=2 => self.buy().await,
            3 | 4 => self.pay().await,
            5 => {
                if let Some((user, booking, _)) = self.dice.pick(&self.bookings) {
                    let _ = self.world.cancel(*user, *booking, &booking.to_string()).await;
                }
            }
            6 => self.world.advance(TimeDelta::minutes(self.dice.roll(12) as i64)).await,
            7 => self.world.app.claims_expire_all().await.unwrap(),
            _ => self.deliver_some().await,
        }
    }

    async fn buy(&mut self) {
        let Some(user) = self.dice.pick(&self.people).copied() else { return };
        let first = self.dice.roll(SEATS) as u16;
        let seats: Vec<u16> = (first..SEATS as u16).take(1 + self.dice.roll(3) as usize).collect();
        let show = self.world.app.seats.show_to_hold(self.world.show_id()).await.unwrap();
        let key = format!("{}", self.dice.roll(u64::MAX));
        let Ok(hold) = self.world.app.seats.hold(&identity(user), &show, &seats, &key).await else { return };
        // As an impatient person does: twice at once.
        let both = join_all((0..2).map(|_| self.world.checkout(user, hold.id, &key))).await;
        for checked_out in both {
            if let Ok(CheckedOut { booking, payment: PaymentState::Ready(payment) }) = checked_out
                && !self.bookings.iter().any(|(_, known, _)| *known == booking.id)
            {
                self.bookings.push((user, booking.id, payment.intent));
            }
        }
    }

    async fn pay(&mut self) {
        let Some((_, _, intent)) = self.dice.pick(&self.bookings) else { return };
        if self.world.provider.intent(intent)["status"] != "requires_payment_method" {
            return;
        }
        if self.dice.roll(4) == 0 {
            self.world.webhook(&self.world.provider.decline(intent)).await;
        }
        let paid = self.world.provider.pay(intent);
        for _ in 0..self.dice.roll(3) {
            self.world.webhook(&paid).await;
            self.world.webhook(&event("payment_intent.succeeded", &paid["data"]["object"])).await;
        }
    }

    async fn deliver_some(&mut self) {
        self.events.extend(self.world.take_events().await);
        for _ in 0..self.dice.roll(8) {
            if self.events.is_empty() {
                return;
            }
            let at = self.dice.roll(self.events.len() as u64) as usize;
            let event = self.events.swap_remove(at);
            let hands = 1 + self.dice.roll(3) as usize;
            for outcome in join_all((0..hands).map(|_| self.world.hand(&event))).await {
                outcome.unwrap();
            }
            if self.dice.roll(4) == 0 {
                self.events.push(event);
            }
        }
    }

    /// All that is under way arrives, and time heals what was lost.
    async fn come_to_rest(&mut self) {
        for event in std::mem::take(&mut self.events) {
            self.world.hand(&event).await.unwrap();
        }
        self.world.deliver().await;
        self.world.claims_end(16).await;
        self.world.deliver().await;
        for refund in self.world.provider.state().refunds.values_mut() {
            refund["status"] = "succeeded".into();
        }
        self.world.advance(TimeDelta::minutes(31)).await;
        self.world.app.refunds_chase().await.unwrap();
        self.world.deliver().await;
    }

    async fn check(&self) {
        let mut sold: BTreeMap<u16, BookingId> = BTreeMap::new();
        for (_, id, intent) in &self.bookings {
            let booking = self.world.booking(*id).await;
            let paid = self.world.provider.intent(intent)["status"] == "succeeded";
            let back: Vec<Value> = {
                let state = self.world.provider.state();
                state
                    .refunds
                    .values()
                    .filter(|refund| refund["payment_intent"] == **intent)
                    .cloned()
                    .collect()
            };
            let tickets = self.world.tickets(*id).await;
            match booking.status {
                BookingStatus::Confirmed => {
                    assert!(paid && back.is_empty(), "{id}: tickets for nothing");
                    assert!(!tickets.is_empty());
                    for seat in &tickets {
                        assert_eq!(sold.insert(*seat, *id), None, "seat {seat} was sold twice");
                    }
                }
                BookingStatus::Refunded => {
                    assert!(paid && tickets.is_empty());
                    assert_eq!(back.len(), 1, "{id}: {back:?}");
                    assert_eq!(back[0]["amount"], booking.total.minor());
                }
                status => {
                    assert!(!paid, "{id} is {status:?}, and its money is lost");
                    assert!(back.is_empty() && tickets.is_empty());
                }
            }
        }
        let owned = self.world.owned().await;
        assert!(owned.iter().all(|(seat, booking, paid)| *paid && sold.get(seat) == Some(booking)));
        assert_eq!(owned.len(), sold.len());
        let states = self.world.states().await;
        let shown: Vec<u16> =
            (0_u16..).zip(states.chars()).filter(|(_, s)| *s == 'S').map(|(i, _)| i).collect();
        assert_eq!(shown, sold.keys().copied().collect::<Vec<_>>(), "Redis shows what PostgreSQL says");
        let behind = "select 1 from booking.bookings b left join booking.booking_history h
                          using (user_id, show_id, booking_no)
                       where h.status is distinct from b.status";
        assert!(self.world.rows(behind).await.is_empty(), "the history follows");
        self.world.audit_is_true().await;
    }
}

async fn run(seed: u64) {
    let mut dice = Dice(seed);
    let world = if dice.roll(2) == 0 { World::new().await } else { World::whose_claims_just_end().await };
    if dice.roll(2) == 0 {
        world.provider.state().refund_status = "pending".into();
    }
    let people = (0..4).map(|_| world.person()).collect();
    let mut saga = Saga { world, dice, people, bookings: Vec::new(), events: Vec::new() };
    for _ in 0..STEPS {
        saga.step().await;
    }
    saga.come_to_rest().await;
    saga.check().await;
    assert!(saga.bookings.len() > 3, "seed {seed} sold next to nothing");
}

#[tokio::test]
async fn no_seat_is_sold_twice_and_no_payment_is_lost() {
    for seed in 1..=6 {
        run(0x9E37_79B9_7F4A_7C15_u64.wrapping_mul(seed)).await;
    }
}
