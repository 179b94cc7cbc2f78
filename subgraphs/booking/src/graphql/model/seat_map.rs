//! `SeatMap` and `SeatMapDelta`.

use std::sync::Arc;

use async_graphql::{Context, Enum, ID, Object, Result, SimpleObject};
use graphql_kit::{ApiError, AssumedSize, Cost, MoneyObject, validated};
use kernel::{ScreenId, seating::seat_id};

use graphql_kit::SeatKind;

use super::hold::failure;
use crate::domain::{
    availability, delta,
    show::{self, Show},
};
use crate::graphql::error::app;
use crate::store::seats::Snapshot;

/// Whether a seat can be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "kernel::SeatState")]
pub enum SeatState {
    /// Free.
    Available,
    /// Somebody holds it, or is paying for it.
    Held,
    /// Somebody owns it.
    Sold,
    /// Not on sale.
    Blocked,
}

/// How full a show is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "availability::Availability")]
pub enum Availability {
    /// At least half of the seats can be had.
    Available,
    /// Less than half.
    FillingFast,
    /// Less than 15 %.
    AlmostFull,
    /// None.
    SoldOut,
}

/// The seats of a show at one moment.
///
/// To follow it: subscribe to `seatMapChanged`, then read this, then apply each delta whose
/// `version` is higher. When its `epoch` differs, or its `fromVersion` is not your version, read
/// this again.
pub struct SeatMap {
    show: kernel::ShowId,
    snapshot: Snapshot,
}

impl SeatMap {
    pub(crate) const fn new(show: kernel::ShowId, snapshot: Snapshot) -> Self {
        Self { show, snapshot }
    }

    async fn show(&self, ctx: &Context<'_>) -> Result<Arc<Show>> {
        let show = app(ctx)?.seats.show_of(self.show, &self.snapshot).await;
        let show = show.map_err(|error| failure(&error))?;
        if show.revision < self.snapshot.revision {
            // Prices of before would last as long as the seats do.
            validated::by_nothing(ctx);
        }
        Ok(show)
    }
}

// The same for everybody as long as Redis says that the seats are still these. Of the show it says that
// sooner or later: a new revision makes a new epoch, when booking has heard of it and Redis is there.
#[Object(cache_control(private, max_age = 60))]
impl SeatMap {
    /// The life of this map: versions count within it.
    async fn epoch(&self) -> &str {
        &self.snapshot.position.epoch
    }

    /// Grows by one with each change.
    async fn version(&self) -> u64 {
        self.snapshot.position.version
    }

    /// A letter for each seat in the order of the layout: `A` available, `H` held, `S` sold, `B`
    /// blocked.
    async fn states(&self) -> Result<&str> {
        Ok(str::from_utf8(&self.snapshot.states).map_err(|error| ApiError::internal(&error))?)
    }

    /// How many seats can be had.
    async fn available(&self) -> u32 {
        self.snapshot.available()
    }

    /// The live seat map is away, and this was made from what is sold and held for certain: a seat
    /// that looks free may be refused. Versions do not count then; every change has another epoch.
    async fn degraded(&self) -> bool {
        self.snapshot.degraded
    }

    /// What a seat of each kind costs, before fee and tax.
    #[graphql(directive = AssumedSize::apply(6), cache_control(max_age = 30))]
    async fn prices(&self, ctx: &Context<'_>) -> Result<Vec<SeatPrice>> {
        let mut prices = self.show(ctx).await?.prices.clone();
        prices.sort_unstable_by_key(|price| price.kind);
        Ok(prices.iter().map(SeatPrice::from).collect())
    }

    /// Every seat with its state and price. Large: prefer `states` with the layout of the screen.
    #[graphql(
        directive = Cost::apply(10),
        directive = AssumedSize::apply(200),
        complexity = "200 + child_complexity * 50",
        cache_control(max_age = 30)
    )]
    async fn seats(&self, ctx: &Context<'_>) -> Result<Vec<SeatMapSeat>> {
        let show = self.show(ctx).await?;
        let states = self.snapshot.states.iter().map(|letter| kernel::SeatState::from_byte(*letter));
        Ok(show
            .layout
            .seats()
            .iter()
            .zip(states)
            .filter_map(|(seat, state)| {
                Some(SeatMapSeat {
                    id: ID(seat_id(show.screen_id, seat.index).to_string()),
                    label: show.layout.label(seat.index)?,
                    index: seat.index,
                    kind: seat.kind.into(),
                    state: state?.into(),
                    price: show.price_of(seat.kind).map(MoneyObject::from),
                })
            })
            .collect())
    }
}

/// What seats of one kind cost.
#[derive(SimpleObject)]
#[graphql(cache_control(private, max_age = 30))]
pub struct SeatPrice {
    /// The kind.
    pub kind: SeatKind,
    /// What one such seat costs, before fee and tax.
    pub price: MoneyObject,
}

impl From<&show::KindPrice> for SeatPrice {
    fn from(price: &show::KindPrice) -> Self {
        Self { kind: price.kind.into(), price: price.price.into() }
    }
}

/// One seat of a seat map.
#[derive(SimpleObject)]
#[graphql(cache_control(private, max_age = 30))]
pub struct SeatMapSeat {
    /// The same id as in the layout of the screen.
    pub id: ID,
    /// What people call it: `A5`.
    pub label: String,
    /// Its position in `states`, from 0.
    pub index: u16,
    /// What it is like.
    pub kind: SeatKind,
    /// Whether it can be had.
    pub state: SeatState,
    /// What it costs, before fee and tax; null when its kind is not on sale.
    pub price: Option<MoneyObject>,
}

/// What happened to a seat map from one version to another.
#[derive(SimpleObject)]
pub struct SeatMapDelta {
    /// The life of the map that the versions count in.
    pub epoch: String,
    /// The version that this builds on.
    pub from_version: u64,
    /// The version that it leads to; the same as `fromVersion` when nothing changed.
    pub version: u64,
    /// The latest state of each seat that changed.
    #[graphql(directive = AssumedSize::apply(10))]
    pub changes: Vec<SeatChange>,
}

/// The new state of one seat.
#[derive(SimpleObject)]
pub struct SeatChange {
    /// The same id as in the layout of the screen.
    pub seat_id: ID,
    /// Its position in `states`, from 0.
    pub index: u16,
    /// What it is now.
    pub state: SeatState,
}

impl SeatMapDelta {
    pub(crate) fn new(screen: ScreenId, delta: &delta::Delta) -> Self {
        Self {
            epoch: delta.epoch.to_string(),
            from_version: delta.from_version,
            version: delta.version,
            changes: delta
                .changes
                .iter()
                .map(|change| SeatChange {
                    seat_id: ID(seat_id(screen, change.seat).to_string()),
                    index: change.seat,
                    state: change.state.into(),
                })
                .collect(),
        }
    }
}
