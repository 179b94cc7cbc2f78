//! `Stripe-Signature`, as in <https://docs.stripe.com/webhooks#verify-manually>.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The header value for a body sent at `timestamp` (Unix seconds): `t=…` and one `v1=…` for each
/// secret, the hexadecimal HMAC-SHA256 of `{timestamp}.{body}`.
pub fn header<S: AsRef<str>>(secrets: &[S], timestamp: i64, body: &[u8]) -> String {
    let mut header = format!("t={timestamp}");
    for secret in secrets {
        header.push_str(",v1=");
        header.push_str(&digest(secret.as_ref(), timestamp, body));
    }
    header
}

fn digest(secret: &str, timestamp: i64, body: &[u8]) -> String {
    // HMAC takes keys of any length, so this cannot fail.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else {
        return String::new();
    };
    mac.update(timestamp.to_string().as_bytes());
    mac.update(b".");
    mac.update(body);
    hex::encode(mac.finalize().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Expected values: `printf '12345.{"a":1}' | openssl dgst -sha256 -hmac whsec_one`.
    #[test]
    fn signatures_are_what_openssl_computes_one_for_each_secret() {
        assert_eq!(
            header(&["whsec_one", "whsec_two"], 12345, br#"{"a":1}"#),
            "t=12345,\
             v1=545f0d6840e2d2842330f62d2d90c2c162a8f008da1892372e46ac1d7eba893d,\
             v1=2abab768255ebdfb9b222fdcb8b5244ba9a18911b1e308d054ef5b1fa47af578"
        );
    }
}
