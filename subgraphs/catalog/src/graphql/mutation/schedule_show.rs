//! `scheduleShow`.

use async_graphql::{Context, ID, InputObject, Object};
use chrono::{DateTime, Utc};
use graphql_kit::{ApiError, Cost, DecimalText, require_user};

use super::{ScheduleShowPayload, ShowPriceInput, app};
use crate::{
    app::{Refusal, ScheduleShow},
    graphql::model::{ShowFormat, SpecialKind},
};

/// A show to be.
#[derive(Debug, Clone, InputObject)]
pub(crate) struct ScheduleShowInput {
    /// What is to be shown; its runtime must be known.
    movie_id: ID,
    /// Where; the screen must be free, with time for trailers before and cleaning after.
    screen_id: ID,
    /// When, within two years; it may be outside of the opening hours.
    starts_at: DateTime<Utc>,
    /// How; the screen must be able to.
    #[graphql(default_with = "ShowFormat::TwoD")]
    format: ShowFormat,
    /// What is spoken, a BCP 47 tag; when not given, the movie's main language.
    language: Option<String>,
    /// What can be read, BCP 47 tags.
    #[graphql(default)]
    subtitles: Vec<String>,
    /// What makes it special.
    special: Option<SpecialKind>,
    /// What a regular seat costs, in the city's currency: `"12.50"`. Other kinds follow from it.
    base_price: DecimalText,
    /// What kinds cost that are not to follow from `basePrice`.
    #[graphql(default)]
    prices: Vec<ShowPriceInput>,
    /// Seats of the screen that are not on sale.
    #[graphql(default)]
    blocked_seat_ids: Vec<ID>,
}

impl TryFrom<ScheduleShowInput> for ScheduleShow {
    type Error = Refusal;

    fn try_from(input: ScheduleShowInput) -> Result<Self, Refusal> {
        let seat = |id: &ID| {
            id.parse()
                .map_err(|_| Refusal::invalid("blockedSeatIds", format!("{} is no seat id", id.as_str())))
        };
        Ok(Self {
            movie_id: input.movie_id.parse().map_err(|_| Refusal::not_found("movieId", "movie"))?,
            screen_id: input.screen_id.parse().map_err(|_| Refusal::not_found("screenId", "screen"))?,
            starts_at: input.starts_at,
            format: input.format.into(),
            language: input.language,
            subtitles: input.subtitles,
            special: input.special.map(Into::into),
            base_price: input.base_price.0,
            prices: input.prices.into_iter().map(Into::into).collect(),
            blocked: input.blocked_seat_ids.iter().map(seat).collect::<Result<_, _>>()?,
        })
    }
}

/// `scheduleShow`.
#[derive(Debug, Default)]
pub struct ScheduleShowMutation;

#[Object]
impl ScheduleShowMutation {
    /// Schedules a show. For managers.
    #[graphql(directive = Cost::apply(10), requires_scopes = "role:manager", requires_scopes = "role:admin")]
    async fn schedule_show(
        &self,
        ctx: &Context<'_>,
        input: ScheduleShowInput,
    ) -> Result<ScheduleShowPayload, ApiError> {
        let actor = require_user(ctx)?;
        let outcome = match input.try_into() {
            Ok(wanted) => app(ctx).schedule_show(actor, wanted).await?,
            Err(refusal) => Err(refusal),
        };
        Ok(outcome.into())
    }
}
