//! Processes of two releases side by side: what the older one writes about idempotency keys is known to the
//! newer one, and what it reads of the newer one's bookings can be read.

mod support;

use migrations::{Migrator, apply};
use sea_orm_migration::{
    MigratorTrait,
    sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, DbErr, RuntimeErr, Statement},
};
use support::database;

const SHOW: &str = "00000000-0000-0000-0000-000000000001";
const USER: &str = "00000000-0000-0000-0000-000000000002";

/// Inserts a booking as the older release does.
async fn checkout_old(pg: &DatabaseConnection, booking: u32, key: &str) -> Result<(), DbErr> {
    let columns = ", idempotency_key, request_hash";
    checkout(pg, booking, columns, &format!(", '{key}', sha256('{booking}')")).await
}

/// Inserts a booking as the newer release does.
async fn checkout_new(pg: &DatabaseConnection, booking: u32) -> Result<(), DbErr> {
    checkout(pg, booking, "", "").await
}

async fn checkout(pg: &DatabaseConnection, booking: u32, columns: &str, values: &str) -> Result<(), DbErr> {
    pg.execute_unprepared(&format!(
        "insert into booking.bookings
                (show_id, booking_no, user_id, reference, status, version, hold_no, currency, subtotal_minor,
                 fee_minor, tax_minor, total_minor, expires_at, created_at, updated_at{columns})
         values ('{SHOW}', {booking}, '{USER}', 'R{booking}', 'PENDING_PAYMENT', 1, {booking}, 'EUR', 0, 0, 0, 0,
                 now(), now(), now(){values})"
    ))
    .await
    .map(drop)
}

/// Cancels a booking as the older release does.
async fn cancel_old(pg: &DatabaseConnection, booking: u32, key: &str) -> Result<(), DbErr> {
    let sql = format!("update booking.bookings set cancel_key = '{key}' where booking_no = {booking}");
    pg.execute_unprepared(&sql).await.map(drop)
}

/// What each key was used for: `key of number`.
async fn used(pg: &DatabaseConnection, table: &str, number: &str) -> Result<Vec<String>, DbErr> {
    let sql = format!(
        "select idempotency_key || ' of ' || {number} as used from booking.{table}
          where (show_id, user_id) = ('{SHOW}', '{USER}') order by 1"
    );
    let rows = pg.query_all_raw(Statement::from_string(DbBackend::Postgres, sql)).await?;
    rows.iter().map(|row| row.try_get("", "used")).collect()
}

/// The unique constraint that was violated.
fn violated(done: &Result<(), DbErr>) -> Option<&str> {
    let Err(DbErr::Exec(RuntimeErr::SqlxError(error))) = done else { return None };
    error.as_database_error().filter(|error| error.is_unique_violation())?.constraint()
}

#[tokio::test]
async fn keys_of_both_releases_are_known() {
    let pg = database("keys").await.unwrap();
    let names: Vec<String> = Migrator::migrations().iter().map(|m| m.name().to_owned()).collect();
    let before = names.iter().position(|name| name.ends_with("checkout_keys")).unwrap();
    Migrator::up(&pg, Some(u32::try_from(before).unwrap())).await.unwrap();
    checkout_old(&pg, 1, "early").await.unwrap();
    cancel_old(&pg, 1, "early").await.unwrap();

    apply(&pg).await.unwrap();
    checkout_old(&pg, 2, "late").await.unwrap();
    assert_eq!(used(&pg, "checkout_keys", "hold_no").await.unwrap(), ["early of 1", "late of 2"]);
    cancel_old(&pg, 2, "late").await.unwrap();
    assert_eq!(used(&pg, "cancel_keys", "booking_no").await.unwrap(), ["early of 1", "late of 2"]);

    // A key that is used is refused in the words that the older release understands.
    for key in ["early", "late"] {
        assert_eq!(violated(&checkout_old(&pg, 3, key).await), Some("bookings_idempotency"));
    }
    checkout_new(&pg, 3).await.unwrap();
    checkout_new(&pg, 4).await.unwrap();
    assert_eq!(violated(&cancel_old(&pg, 3, "early").await), Some("bookings_cancel_key"));
    assert_eq!(used(&pg, "checkout_keys", "hold_no").await.unwrap().len(), 2);

    // The older release reads its columns of all bookings.
    let sql = "select idempotency_key, request_hash from booking.bookings order by booking_no";
    for row in pg.query_all_raw(Statement::from_string(DbBackend::Postgres, sql)).await.unwrap() {
        row.try_get::<String>("", "idempotency_key").unwrap();
        row.try_get::<Vec<u8>>("", "request_hash").unwrap();
    }
    Migrator::down(&pg, None).await.unwrap();
}
