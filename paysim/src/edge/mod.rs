//! What every request under `/v1` passes through, from the outside in: [`request`] ids, then
//! [`faults`] on demand, then [`idempotency`].

pub(crate) mod faults;
pub(crate) mod idempotency;
pub(crate) mod request;
