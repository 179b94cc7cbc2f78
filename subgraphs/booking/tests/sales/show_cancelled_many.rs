//! A show with thousands of bookings is called off.

use std::str::FromStr;
use std::time::Instant;

use booking::app::App;
use events::show::{ShowCancelled, ShowChanged};
use kernel::Layout;
use platform::redis::RedisConfig;
use platform::{Deps, HandlerError, Redis, Shutdown};

use crate::support::World;

const MANY: i64 = 2_000;

/// A show that is sold out to so many people, a multiple of 100, of whom every fourth has not paid
/// yet.
async fn sold_out(seats: i64) -> World {
    let world = World::new().await;
    let mut show = world.show.clone();
    show.revision = 2;
    let rows: Vec<String> = (1..=seats / 50).map(|row| format!("R{row}:{}", "R".repeat(50))).collect();
    show.layout = Layout::from_str(&rows.join("/")).unwrap();
    world.tell(&ShowChanged(show)).await.unwrap();
    let show = world.show_id().uuid();
    world
        .execute(&format!(
            "insert into booking.bookings
                    (show_id, booking_no, user_id, reference, status, version, hold_no, currency,
                     subtotal_minor, fee_minor, tax_minor, total_minor, expires_at, created_at, updated_at)
             select '{show}', n, gen_random_uuid(), 'A' || translate(lpad(n::text, 6, '0'), '01', 'AB'),
                    case when n % 4 = 0 then 'PENDING_PAYMENT' else 'CONFIRMED' end, 2, n,
                    'EUR', 1200, 0, 0, 1200, now() + '1 day', now(), now()
               from generate_series(1, {seats}) as n;
             insert into booking.booking_seats
             select '{show}', n, n - 1, n::text, 'R', 1200, 0, 0 from generate_series(1, {seats}) as n;
             insert into booking.seat_allocations
             select '{show}', n - 1, n, n % 4 <> 0 from generate_series(1, {seats}) as n;
             insert into booking.payments
             select '{show}', n, n, 'stripe', 'pi_' || n, null, 'SUCCEEDED', null, 'EUR', 1200, now(), now()
               from generate_series(1, {seats}) as n where n % 4 <> 0;
             insert into booking.tickets
             select '{show}', n, n, n - 1, n::text, now(), null
               from generate_series(1, {seats}) as n where n % 4 <> 0"
        ))
        .await;
    assert!(world.states().await.bytes().all(|letter| matches!(letter, b'H' | b'S')));
    world
}

fn call_off(world: &World) -> ShowCancelled {
    ShowCancelled { show_id: world.show_id(), revision: 3, reason: None }
}

impl World {
    async fn count(&self, what: &str) -> i64 {
        self.rows(&format!("select count(*) as count from {what}")).await[0].try_get("", "count").unwrap()
    }

    async fn cancelled(&self) -> i64 {
        self.count("booking.bookings where status = 'CANCELLED'").await
    }
}

/// Everybody is told once, who paid gets everything back once, nobody has a seat or a ticket.
async fn check_all_ended(world: &World, seats: i64) {
    let paid = seats / 4 * 3;
    assert_eq!(world.cancelled().await, seats);
    assert_eq!(world.count("booking.seat_allocations").await, 0);
    assert_eq!(world.count("booking.tickets where voided_at is null").await, 0);
    let refunds = "booking.refunds where cause = 'SHOW_CANCELLED' and amount_minor = 1200";
    assert_eq!((world.count(refunds).await, world.count("booking.refunds").await), (paid, paid));
    let told = |name: &str| format!("booking.outbox where name = '{name}'");
    assert_eq!(world.count(&told("booking.cancelled")).await, seats);
    assert_eq!(world.count(&told("refund.requested")).await, paid);
    let audited = "booking.audit where reason = 'show_cancelled'";
    assert_eq!(world.count(audited).await, 1 + seats + paid);
}

#[tokio::test]
async fn it_goes_on_where_it_was_interrupted() {
    let world = sold_out(MANY).await;
    let start = Instant::now();
    {
        let event = call_off(&world);
        // Wherever it is then, the rest of it never happens.
        let killed = async { while world.cancelled().await < MANY / 2 {} };
        tokio::select! {
            outcome = world.tell(&event) => panic!("it was done too soon: {outcome:?}"),
            () = killed => {}
        }
    }
    let cancelled = world.cancelled().await;
    assert!(cancelled < MANY, "{cancelled}");
    world.tell(&call_off(&world)).await.unwrap();
    eprintln!("{MANY} bookings, {cancelled} before the interruption: {:?}", start.elapsed());
    check_all_ended(&world, MANY).await;
    world.tell(&call_off(&world)).await.unwrap();
    check_all_ended(&world, MANY).await;
    // What was committed and not told to Redis any more, the events tell.
    let handlers = booking::consumers::handlers(&world.app);
    let (_, seat_sync) = handlers.iter().find(|(queue, _)| queue.name == "booking.seats").unwrap();
    for event in world.take_events().await.iter().filter(|event| event.name == "booking.cancelled") {
        seat_sync.handle(event).await.unwrap();
    }
    assert!(world.states().await.bytes().all(|letter| letter == b'B'), "the seat map is closed");
}

#[tokio::test]
async fn several_processes_may_do_it_at_once() {
    let world = sold_out(MANY).await;
    let event = call_off(&world);
    let start = Instant::now();
    for outcome in futures::future::join_all((0..3).map(|_| world.tell(&event))).await {
        outcome.unwrap();
    }
    eprintln!("{MANY} bookings, three at work: {:?}", start.elapsed());
    check_all_ended(&world, MANY).await;
}

#[tokio::test]
async fn nobody_waits_for_redis_to_get_their_money_back() {
    let mut world = sold_out(200).await;
    let away =
        RedisConfig { url: "redis://127.0.0.1:1".into(), command_timeout_ms: 200, ..RedisConfig::default() };
    let redis = Redis::connect(&away, &Shutdown::new()).unwrap();
    let app = App::new(world.app.config.clone(), Deps { redis, ..world.app.deps.clone() }).unwrap();
    world.app = app;
    let error = world.tell(&call_off(&world)).await.unwrap_err();
    assert!(matches!(error, HandlerError::Unavailable(_)), "the map is closed later: {error}");
    check_all_ended(&world, 200).await;
}

#[tokio::test]
async fn one_that_cannot_be_cancelled_does_not_hold_up_the_others() {
    let world = sold_out(MANY).await;
    world.execute("update booking.payments set status = 'FAILED' where payment_no = 77").await;
    let error = world.tell(&call_off(&world)).await.unwrap_err();
    assert!(matches!(error, HandlerError::Retry(_)), "{error}");
    assert_eq!(world.cancelled().await, MANY - 1);
    world.execute("update booking.payments set status = 'SUCCEEDED' where payment_no = 77").await;
    world.tell(&call_off(&world)).await.unwrap();
    check_all_ended(&world, MANY).await;
}
