//! A client on a bad network.

use tests::Stack;

#[tokio::test]
async fn a_client_that_loses_deltas_ends_with_the_same_map() {
    let stack = Stack::start().await;
    let show = stack.show().await;
    let ada = stack.customer("Ada").await;
    let mut map = stack.watch(&ada.client, &show).await;
    let mut careful = stack.watch(&ada.client, &show).await;

    for round in 0..4_usize {
        map.lose(1);
        let first = round * 4;
        let hold = ada.hold(&show, &show.pick([first, first + 1])).await.ok();
        careful.until("the hold", |map| map.state(first) == 'H').await;
        ada.release(&hold).await.ok();
        careful.until("the release", |map| map.state(first) == 'A').await;
        ada.hold(&show, &show.pick([first + 2])).await.ok();
        careful.until("the second hold", |map| map.state(first + 2) == 'H').await;
        let (_, version, _) = stack.seat_states(&show).await;
        map.until("the present version", |map| map.map().1 >= version).await;
        assert_eq!(map.map(), stack.seat_states(&show).await, "round {round}");
    }
    assert!(map.resyncs >= 4, "each loss was noticed: {}", map.resyncs);
    assert_eq!(careful.map(), stack.seat_states(&show).await);
}
