//! Messages over SMTP.
//!
//! SMTP gives no way to tell whether a server that went silent after the message has taken it,
//! nor to recall one. A message whose sender dies, or loses the connection, between the server's
//! acceptance and our note of it is sent again: delivery is at least once. All copies have the
//! same `Message-ID`, by which servers and mail programs that look for duplicates show one.

use std::time::Duration;

use async_trait::async_trait;
use kernel::EventId;
use lettre::{
    AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor,
    transport::smtp::{self, PoolConfig},
};
use secrecy::ExposeSecret as _;
use tokio::time::timeout;

use super::{MailError, Mailer};
use crate::config::SmtpConfig;

/// Each step of the dialogue may take this long.
const STEP_TIMEOUT: Duration = Duration::from_secs(15);
/// The whole dialogue may take this long; see [`super::LONGEST_SEND`].
const SEND_TIMEOUT: Duration = Duration::from_secs(55);

/// Replies that speak of our log-in and not of the message (RFC 4954 section 6): for an operator
/// to mend, after which the message can be sent.
const OUR_LOG_IN: [u16; 4] = [530, 534, 535, 538];

/// `notifications.smtp.url` cannot be used. (The cause is left out: it would show the password.)
#[derive(Debug, thiserror::Error)]
#[error("notifications.smtp.url is no SMTP URL such as `smtps://user:password@host`")]
pub struct UrlError;

/// Sends over a pool of connections to one server.
pub(crate) struct SmtpMailer {
    transport: AsyncSmtpTransport<Tokio1Executor>,
}

impl SmtpMailer {
    pub(crate) fn new(config: &SmtpConfig, connections: usize) -> Result<Self, UrlError> {
        let connections = u32::try_from(connections).unwrap_or(u32::MAX);
        let transport = AsyncSmtpTransport::<Tokio1Executor>::from_url(config.url.expose_secret())
            .map_err(|_| UrlError)?
            .timeout(Some(STEP_TIMEOUT))
            .pool_config(PoolConfig::new().max_size(connections))
            .build();
        Ok(Self { transport })
    }
}

#[async_trait]
impl Mailer for SmtpMailer {
    async fn send(&self, _: EventId, message: &Message) -> Result<(), MailError> {
        let content = message.formatted();
        let sending = self.transport.send_raw(message.envelope(), &content);
        match timeout(SEND_TIMEOUT, sending).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(mail_error(&error)),
            Err(_) => Err(MailError::transient("smtp timeout")),
        }
    }
}

fn mail_error(error: &smtp::Error) -> MailError {
    let Some(code) = error.status().map(u16::from) else {
        let reason = if error.is_timeout() {
            "smtp timeout"
        } else if error.is_tls() {
            "smtp tls"
        } else if error.is_response() {
            "smtp protocol"
        } else {
            "smtp connection"
        };
        return MailError::transient(reason);
    };
    MailError {
        reason: format!("smtp {code}"),
        permanent: error.is_permanent() && !OUR_LOG_IN.contains(&code),
    }
}
