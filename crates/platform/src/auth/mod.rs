//! Access tokens, and who somebody is whose token was verified.
//!
//! A token is a JWT (RFC 7519, claims as in RFC 9068) that the user subgraph signs with Ed25519.
//! Every role that cares who is calling verifies it itself with the published keys: there is no
//! header that says "already checked".
//!
//! A token is of a person or of an API key. A person's token may do all that the account may. A
//! key's token may do what its [`Scope`]s say and nothing else; it never has a [`Role`], whatever
//! the account behind it has.

mod claims;
mod identity;
mod role;
mod scope;
mod usage;
mod verifier;
mod verifiers;

pub use claims::{Claims, PartnerLimits};
pub use identity::{Caller, Grant, Identity};
pub use role::{Role, UnknownRole};
pub use scope::{ACCOUNT, Scope, UnknownScope};
pub use usage::{USAGE_TTL, usage_key};
pub use verifier::{AuthConfig, TokenError, TokenVerifier};
pub use verifiers::Verifiers;
