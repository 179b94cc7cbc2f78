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

    world
        .execute("alter table booking.seat_allocations drop constraint seat_allocations_booking_seat")
        .await;
    // Without a constraint, Ada's tickets are for a seat that is Bob's, and for one that he claims.
    for (from, to, seats) in [(1, 5, 1), (2, 7, 2)] {
        let booking = sold.id.local_i64();
        world
            .execute(&format!(
                "update booking.booking_seats set seat_no = {to} where booking_no = {booking} and seat_no = {from}"
            ))
            .await;
        assert_eq!(pass(&world).await.oversold, Some(seats));
    }
}
