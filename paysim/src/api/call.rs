//! Who calls, with what, and why.

use axum::{
    extract::{FromRequest, Request},
    http::{HeaderMap, Method, header, request::Parts},
};
use base64::{Engine, engine::general_purpose::STANDARD};

use crate::{app::App, error::StripeError, form::Params, model::Cause};

/// Who calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Caller {
    /// The shop's server, with the secret key.
    Server,
    /// A browser: with the publishable key, or with no key at all.
    Browser,
}

/// A request to the API: who calls, why, and the parameters of its body or, for GET and DELETE, of
/// its query string.
pub(crate) struct Call {
    pub(crate) caller: Caller,
    pub(crate) cause: Cause,
    pub(crate) params: Params,
}

impl Call {
    /// Refuses everybody but the shop's server.
    pub(crate) fn require_server(&self) -> Result<(), StripeError> {
        match self.caller {
            Caller::Server => Ok(()),
            Caller::Browser => Err(StripeError::unauthorized(
                "This API call needs a secret API key (sk_test_…) in the Authorization header, \
                 using Bearer auth.",
            )),
        }
    }
}

impl FromRequest<App> for Call {
    type Rejection = StripeError;

    async fn from_request(request: Request, app: &App) -> Result<Self, StripeError> {
        let (mut parts, body) = request.into_parts();
        let caller = caller(app, &parts)?;
        let cause = parts.extensions.remove::<Cause>().unwrap_or_default();
        let params = if parts.method == Method::POST {
            expect_form(&parts.headers)?;
            let body = String::from_request(Request::from_parts(parts, body), &())
                .await
                .map_err(|rejection| StripeError::malformed(format!("Unreadable body: {rejection}")))?;
            Params::parse(&body)?
        } else {
            Params::parse(parts.uri.query().unwrap_or_default())?
        };
        Ok(Self { caller, cause, params })
    }
}

fn caller(app: &App, parts: &Parts) -> Result<Caller, StripeError> {
    let Some(key) = key(&parts.headers)? else { return Ok(Caller::Browser) };
    let config = app.config();
    if fits(&key, config.secret_key.as_deref(), "sk_test_") {
        return Ok(Caller::Server);
    }
    if fits(&key, config.publishable_key.as_deref(), "pk_test_") {
        return Ok(Caller::Browser);
    }
    if key.starts_with("sk_live_") || key.starts_with("pk_live_") {
        return Err(StripeError::unauthorized("This is a sandbox: never give it a live key."));
    }
    let shown: String = key.chars().take(8).collect();
    Err(StripeError::unauthorized(format!("Invalid API Key provided: {shown}…")))
}

/// Whether `key` is the configured one or, without one, any of the right kind.
fn fits(key: &str, configured: Option<&str>, prefix: &str) -> bool {
    configured.map_or_else(|| key.starts_with(prefix), |configured| key == configured)
}

/// The API key, from Bearer or from Basic (as the user name).
fn key(headers: &HeaderMap) -> Result<Option<String>, StripeError> {
    let Some(value) = headers.get(header::AUTHORIZATION) else { return Ok(None) };
    let unreadable = || StripeError::unauthorized("The Authorization header cannot be read.");
    let value = value.to_str().map_err(|_| unreadable())?;
    let (scheme, rest) = value.split_once(' ').ok_or_else(unreadable)?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Ok(Some(rest.trim().to_owned()));
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(unreadable());
    }
    let decoded = STANDARD.decode(rest.trim()).map_err(|_| unreadable())?;
    let text = String::from_utf8(decoded).map_err(|_| unreadable())?;
    Ok(Some(text.split(':').next().unwrap_or_default().to_owned()))
}

/// Stripe takes forms only; a JSON body is a client error worth naming.
fn expect_form(headers: &HeaderMap) -> Result<(), StripeError> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    match kind {
        None => Ok(()),
        Some(kind) if kind.starts_with("application/x-www-form-urlencoded") => Ok(()),
        Some(kind) => Err(StripeError::malformed(format!(
            "Invalid request (check that your POST content type is \
             application/x-www-form-urlencoded): {kind}"
        ))),
    }
}
