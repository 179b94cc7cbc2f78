//! A client of the `siteverify` interface that reCAPTCHA, hCaptcha and Turnstile share: a form with
//! `secret` and `response`, answered by `{"success": …, "error-codes": […]}`.
//!
//! Source: <https://developers.cloudflare.com/turnstile/get-started/server-side-validation/>,
//! <https://docs.hcaptcha.com/#verify-the-user-response-server-side>. The optional `remoteip` is not
//! sent: no address comes as far as here that could be believed (ADR 16).

use std::time::Duration;

use async_trait::async_trait;
use reqwest::Client;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tokio::time::{Instant, timeout};

use super::{ChallengeVerifier, NoVerdict, Verdict};
use crate::config::ChallengeConfig;

/// Codes that speak of our question rather than of the token.
const OURS: [&str; 5] = [
    "missing-input-secret",
    "invalid-input-secret",
    "bad-request",
    "internal-error",
    "sitekey-secret-mismatch",
];

/// The client.
pub struct SiteVerify {
    http: Client,
    url: String,
    secret: SecretString,
    deadline: Duration,
}

#[derive(Deserialize)]
struct Answer {
    success: bool,
    #[serde(default, rename = "error-codes")]
    error_codes: Vec<String>,
}

impl SiteVerify {
    /// A client from its configuration.
    ///
    /// # Errors
    /// When the TLS of this machine cannot be set up.
    pub fn new(config: &ChallengeConfig) -> Result<Self, reqwest::Error> {
        Ok(Self {
            // Another address would get our secret.
            http: Client::builder().redirect(reqwest::redirect::Policy::none()).build()?,
            url: config.verify_url.clone(),
            secret: config.secret.clone(),
            deadline: config.timeout(),
        })
    }

    async fn ask(&self, token: &str) -> Result<Answer, NoVerdict> {
        let form = [("secret", self.secret.expose_secret()), ("response", token)];
        // An error of the client names the address, and nothing of what was sent.
        let trouble = |error: reqwest::Error| NoVerdict(error.to_string());
        let answer = self.http.post(&self.url).form(&form).send().await.map_err(trouble)?;
        let status = answer.status();
        // Some say what is wrong with a token by 400, with the same body.
        if status.is_server_error() || status.is_redirection() {
            return Err(NoVerdict(format!("the service answered {status}")));
        }
        answer.json().await.map_err(trouble)
    }
}

#[async_trait]
impl ChallengeVerifier for SiteVerify {
    async fn verify(&self, token: &str) -> Result<Verdict, NoVerdict> {
        let started = Instant::now();
        let answer = timeout(self.deadline, self.ask(token))
            .await
            .unwrap_or_else(|_| Err(NoVerdict("no answer in time".to_owned())))
            .and_then(verdict);
        let outcome = match &answer {
            Ok(Verdict::Passed) => "passed",
            Ok(Verdict::Failed) => "failed",
            Err(_) => "unavailable",
        };
        metrics::histogram!("challenge_verify_seconds", "outcome" => outcome).record(started.elapsed());
        answer
    }
}

fn verdict(answer: Answer) -> Result<Verdict, NoVerdict> {
    if answer.success {
        return Ok(Verdict::Passed);
    }
    match answer.error_codes.iter().find(|code| OURS.contains(&code.as_str())) {
        Some(code) => Err(NoVerdict(format!("the service answered {code}"))),
        None => Ok(Verdict::Failed),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use wiremock::matchers::{body_string, method, path};
    use wiremock::{Mock, MockServer, ResponseTemplate};

    use super::*;

    async fn verified(answer: ResponseTemplate) -> Result<Verdict, NoVerdict> {
        let server = MockServer::start().await;
        Mock::given(method("POST"))
            .and(path("/siteverify"))
            .and(body_string("secret=s%26cret&response=a+token"))
            .respond_with(answer)
            .mount(&server)
            .await;
        let config = ChallengeConfig {
            verify_url: format!("{}/siteverify", server.uri()),
            secret: "s&cret".into(),
            timeout_ms: 500,
            ..ChallengeConfig::default()
        };
        SiteVerify::new(&config).unwrap().verify("a token").await
    }

    #[tokio::test]
    async fn the_service_decides() {
        let says = |status, body| ResponseTemplate::new(status).set_body_json(body);
        for (answer, verdict) in [
            (says(200, json!({"success": true, "hostname": "marquee.test"})), Some(Verdict::Passed)),
            (says(200, json!({"success": false})), Some(Verdict::Failed)),
            (
                says(400, json!({"success": false, "error-codes": ["invalid-input-response"]})),
                Some(Verdict::Failed),
            ),
            (
                says(200, json!({"success": false, "error-codes": ["timeout-or-duplicate"]})),
                Some(Verdict::Failed),
            ),
            (says(200, json!({"success": false, "error-codes": ["invalid-input-secret"]})), None),
            (says(500, json!({"success": true})), None),
            (says(302, json!({"success": true})), None),
            (says(200, json!("no such thing")), None),
            (says(200, json!({"success": true})).set_delay(Duration::from_secs(5)), None),
        ] {
            assert_eq!(verified(answer.clone()).await.ok(), verdict, "{answer:?}");
        }
    }
}
