//! What is still under way in PostgreSQL.

use std::fmt::Write;

use anyhow::Result;
use serde::Deserialize;

use super::store::Store;

/// What must be zero when everything has come to rest.
const UNDER_WAY: &[(&str, &str)] = &[
    ("events in booking.outbox", "SELECT count(*) FROM booking.outbox"),
    ("events in catalog.outbox", "SELECT count(*) FROM catalog.outbox"),
    ("events in users.outbox", "SELECT count(*) FROM users.outbox"),
    ("events in notification.outbox", "SELECT count(*) FROM notification.outbox"),
    ("unpaid bookings", "SELECT count(*) FROM booking.bookings WHERE status = 'PENDING_PAYMENT'"),
    // What was repaired is only found to be right by the next comparison.
    ("open findings", "SELECT count(*) FROM booking.findings WHERE resolved_at IS NULL"),
    ("pending refunds", "SELECT count(*) FROM booking.refunds WHERE status = 'PENDING'"),
    (
        "payments of ended bookings that are not called off",
        "SELECT count(*) FROM booking.payments p JOIN booking.bookings b USING (show_id, booking_no)
         WHERE b.status NOT IN ('PENDING_PAYMENT', 'CONFIRMED')
           AND p.status NOT IN ('SUCCEEDED', 'CANCELLED')",
    ),
    (
        "bookings that their owner's history has otherwise",
        "SELECT count(*) FROM booking.bookings b
         LEFT JOIN booking.booking_history h USING (user_id, show_id, booking_no)
         WHERE h.status IS DISTINCT FROM b.status",
    ),
    ("messages to be sent", "SELECT count(*) FROM notification.deliveries WHERE state = 'PENDING'"),
    (
        "messages about tickets to be written",
        "SELECT greatest(0, (SELECT count(DISTINCT (show_id, booking_no)) FROM booking.tickets)
              - (SELECT count(*) FROM notification.deliveries WHERE kind = 'booking.confirmed'))",
    ),
    (
        "messages about refunds to be written",
        "SELECT greatest(0, (SELECT count(*) FROM booking.refunds WHERE status = 'SUCCEEDED')
              - (SELECT count(*) FROM notification.deliveries WHERE kind = 'booking.refunded'))",
    ),
    (
        "messages about cancelled bookings to be written",
        // Late money for a show that was called off comes back without a cancellation before it.
        "SELECT greatest(0, (SELECT count(DISTINCT (show_id, entity_no)) FROM booking.audit
                  WHERE entity = 'BOOKING' AND to_state = 'CANCELLED')
              - (SELECT count(*) FROM notification.deliveries WHERE kind = 'booking.cancelled'))",
    ),
];

/// The same, where durable holds exist.
const HELD_SEATS: (&str, &str) =
    ("seats of durable holds", "SELECT count(*) FROM booking.seat_allocations WHERE hold_no IS NOT NULL");

/// Changes with everything that consumers do.
const PULSE: &str = "SELECT concat_ws('/',
    (SELECT concat(count(*), ':', sum(version)) FROM booking.bookings),
    (SELECT concat(count(*), ':', max(updated_at)) FROM booking.payments),
    (SELECT concat(count(*), ':', max(updated_at)) FROM booking.refunds),
    (SELECT concat(count(*), ':', count(voided_at)) FROM booking.tickets),
    (SELECT concat(count(*), ':', sum(version)) FROM booking.booking_history),
    (SELECT concat(count(*), ':', sum(booking_no::numeric)) FROM booking.seat_allocations),
    (SELECT count(*) FROM booking.inbox),
    (SELECT count(*) FROM notification.inbox),
    (SELECT concat(count(*), ':', count(settled_at)) FROM notification.deliveries)) AS pulse";

/// The questions, put together once.
#[derive(Debug)]
pub struct Work {
    select: String,
}

impl Work {
    /// For this database.
    ///
    /// # Errors
    /// When PostgreSQL does not answer.
    pub async fn of(store: &Store) -> Result<Self> {
        let mut questions = UNDER_WAY.to_vec();
        if store.has("booking.seat_allocations.hold_no").await? {
            questions.push(HELD_SEATS);
        }
        let mut select = String::new();
        for (what, count) in questions {
            let union = if select.is_empty() { "" } else { " UNION ALL " };
            let what = what.replace('\'', "''");
            // Writing to a string cannot fail.
            let _ = write!(select, "{union}SELECT '{what}' AS what, ({count}) AS count");
        }
        Ok(Self { select })
    }

    /// What is under way now.
    ///
    /// # Errors
    /// When PostgreSQL does not answer.
    pub async fn under_way(&self, store: &Store) -> Result<Vec<String>> {
        #[derive(Deserialize)]
        struct Row {
            what: String,
            count: i64,
        }
        let rows: Vec<Row> = store.rows(&self.select).await?;
        let busy = rows.into_iter().filter(|row| row.count != 0);
        Ok(busy.map(|row| format!("{} {}", row.count, row.what)).collect())
    }
}

/// Something that stays the same for as long as nobody does anything.
///
/// # Errors
/// When PostgreSQL does not answer.
pub async fn pulse(store: &Store) -> Result<String> {
    #[derive(Deserialize)]
    struct Row {
        pulse: String,
    }
    Ok(store.rows::<Row>(PULSE).await?.into_iter().map(|row| row.pulse).collect())
}

/// Rows in the outboxes, by schema; empty ones are left out.
///
/// # Errors
/// When PostgreSQL does not answer.
pub async fn outboxes(store: &Store) -> Result<Vec<(String, u64)>> {
    #[derive(Deserialize)]
    struct Row {
        schema: String,
        count: u64,
    }
    let select = ["booking", "catalog", "notification", "users"]
        .map(|schema| format!("SELECT '{schema}' AS schema, count(*) AS count FROM {schema}.outbox"))
        .join(" UNION ALL ");
    let rows: Vec<Row> = store.rows(&select).await?;
    Ok(rows.into_iter().filter(|row| row.count > 0).map(|row| (row.schema, row.count)).collect())
}
