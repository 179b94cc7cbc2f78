//! What can be sold.

use anyhow::{Context, Result};
use chrono::NaiveDate;
use kernel::{CityId, Layout, MovieId, ScreenId, SeatId, ShowId, seating::seat_id};
use sea_orm::{ConnectionTrait, DatabaseConnection, Statement};
use uuid::Uuid;

/// A show that booking knows.
#[derive(Debug, Clone)]
pub struct Show {
    /// Its id.
    pub id: ShowId,
    /// Where it is.
    pub screen: ScreenId,
    /// What is shown.
    pub movie: MovieId,
    /// In which city.
    pub city: CityId,
    /// On which day there.
    pub date: NaiveDate,
    /// How many seats it has.
    pub seats: u16,
}

impl Show {
    /// The id of the seat with this index.
    pub fn seat(&self, index: u16) -> SeatId {
        seat_id(self.screen, index)
    }
}

/// Shows that begin in more than a day; each is given to one measurement only.
#[derive(Debug, Default)]
pub struct Shows {
    all: Vec<Show>,
    fresh: Vec<Show>,
}

impl Shows {
    /// Reads them.
    ///
    /// # Errors
    /// When the tables cannot be read.
    pub async fn read(pg: &DatabaseConnection) -> Result<Self> {
        let sql = "select b.show_id, b.screen_id, b.layout, c.movie_id, c.city_id, c.local_date
                     from booking.shows b join catalog.shows c on c.id = b.show_id
                    where b.starts_at > now() + interval '26 hours' and b.status = 'SCHEDULED'
                    order by b.show_id";
        let rows = pg.query_all_raw(Statement::from_string(pg.get_database_backend(), sql)).await?;
        let show = |row: sea_orm::QueryResult| -> Result<Show> {
            let id = |column: &str| row.try_get::<Uuid>("", column);
            let layout: Layout = row.try_get::<String>("", "layout")?.parse()?;
            Ok(Show {
                id: ShowId::from_uuid(id("show_id")?),
                screen: ScreenId::from_uuid(id("screen_id")?),
                movie: MovieId::from_uuid(id("movie_id")?),
                city: CityId::from_uuid(id("city_id")?),
                date: row.try_get("", "local_date")?,
                seats: u16::try_from(layout.seat_count())?,
            })
        };
        let all = rows.into_iter().map(show).collect::<Result<Vec<_>>>()?;
        // The small ones are given first: some need a large one.
        let mut fresh = all.clone();
        fresh.sort_by_key(|show| show.seats);
        Ok(Self { all, fresh })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// All, used or not.
    pub fn all(&self) -> &[Show] {
        &self.all
    }

    /// `count` shows with at least so many seats in which nothing was sold yet.
    ///
    /// # Errors
    /// When there are not so many left.
    pub fn take(&mut self, count: usize, seats: u16) -> Result<Vec<Show>> {
        let mut taken = Vec::with_capacity(count);
        self.fresh.retain(|show| {
            let takes = taken.len() < count && show.seats >= seats;
            if takes {
                taken.push(show.clone());
            }
            !takes
        });
        let enough = (taken.len() == count).then_some(taken);
        enough.with_context(|| format!("fewer than {count} shows of {seats} seats are left; seed more"))
    }

    /// One show; see [`Shows::take`].
    ///
    /// # Errors
    /// As there.
    pub fn take_one(&mut self, seats: u16) -> Result<Show> {
        self.take(1, seats)?.pop().context("one was taken")
    }
}
