//! Movies, and when they are shown.

use std::{collections::BTreeMap, sync::Arc};

use async_graphql::{Context, ID, Object, SimpleObject};
use graphql_kit::{ApiError, AssumedSize, Cost, Date};
use kernel::TheaterId;

use super::{Show, ShowFormat, Theater, id};
use crate::{
    domain::{self, ShowtimesKey},
    graphql::loaders::Loaders,
};

/// A movie.
#[derive(Debug, Clone)]
pub(crate) struct Movie(pub Arc<domain::Movie>);

/// Somebody who can be seen or heard.
#[derive(Debug, Clone, SimpleObject)]
#[graphql(cache_control(max_age = 60))]
pub(crate) struct CastMember {
    /// Who.
    pub name: String,
    /// As whom; unknown for some announced movies.
    pub character: Option<String>,
}

/// Somebody who made it.
#[derive(Debug, Clone, SimpleObject)]
#[graphql(cache_control(max_age = 60))]
pub(crate) struct CrewMember {
    /// Who.
    pub name: String,
    /// What they did: `Director`.
    pub job: String,
}

/// What another catalog calls it.
#[derive(Debug, Clone, SimpleObject)]
#[graphql(cache_control(max_age = 60))]
pub(crate) struct ExternalId {
    /// The catalog: `imdb`.
    pub source: String,
    /// The id there.
    pub id: String,
}

/// What the audience thinks.
#[derive(Debug, Clone, Copy, SimpleObject)]
#[graphql(cache_control(max_age = 60))]
pub(crate) struct Rating {
    /// From 1 to 5; null while nobody has said anything.
    pub average: Option<f64>,
    /// How many said something.
    pub count: i32,
}

/// The shows of a movie in one theater.
#[derive(Debug, Clone, SimpleObject)]
#[graphql(cache_control(max_age = 30))]
pub(crate) struct TheaterShowtimes {
    /// Where.
    pub theater: Theater,
    /// Which, the earliest first.
    #[graphql(directive = AssumedSize::apply(8), complexity = "8 * child_complexity")]
    pub shows: Vec<Show>,
}

/// A movie.
#[Object(cache_control(max_age = 60))]
impl Movie {
    /// Its id.
    pub(super) async fn id(&self) -> ID {
        self.0.id.into()
    }

    /// What it is called.
    pub(super) async fn title(&self) -> &str {
        &self.0.title
    }

    /// What it is about.
    pub(super) async fn description(&self) -> &str {
        &self.0.description
    }

    /// How long it is; null until it is announced.
    async fn runtime_minutes(&self) -> Option<i16> {
        self.0.runtime_minutes
    }

    /// Such as `Science Fiction`.
    pub(super) async fn genres(&self) -> &[String] {
        &self.0.genres
    }

    /// BCP 47 tags, the main one first.
    pub(super) async fn languages(&self) -> &[String] {
        &self.0.languages
    }

    /// Who may see it, by the Motion Picture Association; `NR`: not rated.
    async fn certificate(&self) -> &str {
        &self.0.certificate
    }

    /// The first public run.
    async fn release_date(&self) -> Date {
        Date(self.0.release_date)
    }

    /// The formats in which it can be had.
    async fn formats(&self) -> Vec<ShowFormat> {
        self.0.formats.iter().copied().map(Into::into).collect()
    }

    /// Who directed it.
    async fn directors(&self) -> Vec<&str> {
        self.0.directors().collect()
    }

    /// Who plays, in order of billing.
    #[graphql(directive = AssumedSize::apply(10), complexity = "10 * child_complexity")]
    async fn cast(&self) -> Vec<CastMember> {
        let member = |credit: &domain::Credit| CastMember {
            name: credit.name.clone(),
            character: credit.character.clone(),
        };
        self.0.cast.iter().map(member).collect()
    }

    /// Who made it.
    #[graphql(directive = AssumedSize::apply(5), complexity = "5 * child_complexity")]
    async fn crew(&self) -> Vec<CrewMember> {
        let member =
            |member: &domain::CrewMember| CrewMember { name: member.name.clone(), job: member.job.clone() };
        self.0.crew.iter().map(member).collect()
    }

    /// A portrait picture.
    pub(super) async fn poster_url(&self) -> Option<&str> {
        self.0.poster_url.as_deref()
    }

    /// A wide picture.
    pub(super) async fn backdrop_url(&self) -> Option<&str> {
        self.0.backdrop_url.as_deref()
    }

    /// A video.
    pub(super) async fn trailer_url(&self) -> Option<&str> {
        self.0.trailer_url.as_deref()
    }

    /// What other catalogs call it.
    #[graphql(directive = AssumedSize::apply(3))]
    async fn external_ids(&self) -> Vec<ExternalId> {
        let external =
            |(source, id): (&String, &String)| ExternalId { source: source.clone(), id: id.clone() };
        self.0.external_ids.iter().map(external).collect()
    }

    /// What the audience thinks.
    pub(super) async fn rating(&self) -> Rating {
        Rating { average: self.0.rating.average, count: self.0.rating.count }
    }

    /// Its shows in a city on a day there that are still to come, by theater.
    #[graphql(directive = Cost::apply(5), directive = AssumedSize::apply(10), complexity = "5 + 10 * child_complexity", cache_control(max_age = 30))]
    async fn showtimes(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Where.")] city_id: ID,
        #[graphql(desc = "On which day there.")] date: Date,
        #[graphql(desc = "Only there.")] theater_id: Option<ID>,
        #[graphql(desc = "Only in this format.")] format: Option<ShowFormat>,
        #[graphql(desc = "Only in this language, a BCP 47 tag.")] language: Option<String>,
    ) -> Result<Vec<TheaterShowtimes>, ApiError> {
        let key = ShowtimesKey {
            movie_id: self.0.id,
            city_id: id("cityId", &city_id)?,
            date: date.0,
            theater_id: theater_id.as_ref().map(|theater| id("theaterId", theater)).transpose()?,
            format: format.map(Into::into),
            language,
        };
        let loaders = Loaders::of(ctx);
        let mut shows: BTreeMap<TheaterId, Vec<Show>> = BTreeMap::new();
        for show in loaders.get(key).await?.unwrap_or_default() {
            shows.entry(show.theater_id).or_default().push(Show(show));
        }
        let theaters = loaders.get_many(shows.keys().copied().collect::<Vec<_>>()).await?;
        let mut theaters: Vec<_> = theaters.into_values().collect();
        theaters.sort_by(|a, b| (&a.name, a.id).cmp(&(&b.name, b.id)));
        let at = |theater: Arc<domain::Theater>| {
            let shows = shows.remove(&theater.id).unwrap_or_default();
            TheaterShowtimes { theater: Theater(theater), shows }
        };
        Ok(theaters.into_iter().map(at).collect())
    }
}
