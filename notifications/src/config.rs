//! Section `[notifications]` of the configuration.

use std::path::PathBuf;

use garde::Validate;
use secrecy::SecretString;
use serde::Deserialize;

use crate::domain::RetryPolicy;

/// Everything that can be set about notifications.
#[derive(Debug, Clone, Deserialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Without [`smtp`](Self::smtp), messages become files `<event id>.eml` in this folder.
    #[garde(skip)]
    pub mail_dir: PathBuf,
    /// Where messages are sent; without it they are written to [`mail_dir`](Self::mail_dir).
    #[garde(dive)]
    pub smtp: Option<SmtpConfig>,
    /// The sender of all messages: `Marquee <tickets@example.com>`.
    #[garde(custom(is_mailbox))]
    pub from: String,
    /// Where people reach the web client; links in messages start with it.
    #[garde(url)]
    pub public_base_url: String,
    /// When a delivery that failed is tried again.
    #[garde(dive)]
    pub retry: RetryPolicy,
    /// Deliveries that are tried at the same time by one worker.
    #[garde(range(min = 1, max = 1_000))]
    pub concurrency: usize,
    /// How often the sender looks for deliveries that are due, in milliseconds. New ones that
    /// this process took in are sent at once.
    #[garde(range(min = 1, max = 60_000))]
    pub poll_ms: u32,
    /// The record of a delivery is kept for this many days after it was sent or given up.
    #[garde(range(min = 30, max = 3_650))]
    pub keep_days: u32,
}

/// An SMTP server.
#[derive(Debug, Clone, Deserialize, Validate)]
#[serde(deny_unknown_fields)]
pub struct SmtpConfig {
    /// `smtps://user:password@host`, or `smtp://user:password@host?tls=required` for STARTTLS;
    /// `smtp://host:port` sends in the clear and is for development.
    #[garde(skip)]
    pub url: SecretString,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            mail_dir: PathBuf::from("var/mail"),
            smtp: None,
            from: "Marquee <tickets@marquee.example>".to_owned(),
            public_base_url: "http://localhost:3000".to_owned(),
            retry: RetryPolicy::default(),
            concurrency: 16,
            poll_ms: 1_000,
            keep_days: 90,
        }
    }
}

fn is_mailbox(text: &str, _: &()) -> garde::Result {
    text.parse::<lettre::message::Mailbox>()
        .map(|_| ())
        .map_err(|_| garde::Error::new("not a sender such as `Marquee <tickets@example.com>`"))
}
