//! Screens.

use std::sync::Arc;

use async_graphql::{Context, ID, Object};
use graphql_kit::ApiError;

use super::{SeatLayout, ShowFormat, Theater};
use crate::{domain, graphql::loaders::Loaders};

/// A room with seats.
#[derive(Debug, Clone)]
pub(crate) struct Screen(pub Arc<domain::Screen>);

/// A room with seats.
#[Object(cache_control(max_age = 60))]
impl Screen {
    /// Its id.
    async fn id(&self) -> ID {
        self.0.id.into()
    }

    /// What it is called.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// Its order within the theater, from 1.
    async fn number(&self) -> i16 {
        self.0.number
    }

    /// What its equipment can show.
    async fn formats(&self) -> Vec<ShowFormat> {
        self.0.formats.iter().copied().map(Into::into).collect()
    }

    /// How its seats stand. It changes only with `revision`, so it can be kept.
    async fn layout(&self) -> SeatLayout {
        SeatLayout(Arc::clone(&self.0))
    }

    /// Grows with each change of the layout.
    async fn revision(&self) -> i64 {
        self.0.revision
    }

    /// The building that it is in.
    async fn theater(&self, ctx: &Context<'_>) -> Result<Theater, ApiError> {
        Ok(Theater(Loaders::of(ctx).require("theater", self.0.theater_id).await?))
    }
}
