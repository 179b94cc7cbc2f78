//! Theaters.

use std::sync::Arc;

use kernel::{CityId, TheaterId};
use sea_orm::{ConnectionTrait, FromQueryResult};
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use super::{StoreError, conditions::Conditions, fetch, from_json, number, parse_all, records, sql, uuids};
use crate::domain::{Position, Theater, fold};

const COLUMNS: &str = "id, city_id, name, address, latitude, longitude, amenities, opening_hours";

#[derive(FromQueryResult)]
struct Row {
    id: Uuid,
    city_id: Uuid,
    name: String,
    address: String,
    latitude: f64,
    longitude: f64,
    amenities: Vec<String>,
    opening_hours: serde_json::Value,
}

impl TryFrom<Row> for Theater {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: TheaterId::from_uuid(row.id),
            city_id: CityId::from_uuid(row.city_id),
            name: row.name,
            address: row.address,
            position: Position { lat: row.latitude, lon: row.longitude },
            amenities: parse_all("amenity", &row.amenities)?,
            opening_hours: from_json("opening hours", row.opening_hours)?,
        })
    }
}

/// A theater's place in a list.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    /// Which theater.
    pub theater: TheaterId,
    /// How far away, in metres, when the list is about that.
    pub distance: Option<i64>,
}

/// A theater in a list.
#[derive(Debug, Clone)]
pub(crate) struct TheaterListed {
    /// It.
    pub theater: Arc<Theater>,
    /// How far away, in metres, when the list is about that.
    pub distance: Option<i64>,
}

#[derive(FromQueryResult)]
struct PlaceRow {
    id: Uuid,
    distance: Option<i64>,
}

impl TryFrom<PlaceRow> for Place {
    type Error = StoreError;

    fn try_from(row: PlaceRow) -> Result<Self, StoreError> {
        Ok(Self { theater: TheaterId::from_uuid(row.id), distance: row.distance })
    }
}

/// Where a theater stands in its list.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) enum TheaterKey {
    /// By name.
    Name(String, Uuid),
    /// By distance in metres.
    Distance(i64, Uuid),
}

impl TheaterListed {
    /// Where it stands.
    pub(crate) fn key(&self) -> TheaterKey {
        let id = self.theater.id.uuid();
        match self.distance {
            Some(metres) => TheaterKey::Distance(metres, id),
            None => TheaterKey::Name(self.theater.name.clone(), id),
        }
    }
}

/// Which theaters are wanted.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct TheaterFilter {
    /// Only there.
    pub city_id: Option<CityId>,
    /// Within so many kilometres of a point; the list is then sorted by distance.
    pub near: Option<(Position, f64)>,
}

/// Metres between two points: haversine on a sphere of the IUGG mean radius, 6,371,008.8 m.
fn distance_sql(lat: &str, lon: &str) -> String {
    format!(
        "round(2 * 6371008.8 * asin(least(1, sqrt(
             power(sin(radians(latitude - {lat}) / 2), 2)
             + cos(radians({lat})) * cos(radians(latitude)) * power(sin(radians(longitude - {lon}) / 2), 2)
         ))))::bigint"
    )
}

/// The list as a subquery `t`: the theater's columns, and `distance`, null when it is not about
/// that.
fn listed(filter: TheaterFilter) -> (String, Conditions) {
    let mut conditions = Conditions::default();
    if let Some(city_id) = filter.city_id {
        conditions.compare("city_id =", city_id.uuid());
    }
    let mut distance = "null::bigint".to_owned();
    let mut within = String::new();
    if let Some((position, radius_km)) = filter.near {
        let (lat, lon) = (conditions.bind(position.lat), conditions.bind(position.lon));
        distance = distance_sql(&lat, &lon);
        let bounds = position.bounds(radius_km);
        let (south, north) = (conditions.bind(bounds.lat.0), conditions.bind(bounds.lat.1));
        let (west, east) = (conditions.bind(bounds.lon.0), conditions.bind(bounds.lon.1));
        conditions
            .push(format!("latitude BETWEEN {south} AND {north} AND longitude BETWEEN {west} AND {east}"));
        let metres = conditions.bind((radius_km * 1_000.0).round() as i64);
        within = format!(" WHERE distance <= {metres}");
    }
    let inner = conditions.sql();
    let text = format!(
        "(SELECT * FROM (SELECT {COLUMNS}, {distance} AS distance FROM catalog.theaters WHERE {inner}) d{within}) t"
    );
    (text, conditions)
}

/// Up to `limit` theaters after `after`, by name, or by distance when the filter is about that.
pub(crate) async fn theater_page<C: ConnectionTrait>(
    conn: &C,
    filter: TheaterFilter,
    after: Option<&TheaterKey>,
    limit: u64,
) -> Result<Vec<Place>, StoreError> {
    let (list, mut conditions) = listed(filter);
    let order = if filter.near.is_some() { "distance" } else { "name" };
    let rest = match after {
        None => "true".to_owned(),
        Some(TheaterKey::Name(name, id)) => {
            format!("(name, id) > ({}, {})", conditions.bind(name.as_str()), conditions.bind(*id))
        }
        Some(TheaterKey::Distance(metres, id)) => {
            format!("(distance, id) > ({}, {})", conditions.bind(*metres), conditions.bind(*id))
        }
    };
    let text = format!("SELECT id, distance FROM {list} WHERE {rest} ORDER BY {order}, id LIMIT {limit}");
    fetch::<_, PlaceRow, _>(conn, sql(text, conditions.into_values())).await
}

/// How many theaters are in the list.
pub(crate) async fn theater_count<C: ConnectionTrait>(
    conn: &C,
    filter: TheaterFilter,
) -> Result<i64, StoreError> {
    let (list, conditions) = listed(filter);
    number(conn, sql(format!("SELECT count(*) FROM {list}"), conditions.into_values())).await
}

/// Those of the theaters that exist, in no order.
pub(crate) async fn theater_many<C: ConnectionTrait>(
    conn: &C,
    ids: &[TheaterId],
) -> Result<Vec<Theater>, StoreError> {
    let text = format!("SELECT {COLUMNS} FROM catalog.theaters WHERE id = ANY($1)");
    fetch::<_, Row, _>(conn, sql(text, [uuids(ids, |id| id.uuid())])).await
}

/// Inserts the theaters that are new, and tells how many.
pub(crate) async fn theater_insert_new<C: ConnectionTrait>(
    conn: &C,
    theaters: &[Theater],
) -> Result<u64, StoreError> {
    let row = |theater: &Theater| {
        json!({
            "id": theater.id.uuid(),
            "city_id": theater.city_id.uuid(),
            "name": theater.name,
            "address": theater.address,
            "latitude": theater.position.lat,
            "longitude": theater.position.lon,
            "amenities": theater.amenities,
            "opening_hours": theater.opening_hours,
            "search_key": fold(&format!("{} {}", theater.name, theater.address)),
        })
    };
    let rows: Vec<_> = theaters.iter().map(row).collect();
    let text = format!(
        "INSERT INTO catalog.theaters ({COLUMNS}, search_key)
         SELECT {COLUMNS}, search_key FROM jsonb_populate_recordset(null::catalog.theaters, $1)
         ON CONFLICT DO NOTHING"
    );
    Ok(conn.execute_raw(sql(text, [records(&rows)?])).await?.rows_affected())
}
