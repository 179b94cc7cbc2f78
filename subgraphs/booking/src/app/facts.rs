//! What events say about bookings and shows.

use events::booking::{BookingFacts, SeatLine, ShowFacts};
use events::{Envelope, Event};
use kernel::EventId;
use kernel::seating::seat_id;

use super::{App, AppError};
use crate::domain::booking::{BookedSeat, Booking};
use crate::domain::show::Show;

/// What a message to the audience needs of a show.
pub(crate) fn show_facts(show: &Show) -> ShowFacts {
    ShowFacts {
        title: show.title.clone(),
        theater_name: show.theater_name.clone(),
        screen_name: show.screen_name.clone(),
        starts_at: show.starts_at,
        time_zone: show.time_zone.clone(),
    }
}

/// What every event of a booking says of it.
pub(crate) fn booking_facts(show: &Show, booking: &Booking, seats: &[BookedSeat]) -> BookingFacts {
    BookingFacts {
        booking_id: booking.id,
        user_id: booking.user,
        version: booking.version,
        reference: booking.reference.to_string(),
        seats: seats
            .iter()
            .map(|seat| SeatLine {
                index: seat.seat_no,
                seat_id: seat_id(show.screen_id, seat.seat_no),
                label: seat.label.clone(),
                kind: seat.kind,
                price: seat.price,
            })
            .collect(),
        total: booking.total,
    }
}

impl App {
    /// Puts an event that happens now into an envelope.
    pub(crate) fn envelope<E: Event>(&self, event: &E) -> Result<Envelope, AppError> {
        let id = EventId::from_uuid(self.deps.ids.uuid());
        Ok(Envelope::new(id, self.deps.clock.now(), event)?)
    }
}
