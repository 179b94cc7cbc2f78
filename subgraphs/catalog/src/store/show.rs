//! Shows, one or a few at a time.

use chrono::{DateTime, NaiveDate, Utc};
use kernel::{CityId, MovieId, ScreenId, ShowId, TheaterId};
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult};
use uuid::Uuid;

use super::{StoreError, conditions::Conditions, fetch, from_json, parse, show_batch, sql, uuids};
use crate::domain::{PriceList, Show, ShowStatus, ShowtimesKey, Timing};

const SELECT: &str = "SELECT s.id, s.revision, s.movie_id, s.screen_id, s.theater_id, s.city_id, s.starts_at,
    s.ends_at, s.free_at, c.time_zone, s.status, s.cancel_reason, s.format, s.language, s.subtitles,
    s.special, s.currency, s.prices, s.blocked
    FROM catalog.shows s JOIN catalog.cities c ON c.id = s.city_id";

#[derive(FromQueryResult)]
struct Row {
    id: Uuid,
    revision: i64,
    movie_id: Uuid,
    screen_id: Uuid,
    theater_id: Uuid,
    city_id: Uuid,
    starts_at: DateTime<Utc>,
    ends_at: DateTime<Utc>,
    free_at: DateTime<Utc>,
    time_zone: String,
    status: String,
    cancel_reason: Option<String>,
    format: String,
    language: String,
    subtitles: Vec<String>,
    special: Option<String>,
    currency: String,
    prices: serde_json::Value,
    blocked: Vec<i16>,
}

impl TryFrom<Row> for Show {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let seat = |index: i16| u16::try_from(index).map_err(|_| StoreError::corrupt("blocked seat", index));
        Ok(Self {
            id: ShowId::from_uuid(row.id),
            revision: row.revision,
            movie_id: MovieId::from_uuid(row.movie_id),
            screen_id: ScreenId::from_uuid(row.screen_id),
            theater_id: TheaterId::from_uuid(row.theater_id),
            city_id: CityId::from_uuid(row.city_id),
            timing: Timing { starts_at: row.starts_at, ends_at: row.ends_at, free_at: row.free_at },
            time_zone: parse("time zone", &row.time_zone)?,
            stored_status: parse("show status", &row.status)?,
            cancel_reason: row.cancel_reason,
            conditions: crate::domain::Conditions {
                format: parse("format", &row.format)?,
                language: row.language,
                subtitles: row.subtitles,
                special: row.special.as_deref().map(|text| parse("special kind", text)).transpose()?,
            },
            currency: parse("currency", &row.currency)?,
            prices: from_json("prices", row.prices)?,
            blocked: row.blocked.into_iter().map(seat).collect::<Result<_, _>>()?,
        })
    }
}

/// Those of the shows that exist, in no order.
pub(crate) async fn show_many<C: ConnectionTrait>(conn: &C, ids: &[ShowId]) -> Result<Vec<Show>, StoreError> {
    let text = format!("{SELECT} WHERE s.id = ANY($1)");
    fetch::<_, Row, _>(conn, sql(text, [uuids(ids, |id| id.uuid())])).await
}

/// The shows of `movies` that are still to come and otherwise as `key` says (its own movie does
/// not count), the earliest first.
pub(crate) async fn show_of_movies<C: ConnectionTrait>(
    conn: &C,
    movies: &[MovieId],
    key: &ShowtimesKey,
    now: DateTime<Utc>,
) -> Result<Vec<Show>, StoreError> {
    let mut conditions = Conditions::default();
    conditions.push("s.status = 'SCHEDULED'");
    let ids = conditions.bind(uuids(movies, |id| id.uuid()));
    conditions.push(format!("s.movie_id = ANY({ids})"));
    conditions.compare("s.city_id =", key.city_id.uuid());
    conditions.compare("s.local_date =", key.date);
    conditions.compare("s.starts_at >", now);
    if let Some(id) = key.theater_id {
        conditions.compare("s.theater_id =", id.uuid());
    }
    if let Some(format) = key.format {
        conditions.compare("s.format =", format.as_str());
    }
    if let Some(language) = &key.language {
        conditions.compare("s.language =", language.as_str());
    }
    let text = format!("{SELECT} WHERE {} ORDER BY s.starts_at, s.id", conditions.sql());
    fetch::<_, Row, _>(conn, sql(text, conditions.into_values())).await
}

/// The shows in `theaters` on their day `date` that are still to come, the earliest first.
pub(crate) async fn show_of_theaters<C: ConnectionTrait>(
    conn: &C,
    theaters: &[TheaterId],
    date: NaiveDate,
    now: DateTime<Utc>,
) -> Result<Vec<Show>, StoreError> {
    let text = format!(
        "{SELECT} WHERE s.theater_id = ANY($1) AND s.local_date = $2 AND s.status = 'SCHEDULED'
            AND s.starts_at > $3 ORDER BY s.starts_at, s.id"
    );
    let values = [uuids(theaters, |id| id.uuid()), date.into(), now.into()];
    fetch::<_, Row, _>(conn, sql(text, values)).await
}

/// The shows that have the screen for some of `timing`, the earliest first.
pub(crate) async fn show_overlapping<C: ConnectionTrait>(
    conn: &C,
    screen: ScreenId,
    timing: Timing,
) -> Result<Vec<Show>, StoreError> {
    let text = format!(
        "{SELECT} WHERE s.screen_id = $1 AND tstzrange(s.starts_at, s.free_at) && tstzrange($2, $3)
            AND s.status <> 'CANCELLED' ORDER BY s.starts_at, s.id"
    );
    let values = [screen.uuid().into(), timing.starts_at.into(), timing.free_at.into()];
    fetch::<_, Row, _>(conn, sql(text, values)).await
}

/// The show, locked until the transaction ends.
pub(crate) async fn show_lock<C: ConnectionTrait>(conn: &C, id: ShowId) -> Result<Option<Show>, StoreError> {
    let text = format!("{SELECT} WHERE s.id = $1 FOR NO KEY UPDATE OF s");
    Ok(fetch::<_, Row, _>(conn, sql(text, [id.uuid().into()])).await?.pop())
}

/// The screen is taken.
#[derive(Debug)]
pub(crate) enum InsertError {
    /// Another show has the screen at that time; the transaction is lost.
    Overlap,
    /// Anything else.
    Store(StoreError),
}

/// Inserts a show.
pub(crate) async fn show_insert<C: ConnectionTrait>(conn: &C, show: &Show) -> Result<(), InsertError> {
    let statement = show_batch::insert(std::slice::from_ref(show), "").map_err(InsertError::Store)?;
    let refused = |error: DbErr| match platform::pg::is_exclusion_violation(&error, "shows_no_overlap") {
        true => InsertError::Overlap,
        false => InsertError::Store(error.into()),
    };
    conn.execute_raw(statement).await.map(drop).map_err(refused)
}

/// Writes what can change of a show: revision, status, reason and prices.
pub(crate) async fn show_update<C: ConnectionTrait>(conn: &C, show: &Show) -> Result<(), StoreError> {
    let text = "UPDATE catalog.shows SET revision = $2, status = $3, cancel_reason = $4, prices = $5 \
                WHERE id = $1";
    let values = [
        show.id.uuid().into(),
        show.revision.into(),
        show.stored_status.as_str().into(),
        show.cancel_reason.clone().into(),
        prices_json(&show.prices)?.into(),
    ];
    conn.execute_raw(sql(text, values)).await?;
    Ok(())
}

/// Marks shows that were over by `now` as completed, and tells how many.
pub(crate) async fn show_complete<C: ConnectionTrait>(
    conn: &C,
    now: DateTime<Utc>,
) -> Result<u64, StoreError> {
    let text = "UPDATE catalog.shows SET status = $2 WHERE status = 'SCHEDULED' AND ends_at <= $1";
    let values = [now.into(), ShowStatus::Completed.as_str().into()];
    Ok(conn.execute_raw(sql(text, values)).await?.rows_affected())
}

/// How many shows are to begin from `from` until before `until`.
pub(crate) async fn show_count_between<C: ConnectionTrait>(
    conn: &C,
    from: DateTime<Utc>,
    until: DateTime<Utc>,
) -> Result<i64, StoreError> {
    let text = "SELECT count(*) FROM catalog.shows \
                WHERE status = 'SCHEDULED' AND starts_at >= $1 AND starts_at < $2";
    super::number(conn, sql(text, [from.into(), until.into()])).await
}

pub(super) fn prices_json(prices: &PriceList) -> Result<serde_json::Value, StoreError> {
    serde_json::to_value(prices).map_err(|error| StoreError::corrupt("prices", error))
}
