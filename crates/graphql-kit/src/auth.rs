//! Access tokens, as [`platform::auth`] verifies them.

pub use platform::auth::{
    ACCOUNT, AuthConfig, Claims, Grant, PartnerLimits, Scope, TokenError, TokenVerifier, UnknownScope,
};
