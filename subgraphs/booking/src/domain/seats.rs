//! Choosing seats: from the ids of a request to seats of a show.

use kernel::{SeatId, SeatState, seating::seat_index};

use super::show::{Show, ShowStatus};

/// Why a choice of seats can never be held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChoiceError {
    /// No seat at all.
    #[error("choose at least one seat")]
    Empty,
    /// More than one hold may have.
    #[error("choose at most {max} seats at a time")]
    TooMany {
        /// How many one hold may have.
        max: u16,
    },
    /// Another screen's seat, or none.
    #[error("there is no seat {0} in this show")]
    Unknown(SeatId),
    /// One seat twice.
    #[error("seat {0} is chosen twice")]
    Twice(SeatId),
    /// Seats of this kind have no price.
    #[error("seat {0} is not on sale in this show")]
    NotOnSale(SeatId),
}

/// The indices of `seats` in `show`, ascending.
///
/// # Errors
/// When they can never be held together.
pub fn choose(show: &Show, seats: &[SeatId], max: u16) -> Result<Vec<u16>, ChoiceError> {
    if seats.is_empty() {
        return Err(ChoiceError::Empty);
    }
    if seats.len() > usize::from(max) {
        return Err(ChoiceError::TooMany { max });
    }
    let mut chosen = Vec::with_capacity(seats.len());
    for &id in seats {
        let seat = seat_index(show.screen_id, id)
            .and_then(|index| show.layout.seat(index))
            .ok_or(ChoiceError::Unknown(id))?;
        if show.price_of(seat.kind).is_none() {
            return Err(ChoiceError::NotOnSale(id));
        }
        if chosen.contains(&seat.index) {
            return Err(ChoiceError::Twice(id));
        }
        chosen.push(seat.index);
    }
    chosen.sort_unstable();
    Ok(chosen)
}

/// Seats that nobody can have, ascending: blocked ones, those without a price, and all of a
/// cancelled show.
pub fn not_on_sale(show: &Show) -> Vec<u16> {
    let closed = show.status == ShowStatus::Cancelled;
    let seats = show.layout.seats().iter();
    seats
        .filter(|seat| closed || show.is_blocked(seat.index) || show.price_of(seat.kind).is_none())
        .map(|seat| seat.index)
        .collect()
}

/// Packed states of a show whose seats have these states, and are else free or not on sale.
pub fn pack(show: &Show, taken: impl IntoIterator<Item = (u16, SeatState)>) -> Vec<u8> {
    let mut states = vec![SeatState::Available.byte(); show.layout.seat_count()];
    let blocked = not_on_sale(show).into_iter().map(|seat| (seat, SeatState::Blocked));
    for (seat, state) in blocked.chain(taken) {
        if let Some(letter) = states.get_mut(usize::from(seat)) {
            *letter = state.byte();
        }
    }
    states
}

/// Those of `seats` that cannot be had, by packed `states`.
pub fn taken(states: &[u8], seats: &[u16]) -> Vec<u16> {
    seats.iter().copied().filter(|seat| !is_available(states, *seat)).collect()
}

/// Can the seat be had, by packed `states`?
pub fn is_available(states: &[u8], seat: u16) -> bool {
    states.get(usize::from(seat)) == Some(&SeatState::Available.byte())
}

/// How many seats can be had, by packed `states`.
pub fn available(states: &[u8]) -> u32 {
    // A layout has fewer seats than u16::MAX.
    states.iter().filter(|state| **state == SeatState::Available.byte()).count() as u32
}

/// How many seats are on sale at all, had or not, by packed `states`.
pub fn on_sale(states: &[u8]) -> u32 {
    states.iter().filter(|state| **state != SeatState::Blocked.byte()).count() as u32
}
