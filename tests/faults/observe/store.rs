//! What PostgreSQL has.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context, Result};
use kernel::{BookingId, EventId, HoldId, PaymentId, RefundId, ShowId, UserId, seating::Layout};
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection, Statement};
use serde::{Deserialize, de::DeserializeOwned};
use uuid::Uuid;

use crate::{
    history::Millis,
    observed::{Allocation, AuditEntry, Booking, Delivery, Finding, HistoryRow, Payment, Refund, Ticket},
    stand::CLAIM_TTL_SECONDS,
};

/// A server that does not let us in by then may do so at the next attempt.
const PATIENCE: Duration = Duration::from_secs(3);

/// The database of a round.
#[derive(Debug)]
pub struct Store {
    conn: DatabaseConnection,
}

impl Store {
    /// Opens one connection.
    ///
    /// # Errors
    /// When PostgreSQL does not answer.
    pub async fn connect(url: &str) -> Result<Self> {
        let mut options = ConnectOptions::new(url);
        options.max_connections(2).connect_timeout(PATIENCE).acquire_timeout(PATIENCE).sqlx_logging(false);
        let conn = Database::connect(options).await.context("cannot connect to PostgreSQL")?;
        Ok(Self { conn })
    }

    /// The rows of a `SELECT`, whose columns are the fields of `T`.
    ///
    /// # Errors
    /// When it does not work, or the columns are others.
    pub async fn rows<T: DeserializeOwned>(&self, select: &str) -> Result<Vec<T>> {
        let sql = format!("SELECT coalesce(json_agg(t), '[]') FROM ({select}) AS t");
        let statement = Statement::from_string(self.conn.get_database_backend(), sql);
        let row = self.conn.query_one_raw(statement).await.with_context(|| select.to_owned())?;
        let rows: serde_json::Value = row.context("an aggregate has a row")?.try_get_by_index(0)?;
        serde_json::from_value(rows).with_context(|| select.to_owned())
    }

    /// Whether a relation or a column of it (`schema.table` or `schema.table.column`) exists.
    ///
    /// # Errors
    /// When PostgreSQL does not answer.
    pub async fn has(&self, name: &str) -> Result<bool> {
        #[derive(Deserialize)]
        struct Found {}
        let mut parts = name.split('.');
        let (schema, table) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let column = parts.next().map_or_else(String::new, |column| format!(" AND column_name = '{column}'"));
        let select = format!(
            "SELECT FROM information_schema.columns
             WHERE table_schema = '{schema}' AND table_name = '{table}'{column} LIMIT 1"
        );
        Ok(!self.rows::<Found>(&select).await?.is_empty())
    }

    /// The kinds of each show's seats, a letter per seat.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn kinds(&self) -> Result<BTreeMap<String, String>> {
        #[derive(Deserialize)]
        struct Row {
            show: Uuid,
            layout: String,
        }
        let rows: Vec<Row> = self.rows("SELECT show_id AS show, layout FROM booking.shows").await?;
        let kinds = |row: Row| Ok((show(row.show), letters(&row.layout.parse()?)));
        rows.into_iter().map(kinds).collect()
    }

    /// All bookings, with their seats.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn bookings(&self) -> Result<Vec<Booking>> {
        #[derive(Deserialize)]
        struct Row {
            show: Uuid,
            booking: i64,
            user: Uuid,
            hold: i64,
            status: String,
            seats: Vec<u16>,
            total: i64,
            cancel_percent: i64,
            expires_at: Millis,
        }
        let select = format!(
            "SELECT show_id AS show, booking_no AS booking, user_id AS user, hold_no AS hold, status,
                    (SELECT coalesce(array_agg(s.seat_no ORDER BY s.seat_no), '{{}}')
                     FROM booking.booking_seats s
                     WHERE (s.show_id, s.booking_no) = (b.show_id, b.booking_no)) AS seats,
                    total_minor AS total,
                    floor(extract(epoch FROM least(expires_at,
                        created_at + interval '{CLAIM_TTL_SECONDS} seconds')) * 1000)::bigint AS expires_at,
                    (SELECT CASE WHEN starts_at < now() + interval '24 hours' THEN 50 ELSE 100 END
                     FROM booking.shows s WHERE s.show_id = b.show_id) AS cancel_percent
                 FROM booking.bookings b ORDER BY created_at, booking_no"
        );
        let rows: Vec<Row> = self.rows(&select).await?;
        let booking = |row: Row| Booking {
            id: booking(row.show, row.booking),
            show: show(row.show),
            user: UserId::from_uuid(row.user).to_string(),
            hold: hold(row.show, row.hold),
            status: row.status,
            seats: row.seats,
            total_minor: row.total,
            cancel_percent: row.cancel_percent,
            expires_at: row.expires_at,
        };
        Ok(rows.into_iter().map(booking).collect())
    }

    /// Who owns which seat. Durable holds have seats too, where they exist.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn allocations(&self) -> Result<Vec<Allocation>> {
        #[derive(Deserialize)]
        struct Row {
            show: Uuid,
            seat: u16,
            booking: Option<i64>,
            hold: Option<i64>,
            held_until: Option<Millis>,
            sold: bool,
        }
        let held = if self.has("booking.seat_allocations.hold_no").await? {
            "hold_no AS hold, floor(extract(epoch FROM held_until) * 1000)::bigint AS held_until"
        } else {
            "NULL AS hold, NULL AS held_until"
        };
        let select = format!(
            "SELECT show_id AS show, seat_no AS seat, booking_no AS booking, {held},
                coalesce(sold, false) AS sold
             FROM booking.seat_allocations ORDER BY 1, 2"
        );
        let allocation = |row: Row| Allocation {
            show: show(row.show),
            seat: row.seat,
            booking: row.booking.map(|no| booking(row.show, no)),
            hold: row.hold.map(|no| hold(row.show, no)),
            held_until: row.held_until,
            sold: row.sold,
        };
        Ok(self.rows::<Row>(&select).await?.into_iter().map(allocation).collect())
    }

    /// All tickets, void ones included.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn tickets(&self) -> Result<Vec<Ticket>> {
        #[derive(Deserialize)]
        struct Row {
            show: Uuid,
            booking: i64,
            seat: u16,
            voided: bool,
        }
        let select = "SELECT show_id AS show, booking_no AS booking, seat_no AS seat,
                voided_at IS NOT NULL AS voided
             FROM booking.tickets ORDER BY issued_at, 2, 3";
        let ticket =
            |row: Row| Ticket { booking: booking(row.show, row.booking), seat: row.seat, voided: row.voided };
        Ok(self.rows::<Row>(select).await?.into_iter().map(ticket).collect())
    }

    /// All payments.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn payments(&self) -> Result<Vec<Payment>> {
        #[derive(Deserialize)]
        struct Row {
            show: Uuid,
            payment: i64,
            booking: i64,
            intent: String,
            status: String,
            amount: i64,
        }
        let select = "SELECT show_id AS show, payment_no AS payment, booking_no AS booking,
                provider_intent AS intent, status, amount_minor AS amount
             FROM booking.payments ORDER BY created_at, 2";
        let payment = |row: Row| Payment {
            id: PaymentId::from_db(row.show, row.payment).to_string(),
            booking: booking(row.show, row.booking),
            intent: row.intent,
            status: row.status,
            amount_minor: row.amount,
        };
        Ok(self.rows::<Row>(select).await?.into_iter().map(payment).collect())
    }

    /// All refunds.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn refunds(&self) -> Result<Vec<Refund>> {
        #[derive(Deserialize)]
        struct Row {
            show: Uuid,
            refund: i64,
            payment: i64,
            booking: i64,
            status: String,
            cause: String,
            amount: i64,
            provider_refund: Option<String>,
        }
        let select = "SELECT show_id AS show, refund_no AS refund, payment_no AS payment,
                booking_no AS booking, status, cause, amount_minor AS amount, provider_refund
             FROM booking.refunds ORDER BY created_at, 2";
        let refund = |row: Row| Refund {
            id: RefundId::from_db(row.show, row.refund).to_string(),
            payment: PaymentId::from_db(row.show, row.payment).to_string(),
            booking: booking(row.show, row.booking),
            status: row.status,
            cause: row.cause,
            amount_minor: row.amount,
            provider_refund: row.provider_refund,
        };
        Ok(self.rows::<Row>(select).await?.into_iter().map(refund).collect())
    }

    /// The audit trail, where there is one.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn audit(&self) -> Result<Vec<AuditEntry>> {
        #[derive(Deserialize)]
        struct Row {
            show: Uuid,
            no: i64,
            at: Millis,
            entity: String,
            entity_no: Option<i64>,
            booking: Option<i64>,
            from: Option<String>,
            to: String,
            seats: Vec<u16>,
            actor: String,
            reason: Option<String>,
        }
        if !self.has("booking.audit").await? {
            return Ok(Vec::new());
        }
        let select = r#"SELECT show_id AS show, audit_no AS no,
                floor(extract(epoch FROM recorded_at) * 1000)::bigint AS at, entity, entity_no,
                booking_no AS booking, from_state AS "from", to_state AS "to", seats,
                concat_ws(' ', actor_kind, actor) AS actor, reason
             FROM booking.audit ORDER BY audit_no"#;
        let entry = |row: Row| AuditEntry {
            no: row.no,
            at: row.at,
            show: show(row.show),
            id: entity(&row.entity, row.show, row.entity_no),
            entity: row.entity,
            booking: row.booking.map(|no| booking(row.show, no)),
            from: row.from,
            to: row.to,
            seats: row.seats,
            actor: row.actor,
            reason: row.reason.unwrap_or_default(),
        };
        Ok(self.rows::<Row>(select).await?.into_iter().map(entry).collect())
    }

    /// The read model of users' bookings.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn history(&self) -> Result<Vec<HistoryRow>> {
        #[derive(Deserialize)]
        struct Row {
            user: Uuid,
            show: Uuid,
            booking: i64,
            status: String,
        }
        let select = "SELECT user_id AS user, show_id AS show, booking_no AS booking, status
             FROM booking.booking_history ORDER BY created_at, 3";
        let row = |row: Row| HistoryRow {
            user: UserId::from_uuid(row.user).to_string(),
            booking: booking(row.show, row.booking),
            status: row.status,
        };
        Ok(self.rows::<Row>(select).await?.into_iter().map(row).collect())
    }

    /// What the reconciliation found, resolved or not, where there is one.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn findings(&self) -> Result<Vec<Finding>> {
        if !self.has("booking.findings").await? {
            return Ok(Vec::new());
        }
        self.rows(
            "SELECT cause, subject, detail::text AS detail,
                floor(extract(epoch FROM first_seen) * 1000)::bigint AS first_seen,
                floor(extract(epoch FROM resolved_at) * 1000)::bigint AS resolved_at
             FROM booking.findings ORDER BY booking.findings.first_seen",
        )
        .await
    }

    /// Shows that were called off.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn called_off(&self) -> Result<Vec<String>> {
        #[derive(Deserialize)]
        struct Row {
            show: Uuid,
        }
        let select = "SELECT show_id AS show FROM booking.shows WHERE status = 'CANCELLED' ORDER BY 1";
        Ok(self.rows::<Row>(select).await?.into_iter().map(|row| show(row.show)).collect())
    }

    /// Messages to people.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn deliveries(&self) -> Result<Vec<Delivery>> {
        #[derive(Deserialize)]
        struct Row {
            event: Uuid,
            kind: String,
            booking: Option<String>,
            status: String,
        }
        let select = "SELECT event_id AS event, kind, facts->>'booking_id' AS booking, state AS status
             FROM notification.deliveries ORDER BY created_at";
        let delivery = |row: Row| Delivery {
            event: EventId::from_uuid(row.event).to_string(),
            kind: row.kind,
            booking: row.booking,
            status: row.status,
        };
        Ok(self.rows::<Row>(select).await?.into_iter().map(delivery).collect())
    }

    /// Deadlocks in this database so far.
    ///
    /// # Errors
    /// When PostgreSQL does not tell.
    pub async fn deadlocks(&self) -> Result<u64> {
        #[derive(Deserialize)]
        struct Row {
            deadlocks: u64,
        }
        let select = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
        Ok(self.rows::<Row>(select).await?.into_iter().map(|row| row.deadlocks).sum())
    }
}

/// One for each seat of a layout.
fn letters(layout: &Layout) -> String {
    (0..).map_while(|seat| layout.seat(seat)).map(|seat| seat.kind.code()).collect()
}

fn show(uuid: Uuid) -> String {
    ShowId::from_uuid(uuid).to_string()
}

fn booking(show: Uuid, no: i64) -> String {
    BookingId::from_db(show, no).to_string()
}

fn hold(show: Uuid, no: i64) -> String {
    HoldId::from_db(show, no).to_string()
}

/// The id of what an entry of the audit trail is about.
fn entity(entity: &str, of: Uuid, no: Option<i64>) -> String {
    match (entity, no) {
        ("BOOKING", Some(no)) => booking(of, no),
        ("PAYMENT", Some(no)) => PaymentId::from_db(of, no).to_string(),
        ("REFUND", Some(no)) => RefundId::from_db(of, no).to_string(),
        ("HOLD", Some(no)) => hold(of, no),
        _ => show(of),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_name_things_as_clients_do() {
        let of = Uuid::from_u128(7);
        let id = entity("HOLD", of, Some(5));
        assert_eq!(id.parse::<HoldId>().unwrap(), HoldId::from_db(of, 5));
        assert_eq!(entity("SHOW", of, None), show(of));
    }
}
