//! Ways for a message to leave: the only outside effect of this crate.

mod file;
mod smtp;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use kernel::EventId;
use lettre::Message;

pub(crate) use file::FileMailer;
pub(crate) use smtp::SmtpMailer;

use crate::Config;

/// No server takes longer than this over one message.
const LONGEST_SEND: Duration = Duration::from_secs(60);

/// Sends messages.
#[async_trait]
pub trait Mailer: Send + Sync + 'static {
    /// Hands over the message about `event`. Messages about one event are the same message; a
    /// mailer that can tell does not hand it over twice.
    async fn send(&self, event: EventId, message: &Message) -> Result<(), MailError>;

    /// It takes no longer over one message.
    fn longest_send(&self) -> Duration {
        LONGEST_SEND
    }
}

/// Why a message did not leave. The reason is free of personal data: servers repeat addresses in
/// what they say, so only their codes are kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct MailError {
    /// Say, `smtp 451`.
    pub reason: String,
    /// Another attempt would end the same way.
    pub permanent: bool,
}

impl MailError {
    /// May work later.
    pub(crate) fn transient(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), permanent: false }
    }
}

/// The mailer that is configured.
///
/// # Errors
/// `notifications.smtp.url` cannot be used.
pub(crate) fn configured(config: &Config) -> Result<Arc<dyn Mailer>, smtp::UrlError> {
    Ok(match &config.smtp {
        Some(smtp) => Arc::new(SmtpMailer::new(smtp, config.concurrency)?),
        None => Arc::new(FileMailer::new(config.mail_dir.clone())),
    })
}
