//! The scenarios: one file each, the raw side beside ours.

mod board;
mod browse;
mod checkout;
mod confirm;
mod evening;
mod fan_out;
mod federated;
mod growth;
mod hold;
mod outbox;
mod pgbench;
mod script;
mod seat_map;
mod stampede;
mod till;
mod watching;

use std::time::Duration;

use anyhow::Result;
use clap::ValueEnum;

use crate::{measure::Outcome, stand::Stand};

/// Connections of a closed loop.
const CONNECTIONS: usize = 64;

/// How much is measured.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Only whether it works.
    pub quick: bool,
    /// How often each side is measured.
    pub pairs: usize,
}

impl Plan {
    /// One number for a full run, another for a quick one.
    pub const fn of<T: Copy>(self, full: T, quick: T) -> T {
        if self.quick { quick } else { full }
    }

    /// How long a closed loop of reads runs.
    pub const fn time(self) -> Duration {
        self.of(Duration::from_secs(4), Duration::from_millis(800))
    }
}

/// The scenarios.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// `holdSeats`, distinct seats.
    Hold,
    /// Thousands want the same seats.
    Stampede,
    /// From a hold to a confirmed booking.
    Checkout,
    /// The queue consumer alone.
    Confirm,
    /// `SeatStates` of large shows.
    SeatMap,
    /// `NowShowing` and `MovieShows`.
    Browse,
    /// Queries of one and of two fetches.
    Federated,
    /// Deltas to thousands of sockets, and how late they come.
    FanOut,
    /// The relay to RabbitMQ.
    Outbox,
    /// Everything at once, for a while.
    Evening,
    /// How costs grow.
    Growth,
}

impl Kind {
    /// In the order in which they run: what fills tables comes last.
    pub const ALL: [Self; 11] = [
        Self::Hold,
        Self::Stampede,
        Self::SeatMap,
        Self::Browse,
        Self::Federated,
        Self::FanOut,
        Self::Outbox,
        Self::Confirm,
        Self::Checkout,
        Self::Evening,
        Self::Growth,
    ];

    /// As on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hold => "hold",
            Self::Stampede => "stampede",
            Self::Checkout => "checkout",
            Self::Confirm => "confirm",
            Self::SeatMap => "seat-map",
            Self::Browse => "browse",
            Self::Federated => "federated",
            Self::FanOut => "fan-out",
            Self::Outbox => "outbox",
            Self::Evening => "evening",
            Self::Growth => "growth",
        }
    }

    /// What it is about.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Hold => "Holds of distinct seats over many shows",
            Self::Stampede => "Thousands of rivals for 200 seats",
            Self::Checkout => "From a hold to a confirmed booking",
            Self::Confirm => "The consumer that confirms",
            Self::SeatMap => "Seat maps of 500 seats",
            Self::Browse => "Browsing, warm",
            Self::Federated => "Federated queries of one and two fetches",
            Self::FanOut => "Seat-map deltas to thousands of sockets",
            Self::Outbox => "The outbox relay",
            Self::Evening => "A mixed evening",
            Self::Growth => "How costs grow",
        }
    }

    /// Runs it.
    ///
    /// # Errors
    /// When an answer is wrong, or the stand broke.
    pub async fn run(self, stand: &mut Stand, plan: Plan) -> Result<Vec<Outcome>> {
        match self {
            Self::Hold => hold::run(stand, plan).await,
            Self::Stampede => stampede::run(stand, plan).await,
            Self::Checkout => checkout::run(stand, plan).await,
            Self::Confirm => confirm::run(stand, plan).await,
            Self::SeatMap => seat_map::run(stand, plan).await,
            Self::Browse => browse::run(stand, plan).await,
            Self::Federated => federated::run(stand, plan).await,
            Self::FanOut => fan_out::run(stand, plan).await,
            Self::Outbox => outbox::run(stand, plan).await,
            Self::Evening => evening::run(stand, plan).await,
            Self::Growth => growth::run(stand, plan).await,
        }
    }
}
