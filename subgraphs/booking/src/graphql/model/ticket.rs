//! `Ticket`.

use async_graphql::{ID, Object, Result};
use graphql_kit::{ApiError, Cost};

use super::booked_seat::BookedSeatObject;
use crate::domain::ticket::Ticket;

/// Opens the door for one seat.
pub struct TicketObject {
    pub(crate) ticket: Ticket,
    pub(crate) seat: BookedSeatObject,
}

/// Opens the door for one seat.
#[Object(name = "Ticket")]
impl TicketObject {
    /// Opaque, starts with `ticket_`.
    async fn id(&self) -> ID {
        ID(self.ticket.id.to_string())
    }

    /// For which seat.
    async fn seat(&self) -> &BookedSeatObject {
        &self.seat
    }

    /// What the QR code says: signed, checkable offline with the keys of `ticketKeys`.
    async fn code(&self) -> &str {
        &self.ticket.code
    }

    /// The code as an SVG image.
    #[graphql(directive = Cost::apply(5), complexity = 20)]
    async fn qr_svg(&self) -> Result<String> {
        Ok(qr::svg(&self.ticket.code).map_err(|error| ApiError::internal(&error))?)
    }
}
