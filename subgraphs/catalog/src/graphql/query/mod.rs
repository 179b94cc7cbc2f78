//! The root of all questions, a file per noun.

mod city;
mod movie;
mod screen;
mod search;
mod show;
mod theater;

use async_graphql::{Context, ID, MergedObject};

use crate::app::App;

/// Everything that can be asked of the catalog.
#[derive(Debug, Default, MergedObject)]
pub struct Query(
    city::CityQuery,
    theater::TheaterQuery,
    screen::ScreenQuery,
    movie::MovieQuery,
    show::ShowQuery,
    search::SearchQuery,
);

fn app<'c>(ctx: &Context<'c>) -> &'c App {
    ctx.data_unchecked()
}

/// The id that names one thing. Text that is no such id names nothing, so it is not an error.
fn named<T: std::str::FromStr>(id: &ID) -> Option<T> {
    id.parse().ok()
}
