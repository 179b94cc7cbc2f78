//! Cities.

use kernel::CityId;
use sea_orm::{ConnectionTrait, FromQueryResult};
use serde_json::json;
use uuid::Uuid;

use super::{StoreError, fetch, parse, records, sql, uuids};
use crate::domain::{City, Position};

const COLUMNS: &str = "id, slug, name, country_code, time_zone, currency, latitude, longitude";

#[derive(FromQueryResult)]
struct Row {
    id: Uuid,
    slug: String,
    name: String,
    country_code: String,
    time_zone: String,
    currency: String,
    latitude: f64,
    longitude: f64,
}

impl TryFrom<Row> for City {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: CityId::from_uuid(row.id),
            slug: row.slug,
            name: row.name,
            country_code: row.country_code,
            time_zone: parse("time zone", &row.time_zone)?,
            currency: parse("currency", &row.currency)?,
            position: Position { lat: row.latitude, lon: row.longitude },
        })
    }
}

/// Every city, by name. There are few; they are not paged.
pub(crate) async fn city_list<C: ConnectionTrait>(conn: &C) -> Result<Vec<City>, StoreError> {
    let text = format!("SELECT {COLUMNS} FROM catalog.cities ORDER BY name, id");
    fetch::<_, Row, _>(conn, sql(text, [])).await
}

/// Those of the cities that exist, in no order.
pub(crate) async fn city_many<C: ConnectionTrait>(conn: &C, ids: &[CityId]) -> Result<Vec<City>, StoreError> {
    let text = format!("SELECT {COLUMNS} FROM catalog.cities WHERE id = ANY($1)");
    fetch::<_, Row, _>(conn, sql(text, [uuids(ids, |id| id.uuid())])).await
}

/// The city with this name in addresses of pages.
pub(crate) async fn city_by_slug<C: ConnectionTrait>(
    conn: &C,
    slug: &str,
) -> Result<Option<City>, StoreError> {
    let text = format!("SELECT {COLUMNS} FROM catalog.cities WHERE slug = $1");
    Ok(fetch::<_, Row, _>(conn, sql(text, [slug.into()])).await?.pop())
}

/// Inserts the cities that are new, and tells how many.
pub(crate) async fn city_insert_new<C: ConnectionTrait>(
    conn: &C,
    cities: &[City],
) -> Result<u64, StoreError> {
    let row = |city: &City| {
        json!({
            "id": city.id.uuid(),
            "slug": city.slug,
            "name": city.name,
            "country_code": city.country_code,
            "time_zone": city.time_zone.name(),
            "currency": city.currency.code(),
            "latitude": city.position.lat,
            "longitude": city.position.lon,
        })
    };
    let rows: Vec<_> = cities.iter().map(row).collect();
    let text = format!(
        "INSERT INTO catalog.cities ({COLUMNS})
         SELECT {COLUMNS} FROM jsonb_populate_recordset(null::catalog.cities, $1)
         ON CONFLICT DO NOTHING"
    );
    Ok(conn.execute_raw(sql(text, [records(&rows)?])).await?.rows_affected())
}
