//! The one number that has to be 0.

use crate::reconcile::pass;
use crate::support::World;

#[tokio::test]
async fn seats_that_two_can_claim_are_counted() {
    let world = World::new().await;
    let (ada, bob) = (world.person(), world.person());
    let (sold, _) = world.confirmed(ada, &[1, 2]).await;
    world.confirmed(bob, &[5]).await;
    world.pending(bob, &[7]).await;
    assert_eq!(pass(&world).await.oversold, Some(0));

    // Ada's booking is said to have seats that are sold to Bob, or that he claims.
    for (seat, seats) in [(5, 1), (7, 2)] {
        let booking = sold.id.local_i64();
        world
            .execute(&format!(
                "insert into booking.booking_seats
                 select (jsonb_populate_record(s, '{{\"seat_no\": {seat}}}')).*
                   from booking.booking_seats s where booking_no = {booking} and seat_no = 1"
            ))
            .await;
        assert_eq!(pass(&world).await.oversold, Some(seats));
    }
}
