//! Puts a rendered notice into a message (RFC 5322, MIME).

use chrono::{DateTime, Utc};
use kernel::EventId;
use lettre::{
    Message,
    message::{
        Attachment, Mailbox, MultiPart, SinglePart,
        header::{ContentType, HeaderName, HeaderValue},
    },
};

use super::render::{Renderer, one_line, ticket_file};
use crate::{
    Config,
    domain::{Language, Notice},
    store::recipient::Recipient,
};

/// `notifications.from` is no sender.
#[derive(Debug, thiserror::Error)]
#[error("notifications.from is not a sender such as `Marquee <tickets@example.com>`")]
pub struct SenderAddressError;

/// A message could not be made. The texts carry no personal data.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ComposeError {
    #[error("template failed")]
    Template(#[from] minijinja::Error),
    #[error("address refused")]
    Address(#[from] lettre::address::AddressError),
    #[error("message refused")]
    Message(#[from] lettre::error::Error),
    #[error("ticket code does not fit a QR code")]
    Code(#[from] qr::TooLong),
    #[error("content type refused")]
    ContentType(#[from] lettre::message::header::ContentTypeErr),
}

/// Makes messages.
pub(crate) struct Composer {
    renderer: Renderer,
    from: Mailbox,
}

/// A composer could not be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ComposerError {
    #[error(transparent)]
    From(#[from] SenderAddressError),
    #[error("a template cannot be read")]
    Template(#[from] minijinja::Error),
}

impl Composer {
    pub(crate) fn new(config: &Config) -> Result<Self, ComposerError> {
        Ok(Self {
            renderer: Renderer::new(&config.public_base_url)?,
            from: config.from.parse().map_err(|_| SenderAddressError)?,
        })
    }

    /// The message to `recipient` about `event`, which was taken in at `time`. It depends on these
    /// arguments only: made again, it is the same to the byte.
    pub(crate) fn compose(
        &self,
        event: EventId,
        time: DateTime<Utc>,
        notice: &Notice,
        recipient: Recipient<'_>,
    ) -> Result<Message, ComposeError> {
        let language = Language::best(recipient.locale);
        let name = one_line(recipient.name);
        let rendered = self.renderer.render(notice, language, &name)?;

        let bodies = MultiPart::alternative()
            .boundary(format!("{event}.bodies"))
            .singlepart(SinglePart::plain(rendered.text))
            .singlepart(SinglePart::html(rendered.html));
        let mut parts = MultiPart::mixed().boundary(format!("{event}.parts")).multipart(bodies);
        if let Notice::Confirmed(confirmed) = notice {
            let svg = ContentType::parse("image/svg+xml")?;
            for ticket in &confirmed.tickets {
                let file = Attachment::new(ticket_file(&ticket.seat_label));
                parts = parts.singlepart(file.body(qr::svg(&ticket.code)?, svg.clone()));
            }
        }

        let name = Some(name).filter(|name| !name.is_empty());
        let to = Mailbox::new(name, recipient.email.parse()?);
        let id = format!("<{event}.email@{}>", self.from.email.domain());
        let builder = Message::builder()
            .from(self.from.clone())
            .to(to)
            .message_id(Some(id))
            .date(time.into())
            .subject(rendered.subject)
            // RFC 3834 section 5: keeps absence notes from answering.
            .raw_header(HeaderValue::new(
                HeaderName::new_from_ascii_str("Auto-Submitted"),
                "auto-generated".to_owned(),
            ));
        Ok(builder.multipart(parts)?)
    }
}

#[cfg(test)]
mod tests {
    use kernel::Id;
    use uuid::Uuid;

    use super::*;
    use crate::{app::sample, store::recipient::ADA};

    fn compose(notice: &Notice, recipient: Recipient<'_>) -> Result<Message, ComposeError> {
        let event = Id::from_uuid(Uuid::from_u128(7));
        let time = "2026-06-01T12:00:00Z".parse().unwrap();
        Composer::new(&Config::default()).unwrap().compose(event, time, notice, recipient)
    }

    fn text(message: &Message) -> String {
        String::from_utf8(message.formatted()).unwrap()
    }

    #[test]
    fn the_same_notice_is_the_same_message_to_the_byte() {
        let notice = Notice::Confirmed(sample::confirmed(sample::user(1)));
        let once = compose(&notice, ADA).unwrap().formatted();
        assert_eq!(once, compose(&notice, ADA).unwrap().formatted());
    }

    #[test]
    fn headers_say_who_what_and_that_no_person_wrote_it() {
        let notice = Notice::Confirmed(sample::confirmed(sample::user(1)));
        let message = text(&compose(&notice, ADA).unwrap());
        let (headers, _) = message.split_once("\r\n\r\n").unwrap();
        for line in [
            "From: Marquee <tickets@marquee.example>",
            "To: \"Ada Lovelace\" <ada@example.com>",
            "Date: Mon, 01 Jun 2026 12:00:00 +0000",
            "Message-ID: <event_00000000000000000000000007.email@marquee.example>",
            "Auto-Submitted: auto-generated",
            "MIME-Version: 1.0",
        ] {
            assert!(headers.lines().any(|header| header == line), "{line} is not in\n{headers}");
        }
        assert!(!headers.contains("List-Unsubscribe"));
    }

    #[test]
    fn each_ticket_is_attached_as_a_qr_code() {
        let notice = Notice::Confirmed(sample::confirmed(sample::user(1)));
        let message = text(&compose(&notice, ADA).unwrap());
        for file in ["ticket-A5.svg", "ticket-A6.svg"] {
            let header = format!("Content-Disposition: attachment; filename=\"{file}\"");
            assert_eq!(message.matches(&header).count(), 1, "{file}");
        }
        assert_eq!(message.matches("Content-Type: image/svg+xml").count(), 2);
        assert_eq!(message.matches("</svg>\r\n").count(), 2, "they go as they are");
        assert!(message.contains("Content-Type: text/plain") && message.contains("Content-Type: text/html"));
    }

    #[test]
    fn a_name_cannot_add_headers() {
        let notice = Notice::Confirmed(sample::confirmed(sample::user(1)));
        for name in ["Mallory\r\nBcc: everyone@example.com", "\0", "\u{7f}\u{85}"] {
            let message = text(&compose(&notice, Recipient { name, ..ADA }).unwrap());
            assert!(!message.contains("\r\nBcc:"), "{message}");
        }
    }

    #[test]
    fn an_address_that_is_none_is_refused_without_repeating_it() {
        let notice = Notice::Confirmed(sample::confirmed(sample::user(1)));
        let nobody = Recipient { email: "secret at example", ..ADA };
        let error = compose(&notice, nobody).unwrap_err();
        assert_eq!(error.to_string(), "address refused");
    }
}
