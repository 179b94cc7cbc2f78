//! Journeys: what people do with Marquee, walked through the gateway on real services.

#![expect(clippy::expect_used, reason = "a test may fail where it stands")]

mod away;
mod browsing;
mod cancelling;
mod dead_letters;
mod expiry;
mod late_payment;
mod lifecycle;
mod metrics;
mod missed_deltas;
mod one_process;
mod operator;
mod partners;
mod payments;
mod quiet_show;
mod reconcile;
mod rivals;
mod seat_maps;
mod sessions;
mod traces;
mod two_people;
mod worker_parts;
mod wrong_input;
