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
mod progress;
mod script;
mod seat_map;
mod stampede;
mod till;
mod watching;

use std::time::Duration;

use anyhow::Result;
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

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
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
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

    /// Its place in a whole run.
    pub fn turn(self) -> usize {
        Self::ALL.iter().position(|kind| *kind == self).unwrap_or(Self::ALL.len())
    }

    /// What it may take, several times what it should: something hangs that takes longer.
    pub const fn limit(self) -> Duration {
        Duration::from_mins(match self {
            Self::Confirm | Self::Evening | Self::Growth => 40,
            _ => 15,
        })
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

    /// Runs it; adds what it finds to `found` as soon as that is whole.
    ///
    /// # Errors
    /// When an answer is wrong, or the stand broke.
    pub async fn run(self, stand: &mut Stand, plan: Plan, found: &mut Vec<Outcome>) -> Result<()> {
        match self {
            Self::Hold => hold::run(stand, plan, found).await,
            Self::Stampede => stampede::run(stand, plan, found).await,
            Self::Checkout => checkout::run(stand, plan, found).await,
            Self::Confirm => confirm::run(stand, plan, found).await,
            Self::SeatMap => seat_map::run(stand, plan, found).await,
            Self::Browse => browse::run(stand, plan, found).await,
            Self::Federated => federated::run(stand, plan, found).await,
            Self::FanOut => fan_out::run(stand, plan, found).await,
            Self::Outbox => outbox::run(stand, plan, found).await,
            Self::Evening => evening::run(stand, plan, found).await,
            Self::Growth => growth::run(stand, plan, found).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scenario_has_one_name_everywhere() {
        for kind in Kind::ALL {
            let on_the_command_line = kind.to_possible_value().unwrap();
            assert_eq!(on_the_command_line.get_name(), kind.name());
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
        }
        assert_eq!(Kind::value_variants().len(), Kind::ALL.len());
    }
}
