//! How costs grow with the catalog, with past bookings and with watchers.

use std::{
    collections::{BTreeSet, HashSet},
    time::Duration,
};

use anyhow::Result;
use bytes::Bytes;
use tokio::time::Instant;

use super::{
    CONNECTIONS, Plan, browse,
    hold::load,
    progress::{End, Progress},
    till::{customers, serve_all},
    watching::{self, Traffic},
};
use crate::{
    load::{Until, closed},
    measure::{Curve, Outcome, Point, median},
    stand::{Show, Stand, count, execute},
};

/// Bookings of long ago, as many as there are to be. Each has a seat and a place in the history of
/// one of ten thousand people.
const PAST: &str = "
insert into booking.bookings
    (show_id, booking_no, user_id, reference, status, version, hold_no, currency,
     subtotal_minor, fee_minor, tax_minor, total_minor, expires_at, created_at, updated_at)
select ('ffffffff' || lpad(to_hex(n / 100), 24, '0'))::uuid, n, lpad(to_hex(n % 10000), 32, '0')::uuid, 'R' || n, 'CONFIRMED', 2, n,
       'EUR', 1200, 100, 0, 1300, now() - interval '20 days', now() - interval '20 days',
       now() - interval '20 days'
  from generate_series(FIRST::bigint, LAST) as n;
insert into booking.booking_seats (show_id, booking_no, seat_no, label, kind, price_minor, fee_minor, tax_minor)
select ('ffffffff' || lpad(to_hex(n / 100), 24, '0'))::uuid, n, n % 100, 'A1', 'R', 1200, 100, 0 from generate_series(FIRST::bigint, LAST) as n;
insert into booking.seat_allocations (show_id, seat_no, booking_no, sold)
select ('ffffffff' || lpad(to_hex(n / 100), 24, '0'))::uuid, n % 100, n, true from generate_series(FIRST::bigint, LAST) as n;
insert into booking.booking_history (user_id, show_id, booking_no, version, status, created_at)
select lpad(to_hex(n % 10000), 32, '0')::uuid, ('ffffffff' || lpad(to_hex(n / 100), 24, '0'))::uuid, n, 2, 'CONFIRMED',
       now() - interval '20 days'
  from generate_series(FIRST::bigint, LAST) as n;
";
/// What has happened to them since then: autovacuum has been there, and they are on the disk. Otherwise both would
/// happen while something else is measured.
const SETTLE: [&str; 2] = [
    "vacuum (analyze) booking.bookings, booking.booking_seats, booking.seat_allocations, booking.booking_history",
    "checkpoint",
];
/// Rows of one statement.
const STEP: i64 = 100_000;
/// Measurements of each point of a curve.
const REPEATS: usize = 3;
const SHOWS: &str = "select count(*) from catalog.shows";

/// See the module.
pub async fn run(stand: &mut Stand, plan: Plan, found: &mut Vec<Outcome>) -> Result<()> {
    // Each is worth having without the others.
    let crowd = watchers(stand, plan).await.map(|outcome| found.push(outcome));
    let past = bookings(stand, plan).await.map(|outcome| found.push(outcome));
    let catalog = catalog(stand, plan).await.map(|outcome| found.push(outcome));
    crowd.and(past).and(catalog)
}

/// A delivery costs the same, however many watch.
async fn watchers(stand: &mut Stand, plan: Plan) -> Result<Outcome> {
    let mut outcome = Outcome::new("growing crowd", "", None);
    let show = stand.shows.take_one(200)?;
    load(stand, std::slice::from_ref(&show)).await?;
    let serving = [stand.process_of("gateway"), stand.process_of("booking")];
    let (mut cost, mut late) = (Vec::new(), Vec::new());
    for sockets in plan.of(&[100, 300, 1_000, 3_000, 10_000][..], &[100, 500][..]) {
        let traffic = Traffic { sockets: *sockets, per_second: 5, deltas: plan.of(50, 10) };
        for _ in 0..plan.of(REPEATS, 1) {
            let sample = watching::ours(stand, &show, traffic).await?;
            let x = *sockets as f64;
            cost.push(Point { x, y: 1e6 / sample.per_cpu_second(&serving) });
            late.extend(sample.latency.map(|latency| Point { x, y: latency.p99_ms }));
        }
    }
    push(&mut outcome, "cost of a delivery", "sockets on one show", "µs of CPU in gateway and booking", cost);
    push(&mut outcome, "lateness of deltas", "sockets on one show", "p99, ms", late);
    Ok(outcome)
}

/// A booking takes as long, however many there were before.
async fn bookings(stand: &mut Stand, plan: Plan) -> Result<Outcome> {
    let mut outcome = Outcome::new("growing past", "", None);
    let (mut rate, mut past) = (Vec::new(), 0_i64);
    for wanted in plan.of(&[10_000_i64, 100_000, 1_000_000][..], &[1_000, 10_000][..]) {
        while past < *wanted {
            let last = (past + STEP).min(*wanted);
            let sql = PAST.replace("FIRST", &(past + 1).to_string()).replace("LAST", &last.to_string());
            execute(&stand.pg, &sql).await?;
            past = last;
        }
        for sql in SETTLE {
            execute(&stand.pg, sql).await?;
        }
        for _ in 0..plan.of(REPEATS, 1) {
            let number = plan.of(600, 60);
            let customers = customers(stand, number).await?;
            let confirmed = Progress::new(stand, End::Confirmed, &customers).await?;
            let mailed = Progress::new(stand, End::Mailed, &customers).await?;
            let begin = Instant::now();
            serve_all(stand, &customers).await?;
            confirmed.complete(stand).await?;
            rate.push(Point { x: *wanted as f64, y: number as f64 / begin.elapsed().as_secs_f64() });
            mailed.complete(stand).await?;
        }
    }
    push(
        &mut outcome,
        "bookings while there are past ones",
        "past bookings",
        "bookings/s, hold to confirmed",
        rate,
    );
    Ok(outcome)
}

/// A page takes as long, however large the catalog is: one that is kept, and one that has to be made.
async fn catalog(stand: &mut Stand, plan: Plan) -> Result<Outcome> {
    let mut outcome = Outcome::new("growing catalog", "", None);
    let pages = browse::queries(stand.shows.all())?;
    let (mut kept, mut made, mut told) = (Vec::new(), Vec::new(), Vec::new());
    for scale in plan.of(&[0, 10, 100][..], &[0, 1][..]) {
        if *scale > 0 {
            let before = count(&stand.pg, SHOWS).await?;
            stand.command(&["seed", "--scale", &scale.to_string()])?;
            let begin = Instant::now();
            stand.learn_shows().await?;
            let new = count(&stand.pg, SHOWS).await? - before;
            told.push(Point { x: new as f64, y: begin.elapsed().as_secs_f64() });
        }
        let shows = count(&stand.pg, SHOWS).await? as f64;
        let (first, others) = new_pages(stand.shows.all(), plan)?;
        for _ in 0..plan.of(REPEATS, 1) {
            forget(stand).await?;
            // Whoever comes first waits for connections, plans and statements, too.
            closed(stand.gateway(), CONNECTIONS, &first, Until::Once, "\"data\"").await?;
            let done = closed(stand.gateway(), CONNECTIONS, &others, Until::Once, "\"data\"").await?;
            made.push(Point { x: shows, y: done.rate() });
            closed(stand.gateway(), CONNECTIONS, &pages, Until::Once, "\"data\"").await?;
            let until = Until::Over(plan.of(Duration::from_secs(4), Duration::from_secs(1)));
            let done = closed(stand.gateway(), CONNECTIONS, &pages, until, "\"data\"").await?;
            kept.push(Point { x: shows, y: done.rate() });
        }
    }
    push(&mut outcome, "pages that are kept", "shows in the catalog", "pages/s", kept);
    push(&mut outcome, "pages that nobody has asked for", "shows in the catalog", "pages/s", made);
    push(
        &mut outcome,
        "telling booking of new shows",
        "new shows",
        "seconds after the seed until all are known",
        told,
    );
    Ok(outcome)
}

/// Different pages, some to begin with and others to measure with.
fn new_pages(shows: &[Show], plan: Plan) -> Result<(Vec<Bytes>, Vec<Bytes>)> {
    let mut seen = HashSet::new();
    let different = shows.iter().filter(|show| seen.insert((show.movie, show.city, show.date)));
    let pages: Vec<_> =
        different.take(plan.of(1_000, 200)).map(browse::movie_shows).collect::<Result<_>>()?;
    let (first, others) = pages.split_at(pages.len() / 5);
    Ok((first.to_vec(), others.to_vec()))
}

/// Takes from the platform all pages that it keeps.
async fn forget(stand: &mut Stand) -> Result<()> {
    for name in BTreeSet::from(["gateway", "catalog"].map(|role| stand.process_of(role))) {
        stand.restart_process(name).await?;
    }
    Ok(())
}

/// A curve through the medians of what was found at each place.
fn push(outcome: &mut Outcome, name: &str, x: &str, y: &str, found: Vec<Point>) {
    let points = found
        .chunk_by(|one, next| one.x == next.x)
        .map(|same| Point { x: same[0].x, y: median(&same.iter().map(|point| point.y).collect::<Vec<_>>()) })
        .collect();
    outcome.curves.push(Curve { name: name.to_owned(), x: x.to_owned(), y: y.to_owned(), points });
}
