//! A thousand people want the same ten seats.

use std::{collections::HashSet, sync::Arc};

use futures::{StreamExt, stream};
use tests::{StackBuilder, people::key};

const RIVALS: usize = 1_000;
/// How many of them act at the same moment.
const AT_ONCE: usize = 100;

#[tokio::test]
async fn ten_seats_go_to_ten_of_a_thousand() {
    let stack = StackBuilder::new().fast_passwords().start().await;
    let show = stack.show().await;
    let seats = Arc::new(show.seats[..10].to_vec());
    let people: Vec<_> =
        stream::iter(0..RIVALS).map(|_| stack.customer("Rival")).buffer_unordered(8).collect().await;

    // Everybody wants two neighbours, and the pairs overlap: whoever gets a part would show.
    let outcomes: Vec<_> = stream::iter(people.into_iter().enumerate())
        .map(|(n, person)| {
            let (show, seats) = (show.clone(), Arc::clone(&seats));
            async move {
                let first = n % 9;
                let wanted = [seats[first].as_str(), seats[first + 1].as_str()];
                (person.id.clone(), person.hold_with(&show, &wanted, &key()).await)
            }
        })
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;

    let mut owned = HashSet::new();
    let mut winners = 0;
    for (_, outcome) in outcomes {
        if outcome.0["hold"].is_null() {
            let refusal = outcome.refused("SeatsUnavailableError");
            assert_ne!(refusal["seatIds"].as_array().map(Vec::len), Some(0));
            continue;
        }
        winners += 1;
        let held = outcome.ok();
        let held = held["hold"]["seats"].as_array().expect("seats").clone();
        assert_eq!(held.len(), 2, "all or nothing");
        for seat in held {
            let id = seat["id"].as_str().expect("an id").to_owned();
            assert!(owned.insert(id), "seat {seat} was given twice");
        }
    }
    // Pairs may leave single seats between them, and no pair that is still free.
    let (_, _, states) = stack.seat_states(&show).await;
    assert_eq!(states[..10].matches('H').count(), owned.len());
    assert_eq!(owned.len(), winners * 2);
    assert!(!states[..10].contains("AA"), "{states}");
    assert!(!states[10..].contains('H'), "{states}");
}

#[tokio::test]
async fn one_seat_each_sells_out_exactly() {
    let stack = StackBuilder::new().fast_passwords().start().await;
    let show = stack.show().await;
    let people: Vec<_> =
        stream::iter(0..RIVALS).map(|_| stack.customer("Rival")).buffer_unordered(8).collect().await;
    let outcomes: Vec<_> = stream::iter(people.into_iter().enumerate())
        .map(|(n, person)| {
            let show = show.clone();
            async move { person.hold(&show, &[show.seats[n % 10].as_str()]).await }
        })
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    let winners = outcomes.iter().filter(|outcome| !outcome.0["hold"].is_null()).count();
    assert_eq!(winners, 10);
    let (_, _, states) = stack.seat_states(&show).await;
    assert_eq!(&states[..10], "HHHHHHHHHH");
}
