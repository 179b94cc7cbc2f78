//! Movies.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use kernel::MovieId;
use sea_orm::{ConnectionTrait, FromQueryResult};
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use super::{
    StoreError, conditions::Conditions, fetch, from_json, ids, number, parse_all, records, sql, uuids,
};
use crate::domain::{Movie, MovieFilter, Rating, fold, like_pattern};

/// What is stored of a movie, but its rating.
const COLUMNS: &str = "id, title, description, runtime_minutes, genres, languages, certificate, release_date,
    formats, cast_members, crew, poster_url, backdrop_url, trailer_url, external_ids";

const SELECT: &str = "SELECT id, title, description, runtime_minutes, genres, languages, certificate,
    release_date, formats, cast_members, crew, poster_url, backdrop_url, trailer_url, external_ids,
    rating_average::float8 AS rating_average, rating_count FROM catalog.movies m";

/// A movie with a show in the coming days is "now showing".
const NOW_SHOWING: TimeDelta = TimeDelta::days(7);

#[derive(FromQueryResult)]
struct Row {
    id: Uuid,
    title: String,
    description: String,
    runtime_minutes: Option<i16>,
    genres: Vec<String>,
    languages: Vec<String>,
    certificate: String,
    release_date: NaiveDate,
    formats: Vec<String>,
    cast_members: serde_json::Value,
    crew: serde_json::Value,
    poster_url: Option<String>,
    backdrop_url: Option<String>,
    trailer_url: Option<String>,
    external_ids: serde_json::Value,
    rating_average: Option<f64>,
    rating_count: i32,
}

impl TryFrom<Row> for Movie {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: MovieId::from_uuid(row.id),
            title: row.title,
            description: row.description,
            runtime_minutes: row.runtime_minutes,
            genres: row.genres,
            languages: row.languages,
            certificate: row.certificate,
            release_date: row.release_date,
            formats: parse_all("format", &row.formats)?,
            cast: from_json("cast", row.cast_members)?,
            crew: from_json("crew", row.crew)?,
            poster_url: row.poster_url,
            backdrop_url: row.backdrop_url,
            trailer_url: row.trailer_url,
            external_ids: from_json("external ids", row.external_ids)?,
            rating: Rating { average: row.rating_average, count: row.rating_count },
        })
    }
}

/// Where a movie stands in a list: by release, newest first; "coming soon" the other way round.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct MovieKey(NaiveDate, Uuid);

impl From<&Movie> for MovieKey {
    fn from(movie: &Movie) -> Self {
        Self(movie.release_date, movie.id.uuid())
    }
}

/// A filter, and the moment and day for which it is asked.
#[derive(Debug, Clone)]
pub(crate) struct MovieQuery {
    /// What is wanted.
    pub filter: MovieFilter,
    /// Shows from now on count.
    pub now: DateTime<Utc>,
    /// Releases after today are yet to come.
    pub today: NaiveDate,
}

fn conditions(query: &MovieQuery) -> Conditions {
    let filter = &query.filter;
    let mut conditions = Conditions::default();
    if filter.coming_soon {
        conditions.compare("m.release_date >", query.today);
    }
    if let Some(genre) = &filter.genre {
        conditions.compare("m.genres @>", vec![genre.clone()]);
    }
    if let Some(text) = &filter.text {
        conditions.compare("m.title_key LIKE", like_pattern(text));
    }
    if filter.asks_for_shows() {
        let shows = show_conditions(query, &mut conditions);
        conditions.push(format!("EXISTS (SELECT FROM catalog.shows s WHERE {shows})"));
    }
    conditions
}

/// What a show must be like, with its parameters in `outer`.
fn show_conditions(query: &MovieQuery, outer: &mut Conditions) -> String {
    let filter = &query.filter;
    let mut clauses = vec!["s.movie_id = m.id".to_owned(), "s.status = 'SCHEDULED'".to_owned()];
    let mut compare = |left: &str, value: sea_orm::Value| {
        clauses.push(format!("{left} {}", outer.bind(value)));
    };
    compare("s.starts_at >", query.now.into());
    if filter.now_showing {
        compare("s.starts_at <", (query.now + NOW_SHOWING).into());
    }
    if let Some(id) = filter.city_id {
        compare("s.city_id =", id.uuid().into());
    }
    if let Some(id) = filter.theater_id {
        compare("s.theater_id =", id.uuid().into());
    }
    if let Some(date) = filter.date {
        compare("s.local_date =", date.into());
    }
    if let Some(format) = filter.format {
        compare("s.format =", format.as_str().into());
    }
    if let Some(language) = &filter.language {
        compare("s.language =", language.as_str().into());
    }
    clauses.join(" AND ")
}

/// Up to `limit` movies of the list after `after`, in its order.
pub(crate) async fn movie_page<C: ConnectionTrait>(
    conn: &C,
    query: &MovieQuery,
    after: Option<&MovieKey>,
    limit: u64,
) -> Result<Vec<MovieId>, StoreError> {
    let mut conditions = conditions(query);
    let (beyond, order) = if query.filter.coming_soon { (">", "ASC") } else { ("<", "DESC") };
    if let Some(MovieKey(date, id)) = after {
        let (date, id) = (conditions.bind(*date), conditions.bind(*id));
        conditions.push(format!("(m.release_date, m.id) {beyond} ({date}, {id})"));
    }
    let text = format!(
        "SELECT m.id FROM catalog.movies m WHERE {} ORDER BY m.release_date {order}, m.id {order} LIMIT {limit}",
        conditions.sql()
    );
    ids(conn, sql(text, conditions.into_values()), MovieId::from_uuid).await
}

/// How many movies are in the list.
pub(crate) async fn movie_count<C: ConnectionTrait>(conn: &C, query: &MovieQuery) -> Result<i64, StoreError> {
    let conditions = conditions(query);
    let text = format!("SELECT count(*) FROM catalog.movies m WHERE {}", conditions.sql());
    number(conn, sql(text, conditions.into_values())).await
}

/// Those of the movies that exist, in no order.
pub(crate) async fn movie_many<C: ConnectionTrait>(
    conn: &C,
    ids: &[MovieId],
) -> Result<Vec<Movie>, StoreError> {
    let text = format!("{SELECT} WHERE id = ANY($1)");
    fetch::<_, Row, _>(conn, sql(text, [uuids(ids, |id| id.uuid())])).await
}

/// Inserts the movies that are new, and tells how many.
pub(crate) async fn movie_insert_new<C: ConnectionTrait>(
    conn: &C,
    movies: &[Movie],
) -> Result<u64, StoreError> {
    let row = |movie: &Movie| {
        let people: Vec<&str> =
            movie.directors().chain(movie.cast.iter().map(|credit| credit.name.as_str())).collect();
        json!({
            "id": movie.id.uuid(),
            "title": movie.title,
            "description": movie.description,
            "runtime_minutes": movie.runtime_minutes,
            "genres": movie.genres,
            "languages": movie.languages,
            "certificate": movie.certificate,
            "release_date": movie.release_date,
            "formats": movie.formats,
            "cast_members": movie.cast,
            "crew": movie.crew,
            "poster_url": movie.poster_url,
            "backdrop_url": movie.backdrop_url,
            "trailer_url": movie.trailer_url,
            "external_ids": movie.external_ids,
            "title_key": fold(&movie.title),
            "people_key": fold(&people.join(" ")),
        })
    };
    let rows: Vec<_> = movies.iter().map(row).collect();
    let text = format!(
        "INSERT INTO catalog.movies ({COLUMNS}, title_key, people_key)
         SELECT {COLUMNS}, title_key, people_key FROM jsonb_populate_recordset(null::catalog.movies, $1)
         ON CONFLICT DO NOTHING"
    );
    Ok(conn.execute_raw(sql(text, [records(&rows)?])).await?.rows_affected())
}
