//! A new show.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use events::show::ShowScheduled;
use graphql_kit::Identity;
use kernel::{MovieId, ScreenId, SeatId, SeatKind, ShowId, seating::seat_index};
use rust_decimal::Decimal;
use sea_orm::ConnectionTrait;

use super::{App, Outcome, Refusal, authorise_scheduling, prices};
use crate::{
    domain::{
        City, Conditions, Language, Movie, Screen, Show, ShowFormat, ShowStatus, SpecialKind, Theater, Timing,
    },
    store::{self, StoreError, show::InsertError},
};

/// Nobody plans further ahead, so such a date is a slip.
const FURTHEST: TimeDelta = TimeDelta::days(2 * 365);

/// What is to be shown.
#[derive(Debug, Clone)]
pub struct ScheduleShow {
    /// What.
    pub movie_id: MovieId,
    /// Where.
    pub screen_id: ScreenId,
    /// When; it may be outside of the opening hours.
    pub starts_at: DateTime<Utc>,
    /// Flat, with glasses, or large; the screen must be able to.
    pub format: ShowFormat,
    /// What is spoken; without it, the movie's main language.
    pub language: Option<String>,
    /// What can be read.
    pub subtitles: Vec<String>,
    /// What makes it special.
    pub special: Option<SpecialKind>,
    /// What a regular seat costs, in the city's currency.
    pub base_price: Decimal,
    /// What other kinds cost, where it is not to be derived.
    pub prices: Vec<(SeatKind, Decimal)>,
    /// Seats that are not on sale.
    pub blocked: Vec<SeatId>,
}

impl App {
    /// Schedules a show. A screen shows one thing at a time, so repeating the request gives
    /// [`Refusal::ScreenBusy`] and no second show.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn schedule_show(&self, actor: &Identity, wanted: ScheduleShow) -> Outcome<Show> {
        authorise_scheduling(actor)?;
        let transaction = self.begin().await?;
        // Locked, so that two schedulers of one screen come one after the other.
        let Some(screen) = store::screen::screen_lock(&transaction, wanted.screen_id).await? else {
            return Ok(Err(Refusal::not_found("screenId", "screen")));
        };
        let Some(movie) = store::movie::movie_many(&transaction, &[wanted.movie_id]).await?.pop() else {
            return Ok(Err(Refusal::not_found("movieId", "movie")));
        };
        let place = Place::load(&transaction, screen).await?;
        let id = ShowId::from_uuid(self.0.ids.uuid());
        let show = match draft(id, &wanted, &movie, &place, self.now()) {
            Ok(show) => show,
            Err(refusal) => return Ok(Err(refusal)),
        };
        match store::show::show_insert(&transaction, &show).await {
            Ok(()) => {}
            Err(InsertError::Store(error)) => return Err(error.into()),
            Err(InsertError::Overlap) => {
                drop(transaction);
                let shows = store::show::show_overlapping(&self.0.pg, show.screen_id, show.timing).await?;
                return Ok(Err(Refusal::ScreenBusy { shows }));
            }
        }
        let event = ShowScheduled(show.snapshot(&movie, &place.theater, &place.screen));
        self.commit_with(transaction, show.id, &event).await?;
        tracing::info!(show = %show.id, user = %actor.user_id, "show scheduled");
        Ok(Ok(show))
    }
}

/// A screen and all around it.
struct Place {
    screen: Screen,
    theater: Theater,
    city: City,
}

impl Place {
    async fn load<C: ConnectionTrait>(conn: &C, screen: Screen) -> Result<Self, StoreError> {
        // Foreign keys promise that both are there.
        let missing = |what| StoreError::corrupt("screen, which lacks its", what);
        let theater = store::theater::theater_many(conn, &[screen.theater_id]).await?.pop();
        let theater = theater.ok_or_else(|| missing("theater"))?;
        let city = store::city::city_many(conn, &[theater.city_id]).await?.pop();
        let city = city.ok_or_else(|| missing("city"))?;
        Ok(Self { screen, theater, city })
    }
}

/// The show that is wanted, if it can be.
fn draft(
    id: ShowId,
    wanted: &ScheduleShow,
    movie: &Movie,
    place: &Place,
    now: DateTime<Utc>,
) -> Result<Show, Refusal> {
    let runtime = movie.runtime_minutes.ok_or_else(|| {
        Refusal::not_allowed(
            "RUNTIME_UNKNOWN",
            "the movie's runtime is not known yet, so it cannot be scheduled",
        )
    })?;
    if wanted.starts_at <= now || wanted.starts_at > now + FURTHEST {
        return Err(Refusal::invalid("startsAt", "a show must begin after now and within two years"));
    }
    Ok(Show {
        id,
        revision: 1,
        movie_id: movie.id,
        screen_id: place.screen.id,
        theater_id: place.theater.id,
        city_id: place.city.id,
        timing: Timing::new(wanted.starts_at, TimeDelta::minutes(runtime.into())),
        time_zone: place.city.time_zone,
        stored_status: ShowStatus::Scheduled,
        cancel_reason: None,
        conditions: conditions(wanted, movie, &place.screen)?,
        currency: place.city.currency,
        prices: prices::list(&place.screen.layout, place.city.currency, wanted.base_price, &wanted.prices)?,
        blocked: blocked(&wanted.blocked, &place.screen)?,
    })
}

fn conditions(wanted: &ScheduleShow, movie: &Movie, screen: &Screen) -> Result<Conditions, Refusal> {
    if !screen.formats.contains(&wanted.format) {
        let able: Vec<_> = screen.formats.iter().map(|format| format.as_str()).collect();
        let message =
            format!("the screen cannot show {}; it can show {}", wanted.format.as_str(), able.join(", "));
        return Err(Refusal::invalid("format", message));
    }
    let tag = |field, text: &str| match text.parse::<Language>() {
        Ok(language) => Ok(language.as_str().to_owned()),
        Err(error) => Err(Refusal::invalid(field, error.to_string())),
    };
    let spoken = wanted.language.as_ref().or(movie.languages.first());
    Ok(Conditions {
        format: wanted.format,
        language: tag("language", spoken.map_or("", String::as_str))?,
        subtitles: wanted.subtitles.iter().map(|text| tag("subtitles", text)).collect::<Result<_, _>>()?,
        special: wanted.special,
    })
}

fn blocked(seats: &[SeatId], screen: &Screen) -> Result<Vec<u16>, Refusal> {
    let index = |seat: &SeatId| {
        seat_index(screen.id, *seat)
            .filter(|index| screen.layout.seat(*index).is_some())
            .ok_or_else(|| Refusal::invalid("blockedSeatIds", format!("{seat} is no seat of this screen")))
    };
    let indices: BTreeSet<u16> = seats.iter().map(index).collect::<Result<_, _>>()?;
    Ok(indices.into_iter().collect())
}
