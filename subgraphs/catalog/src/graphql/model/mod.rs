//! The types of the schema, each over its domain type.

mod city;
mod enums;
mod layout;
mod movie;
mod screen;
mod search;
mod show;
mod theater;
mod title;
mod user_error;

use std::str::FromStr;

use async_graphql::ID;
use graphql_kit::ApiError;

pub(crate) use city::{City, Position};
pub(crate) use enums::{Amenity, ShowFormat, ShowStatus, SpecialKind, Weekday};
pub(crate) use layout::SeatLayout;
pub(crate) use movie::Movie;
pub(crate) use screen::Screen;
pub(crate) use search::SearchHit;
pub(crate) use show::Show;
pub(crate) use theater::{Theater, TheaterConnection, TheaterEdgeFields};
pub(crate) use title::Title;
pub(crate) use user_error::UserError;

/// The id in an argument that says which things are meant.
///
/// # Errors
/// `BAD_USER_INPUT` for what is no such id.
pub(crate) fn id<T>(argument: &str, id: &ID) -> Result<T, ApiError>
where
    T: FromStr<Err: std::fmt::Display>,
{
    id.parse().map_err(|error| ApiError::bad_input(format!("{argument}: {error}")))
}
