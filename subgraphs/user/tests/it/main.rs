//! The user subgraph over HTTP, against real PostgreSQL.

#[cfg(test)]
mod api_keys;
#[cfg(test)]
mod client_tokens;
#[cfg(test)]
mod entities;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod log_in;
#[cfg(test)]
mod operator;
#[cfg(test)]
mod profile;
#[cfg(test)]
mod sessions;
#[cfg(test)]
mod sign_up;
#[cfg(test)]
mod support;
#[cfg(test)]
mod tokens;
#[cfg(test)]
mod usage;
