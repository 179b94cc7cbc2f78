//! What booking knows of a show: its own copy, fed by the catalog's events.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use kernel::{Currency, Layout, Money, MovieId, ScreenId, SeatKind, ShowId, TheaterId};

/// May seats of the show be sold?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShowStatus {
    /// It takes place.
    Scheduled,
    /// It was called off: nothing may be held or sold, everything sold is refunded.
    Cancelled,
}

impl ShowStatus {
    /// The name in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Scheduled => "SCHEDULED",
            Self::Cancelled => "CANCELLED",
        }
    }

    /// The inverse of [`as_str`](Self::as_str).
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "SCHEDULED" => Some(Self::Scheduled),
            "CANCELLED" => Some(Self::Cancelled),
            _ => None,
        }
    }
}

/// The price of every seat of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KindPrice {
    /// The kind of seat.
    pub kind: SeatKind,
    /// What one such seat costs, before fee and tax.
    pub price: Money,
}

/// A show as booking sees it.
#[derive(Debug, Clone)]
pub struct Show {
    /// Its id.
    pub id: ShowId,
    /// The catalog's revision that this copy was made from; grows with every change.
    pub revision: i64,
    /// The film or event.
    pub movie_id: MovieId,
    /// Its title when the revision was made.
    pub title: String,
    /// The theater.
    pub theater_id: TheaterId,
    /// Its name.
    pub theater_name: String,
    /// The screen; seat ids are made from it.
    pub screen_id: ScreenId,
    /// Its name.
    pub screen_name: String,
    /// When it starts.
    pub starts_at: DateTime<Utc>,
    /// When it ends.
    pub ends_at: DateTime<Utc>,
    /// IANA zone of the theater, for local times.
    pub time_zone: String,
    /// The currency of every price.
    pub currency: Currency,
    /// Seats in reading order.
    pub layout: Arc<Layout>,
    /// Indexes of seats that are not for sale, ascending.
    pub blocked: Vec<u16>,
    /// One price per kind of seat.
    pub prices: Vec<KindPrice>,
    /// May seats be sold?
    pub status: ShowStatus,
    /// Does whoever holds seats have to prove that they are a person? Ours, not the catalog's.
    pub challenge_required: bool,
}

impl Show {
    /// What a seat of this kind costs; `None` when the kind is not on sale.
    pub fn price_of(&self, kind: SeatKind) -> Option<Money> {
        self.prices.iter().find(|p| p.kind == kind).map(|p| p.price)
    }

    /// Is the seat withheld from sale?
    pub fn is_blocked(&self, index: u16) -> bool {
        self.blocked.binary_search(&index).is_ok()
    }

    /// May seats be held or sold at this instant?
    pub fn is_open(&self, now: DateTime<Utc>) -> bool {
        self.status == ShowStatus::Scheduled && now < self.starts_at
    }
}
