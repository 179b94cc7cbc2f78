//! Screens.

use kernel::{Layout, ScreenId, TheaterId};

use super::ShowFormat;

/// A room with seats. Its id ends in two zero bytes: see [`kernel::seating::screen_uuid`].
#[derive(Debug, Clone, PartialEq)]
pub struct Screen {
    /// Its id.
    pub id: ScreenId,
    /// The building that it is in.
    pub theater_id: TheaterId,
    /// Its order within the building, from 1.
    pub number: i16,
    /// What it is called.
    pub name: String,
    /// How its seats stand.
    pub layout: Layout,
    /// What its equipment can show.
    pub formats: Vec<ShowFormat>,
    /// Grows with each change of the layout.
    pub revision: i64,
}
