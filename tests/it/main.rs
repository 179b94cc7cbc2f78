//! Journeys: what people do with Marquee, walked through the gateway on real services.

mod cancelling;
mod expiry;
mod late_payment;
mod lifecycle;
mod missed_deltas;
mod payments;
mod rivals;
mod sessions;
mod two_people;
mod wrong_input;
