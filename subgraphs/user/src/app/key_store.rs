//! The keys in use, which may change while we run.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
};

use secrecy::SecretString;
use serde::Deserialize;

use super::keys::{KeyError, KeyRing};
use crate::Config;

/// The keys of the configuration, or those of a file as it is now.
pub struct KeyStore {
    ring: RwLock<Arc<KeyRing>>,
    file: Option<PathBuf>,
}

/// What [`Config::keys_file`] holds.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeysFile {
    signing_key: SecretString,
    #[serde(default)]
    previous_keys: Vec<String>,
}

impl KeyStore {
    /// The keys that `config` names.
    ///
    /// # Errors
    /// [`KeyError`] names the setting or the file, and what it should be.
    pub(super) fn load(config: &Config) -> Result<Self, KeyError> {
        let ring = match &config.keys_file {
            Some(file) => read(file)?,
            None => KeyRing::new(&config.signing_key, &config.previous_keys)?,
        };
        Ok(Self { ring: RwLock::new(Arc::new(ring)), file: config.keys_file.clone() })
    }

    /// The keys as they are now.
    pub fn ring(&self) -> Arc<KeyRing> {
        Arc::clone(&self.ring.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads the file again. When its keys are others now, they are used from here on, and given.
    ///
    /// # Errors
    /// [`KeyError`]; the keys from before stay in use.
    pub(crate) fn reload(&self) -> Result<Option<Arc<KeyRing>>, KeyError> {
        let Some(file) = &self.file else { return Ok(None) };
        let ring = Arc::new(read(file)?);
        // The first one published signs, so equal lists are equal rings.
        if ring.published() == self.ring().published() {
            return Ok(None);
        }
        *self.ring.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&ring);
        tracing::info!(published = ring.published().keys.len(), "the keys for access tokens have changed");
        Ok(Some(ring))
    }
}

fn read(file: &Path) -> Result<KeyRing, KeyError> {
    let text = fs::read_to_string(file).map_err(|error| KeyError::Unreadable(file.to_owned(), error))?;
    // What the parser has to say would quote the secret.
    let keys: KeysFile = toml::from_str(&text).map_err(|_| KeyError::NoKeys(file.to_owned()))?;
    KeyRing::new(&keys.signing_key, &keys.previous_keys)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEED: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";
    const OTHER: &str = "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=";

    #[test]
    fn a_file_that_cannot_be_used_changes_nothing_and_gives_nothing_away() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("keys.toml");
        let config = Config { keys_file: Some(file.clone()), ..Config::default() };
        assert!(KeyStore::load(&config).err().unwrap().to_string().contains("keys.toml cannot be read"));

        fs::write(&file, format!("signing_key = '{SEED}'")).unwrap();
        let keys = KeyStore::load(&config).unwrap();
        let ring = keys.ring();
        assert!(keys.reload().unwrap().is_none(), "nothing has changed");
        for (text, told) in [
            (String::new(), "is not TOML with"),
            (format!("signing_key = '{OTHER}"), "is not TOML with"),
            (format!("signing_key = '{OTHER}'\nmore = 1"), "is not TOML with"),
            ("signing_key = 'secret'".to_owned(), "is not the base 64 of 32 bytes"),
            (format!("signing_key = '{OTHER}'\nprevious_keys = ['x']"), "previous_keys[0]"),
        ] {
            fs::write(&file, &text).unwrap();
            let error = keys.reload().err().unwrap();
            let said = format!("{error} {error:?}");
            assert!(said.contains(told) && !said.contains("AgIC") && !said.contains("secret"), "{said}");
            assert!(Arc::ptr_eq(&keys.ring(), &ring));
        }
        fs::write(&file, format!("signing_key = '{OTHER}'")).unwrap();
        let other = keys.reload().unwrap().unwrap();
        assert!(Arc::ptr_eq(&keys.ring(), &other));
    }
}
