//! Randomness for secrets, from the operating system.

use std::{fs::File, io::Read};

use anyhow::{Context, Result};
use base64::{Engine, engine::general_purpose::STANDARD};

/// `N` random bytes, fit for keys.
///
/// # Errors
/// When the system gives none.
pub fn bytes<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    File::open("/dev/urandom")
        .and_then(|mut source| source.read_exact(&mut bytes))
        .context("cannot read /dev/urandom")?;
    Ok(bytes)
}

/// 32 random bytes as base64: the form of Ed25519 seeds in the configuration.
///
/// # Errors
/// When the system gives none.
pub fn seed() -> Result<String> {
    Ok(STANDARD.encode(bytes::<32>()?))
}

/// 48 hexadecimal digits after a prefix.
///
/// # Errors
/// When the system gives none.
pub fn token(prefix: &str) -> Result<String> {
    let digits: String = bytes::<24>()?.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(format!("{prefix}{digits}"))
}
