//! `booking.provider_events`: messages of the payment provider that were taken in.

use chrono::{DateTime, Utc};
use events::Envelope;
use kernel::ShowId;
use platform::outbox;
use sea_orm::ConnectionTrait;

use super::{StoreError, sql};

/// Remembers a message, and tells us of it by `event`, in one statement. `false`, and nothing is told,
/// when it came before.
///
/// # Errors
/// When the tables cannot be written.
pub async fn provider_event_insert<C: ConnectionTrait>(
    conn: &C,
    show: ShowId,
    provider: &str,
    provider_event_id: &str,
    kind: &str,
    event: &Envelope,
) -> Result<bool, StoreError> {
    let done = conn
        .execute_raw(sql(
            "with received as (
                 insert into booking.provider_events
                        (show_id, provider, provider_event_id, kind, received_at)
                 values ($1, $2, $3, $4, booking.now())
                     on conflict on constraint provider_events_pkey do nothing
                 returning show_id
             )
             insert into booking.outbox (key, event_id, name, version, time, trace, body)
             select $5, $6, $7, $8, $9, $10, $11::jsonb from received",
            [show.uuid().into(), provider.into(), provider_event_id.into(), kind.into()]
                .into_iter()
                .chain(outbox::columns(event)),
        ))
        .await?;
    Ok(done.rows_affected() == 1)
}

/// Forgets up to `limit` messages that came before `time`, and tells how many. The time must lie
/// further back than the provider sends anything again.
///
/// # Errors
/// When the table cannot be written.
pub async fn provider_event_purge<C: ConnectionTrait>(
    conn: &C,
    time: DateTime<Utc>,
    limit: u32,
) -> Result<u64, StoreError> {
    let done = conn
        .execute_raw(sql(
            "delete from booking.provider_events
              where (show_id, provider, provider_event_id) in
                    (select show_id, provider, provider_event_id
                       from booking.provider_events
                      where received_at < $1
                      limit $2)",
            [time.into(), i64::from(limit).into()],
        ))
        .await?;
    Ok(done.rows_affected())
}
