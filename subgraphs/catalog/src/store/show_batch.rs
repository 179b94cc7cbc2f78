//! Shows, many at a time.

use kernel::ShowId;
use sea_orm::{ConnectionTrait, FromQueryResult, Statement};
use serde_json::json;
use uuid::Uuid;

use super::{StoreError, records, show::prices_json, sql};
use crate::domain::Show;

const COLUMNS: &str = "id, revision, movie_id, screen_id, theater_id, city_id, starts_at, ends_at, free_at,
    local_date, status, cancel_reason, format, language, subtitles, special, currency, prices, blocked";

/// The statement that inserts `shows`; `tail` is what follows.
pub(super) fn insert(shows: &[Show], tail: &str) -> Result<Statement, StoreError> {
    let rows = shows.iter().map(record).collect::<Result<Vec<_>, _>>()?;
    let text = format!(
        "INSERT INTO catalog.shows ({COLUMNS})
         SELECT {COLUMNS} FROM jsonb_populate_recordset(null::catalog.shows, $1) {tail}"
    );
    Ok(sql(text, [records(&rows)?]))
}

fn record(show: &Show) -> Result<serde_json::Value, StoreError> {
    Ok(json!({
        "id": show.id.uuid(),
        "revision": show.revision,
        "movie_id": show.movie_id.uuid(),
        "screen_id": show.screen_id.uuid(),
        "theater_id": show.theater_id.uuid(),
        "city_id": show.city_id.uuid(),
        "starts_at": show.timing.starts_at,
        "ends_at": show.timing.ends_at,
        "free_at": show.timing.free_at,
        "local_date": show.local_date(),
        "status": show.stored_status,
        "cancel_reason": show.cancel_reason,
        "format": show.conditions.format,
        "language": show.conditions.language,
        "subtitles": show.conditions.subtitles,
        "special": show.conditions.special,
        "currency": show.currency.code(),
        "prices": prices_json(&show.prices)?,
        "blocked": show.blocked,
    }))
}

#[derive(FromQueryResult)]
struct Inserted {
    id: Uuid,
}

/// Inserts those of the shows that are new and find their screen free, and gives their ids.
pub(crate) async fn show_insert_new<C: ConnectionTrait>(
    conn: &C,
    shows: &[Show],
) -> Result<Vec<ShowId>, StoreError> {
    let rows = conn.query_all_raw(insert(shows, "ON CONFLICT DO NOTHING RETURNING id")?).await?;
    let id = |row| Ok(ShowId::from_uuid(Inserted::from_query_result(row, "")?.id));
    rows.iter().map(id).collect()
}
