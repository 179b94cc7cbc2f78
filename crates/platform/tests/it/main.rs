//! The platform against real PostgreSQL, Redis and RabbitMQ, with real faults in between.

#[cfg(test)]
mod cache;
#[cfg(test)]
mod cluster;
#[cfg(test)]
mod http;
#[cfg(test)]
mod inbox;
#[cfg(test)]
mod job;
#[cfg(test)]
mod metrics;
#[cfg(test)]
mod outbox;
#[cfg(test)]
mod rabbit;
#[cfg(test)]
mod rabbit_faults;
#[cfg(test)]
mod redis;
#[cfg(test)]
mod relay;
#[cfg(test)]
mod support;
#[cfg(test)]
mod traces;
#[cfg(test)]
mod transaction;
