//! What an actor does next, by chance and by what it has.

use rand::{RngExt, rngs::StdRng};

use super::memory::{Memory, Stage};
use crate::history::Millis;

/// A hold with less time left is not worth an errand, in milliseconds.
const MARGIN: Millis = 200;

/// One thing to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Errand {
    /// Hold chosen seats.
    Hold,
    /// Hold the best seats.
    HoldBest,
    /// Read a seat map.
    Read,
    /// Extend a hold.
    Extend,
    /// Release a hold.
    Release,
    /// Forget a hold.
    AbandonHold,
    /// Make a hold a booking.
    Checkout,
    /// Repeat a checkout that gave no bill.
    Bill,
    /// Pay a booking.
    Pay,
    /// Say yes to the bank.
    Approve,
    /// Pay what is paid already.
    PayAgain,
    /// Pay only when the claim has lapsed.
    Postpone,
    /// Never pay.
    AbandonPurchase,
    /// Cancel before paying.
    CancelUnpaid,
    /// Look whether a paid booking is confirmed.
    Look,
    /// Cancel a confirmed booking.
    Cancel,
    /// Send an old request again, as it was or with another body.
    Again,
    /// Do two things at once.
    Twice,
    /// Try with what is somebody else's.
    Swap,
}

/// Chooses. `keep`: how many confirmed bookings this actor keeps.
pub fn choose(memory: &Memory, keep: usize, now: Millis, rng: &mut StdRng) -> Errand {
    let wishes = wishes(memory, keep, now);
    let total: u32 = wishes.iter().map(|(weight, _)| weight).sum();
    let mut left = rng.random_range(0..total.max(1));
    for (weight, errand) in wishes {
        if left < weight {
            return errand;
        }
        left -= weight;
    }
    Errand::Read
}

fn wishes(memory: &Memory, keep: usize, now: Millis) -> Vec<(u32, Errand)> {
    let unpaid: Vec<_> = memory.purchases.iter().filter(|purchase| purchase.is_due(now)).collect();
    let billed = unpaid.iter().any(|purchase| purchase.bill.is_some());
    let unbilled = unpaid.iter().any(|purchase| purchase.bill.is_none());
    let confirmed = memory.at(Stage::Confirmed).len();
    let paid = !memory.at(Stage::Paid).is_empty();
    let holds = !memory.live_holds(now, MARGIN).is_empty();
    let scarce = memory.sold_out >= 3;
    let blind = memory.maps.iter().any(String::is_empty);
    let hold = match (holds, unpaid.is_empty(), scarce) {
        (true, ..) => 5,
        (false, false, _) | (_, _, true) => 16,
        (false, true, false) => 60,
    };
    let cancel = match (confirmed > keep, scarce) {
        (true, _) => 60,
        (false, true) => 20,
        (false, false) => 8,
    };
    vec![
        (hold, Errand::Hold),
        (hold / 4, Errand::HoldBest),
        (if blind || scarce { 20 } else { 6 }, Errand::Read),
        (when(holds, 6), Errand::Extend),
        (when(holds, 6), Errand::Release),
        (when(holds, 5), Errand::AbandonHold),
        (when(holds, 60), Errand::Checkout),
        (when(unbilled, 40), Errand::Bill),
        (when(billed, 70), Errand::Pay),
        (when(billed, 10), Errand::Postpone),
        (when(billed, 7), Errand::AbandonPurchase),
        (when(billed, 5), Errand::CancelUnpaid),
        (when(!memory.at(Stage::Asked).is_empty(), 60), Errand::Approve),
        (when(paid || confirmed > 0, 3), Errand::PayAgain),
        (when(paid, 30) + when(confirmed > 0, 2), Errand::Look),
        (when(confirmed > 0, cancel), Errand::Cancel),
        (when(!memory.past.is_empty(), 6), Errand::Again),
        (6, Errand::Twice),
        (6, Errand::Swap),
    ]
}

const fn when(condition: bool, weight: u32) -> u32 {
    if condition { weight } else { 0 }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;
    use crate::actors::memory::MyHold;

    #[test]
    fn who_has_nothing_mostly_holds_and_who_holds_mostly_checks_out() {
        let mut rng = StdRng::seed_from_u64(1);
        let mut memory = Memory::new(0);
        let count = |memory: &Memory, wanted: Errand, rng: &mut StdRng| {
            (0..1_000).filter(|_| choose(memory, 2, 0, rng) == wanted).count()
        };
        assert!(count(&memory, Errand::Hold, &mut rng) > 500);
        assert_eq!(count(&memory, Errand::Checkout, &mut rng), 0);
        memory.holds.push(MyHold { id: "hold_a".to_owned(), until: 5_000 });
        assert!(count(&memory, Errand::Checkout, &mut rng) > 450);
    }
}
