//! A thousand people want the same ten seats.

use std::collections::HashSet;

use futures::{StreamExt, stream};
use tests::StackBuilder;

const RIVALS: usize = 1_000;
const SEATS: usize = 10;
/// How many of them act at the same moment.
const AT_ONCE: usize = 100;

#[tokio::test]
async fn ten_seats_go_out_once_and_whole() {
    let stack = StackBuilder::new().fast_passwords().start().await;
    let show = stack.show().await;
    let people: Vec<_> =
        stream::iter(0..RIVALS).map(|_| stack.customer("Rival")).buffer_unordered(16).collect().await;

    // Every second one wants a pair that overlaps with other pairs, so that a part of a request
    // would show; the others want one seat each, so that in the end nothing can be left.
    let outcomes: Vec<_> = stream::iter(people.into_iter().enumerate())
        .map(|(n, person)| {
            let show = show.clone();
            async move {
                let first = (n / 2) % SEATS;
                let last = if n % 2 == 0 { (first + 2).min(SEATS) } else { first + 1 };
                let wanted: Vec<&str> = show.seats[first..last].iter().map(String::as_str).collect();
                (wanted.len(), person.hold(&show, &wanted).await)
            }
        })
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;

    let mut owned = HashSet::new();
    for (wanted, outcome) in outcomes {
        if outcome.0["hold"].is_null() {
            let refusal = outcome.refused("SeatsUnavailableError");
            assert_ne!(refusal["seatIds"].as_array().map(Vec::len), Some(0), "{refusal}");
            continue;
        }
        let payload = outcome.ok();
        let held = payload["hold"]["seats"].as_array().expect("seats");
        assert_eq!(held.len(), wanted, "all or nothing");
        for seat in held {
            let id = seat["id"].as_str().expect("an id").to_owned();
            assert!(owned.insert(id), "seat {seat} was given twice");
        }
    }
    assert_eq!(owned.len(), SEATS);
    let (_, _, states) = stack.seat_states(&show).await;
    assert_eq!(&states[..SEATS], "HHHHHHHHHH");
    assert!(!states[SEATS..].contains('H'), "{states}");
}
