//! What all titles have in common.

use async_graphql::{ID, Interface};

use super::{Movie, movie::Rating};

/// Something that can be shown.
#[derive(Debug, Clone, Interface)]
#[expect(clippy::duplicated_attributes, reason = "each field of the interface has its own type")]
#[graphql(
    field(name = "id", ty = "ID", desc = "Its id."),
    field(name = "title", ty = "&str", desc = "What it is called."),
    field(name = "description", ty = "&str", desc = "What it is about."),
    field(name = "genres", ty = "&[String]", desc = "Such as `Science Fiction`."),
    field(name = "languages", ty = "&[String]", desc = "BCP 47 tags, the main one first."),
    field(name = "poster_url", ty = "Option<&str>", desc = "A portrait picture."),
    field(name = "backdrop_url", ty = "Option<&str>", desc = "A wide picture."),
    field(name = "trailer_url", ty = "Option<&str>", desc = "A video."),
    field(name = "rating", ty = "Rating", desc = "What the audience thinks.")
)]
pub(crate) enum Title {
    /// A movie.
    Movie(Movie),
}
