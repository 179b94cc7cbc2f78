//! `POST /oauth/token`: partners get their tokens where they use them. The request goes on to whoever
//! makes tokens, with nothing but what that needs, and nothing else goes there.

use std::time::Duration;

use kernel::error::ErrorCode;
use ntex::{
    http::{
        HeaderMap, StatusCode,
        header::{self, HeaderName, HeaderValue},
    },
    util::Bytes,
    web::HttpResponse,
};
use url::Url;

use super::request_id::REQUEST_ID;
use crate::refusal::Refusal;

/// The path, here and in the metadata of clients.
pub(crate) const OAUTH_TOKEN: &str = "/oauth/token";
/// Requests and answers are short.
pub(crate) const LIMIT: usize = 16 * 1024;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
const TIMEOUT: Duration = Duration::from_secs(5);
/// What the one who makes tokens is told of a request.
const ASKED: [HeaderName; 3] = [header::AUTHORIZATION, header::CONTENT_TYPE, REQUEST_ID];
/// What the client is told of the answer.
const ANSWERED: [HeaderName; 5] = [
    header::CONTENT_TYPE,
    header::CACHE_CONTROL,
    header::PRAGMA,
    header::WWW_AUTHENTICATE,
    header::RETRY_AFTER,
];

/// Passes requests for tokens on.
#[derive(Debug)]
pub(crate) struct OAuth {
    http: reqwest::Client,
    token_url: Url,
}

impl OAuth {
    /// # Errors
    /// The HTTP client cannot be made.
    pub(crate) fn new(token_url: Url) -> Result<Self, reqwest::Error> {
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        Ok(Self { http, token_url })
    }

    /// The answer to a request with these headers and this body.
    pub(crate) async fn answer(&self, headers: &HeaderMap, body: Bytes) -> Result<HttpResponse, Refusal> {
        let unavailable = |error: reqwest::Error| {
            tracing::warn!(%error, url = %self.token_url, "cannot pass a request for a token on");
            let message = "Access tokens cannot be made right now; try again shortly.";
            Refusal::new(ErrorCode::Unavailable, message).with_retry_after(5)
        };
        let mut request = self.http.post(self.token_url.clone()).body(body.to_vec());
        for name in &ASKED {
            if let Some(value) = headers.get(name) {
                request = request.header(name, value.as_bytes());
            }
        }
        let answer = request.send().await.map_err(unavailable)?;
        let status = StatusCode::from_u16(answer.status().as_u16()).unwrap_or(StatusCode::BAD_GATEWAY);
        let mut response = HttpResponse::build(status);
        for name in &ANSWERED {
            let value =
                answer.headers().get(name.as_str()).map(|value| HeaderValue::from_bytes(value.as_bytes()));
            if let Some(Ok(value)) = value {
                response.header(name.clone(), value);
            }
        }
        let body = answer.bytes().await.map_err(unavailable)?;
        Ok(response.body(body.to_vec()))
    }
}
