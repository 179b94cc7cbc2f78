//! `booking.shows`: booking's copy of the catalog's shows.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use events::show::ShowSnapshot;
use kernel::{Currency, Layout, Money, MovieId, ScreenId, ShowId, TheaterId};
use sea_orm::{ConnectionTrait, FromQueryResult};
use uuid::Uuid;

use super::audit::{audit_columns, values};
use super::{StoreError, decode, sql};
use crate::domain::audit::{Cause, ChallengeState};
use crate::domain::show::{KindPrice, Show, ShowStatus};

/// How long a cached show may lag behind the table. Prices are locked in the booking and the
/// status is checked again when a payment is confirmed, so a moment of age does no harm.
const CACHE_TTL: Duration = Duration::from_secs(2);
const CACHE_SHOWS: u64 = 10_000;

/// Reads shows through a small cache with one loader per show. Clones share the cache.
#[derive(Clone)]
pub struct Shows {
    cache: moka::future::Cache<ShowId, Arc<Show>>,
}

/// Why a look-up put nothing into the cache. An absent show is never remembered: its event may
/// arrive at any moment, and then it must be found.
enum Miss {
    Absent,
    Failed(Arc<StoreError>),
}

impl Default for Shows {
    fn default() -> Self {
        let cache = moka::future::Cache::builder().max_capacity(CACHE_SHOWS).time_to_live(CACHE_TTL).build();
        Self { cache }
    }
}

impl Shows {
    /// The show, at most two seconds old; `None` when booking has not heard of it.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn get<C: ConnectionTrait>(
        &self,
        conn: &C,
        id: ShowId,
    ) -> Result<Option<Arc<Show>>, Arc<StoreError>> {
        let mut asked = false;
        let look_up = async {
            asked = true;
            match show_get(conn, id).await {
                Ok(Some(show)) => Ok(Arc::new(show)),
                Ok(None) => Err(Miss::Absent),
                Err(error) => Err(Miss::Failed(Arc::new(error))),
            }
        };
        if let Some(show) = self.cache.get(&id).await {
            count("hit");
            return Ok(Some(show));
        }
        let found = self.cache.try_get_with(id, look_up).await;
        count(if asked { "miss" } else { "shared" });
        match found {
            Ok(show) => Ok(Some(show)),
            Err(miss) => match &*miss {
                Miss::Absent => Ok(None),
                Miss::Failed(error) => Err(Arc::clone(error)),
            },
        }
    }

    /// Forgets one show, after this process changed it.
    pub async fn forget(&self, id: ShowId) {
        self.cache.invalidate(&id).await;
    }
}

fn count(result: &'static str) {
    metrics::counter!("cache_requests_total", "cache" => "shows", "result" => result).increment(1);
}

#[derive(FromQueryResult)]
struct Row {
    revision: i64,
    movie_id: Uuid,
    title: String,
    theater_id: Uuid,
    theater_name: String,
    screen_id: Uuid,
    screen_name: String,
    starts_at: DateTime<Utc>,
    ends_at: DateTime<Utc>,
    time_zone: String,
    currency: String,
    layout: String,
    blocked: Vec<i16>,
    prices: serde_json::Value,
    status: String,
    challenge_required: bool,
}

/// The show as the table has it now.
///
/// # Errors
/// When the table cannot be read or holds something that is not a show.
pub async fn show_get<C: ConnectionTrait>(conn: &C, id: ShowId) -> Result<Option<Show>, StoreError> {
    let row = conn
        .query_one_raw(sql(
            "select revision, movie_id, title, theater_id, theater_name, screen_id, screen_name,
                    starts_at, ends_at, time_zone, currency, layout, blocked, prices, status,
                    challenge_required
               from booking.shows
              where show_id = $1",
            [id.uuid().into()],
        ))
        .await?;
    row.map(|row| show(id, Row::from_query_result(&row, "")?)).transpose()
}

/// Whether the show takes place and whether it has begun, and keeps the former so until the end of the
/// transaction: a cancellation waits, and then finds what the transaction did. `None` when booking
/// has not heard of the show.
///
/// # Errors
/// When the table cannot be read.
pub async fn show_lock_shared<C: ConnectionTrait>(
    conn: &C,
    id: ShowId,
) -> Result<Option<(ShowStatus, bool)>, StoreError> {
    let row = conn
        .query_one_raw(sql(
            "select status, starts_at <= booking.now() as has_begun
               from booking.shows where show_id = $1 for share",
            [id.uuid().into()],
        ))
        .await?;
    row.map(|row| {
        let status: String = row.try_get("", "status")?;
        let status = ShowStatus::parse(&status).ok_or_else(|| StoreError::corrupt("show status", &status))?;
        Ok((status, row.try_get("", "has_begun")?))
    })
    .transpose()
}

fn show(id: ShowId, row: Row) -> Result<Show, StoreError> {
    let currency = decode::currency(&row.currency)?;
    let mut blocked = row.blocked.into_iter().map(decode::seat_no).collect::<Result<Vec<_>, _>>()?;
    blocked.sort_unstable();
    Ok(Show {
        id,
        revision: row.revision,
        movie_id: MovieId::from_uuid(row.movie_id),
        title: row.title,
        theater_id: TheaterId::from_uuid(row.theater_id),
        theater_name: row.theater_name,
        screen_id: ScreenId::from_uuid(row.screen_id),
        screen_name: row.screen_name,
        starts_at: row.starts_at,
        ends_at: row.ends_at,
        time_zone: row.time_zone,
        currency,
        layout: Arc::new(
            Layout::from_str(&row.layout).map_err(|error| StoreError::corrupt("layout", error))?,
        ),
        blocked,
        prices: prices(&row.prices, currency)?,
        status: ShowStatus::parse(&row.status)
            .ok_or_else(|| StoreError::corrupt("show status", &row.status))?,
        challenge_required: row.challenge_required,
    })
}

/// Prices are stored as `{"R": 1200, "P": 1500}`: minor units by code of the seat kind.
fn prices(stored: &serde_json::Value, currency: Currency) -> Result<Vec<KindPrice>, StoreError> {
    let corrupt = || StoreError::corrupt("prices", stored);
    stored
        .as_object()
        .ok_or_else(corrupt)?
        .iter()
        .map(|(code, minor)| {
            let minor = minor.as_i64().ok_or_else(corrupt)?;
            Ok(KindPrice { kind: decode::seat_kind(code)?, price: Money::new(minor, currency) })
        })
        .collect()
}

/// Takes over a snapshot unless the table already has this revision or a newer one. Never brings
/// a cancelled show back. `true` when the table changed.
///
/// # Errors
/// When the table cannot be written.
pub async fn show_upsert<C: ConnectionTrait>(conn: &C, show: &ShowSnapshot) -> Result<bool, StoreError> {
    let prices: serde_json::Map<String, serde_json::Value> =
        show.prices.iter().map(|p| (p.kind.code().to_string(), p.minor.into())).collect();
    let blocked = decode::seat_columns(&show.blocked)?;
    let done = conn
        .execute_raw(sql(
            "insert into booking.shows as s
                    (show_id, revision, movie_id, title, theater_id, theater_name, screen_id,
                     screen_name, starts_at, ends_at, time_zone, currency, layout, blocked, prices)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
             on conflict (show_id) do update
                set revision = excluded.revision, movie_id = excluded.movie_id,
                    title = excluded.title, theater_id = excluded.theater_id,
                    theater_name = excluded.theater_name, screen_id = excluded.screen_id,
                    screen_name = excluded.screen_name, starts_at = excluded.starts_at,
                    ends_at = excluded.ends_at, time_zone = excluded.time_zone,
                    currency = excluded.currency, layout = excluded.layout,
                    blocked = excluded.blocked, prices = excluded.prices, updated_at = now()
              where s.revision < excluded.revision",
            [
                show.show_id.uuid().into(),
                show.revision.into(),
                show.movie_id.uuid().into(),
                show.title.clone().into(),
                show.theater_id.uuid().into(),
                show.theater_name.clone().into(),
                show.screen_id.uuid().into(),
                show.screen_name.clone().into(),
                show.starts_at.into(),
                show.ends_at.into(),
                show.time_zone.clone().into(),
                show.currency.code().into(),
                show.layout.to_string().into(),
                blocked.into(),
                serde_json::Value::Object(prices).into(),
            ],
        ))
        .await?;
    Ok(done.rows_affected() > 0)
}

/// Marks a show cancelled, with its audit entry when it was not, and tells its revision, which is
/// then higher than any that a seat map was made from. `None` when booking does not know the show
/// (yet).
///
/// # Errors
/// When the table cannot be written.
pub async fn show_cancel<C: ConnectionTrait>(
    conn: &C,
    id: ShowId,
    revision: i64,
    reason: Option<&str>,
    cause: &Cause,
) -> Result<Option<i64>, StoreError> {
    let [kind, actor, why, trace] = values(cause);
    let row = conn
        .query_one_raw(sql(
            concat!(
                "with was as materialized (
                     select show_id, status from booking.shows where show_id = $1 for update
                 ), changed as (
                     update booking.shows s
                        set status = 'CANCELLED', cancel_reason = $3, updated_at = now(),
                            revision = case was.status
                                when 'SCHEDULED' then greatest(s.revision + 1, $2)
                                else greatest(s.revision, $2)
                            end
                       from was
                      where s.show_id = was.show_id
                     returning s.show_id, s.revision, was.status as was, s.status
                 ), audited as (
                     ",
                audit_columns!(),
                "select show_id, 'SHOW', null, null, was, status, '{}', $4, $5, $6, $7
                       from changed where was <> status
                 )
                 select revision from changed"
            ),
            [id.uuid().into(), revision.into(), reason.into(), kind, actor, why, trace],
        ))
        .await?;
    Ok(row.map(|row| row.try_get("", "revision")).transpose()?)
}

/// Decides whether holds of the show need a solved challenge, with its audit entry when that is new.
/// `false` when booking does not know the show (yet).
///
/// # Errors
/// When the table cannot be written.
pub async fn show_challenge_set<C: ConnectionTrait>(
    conn: &C,
    id: ShowId,
    required: bool,
    cause: &Cause,
) -> Result<bool, StoreError> {
    let [kind, actor, reason, trace] = values(cause);
    let row = conn
        .query_one_raw(sql(
            concat!(
                "with was as materialized (
                     select show_id, challenge_required from booking.shows where show_id = $1 for update
                 ), changed as (
                     update booking.shows s
                        set challenge_required = $2, updated_at = booking.now()
                       from was
                      where s.show_id = was.show_id and was.challenge_required <> $2
                     returning s.show_id
                 ), audited as (
                     ",
                audit_columns!(),
                "select show_id, 'CHALLENGE', null, null, $3, $4, '{}', $5, $6, $7, $8 from changed
                 )
                 select true as known from was"
            ),
            [
                id.uuid().into(),
                required.into(),
                ChallengeState::from(!required).as_str().into(),
                ChallengeState::from(required).as_str().into(),
                kind,
                actor,
                reason,
                trace,
            ],
        ))
        .await?;
    Ok(row.is_some())
}
