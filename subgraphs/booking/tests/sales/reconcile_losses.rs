//! Half of all messages are lost, in both directions. Reconciliation makes up for every one.

use booking::domain::booking::BookingStatus;
use chrono::TimeDelta;
use kernel::{BookingId, UserId};

use crate::reconcile::{open, pass};
use crate::support::World;

/// xorshift64*: the same numbers for the same seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % sides
    }
}

/// Hands out what is told, or not.
async fn deliver_some(world: &World, dice: &mut Dice) {
    for event in world.take_events().await {
        if dice.roll(2) == 0 {
            world.hand(&event).await.unwrap();
        }
    }
}

async fn run(seed: u64) {
    let world = World::new().await;
    let mut dice = Dice(seed);
    let mut bought: Vec<(UserId, BookingId, String)> = Vec::new();
    for seat in 0..14 {
        let user = world.person();
        let (booking, payment) = world.pending(user, &[seat]).await;
        if dice.roll(4) > 0 {
            let paid = world.provider.pay(&payment.intent);
            if dice.roll(2) == 0 {
                world.webhook(&paid).await;
            }
        }
        bought.push((user, booking.id, payment.intent));
        deliver_some(&world, &mut dice).await;
        if let Some((user, booking, _)) = bought.get(dice.roll(bought.len() as u64 * 2) as usize) {
            let _ = world.cancel(*user, *booking, &booking.to_string()).await;
        }
        world.advance(TimeDelta::seconds(dice.roll(200) as i64)).await;
        deliver_some(&world, &mut dice).await;
    }
    // What reconciliation tells may be lost too, as long as it is not always.
    for round in 0..16 {
        pass(&world).await;
        if round < 8 {
            deliver_some(&world, &mut dice).await;
        } else {
            world.deliver().await;
        }
    }
    let findings = open(&world).await;
    assert!(findings.is_empty(), "seed {seed}: {findings:#?}");
    assert!(world.app.findings(true).await.unwrap().len() > 3, "seed {seed} lost next to nothing");
    let mut owners = 0;
    for (_, id, intent) in &bought {
        let (status, tickets) = (world.status(*id).await, world.tickets(*id).await.len());
        let state = world.provider.state();
        let paid = state.intents[intent]["status"] == "succeeded";
        let back = state.refunds.values().filter(|refund| refund["payment_intent"] == **intent).count();
        match status {
            BookingStatus::Confirmed => {
                owners += 1;
                assert!(paid && tickets == 1 && back == 0, "seed {seed}: {id}");
            }
            BookingStatus::Refunded => assert!(paid && tickets == 0 && back == 1, "seed {seed}: {id}"),
            BookingStatus::Cancelled | BookingStatus::Expired => {
                assert!(!paid && tickets == 0 && back == 0, "seed {seed}: {id} is {status:?}");
                assert_eq!(state.intents[intent]["status"], "canceled", "seed {seed}: {id}");
            }
            other => panic!("seed {seed}: {id} is {other:?}"),
        }
    }
    let states = world.states().await;
    assert_eq!(states.matches('S').count(), owners, "{states}");
    assert_eq!(world.owned().await.len(), owners);
}

#[tokio::test]
async fn lost_messages_lose_nothing() {
    for seed in 1..=4 {
        run(0x9E37_79B9_7F4A_7C15_u64.wrapping_mul(seed)).await;
    }
}
