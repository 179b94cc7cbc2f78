//! The script chooses exactly as its readable twin does.

use booking::{
    domain::best_available::{Plan, choose},
    store::seats::{Placed, Replace, Wanted},
};
use kernel::{Layout, SeatKind};
use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{Config, TestRunner},
};

use crate::{
    hall::{Hall, LONG, having, owner},
    support::{person, uuid},
};

fn layouts() -> impl Strategy<Value = Layout> {
    prop::collection::vec("[RRRRRPVLWC_]{1,20}", 1..12).prop_filter_map("a hall has seats", |rows| {
        let rows: Vec<String> = rows.iter().enumerate().map(|(n, cells)| format!("R{n}:{cells}")).collect();
        rows.join("/").parse().ok()
    })
}

#[tokio::test]
async fn the_script_and_the_rule_choose_the_same() {
    let mut hall = Hall::closed("A:R").await;
    let mut runner = TestRunner::new(Config::default());
    let kinds = prop::option::of(prop::sample::select(SeatKind::ALL.to_vec()));
    let cases = layouts().prop_flat_map(|layout| {
        let seats = layout.seat_count();
        (Just(layout), prop::collection::vec(prop::sample::select(b"AAAAAASB".to_vec()), seats))
    });
    for _ in 0..300 {
        let (layout, states) = cases.new_tree(&mut runner).unwrap().current();
        let quantity = (1..6_u16).new_tree(&mut runner).unwrap().current();
        let kind = kinds.new_tree(&mut runner).unwrap().current();
        let plan = Plan::new(&layout);

        hall.show = kernel::ShowId::from_uuid(uuid());
        hall.layout = layout.clone();
        let states = String::from_utf8(states).unwrap();
        let seats = |letters: &str| having(&states, letters).into_iter().collect::<Vec<_>>();
        let sold = owner(hall.booking(), 1, true, &seats("S"));
        hall.try_load("token", Replace::Never, &seats("B"), &[sold]).await;

        // Until the hall is full.
        loop {
            let states = hall.states().await;
            let expected = choose(&plan, states.as_bytes(), quantity.into(), kind);
            let wanted = Wanted::Best { quantity, kind };
            match hall.store.hold(&hall.request(person(), LONG), wanted).await.unwrap() {
                Placed::Held { hold, .. } => {
                    let expected: Vec<u16> = expected.into_iter().flatten().collect();
                    assert_eq!(hold.seats, expected, "{layout} {states} {quantity} {kind:?}");
                }
                Placed::Taken { .. } => {
                    assert_eq!(expected, None, "{layout} {states} {quantity} {kind:?}");
                    break;
                }
                other => panic!("{other:?}"),
            }
        }
    }
}

#[tokio::test]
async fn what_has_just_lapsed_can_be_chosen() {
    let hall = Hall::open("A:RR").await;
    let held = hall.hold_for(&[0, 1], std::time::Duration::from_millis(50)).await;
    let version = hall.version().await;
    let hold = crate::support::eventually("both seats", async || {
        let request = hall.request(person(), LONG);
        match hall.store.hold(&request, Wanted::Best { quantity: 2, kind: None }).await.unwrap() {
            Placed::Held { hold, .. } => Some(hold),
            _ => None,
        }
    })
    .await;
    assert_eq!(hold.seats, held.seats);
    assert_eq!(hall.version().await, version + 1);
}
