//! What people do, as the metrics tell it.

use std::{collections::BTreeSet, path::Path};

use serde_json::json;
use tests::{
    StackBuilder, eventually,
    people::{PASSWORD, key, mutate},
    sandbox::GOOD_CARD,
};

/// What no ordinary day has, and is told when it happens: other tests make it happen, and
/// `cargo xtask test --only deploy` sees that there is code that tells it.
const RARE: [(&str, &[&str]); 8] = [
    (
        "Redis is away, or loses what it had",
        &[
            "booking_announcements_failed_total",
            "booking_durable_holds_ended_total",
            "booking_durable_holds_total",
            "booking_seat_maps_gone_back_total",
            "booking_seat_maps_stored_total",
            "gateway_rate_limits_local_total",
            "redis_outages_total",
        ],
    ),
    ("RabbitMQ or PostgreSQL is away", &["outbox_publish_failures_total", "rabbitmq_outage_waits_total"]),
    (
        "records disagree",
        &[
            "booking_reconciliation_findings_total",
            "booking_reconciliation_repairs_total",
            "booking_reconciliation_skipped_total",
        ],
    ),
    (
        "somebody cannot keep up, or a show is loaded anew",
        &[
            "booking_seat_map_losses_total",
            "booking_seat_messages_dropped_total",
            "booking_seat_resyncs_total",
            "booking_seat_watchers_lagged_total",
            "gateway_events_missed_total",
            "gateway_resyncs_total",
            "redis_pubsub_lagged_total",
        ],
    ),
    ("a buyer does not pay", &["booking_claims_expired_total", "booking_claims_extended_total"]),
    ("a show needs a solved challenge", &["challenge_verify_seconds"]),
    (
        "a client is turned away",
        &[
            "gateway_bodies_late_total",
            "gateway_connections_refused_total",
            "gateway_rate_limited_total",
            "gateway_sockets_closed_total",
            "gateway_sockets_refused_total",
        ],
    ),
    ("there is a bug", &["task_panics_total"]),
];

/// A metric, labels, and what the series that have them add up to.
type Fact<'a> = (&'a str, &'a [(&'a str, &'a str)], f64);

const ROLES: [&str; 5] = ["gateway", "catalog", "booking", "user", "worker"];

#[tokio::test]
async fn what_alerts_and_dashboards_read_is_told() {
    let stack = StackBuilder::new().split().set("booking.reconcile.every_seconds", 1).start().await;
    let show = stack.show().await;
    let (ada, bob) = (stack.customer("Ada").await, stack.customer("Bob").await);
    let mut map = stack.watch(&bob.client, &show).await;
    let booking = ada.buy(&stack, &show, &show.pick([0, 1])).await;
    map.until("two sold seats", |map| map.state(0) == 'S' && map.state(1) == 'S').await;
    let hold = bob.hold(&show, &show.pick([2])).await.ok();
    bob.extend(&hold).await.ok();
    bob.release(&hold).await.ok();
    let id = booking["id"].as_str().expect("an id");
    ada.cancel(id).await.ok();
    ada.booking_in(id, "REFUNDED").await;
    let input = json!({ "email": ada.email, "password": PASSWORD });
    mutate(&ada.client, "LogIn", "logIn", input).await.ok();
    let out = ada.client.execute("mutation { logOut { loggedOut } }", json!({})).await.expect("an answer");
    assert_eq!(out.data["logOut"]["loggedOut"], true, "{out:?}");

    let read = xtask::deploy::reads(&Path::new(env!("CARGO_MANIFEST_DIR")).join("..")).expect("rules");
    let rare = RARE.iter().flat_map(|(_, metrics)| *metrics).copied();
    let mut untold: BTreeSet<&str> = read.keys().map(String::as_str).collect();
    for metric in rare {
        assert!(untold.remove(metric), "nobody reads {metric}");
    }
    for role in ROLES {
        assert!(stack.metrics(role).await.names().contains("process_start_time_seconds"), "{role}");
    }
    // Some are told by jobs, a moment later.
    for metric in untold {
        eventually(format_args!("{metric} is told"), async || {
            for role in ROLES {
                if stack.metrics(role).await.names().contains(metric) {
                    return Some(());
                }
            }
            None
        })
        .await;
    }
}

#[tokio::test]
async fn what_is_repeated_is_counted_once() {
    let stack = StackBuilder::new().set("booking.reconcile.every_seconds", 1).start().await;
    let show = stack.show().await;
    let ada = stack.customer("Ada").await;
    let hold_key = key();
    let hold = ada.hold_with(&show, &show.pick([0, 1]), &hold_key).await.ok();
    assert_eq!(ada.hold_with(&show, &show.pick([0, 1]), &hold_key).await.ok(), hold);
    ada.extend(&hold).await.ok();
    let released = ada.hold(&show, &show.pick([5])).await.ok();
    for _ in 0..2 {
        ada.release(&released).await.ok();
    }
    let checkout_key = key();
    let checkout = ada.checkout_with(&hold, &checkout_key).await.ok();
    assert_eq!(ada.checkout_with(&hold, &checkout_key).await.ok(), checkout);
    assert_eq!(stack.sandbox().confirm(&checkout, GOOD_CARD).await["status"], "succeeded");
    let id = checkout["booking"]["id"].as_str().expect("an id");
    ada.booking_in(id, "CONFIRMED").await;
    stack.sandbox().resend("payment_intent.succeeded").await;
    ada.cancel(id).await.ok();
    ada.booking_in(id, "REFUNDED").await;
    stack.sandbox().resend("payment_intent.succeeded").await;

    let facts: [Fact<'_>; 12] = [
        ("booking_holds_total", &[("outcome", "held")], 2.0),
        ("booking_holds_total", &[("outcome", "repeated")], 1.0),
        ("booking_hold_extensions_total", &[("outcome", "extended")], 1.0),
        ("booking_holds_ended_total", &[("reason", "released")], 1.0),
        ("booking_holds_ended_total", &[("reason", "checked_out")], 1.0),
        ("booking_checkouts_total", &[("outcome", "ok")], 1.0),
        ("booking_checkouts_total", &[("outcome", "repeated")], 1.0),
        ("booking_payments_total", &[("outcome", "confirmed")], 1.0),
        ("booking_refunds_total", &[("step", "settled")], 1.0),
        ("booking_cancellations_total", &[("initiator", "buyer")], 1.0),
        ("payment_provider_breakers_open", &[], 0.0),
        ("booking_oversold_seats", &[], 0.0),
    ];
    for (metric, labels, times) in facts {
        eventually(format_args!("{metric} {labels:?} is {times}"), async || {
            (stack.metrics("booking").await.sum(metric, labels) == Some(times)).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn a_hold_that_lapses_is_counted_once() {
    let stack = StackBuilder::new().set("booking.holds.ttl_seconds", 1).start().await;
    let show = stack.show().await;
    let ada = stack.customer("Ada").await;
    let hold = ada.hold(&show, &show.pick([3, 4])).await.ok();
    let expired =
        async || stack.metrics("booking").await.sum("booking_holds_ended_total", &[("reason", "expired")]);
    eventually("the lapse is counted", async || expired().await.filter(|count| *count > 0.0)).await;
    // Whoever looks again does not end it again; another one counts for itself.
    ada.release(&hold).await.refused("HoldExpiredError");
    ada.hold(&show, &show.pick([3, 4])).await.ok();
    let count = eventually("the next lapse", async || expired().await.filter(|count| *count > 1.0)).await;
    assert_eq!(count.to_string(), "2");
}
