//! The sandbox from outside: a client of its API, a receiver of its webhooks, a visitor of its
//! page.

#[cfg(test)]
mod idempotency;
#[cfg(test)]
mod intents;
#[cfg(test)]
mod journal;
#[cfg(test)]
mod misbehaviour;
#[cfg(test)]
mod page;
#[cfg(test)]
mod refunds;
#[cfg(test)]
mod support;
#[cfg(test)]
mod webhooks;
