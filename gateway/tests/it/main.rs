//! The gateway as its clients see it, in front of two small subgraphs.

#[cfg(test)]
mod answers;
#[cfg(test)]
mod api_keys;
#[cfg(test)]
mod audit;
#[cfg(test)]
mod callers;
#[cfg(test)]
mod caps;
#[cfg(test)]
mod clients;
#[cfg(test)]
mod costs;
#[cfg(test)]
mod deduplication;
#[cfg(test)]
mod degraded;
#[cfg(test)]
mod documents;
#[cfg(test)]
mod edge;
#[cfg(test)]
mod errors;
#[cfg(test)]
mod explorer;
#[cfg(test)]
mod guarded;
#[cfg(test)]
mod harness;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod introspection;
#[cfg(test)]
mod issuer;
#[cfg(test)]
mod lifecycle;
#[cfg(test)]
mod local;
#[cfg(test)]
mod patience;
#[cfg(test)]
mod queries;
#[cfg(test)]
mod rate_limits;
#[cfg(test)]
mod requests;
#[cfg(test)]
mod shortcuts;
#[cfg(test)]
mod sockets;
#[cfg(test)]
mod subgraphs;
#[cfg(test)]
mod subscriptions;
#[cfg(test)]
mod tls;
#[cfg(test)]
mod tokens;
#[cfg(test)]
mod validated;
