//! Notifications against real PostgreSQL and RabbitMQ, and an SMTP server that fails on demand.

#[cfg(test)]
mod bookings;
#[cfg(test)]
mod recipients;
#[cfg(test)]
#[path = "../../src/app/sample.rs"]
mod sample;
#[cfg(test)]
mod smtp;
#[cfg(test)]
mod smtp_server;
#[cfg(test)]
mod support;
#[cfg(test)]
mod workers;
