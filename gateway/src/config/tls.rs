//! The section `gateway.tls`: HTTPS without a proxy.

use std::path::PathBuf;

use garde::Validate;
use serde::Deserialize;

/// A certificate. The files are read again when they have changed: renewing needs no restart.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Validate)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// The certificate and those between it and the authority, in PEM.
    #[garde(skip)]
    pub certificate: PathBuf,
    /// Its private key, in PEM (PKCS #8, PKCS #1 or SEC 1).
    #[garde(skip)]
    pub key: PathBuf,
}
