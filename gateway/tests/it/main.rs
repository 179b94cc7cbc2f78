//! The gateway as its clients see it, in front of two small subgraphs.

#[cfg(test)]
mod deduplication;
#[cfg(test)]
mod degraded;
#[cfg(test)]
mod edge;
#[cfg(test)]
mod errors;
#[cfg(test)]
mod harness;
#[cfg(test)]
mod lifecycle;
#[cfg(test)]
mod queries;
#[cfg(test)]
mod sockets;
#[cfg(test)]
mod subgraphs;
#[cfg(test)]
mod subscriptions;
