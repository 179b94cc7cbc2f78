//! What catalog tells of shows.

use chrono::{DateTime, Utc};
use kernel::{Currency, Layout, MovieId, ScreenId, SeatKind, ShowId, TheaterId};
use serde::{Deserialize, Serialize};

/// All that others need to know of a show. Complete in itself, so that readers need neither
/// earlier events nor another's tables.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ShowSnapshot {
    /// The show.
    pub show_id: ShowId,
    /// Grows with each change of the show: readers ignore what is not newer than what they have.
    pub revision: i64,
    /// What is shown.
    pub movie_id: MovieId,
    /// What is shown, in words.
    pub title: String,
    /// Where.
    pub theater_id: TheaterId,
    /// Where, in words.
    pub theater_name: String,
    /// On which screen.
    pub screen_id: ScreenId,
    /// On which screen, in words.
    pub screen_name: String,
    /// When it begins.
    pub starts_at: DateTime<Utc>,
    /// When it ends.
    pub ends_at: DateTime<Utc>,
    /// IANA name of the zone at the theater.
    pub time_zone: String,
    /// The currency of its prices.
    pub currency: Currency,
    /// The seats.
    pub layout: Layout,
    /// Indices of the seats that are not on sale.
    pub blocked: Vec<u16>,
    /// What each kind of seat in the layout costs.
    pub prices: Vec<KindPrice>,
}

/// What a kind of seat costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct KindPrice {
    /// The kind of seat.
    pub kind: SeatKind,
    /// Minor units of the show's currency.
    pub minor: i64,
}

/// `show.scheduled`: a new show.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ShowScheduled(pub ShowSnapshot);

/// `show.changed`: a show is different now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ShowChanged(pub ShowSnapshot);

/// `show.cancelled`: a show will not take place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShowCancelled {
    /// The show.
    pub show_id: ShowId,
    /// See [`ShowSnapshot::revision`].
    pub revision: i64,
    /// Why, in words for the audience.
    pub reason: Option<String>,
}

crate::events! {
    ShowScheduled "show.scheduled" v 1 by |e| e.0.show_id.uuid();
    ShowChanged "show.changed" v 1 by |e| e.0.show_id.uuid();
    ShowCancelled "show.cancelled" v 1 by |e| e.show_id.uuid();
}
