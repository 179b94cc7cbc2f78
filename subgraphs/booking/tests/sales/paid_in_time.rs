//! A payment in time is decided upon without locks, and sold by one statement, with others that come at the
//! same time: what changes in between is noticed.

use std::collections::HashSet;

use booking::domain::audit::{Actor, Reason};
use booking::domain::booking::{BookedSeat, BookingStatus};
use booking::domain::payment::{Payment, PaymentStatus};
use booking::domain::ticket::Ticket;
use booking::store::paid::{Sale, payable_list, sale_insert};
use events::Envelope;
use events::booking::BookingConfirmed;
use events::payment::PaymentSucceeded;
use futures::future::join_all;
use kernel::{BookingId, Clock as _, EventId, IdSource as _, SystemIds, TicketId};
use platform::telemetry::with_trace;
use sea_orm::{ConnectionTrait as _, TransactionTrait as _};
use serde_json::json;

use crate::support::World;

/// Pays for two seats while somebody else's transaction has done `change`, which commits when the sale
/// waits for it.
async fn pay_during(change: &str) -> (World, BookingId) {
    let world = World::new().await;
    let (booking, payment) = world.pending(world.person(), &[1, 2]).await;
    world.webhook(&world.provider.pay(&payment.intent)).await;
    let events = world.take_events().await;
    let paid = events.iter().find(|event| event.name == "payment.succeeded").unwrap();
    world.interrupted_at(change, world.hand(paid), async || {}).await.unwrap();
    (world, booking.id)
}

async fn check_sold(world: &World, booking: BookingId) {
    let now = world.booking(booking).await;
    assert_eq!(now.status, BookingStatus::Confirmed);
    assert_eq!(world.owned().await, [(1, booking, true), (2, booking, true)]);
    assert_eq!(world.tickets(booking).await, [1, 2]);
    assert_eq!(world.told().await, ["booking.confirmed"]);
    assert_eq!(world.states().await, "ASSAAAAAAAAAAAAA");
    assert_eq!(world.payment_status(booking).await, PaymentStatus::Succeeded);
    let inbox = world.rows("select 1 from booking.inbox where consumer = 'booking.payments'").await;
    assert_eq!(inbox.len(), 1);
}

/// From which state to which the trail says that bookings and payments went by being paid.
async fn steps(world: &World) -> Vec<(String, String)> {
    let rows = "select coalesce(from_state, '') as was, to_state as became from booking.audit
                 where reason in ('payment.succeeded', 'late_payment') order by audit_no";
    let step =
        |row: &sea_orm::QueryResult| (row.try_get("", "was").unwrap(), row.try_get("", "became").unwrap());
    world.rows(rows).await.iter().map(step).collect()
}

fn step(was: &str, became: &str) -> (String, String) {
    (was.to_owned(), became.to_owned())
}

#[tokio::test]
async fn a_lock_alone_changes_nothing() {
    let (world, booking) = pay_during("select 1 from booking.bookings for update").await;
    check_sold(&world, booking).await;
    let expected = [step("REQUIRES_PAYMENT", "SUCCEEDED"), step("PENDING_PAYMENT", "CONFIRMED")];
    assert_eq!(steps(&world).await, expected);
}

#[tokio::test]
async fn a_card_that_was_declined_meanwhile_is_in_the_trail() {
    let decline = "select 1 from booking.bookings for update;
                   update booking.payments set status = 'FAILED'";
    let (world, booking) = pay_during(decline).await;
    check_sold(&world, booking).await;
    let expected = [step("FAILED", "SUCCEEDED"), step("PENDING_PAYMENT", "CONFIRMED")];
    assert_eq!(steps(&world).await, expected);
}

#[tokio::test]
async fn a_booking_that_ended_meanwhile_is_paid_late() {
    let expire = "update booking.bookings set status = 'EXPIRED', version = version + 1;
                  delete from booking.seat_allocations";
    let (world, booking) = pay_during(expire).await;
    check_sold(&world, booking).await;
    assert_eq!(world.booking(booking).await.version, 3);
    let expected = [step("REQUIRES_PAYMENT", "SUCCEEDED"), step("EXPIRED", "CONFIRMED")];
    assert_eq!(steps(&world).await, expected);
}

#[tokio::test]
async fn a_seat_that_was_lost_meanwhile_is_claimed_again() {
    let lose = "delete from booking.seat_allocations where seat_no = 2";
    let (world, booking) = pay_during(lose).await;
    check_sold(&world, booking).await;
}

#[tokio::test]
async fn a_payment_that_another_message_told_of_meanwhile_is_not_taken_twice() {
    let world = World::new().await;
    let (booking, payment) = world.pending(world.person(), &[1, 2]).await;
    let paid = world.provider.pay(&payment.intent);
    world.webhook(&paid).await;
    world.webhook(&crate::provider::event("payment_intent.succeeded", &paid["data"]["object"])).await;
    let events = world.take_events().await;
    let both: Vec<_> = events.iter().filter(|event| event.name == "payment.succeeded").collect();
    assert_eq!(both.len(), 2);
    let hands = join_all(both.into_iter().map(|event| world.hand(event)));
    for outcome in world.interrupted_at("select 1 from booking.bookings for update", hands, async || {}).await
    {
        outcome.unwrap();
    }
    assert_eq!(world.tickets(booking.id).await, [1, 2]);
    assert_eq!(world.refunds(booking.id).await, []);
    assert_eq!(world.told().await, ["booking.confirmed"]);
    assert_eq!(world.booking(booking.id).await.version, 2);
}

/// What the statement is told of somebody who paid for these seats just now, as `world` has it.
async fn sale(world: &World, booking: BookingId, payment: &Payment) -> Sale {
    let known = payable_list(&world.app.deps.pg, [(booking, payment.id)]).await.unwrap().pop().unwrap();
    let issue = |seat: &BookedSeat| {
        let id = TicketId::new(booking.show(), SystemIds.local());
        Ticket { id, booking, seat_no: seat.seat_no, code: seat.label.clone() }
    };
    Sale {
        payment_was: known.payment,
        payment: Payment { status: PaymentStatus::Succeeded, ..payment.clone() },
        tickets: known.seats.iter().map(issue).collect(),
        before: known.booking,
        message: EventId::from_uuid(SystemIds.uuid()),
        event: Envelope {
            id: EventId::from_uuid(SystemIds.uuid()),
            name: "booking.confirmed".into(),
            version: 1,
            time: world.clock.now(),
            key: booking.show().uuid(),
            trace: None,
            body: json!({}),
        },
        cause: Actor::Provider("evt_1".into()).because(Reason::PaymentSucceeded),
    }
}

#[tokio::test]
async fn of_payments_that_are_settled_together_those_that_are_not_as_expected_change_nothing() {
    let world = World::new().await;
    let pg = &world.app.deps.pg;
    let (mut sales, mut bookings) = (Vec::new(), Vec::new());
    for seat in 0..8 {
        let (booking, payment) = world.pending(world.person(), &[seat]).await;
        sales.push(sale(&world, booking.id, &payment).await);
        bookings.push((booking.id.local_i64(), booking.id));
    }
    let [plain, new_payment, extended, expired, lost, declined, locked, seat_locked] =
        bookings.try_into().unwrap();
    let change = format!(
        "delete from booking.payments where booking_no = {};
         update booking.bookings set version = version + 1 where booking_no = {};
         update booking.bookings set status = 'EXPIRED' where booking_no = {};
         delete from booking.seat_allocations where booking_no = {};
         update booking.payments set status = 'FAILED' where booking_no = {}",
        new_payment.0, extended.0, expired.0, lost.0, declined.0
    );
    world.execute(&change).await;
    world.take_events().await;
    let somebody = pg.begin().await.unwrap();
    let lock = format!(
        "select 1 from booking.bookings where booking_no = {} for update;
         select 1 from booking.seat_allocations where booking_no = {} for update",
        locked.0, seat_locked.0
    );
    somebody.execute_unprepared(&lock).await.unwrap();

    let sold = sale_insert(pg, "booking.payments", &sales).await.unwrap();
    assert_eq!(sold, HashSet::from([plain.1, new_payment.1]));
    somebody.rollback().await.unwrap();
    let owned = world.owned().await;
    let paid_for = owned.iter().filter(|(_, _, sold)| *sold).map(|(_, booking, _)| *booking);
    assert_eq!(paid_for.collect::<HashSet<_>>(), sold);
    for (_, booking) in [plain, new_payment] {
        assert_eq!(world.status(booking).await, BookingStatus::Confirmed);
        assert_eq!(world.payment_status(booking).await, PaymentStatus::Succeeded);
        assert_eq!(world.tickets(booking).await.len(), 1);
    }
    for (_, booking) in [extended, expired, lost, declined, locked, seat_locked] {
        assert_ne!(world.status(booking).await, BookingStatus::Confirmed);
        assert_ne!(world.payment_status(booking).await, PaymentStatus::Succeeded);
        assert!(world.tickets(booking).await.is_empty());
    }
    assert_eq!(world.told().await, ["booking.confirmed"; 2]);
    assert_eq!(world.rows("select 1 from booking.inbox where consumer = 'booking.payments'").await.len(), 2);
    assert_eq!(steps(&world).await.len(), 4);

    // Told again, it finds nothing to do.
    assert_eq!(sale_insert(pg, "booking.payments", &sales[..2]).await.unwrap(), HashSet::new());
    assert_eq!(world.told().await, ["booking.confirmed"; 2]);
}

#[tokio::test]
async fn a_payment_that_is_told_of_two_bookings_pays_for_one() {
    let world = World::new().await;
    let (first, payment) = world.pending(world.person(), &[1]).await;
    let (second, _) = world.pending(world.person(), &[2]).await;
    let delete = format!(
        "delete from booking.payments;
         delete from booking.seat_allocations where booking_no = {}",
        second.id.local_i64()
    );
    world.execute(&delete).await;
    let same = Payment { booking: second.id, ..payment.clone() };
    let sales = [sale(&world, second.id, &same).await, sale(&world, first.id, &payment).await];
    let sold = sale_insert(&world.app.deps.pg, "booking.payments", &sales).await.unwrap();
    assert_eq!(sold, HashSet::from([first.id]));
    assert_eq!(world.status(second.id).await, BookingStatus::PendingPayment);
    assert!(world.tickets(second.id).await.is_empty());
}

#[tokio::test]
async fn nothing_is_sold_of_a_show_that_was_called_off() {
    let world = World::new().await;
    let (booking, payment) = world.pending(world.person(), &[1]).await;
    let sales = [sale(&world, booking.id, &payment).await];
    world.execute("update booking.shows set status = 'CANCELLED'").await;
    let sold = sale_insert(&world.app.deps.pg, "booking.payments", &sales).await.unwrap();
    assert_eq!(sold, HashSet::new());
    assert_eq!(world.status(booking.id).await, BookingStatus::PendingPayment);
}

#[tokio::test]
async fn many_pay_at_the_same_time_and_each_is_told_in_its_own_trace() {
    let world = World::new().await;
    let mut bookings = Vec::new();
    for seat in 0..16 {
        let (booking, payment) = world.pending(world.person(), &[seat]).await;
        world.webhook(&world.provider.pay(&payment.intent)).await;
        bookings.push(booking.id);
    }
    let events = world.take_events().await;
    let paid: Vec<_> = events.iter().filter(|event| event.name == "payment.succeeded").collect();
    let trace = |event: &Envelope| format!("{:032x}", event.id.uuid().as_u128());
    let handed = paid.iter().map(|event| {
        let traceparent = format!("00-{}-b7ad6b7169203331-01", trace(event));
        with_trace(Some(traceparent), world.hand(event))
    });
    join_all(handed).await.into_iter().for_each(Result::unwrap);
    for booking in &bookings {
        assert_eq!(world.status(*booking).await, BookingStatus::Confirmed);
        assert_eq!(world.tickets(*booking).await.len(), 1);
    }
    assert_eq!(world.states().await, "S".repeat(16));
    let told = world.take_events().await;
    for event in paid {
        let id = event.decode::<PaymentSucceeded>().unwrap().booking_id;
        let confirmed = told
            .iter()
            .find(|told| told.decode::<BookingConfirmed>().unwrap().booking.booking_id == id)
            .unwrap();
        assert!(confirmed.trace.as_deref().unwrap().contains(&trace(event)));
        let entries = world.audit(Some(id)).await;
        let of_payment = entries.iter().filter(|entry| entry.entry.cause.reason == Reason::PaymentSucceeded);
        assert!(
            of_payment.clone().all(|entry| entry.trace.as_deref() == Some(&*trace(event))),
            "{entries:?}"
        );
        assert_eq!(of_payment.count(), 2);
    }
}
