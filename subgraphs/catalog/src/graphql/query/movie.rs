//! Movies.

use async_graphql::{Context, ID, InputObject, Object};
use graphql_kit::{ApiError, Connection, Cost, Date, PageArgs, Paged, paging::complexity};
use kernel::MovieId;

use super::{app, named};
use crate::{
    domain::MovieFilter,
    graphql::{
        loaders::Loaders,
        model::{Movie, ShowFormat, Title, id},
    },
    store::movie::MovieKey,
};

/// Which movies are wanted. Everything that is given must hold, and whatever concerns shows must
/// hold for one and the same show that is still to come.
#[derive(Debug, Clone, Default, InputObject)]
pub(crate) struct MovieFilterInput {
    /// With a show there. With `comingSoon` it only says whose calendar counts.
    city_id: Option<ID>,
    /// With a show in the coming seven days.
    #[graphql(default)]
    now_showing: bool,
    /// Not yet released, the next first.
    #[graphql(default)]
    coming_soon: bool,
    /// Of this genre, spelled as in `Movie.genres`.
    genre: Option<String>,
    /// With a show in this language, a BCP 47 tag.
    language: Option<String>,
    /// With a show in this format.
    format: Option<ShowFormat>,
    /// With a show there.
    theater_id: Option<ID>,
    /// With a show on this day at the theater.
    date: Option<Date>,
    /// With this in the title; case and accents do not matter.
    text: Option<String>,
}

impl TryFrom<MovieFilterInput> for MovieFilter {
    type Error = ApiError;

    fn try_from(input: MovieFilterInput) -> Result<Self, ApiError> {
        Ok(Self {
            city_id: input.city_id.as_ref().map(|city| id("filter.cityId", city)).transpose()?,
            now_showing: input.now_showing,
            coming_soon: input.coming_soon,
            genre: input.genre,
            language: input.language,
            format: input.format.map(Into::into),
            theater_id: input
                .theater_id
                .as_ref()
                .map(|theater| id("filter.theaterId", theater))
                .transpose()?,
            date: input.date.map(|date| date.0),
            text: input.text,
        })
    }
}

/// What can be asked about movies.
#[derive(Debug, Default)]
pub struct MovieQuery;

#[Object]
impl MovieQuery {
    /// Movies, the newest first.
    #[graphql(directive = Cost::apply(5), directive = Paged::apply(), complexity = "complexity(first, child_complexity)", cache_control(max_age = 30))]
    async fn movies(
        &self,
        ctx: &Context<'_>,
        filter: Option<MovieFilterInput>,
        #[graphql(desc = "How many, from 1 to 100; 20 when not given.")] first: Option<i32>,
        #[graphql(desc = "After this cursor.")] after: Option<String>,
    ) -> Result<Connection<MovieKey, Movie>, ApiError> {
        let args = PageArgs::new(first, after.as_deref())?;
        let query = app(ctx).movie_query(filter.unwrap_or_default().try_into()?).await?;
        let count = async {
            if !ctx.look_ahead().field("totalCount").exists() {
                return Ok(0);
            }
            app(ctx).movie_count(&query).await
        };
        let page = app(ctx).movies(&query, args.after.as_ref(), args.fetch());
        let (movies, total) = futures::try_join!(page, count)?;
        Ok(args.page(movies, total, |movie| MovieKey::from(&**movie), Movie))
    }

    /// A movie, by its id.
    #[graphql(cache_control(max_age = 60))]
    async fn movie(&self, ctx: &Context<'_>, id: ID) -> Result<Option<Movie>, ApiError> {
        find(ctx, &id).await
    }

    /// A title of any kind, by its id.
    #[graphql(cache_control(max_age = 60))]
    async fn title(&self, ctx: &Context<'_>, id: ID) -> Result<Option<Title>, ApiError> {
        Ok(find(ctx, &id).await?.map(Title::Movie))
    }

    #[graphql(entity)]
    async fn find_movie_by_id(&self, ctx: &Context<'_>, id: ID) -> Result<Option<Movie>, ApiError> {
        find(ctx, &id).await
    }
}

async fn find(ctx: &Context<'_>, id: &ID) -> Result<Option<Movie>, ApiError> {
    let Some(id) = named::<MovieId>(id) else { return Ok(None) };
    Ok(Loaders::of(ctx).get(id).await?.map(Movie))
}
