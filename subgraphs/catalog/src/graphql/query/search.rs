//! Search.

use async_graphql::{Context, Object};
use graphql_kit::{ApiError, Connection, Cost, PageArgs, Paged, paging::complexity};
use kernel::{MovieId, TheaterId};

use super::app;
use crate::{
    app::browse::search_text,
    graphql::{
        loaders::Loaders,
        model::{Movie, SearchHit, Theater},
    },
    store::search::{Found, HitKey},
};

/// What can be searched for.
#[derive(Debug, Default)]
pub struct SearchQuery;

#[Object]
impl SearchQuery {
    /// Movies and theaters that `text` may mean, the best first: by titles, people, names and
    /// addresses, by beginnings and parts of words, and in spite of a typo.
    #[graphql(directive = Cost::apply(20), directive = Paged::apply(), complexity = "complexity(first, child_complexity)", cache_control(max_age = 30))]
    async fn search(
        &self,
        ctx: &Context<'_>,
        text: String,
        #[graphql(desc = "How many, from 1 to 100; 20 when not given.")] first: Option<i32>,
        #[graphql(desc = "After this cursor.")] after: Option<String>,
    ) -> Result<Connection<HitKey, SearchHit>, ApiError> {
        let args = PageArgs::new(first, after.as_deref())?;
        let text = search_text(&text)?;
        let count = async {
            if !ctx.look_ahead().field("totalCount").exists() {
                return Ok(0);
            }
            app(ctx).search_count(&text).await
        };
        let page = app(ctx).search(&text, args.after, args.fetch());
        let (hits, total) = futures::try_join!(page, count)?;

        let ids = |found: Found| hits.iter().filter(move |hit| hit.found == found).map(|hit| hit.id);
        let loaders = Loaders::of(ctx);
        let (movies, theaters) = futures::try_join!(
            loaders.get_many(ids(Found::Movie).map(MovieId::from_uuid)),
            loaders.get_many(ids(Found::Theater).map(TheaterId::from_uuid)),
        )?;
        // What went away between the two queries is left out.
        let found: Vec<_> = hits
            .iter()
            .filter_map(|hit| {
                let node = match hit.found {
                    Found::Movie => SearchHit::Movie(Movie(movies.get(&MovieId::from_uuid(hit.id))?.clone())),
                    Found::Theater => {
                        SearchHit::Theater(Theater(theaters.get(&TheaterId::from_uuid(hit.id))?.clone()))
                    }
                };
                Some((hit.key(), node))
            })
            .collect();
        Ok(args.page(found, total, |(key, _)| *key, |(_, node)| node))
    }
}
