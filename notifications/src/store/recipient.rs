//! Our own copy of whom messages go to.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use events::user::UserSnapshot;
use kernel::UserId;
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult};
use uuid::Uuid;

use super::sql;

/// A person to write to. No `Debug`: it ends up in logs.
#[derive(FromQueryResult)]
pub(crate) struct Recipient {
    user_id: Uuid,
    pub email: String,
    pub name: String,
    pub locale: String,
}

/// Takes over what an event says of a person, unless something newer is known.
pub(crate) async fn recipient_upsert<C: ConnectionTrait>(
    conn: &C,
    user: &UserSnapshot,
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    conn.execute_raw(sql(
        "INSERT INTO notification.recipients AS r
             (user_id, revision, email, name, locale, time_zone, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (user_id) DO UPDATE SET
             revision = excluded.revision, email = excluded.email, name = excluded.name,
             locale = excluded.locale, time_zone = excluded.time_zone,
             updated_at = excluded.updated_at
         WHERE r.revision < excluded.revision",
        [
            user.user_id.uuid().into(),
            user.revision.into(),
            user.email.as_str().into(),
            user.name.as_str().into(),
            user.locale.as_str().into(),
            user.time_zone.clone().into(),
            now.into(),
        ],
    ))
    .await?;
    Ok(())
}

/// The people with these ids who are known.
pub(crate) async fn recipient_map<C: ConnectionTrait>(
    conn: &C,
    ids: &[UserId],
) -> Result<HashMap<UserId, Recipient>, DbErr> {
    // A JSON array instead of one placeholder for each id: one prepared statement for all sizes.
    let ids: serde_json::Value = ids.iter().map(|id| id.uuid().to_string()).collect();
    let rows = Recipient::find_by_statement(sql(
        "SELECT user_id, email, name, locale FROM notification.recipients
         WHERE user_id IN (SELECT value::uuid FROM jsonb_array_elements_text($1))",
        [ids.into()],
    ))
    .all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| (UserId::from_uuid(row.user_id), row)).collect())
}

/// Someone to compose messages to, in tests.
#[cfg(test)]
pub(crate) fn ada() -> Recipient {
    Recipient {
        user_id: Uuid::nil(),
        email: "ada@example.com".to_owned(),
        name: "Ada Lovelace".to_owned(),
        locale: "en".to_owned(),
    }
}
