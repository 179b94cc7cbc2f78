//! What idempotency keys of cancellations were used for.

use kernel::{BookingId, UserId};
use sea_orm::ConnectionTrait;

use super::{StoreError, sql};

/// Uses a user's idempotency key for cancelling a booking, and tells which booking it was used for first.
///
/// # Errors
/// When the table cannot be written.
pub async fn cancel_key_use<C: ConnectionTrait>(
    conn: &C,
    user: UserId,
    idempotency_key: &str,
    booking: BookingId,
) -> Result<BookingId, StoreError> {
    let show = booking.show().uuid();
    let row = conn
        .query_one_raw(sql(
            "insert into booking.cancel_keys as k (show_id, user_id, idempotency_key, booking_no)
             values ($1, $2, $3, $4)
                 on conflict on constraint cancel_keys_pkey do update set booking_no = k.booking_no
             returning booking_no",
            [show.into(), user.uuid().into(), idempotency_key.into(), booking.local_i64().into()],
        ))
        .await?;
    let row = row.ok_or_else(|| StoreError::corrupt("cancel key", idempotency_key))?;
    Ok(BookingId::from_db(show, row.try_get("", "booking_no")?))
}
