//! From hold to ticket and back: against real PostgreSQL and Redis, with a provider that does as
//! it is told. Events are taken from the outbox and handed to the consumers by the test, so that
//! it decides what comes twice, late or never.

#[cfg(test)]
mod attempts;
#[cfg(test)]
mod audit;
#[cfg(test)]
mod audit_query;
#[cfg(test)]
mod cancel;
#[cfg(test)]
mod challenge;
#[cfg(test)]
mod checkout;
#[cfg(test)]
mod claims;
#[cfg(test)]
mod client;
#[cfg(test)]
mod durable_holds;
#[cfg(test)]
mod equivalent;
#[cfg(test)]
mod expiry;
#[cfg(test)]
mod graphql;
#[cfg(test)]
mod history;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod oversold;
#[cfg(test)]
mod paid_in_time;
#[cfg(test)]
mod partner;
#[cfg(test)]
mod payment;
#[cfg(test)]
mod provider;
#[cfg(test)]
mod reconcile;
#[cfg(test)]
mod reconcile_losses;
#[cfg(test)]
mod reconcile_repairs;
#[cfg(test)]
mod reconcile_seats;
#[cfg(test)]
mod refund;
#[cfg(test)]
mod saga;
#[cfg(test)]
mod show_cancelled;
#[cfg(test)]
mod show_cancelled_many;
#[cfg(test)]
mod support;
#[cfg(test)]
mod watch;
#[cfg(test)]
mod webhook;
