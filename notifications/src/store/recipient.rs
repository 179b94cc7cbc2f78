//! Our own copy of whom messages go to.

use events::user::UserSnapshot;
use sea_orm::{ConnectionTrait, DbErr};

use super::sql;

/// A person to write to. No `Debug`: it ends up in logs.
#[derive(Clone, Copy)]
pub(crate) struct Recipient<'r> {
    /// The address.
    pub email: &'r str,
    /// What they are called.
    pub name: &'r str,
    /// BCP 47 tag of their language.
    pub locale: &'r str,
}

/// Takes over what an event says of a person, unless something newer is known.
pub(crate) async fn recipient_upsert<C: ConnectionTrait>(conn: &C, user: &UserSnapshot) -> Result<(), DbErr> {
    conn.execute_raw(sql(
        "INSERT INTO notification.recipients AS r
             (user_id, revision, email, name, locale, time_zone, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, notification.now())
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
        ],
    ))
    .await?;
    Ok(())
}

/// Someone to compose messages to, in tests.
#[cfg(test)]
pub(crate) const ADA: Recipient<'static> =
    Recipient { email: "ada@example.com", name: "Ada Lovelace", locale: "en" };
