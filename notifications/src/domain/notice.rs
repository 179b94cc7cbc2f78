//! The events that people are told of.

use events::{
    DecodeError, Envelope, Event,
    booking::{BookingCancelled, BookingConfirmed, BookingFacts, BookingRefunded, RefundCause, ShowFacts},
};
use serde::Deserialize as _;
use serde_json::Value;

/// An event that its user gets a message about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// Here are your tickets.
    Confirmed(BookingConfirmed),
    /// Your booking is off.
    Cancelled(BookingCancelled),
    /// Your money is back.
    Refunded(BookingRefunded),
}

impl Notice {
    /// Names of the events that are notices: what the queue is bound to.
    pub const EVENTS: &[&str] = &[BookingConfirmed::NAME, BookingCancelled::NAME, BookingRefunded::NAME];

    /// The notice in an envelope.
    ///
    /// # Errors
    /// Another event, or one that breaks its contract.
    pub fn decode(event: &Envelope) -> Result<Self, DecodeError> {
        if event.is::<BookingConfirmed>() {
            event.decode().map(Self::Confirmed)
        } else if event.is::<BookingCancelled>() {
            event.decode().map(Self::Cancelled)
        } else {
            event.decode().map(Self::Refunded)
        }
    }

    /// The notice that was kept as [`kind`](Self::kind) and event body.
    ///
    /// # Errors
    /// The body does not fit the kind, or there is no such kind.
    pub fn restore(kind: &str, facts: &Value) -> Result<Self, serde_json::Error> {
        match kind {
            BookingConfirmed::NAME => BookingConfirmed::deserialize(facts).map(Self::Confirmed),
            BookingCancelled::NAME => BookingCancelled::deserialize(facts).map(Self::Cancelled),
            BookingRefunded::NAME => BookingRefunded::deserialize(facts).map(Self::Refunded),
            _ => Err(serde::de::Error::custom("no such kind of notice")),
        }
    }

    /// The name of the event; in the database and in metrics.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Confirmed(_) => BookingConfirmed::NAME,
            Self::Cancelled(_) => BookingCancelled::NAME,
            Self::Refunded(_) => BookingRefunded::NAME,
        }
    }

    /// The booking that it is about.
    pub const fn booking(&self) -> &BookingFacts {
        match self {
            Self::Confirmed(event) => &event.booking,
            Self::Cancelled(event) => &event.booking,
            Self::Refunded(event) => &event.booking,
        }
    }

    /// The show that it is about.
    pub const fn show(&self) -> &ShowFacts {
        match self {
            Self::Confirmed(event) => &event.show,
            Self::Cancelled(event) => &event.show,
            Self::Refunded(event) => &event.show,
        }
    }

    /// Why money goes back, if this is about that. Templates compare with this text.
    pub const fn cause(&self) -> Option<&'static str> {
        let cause = match self {
            Self::Confirmed(_) => return None,
            Self::Cancelled(event) => event.cause,
            Self::Refunded(event) => event.cause,
        };
        Some(match cause {
            RefundCause::Cancelled => "CANCELLED",
            RefundCause::ShowCancelled => "SHOW_CANCELLED",
            RefundCause::LatePayment => "LATE_PAYMENT",
            RefundCause::UnexpectedPayment => "UNEXPECTED_PAYMENT",
        })
    }
}
