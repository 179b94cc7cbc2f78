//! What a program sends to get a token: the client credentials grant (RFC 6749, section 4.4).

use base64::{Engine as _, engine::general_purpose::STANDARD};
use kernel::ApiKeyId;
use secrecy::{ExposeSecret as _, SecretString};

use super::api_key::{KeySecret, KeyText};

/// A request for a token that has the right form.
#[derive(Debug)]
pub struct TokenRequest {
    /// The key and what proves it.
    pub credentials: KeyText,
    /// Which scopes, if not all of the key's.
    pub scope: Option<String>,
}

/// Why a request gives no token (RFC 6749, section 5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenRefusal {
    /// It has not the right form.
    #[error("{0}")]
    InvalidRequest(&'static str),
    /// Nobody proved to hold a key that is good for something.
    #[error("the client id or the secret is wrong, or the key has expired or was revoked")]
    InvalidClient,
    /// Only one grant is offered.
    #[error("use the grant type client_credentials")]
    UnsupportedGrantType,
    /// More was asked for than the key may do.
    #[error("the key has not all of these scopes, or one of them does not exist")]
    InvalidScope,
}

impl TokenRefusal {
    /// The code of the answer.
    pub const fn code(self) -> &'static str {
        match self {
            Self::InvalidRequest(_) => "invalid_request",
            Self::InvalidClient => "invalid_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::InvalidScope => "invalid_scope",
        }
    }
}

const TWO_WAYS: TokenRefusal =
    TokenRefusal::InvalidRequest("send the client's secret in one way: HTTP Basic, or in the form");
const TWICE: TokenRefusal = TokenRefusal::InvalidRequest("send each parameter once");

impl TokenRequest {
    /// Reads the header `Authorization` and a form (`application/x-www-form-urlencoded`).
    ///
    /// The client id is the key's id, with or without what stands before the first `_`, or all of
    /// the key but the secret; the client secret is the whole key or its secret part.
    ///
    /// # Errors
    /// [`TokenRefusal`]; nothing was looked up.
    pub fn read(authorization: Option<&str>, form: &[u8]) -> Result<Self, TokenRefusal> {
        let form = Form::read(form)?;
        match form.grant_type.as_deref() {
            Some("client_credentials") => {}
            Some(_) => return Err(TokenRefusal::UnsupportedGrantType),
            None => return Err(TokenRefusal::InvalidRequest("grant_type is missing")),
        }
        let (id, secret) = match (authorization, form.client_secret) {
            (Some(_), Some(_)) => return Err(TWO_WAYS),
            (Some(header), None) => {
                let (id, secret) = basic(header).ok_or(TokenRefusal::InvalidClient)?;
                if form.client_id.is_some_and(|other| other != id) {
                    return Err(TWO_WAYS);
                }
                (id, secret)
            }
            (None, Some(secret)) => {
                (form.client_id.ok_or(TokenRefusal::InvalidRequest("client_id is missing"))?, secret)
            }
            (None, None) => return Err(TokenRefusal::InvalidClient),
        };
        let credentials = credentials(&id, secret.expose_secret()).ok_or(TokenRefusal::InvalidClient)?;
        Ok(Self { credentials, scope: form.scope })
    }
}

fn credentials(id: &str, secret: &str) -> Option<KeyText> {
    let id: ApiKeyId = match (id.strip_prefix("mk_"), id.parse()) {
        (Some(bare), _) => format!("key_{bare}").parse().ok()?,
        (None, Ok(id)) => id,
        (None, Err(_)) => format!("key_{id}").parse().ok()?,
    };
    match KeyText::parse(secret) {
        Some(key) => (key.id == id).then_some(key),
        None => Some(KeyText { id, secret: KeySecret::parse(secret)? }),
    }
}

/// User and password of HTTP Basic (RFC 7617), each form-encoded (RFC 6749, section 2.3.1).
fn basic(header: &str) -> Option<(String, SecretString)> {
    let (scheme, encoded) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (id, secret) = text.split_once(':')?;
    Some((form_decoded(id), form_decoded(secret).into()))
}

fn form_decoded(text: &str) -> String {
    // As the name of a lone parameter; no separator can be in it, since those are encoded.
    match url::form_urlencoded::parse(text.as_bytes()).next() {
        Some((name, _)) => name.into_owned(),
        None => String::new(),
    }
}

#[derive(Default)]
struct Form {
    grant_type: Option<String>,
    client_id: Option<String>,
    client_secret: Option<SecretString>,
    scope: Option<String>,
}

impl Form {
    fn read(bytes: &[u8]) -> Result<Self, TokenRefusal> {
        let mut form = Self::default();
        for (name, value) in url::form_urlencoded::parse(bytes) {
            // Without a value it is as if it were not there (RFC 6749, section 3.2).
            if value.is_empty() {
                continue;
            }
            let value = value.into_owned();
            let again = match &*name {
                "grant_type" => form.grant_type.replace(value).is_some(),
                "client_id" => form.client_id.replace(value).is_some(),
                "client_secret" => form.client_secret.replace(value.into()).is_some(),
                "scope" => form.scope.replace(value).is_some(),
                // Unknown parameters are ignored (same section).
                _ => false,
            };
            if again {
                return Err(TWICE);
            }
        }
        Ok(form)
    }
}

#[cfg(test)]
mod tests {
    use kernel::{Id, SystemIds};
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    const GRANT: &str = "grant_type=client_credentials";

    fn key() -> (String, String, String) {
        let key = KeyText::generate(Id::from_uuid(Uuid::from_u128(5)), &SystemIds);
        let whole = key.expose().expose_secret().to_owned();
        let secret = whole[whole.len() - 43..].to_owned();
        (key.id.to_string(), whole, secret)
    }

    fn header(user: &str, password: &str) -> String {
        format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
    }

    #[track_caller]
    fn refused(authorization: Option<&str>, form: &str, code: &str) {
        let refusal = TokenRequest::read(authorization, form.as_bytes()).unwrap_err();
        assert_eq!(refusal.code(), code, "{form}: {refusal}");
    }

    #[test]
    fn a_key_is_understood_in_every_usual_way() {
        let (id, whole, secret) = key();
        let shown = &whole[..29];
        let forms = [
            (None, format!("{GRANT}&client_id={id}&client_secret={whole}")),
            (None, format!("{GRANT}&client_id={}&client_secret={whole}", &whole[3..29])),
            (None, format!("client_secret={secret}&client_id={shown}&{GRANT}&audience=x&scope=")),
            (Some(header(&id, &whole)), GRANT.to_owned()),
            (Some(header(shown, &secret).replace("Basic", "bAsIc")), format!("{GRANT}&client_id={shown}")),
            (Some(header(&id.replace('_', "%5F"), &secret)), GRANT.to_owned()),
        ];
        for (authorization, form) in forms {
            let request = TokenRequest::read(authorization.as_deref(), form.as_bytes()).unwrap();
            assert_eq!(request.credentials.expose().expose_secret(), whole, "{form}");
            assert_eq!(request.scope, None);
        }
        let form = format!("{GRANT}&client_id={id}&client_secret={whole}&scope=catalog%3Aread+holds:write");
        let request = TokenRequest::read(None, form.as_bytes()).unwrap();
        assert_eq!(request.scope.as_deref(), Some("catalog:read holds:write"));
    }

    #[test]
    fn each_mistake_has_its_code() {
        let (id, whole, secret) = key();
        let other = "key_00000000000000000000000006";
        let both = format!("client_id={id}&client_secret={whole}");
        refused(None, &both, "invalid_request");
        refused(None, &format!("{GRANT}&{GRANT}&{both}"), "invalid_request");
        refused(None, &format!("{GRANT}&client_secret={whole}"), "invalid_request");
        refused(Some(&header(&id, &whole)), &format!("{GRANT}&{both}"), "invalid_request");
        refused(Some(&header(&id, &whole)), &format!("{GRANT}&client_id={other}"), "invalid_request");
        refused(None, &format!("grant_type=password&{both}"), "unsupported_grant_type");
        refused(None, GRANT, "invalid_client");
        refused(None, &format!("{GRANT}&client_id={id}"), "invalid_client");
        refused(None, &format!("{GRANT}&client_id={other}&client_secret={whole}"), "invalid_client");
        refused(None, &format!("{GRANT}&client_id=ada&client_secret={secret}"), "invalid_client");
        refused(None, &format!("{GRANT}&client_id={id}&client_secret=secret"), "invalid_client");
        refused(Some("Basic !"), GRANT, "invalid_client");
        refused(Some(&format!("Bearer {whole}")), GRANT, "invalid_client");
        refused(Some(&header(&id, "")), GRANT, "invalid_client");
    }

    proptest! {
        #[test]
        fn rubbish_is_refused(authorization in proptest::option::of(".*"), form: Vec<u8>) {
            prop_assert!(TokenRequest::read(authorization.as_deref(), &form).is_err());
        }
    }
}
