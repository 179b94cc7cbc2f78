//! Screens.

use kernel::{ScreenId, TheaterId};
use sea_orm::{ConnectionTrait, FromQueryResult, QueryResult};
use serde_json::json;
use uuid::Uuid;

use super::{StoreError, fetch, parse, parse_all, records, sql, uuids};
use crate::domain::Screen;

const COLUMNS: &str = "id, theater_id, number, name, layout, formats, revision";

#[derive(FromQueryResult)]
struct Row {
    id: Uuid,
    theater_id: Uuid,
    number: i16,
    name: String,
    layout: String,
    formats: Vec<String>,
    revision: i64,
}

impl TryFrom<Row> for Screen {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: ScreenId::from_uuid(row.id),
            theater_id: TheaterId::from_uuid(row.theater_id),
            number: row.number,
            name: row.name,
            layout: parse("layout", &row.layout)?,
            formats: parse_all("format", &row.formats)?,
            revision: row.revision,
        })
    }
}

/// Those of the screens that exist, in no order.
pub(crate) async fn screen_many<C: ConnectionTrait>(
    conn: &C,
    ids: &[ScreenId],
) -> Result<Vec<Screen>, StoreError> {
    let text = format!("SELECT {COLUMNS} FROM catalog.screens WHERE id = ANY($1)");
    fetch::<_, Row, _>(conn, sql(text, [uuids(ids, |id| id.uuid())])).await
}

/// The screens of the theaters, each theater's in their order.
pub(crate) async fn screen_of_theaters<C: ConnectionTrait>(
    conn: &C,
    theaters: &[TheaterId],
) -> Result<Vec<(TheaterId, ScreenId)>, StoreError> {
    let text =
        "SELECT theater_id, id FROM catalog.screens WHERE theater_id = ANY($1) ORDER BY theater_id, number";
    let rows = conn.query_all_raw(sql(text, [uuids(theaters, |id| id.uuid())])).await?;
    let pair = |row: &QueryResult| {
        let (theater, screen) = (row.try_get_by_index(0)?, row.try_get_by_index(1)?);
        Ok((TheaterId::from_uuid(theater), ScreenId::from_uuid(screen)))
    };
    rows.iter().map(pair).collect()
}

/// The screen, locked until the transaction ends: who schedules on it waits, and its layout stays.
pub(crate) async fn screen_lock<C: ConnectionTrait>(
    conn: &C,
    id: ScreenId,
) -> Result<Option<Screen>, StoreError> {
    let text = format!("SELECT {COLUMNS} FROM catalog.screens WHERE id = $1 FOR NO KEY UPDATE");
    Ok(fetch::<_, Row, _>(conn, sql(text, [id.uuid().into()])).await?.pop())
}

/// Inserts the screens that are new, and tells how many.
pub(crate) async fn screen_insert_new<C: ConnectionTrait>(
    conn: &C,
    screens: &[Screen],
) -> Result<u64, StoreError> {
    let row = |screen: &Screen| {
        json!({
            "id": screen.id.uuid(),
            "theater_id": screen.theater_id.uuid(),
            "number": screen.number,
            "name": screen.name,
            "layout": screen.layout,
            "formats": screen.formats,
            "revision": screen.revision,
        })
    };
    let rows: Vec<_> = screens.iter().map(row).collect();
    let text = format!(
        "INSERT INTO catalog.screens ({COLUMNS})
         SELECT {COLUMNS} FROM jsonb_populate_recordset(null::catalog.screens, $1)
         ON CONFLICT DO NOTHING"
    );
    Ok(conn.execute_raw(sql(text, [records(&rows)?])).await?.rows_affected())
}
