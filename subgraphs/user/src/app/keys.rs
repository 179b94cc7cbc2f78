//! The keys that sign access tokens.

use std::{io, path::PathBuf};

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use ed25519_dalek::{SigningKey, VerifyingKey, pkcs8::EncodePrivateKey as _};
use graphql_kit::Claims;
use jsonwebtoken::{
    Algorithm, EncodingKey, Header, encode,
    jwk::{
        AlgorithmParameters, CommonParameters, EllipticCurve, Jwk, JwkSet, KeyAlgorithm,
        OctetKeyPairParameters, OctetKeyPairType, PublicKeyUse,
    },
};
use kernel::IdSource;
use secrecy::{ExposeSecret as _, SecretString, zeroize::Zeroizing};
use sha2::{Digest as _, Sha256};

/// A key of the configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// There is no signing key.
    #[error(
        "user.signing_key is not set: put 32 random bytes in base 64 there \
         (`openssl rand -base64 32`), for example by MARQUEE_USER__SIGNING_KEY"
    )]
    Missing,
    /// The signing key has another form.
    #[error("user.signing_key is not the base 64 of 32 bytes (`openssl rand -base64 32`)")]
    Seed,
    /// A published key has another form.
    #[error(
        "user.previous_keys[{0}] is not the base 64 of an Ed25519 public key \
         (`x` in /.well-known/jwks.json)"
    )]
    Published(usize),
    /// The file with the keys cannot be read.
    #[error("user.keys_file: {} cannot be read: {}", .0.display(), .1)]
    Unreadable(PathBuf, #[source] io::Error),
    /// The file with the keys holds something else.
    #[error("user.keys_file: {} is not TOML with `signing_key` and `previous_keys`", .0.display())]
    NoKeys(PathBuf),
    /// The library refuses the key.
    #[error("user.signing_key cannot be encoded")]
    Encoding(#[from] ed25519_dalek::pkcs8::Error),
}

/// One key that signs, and all that are published.
pub struct KeyRing {
    header: Header,
    /// Of tokens for API keys, which say what they are (RFC 9068, section 2.1).
    client_header: Header,
    signing: EncodingKey,
    published: JwkSet,
}

impl KeyRing {
    /// The ring that signs with the seed `signing` and publishes its public key and `others`.
    ///
    /// # Errors
    /// [`KeyError`] names the setting and what it should be.
    pub fn new(signing: &SecretString, others: &[String]) -> Result<Self, KeyError> {
        if signing.expose_secret().trim().is_empty() {
            return Err(KeyError::Missing);
        }
        let seed = Zeroizing::new(decode(signing.expose_secret()).ok_or(KeyError::Seed)?);
        let key = SigningKey::from_bytes(&seed);
        let active = jwk(&key.verifying_key());
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid.clone_from(&active.common.key_id);

        let client_header = Header { typ: Some("at+jwt".to_owned()), ..header.clone() };

        let mut published = vec![active];
        for (index, text) in others.iter().enumerate() {
            let key = decode(text)
                .and_then(|bytes| VerifyingKey::from_bytes(&bytes).ok())
                .ok_or(KeyError::Published(index))?;
            let key = jwk(&key);
            if !published.contains(&key) {
                published.push(key);
            }
        }
        Ok(Self {
            header,
            client_header,
            signing: EncodingKey::from_ed_der(key.to_pkcs8_der()?.as_bytes()),
            published: JwkSet { keys: published },
        })
    }

    /// A new seed, and the public key that belongs to it, both in base 64.
    pub fn generate(ids: &dyn IdSource) -> (SecretString, String) {
        let mut bytes = Zeroizing::new([0; 32]);
        ids.fill(&mut *bytes);
        let public = URL_SAFE_NO_PAD.encode(SigningKey::from_bytes(&bytes).verifying_key().as_bytes());
        (STANDARD.encode(*bytes).into(), public)
    }

    /// The signed token (RFC 7519, EdDSA of RFC 8037).
    ///
    /// # Errors
    /// When the claims have no JSON form.
    pub fn sign(&self, claims: &Claims) -> Result<String, jsonwebtoken::errors::Error> {
        let header = if claims.client_id.is_some() { &self.client_header } else { &self.header };
        encode(header, claims, &self.signing)
    }

    /// The public keys, the active one first.
    pub const fn published(&self) -> &JwkSet {
        &self.published
    }
}

/// 32 bytes from base 64, whichever alphabet, padded or not.
fn decode(text: &str) -> Option<[u8; 32]> {
    let standard = Zeroizing::new(text.trim().trim_end_matches('=').replace('-', "+").replace('_', "/"));
    let bytes = Zeroizing::new(STANDARD_NO_PAD.decode(standard.as_bytes()).ok()?);
    bytes.as_slice().try_into().ok()
}

/// The published form of a key. Its id is its thumbprint (RFC 7638, members as in RFC 8037
/// appendix A.3), so that instances need not agree on names.
fn jwk(key: &VerifyingKey) -> Jwk {
    let x = URL_SAFE_NO_PAD.encode(key.as_bytes());
    let thumbprint = Sha256::digest(format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#));
    Jwk {
        common: CommonParameters {
            public_key_use: Some(PublicKeyUse::Signature),
            key_algorithm: Some(KeyAlgorithm::EdDSA),
            key_id: Some(URL_SAFE_NO_PAD.encode(thumbprint)),
            ..CommonParameters::default()
        },
        algorithm: AlgorithmParameters::OctetKeyPair(OctetKeyPairParameters {
            key_type: OctetKeyPairType::OctetKeyPair,
            curve: EllipticCurve::Ed25519,
            x,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8037 appendix A.1: `d` of the example key.
    const SEED: &str = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A";
    /// The same, `x`.
    const PUBLIC: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";

    fn ring(seed: &str, others: &[&str]) -> Result<KeyRing, KeyError> {
        let others: Vec<_> = others.iter().map(|&text| text.to_owned()).collect();
        KeyRing::new(&seed.into(), &others)
    }

    #[test]
    fn the_example_of_rfc_8037_has_its_public_key_and_thumbprint() {
        let ring = ring(SEED, &[]).unwrap();
        assert_eq!(
            serde_json::to_value(ring.published()).unwrap(),
            serde_json::json!({"keys": [{
                "kty": "OKP",
                "crv": "Ed25519",
                "use": "sig",
                "alg": "EdDSA",
                "kid": "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k",
                "x": PUBLIC,
            }]})
        );
    }

    #[test]
    fn a_new_key_signs_as_the_public_key_that_came_with_it() {
        let (seed, public) = KeyRing::generate(&kernel::SystemIds);
        let ring = KeyRing::new(&seed, std::slice::from_ref(&public)).unwrap();
        let keys = serde_json::to_value(ring.published()).unwrap();
        assert_eq!(keys["keys"].as_array().unwrap().len(), 1, "the public key is the active one's");
        assert_eq!(keys["keys"][0]["x"], *public);
    }

    #[test]
    fn previous_keys_are_published_once_after_the_active_one() {
        let old = "fcDJR2z5QHNK5YQHnz2RrgKEsQHMyUqsXnkLiETsHbw=";
        let seed = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
        let own = ring(seed, &[]).unwrap();
        let AlgorithmParameters::OctetKeyPair(active) = &own.published().keys[0].algorithm else {
            panic!("not an octet key pair");
        };
        let ring = ring(seed, &[PUBLIC, PUBLIC, &active.x]).unwrap();
        assert_eq!(ring.published().keys.len(), 2);
        assert_eq!(ring.published().keys[0], own.published().keys[0]);
        assert!(decode(old).is_some());
    }

    #[test]
    fn errors_name_the_setting() {
        for (seed, others, expect) in [
            ("", &[][..], "user.signing_key is not set"),
            ("c2hvcnQ=", &[], "user.signing_key is not the base 64"),
            ("%%%", &[], "user.signing_key is not the base 64"),
            (SEED, &[PUBLIC, "AAAA"], "user.previous_keys[1]"),
        ] {
            let error = ring(seed, others).err().unwrap().to_string();
            assert!(error.contains(expect), "{error}");
        }
    }
}
