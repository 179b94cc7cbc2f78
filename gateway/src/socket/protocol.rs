//! The messages of graphql-transport-ws. What goes through is not decoded: the payload of an
//! operation becomes the body of a request as it stands, and the answer becomes a payload.

use std::{borrow::Cow, rc::Rc};

use ntex::{
    http::StatusCode,
    util::{ByteString, BytesMut},
    web::ws,
};
use serde::{Deserialize, Deserializer, de::IgnoredAny};
use serde_json::{Value, value::RawValue};

use crate::refusal;

/// A message of the client.
#[derive(Debug)]
pub(super) enum Incoming<'m> {
    Init { payload: Option<&'m RawValue> },
    Ping,
    Pong,
    Subscribe { id: Cow<'m, str>, payload: &'m RawValue },
    Complete { id: Cow<'m, str> },
}

#[derive(Deserialize)]
struct Envelope<'m> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'m, str>,
    #[serde(borrow)]
    id: Option<Cow<'m, str>>,
    #[serde(borrow)]
    payload: Option<&'m RawValue>,
}

impl<'m> Incoming<'m> {
    /// `None` for what is not a message of the protocol.
    pub(super) fn parse(text: &'m str) -> Option<Self> {
        let Envelope { kind, id, payload } = serde_json::from_str(text).ok()?;
        Some(match &*kind {
            "connection_init" => Self::Init { payload },
            "ping" => Self::Ping,
            "pong" => Self::Pong,
            "subscribe" => Self::Subscribe { id: id?, payload: payload? },
            "complete" => Self::Complete { id: id? },
            _ => return None,
        })
    }
}

pub(super) fn ack() -> ws::Message {
    ws::Message::Text(r#"{"type":"connection_ack"}"#.into())
}

pub(super) fn pong() -> ws::Message {
    ws::Message::Text(r#"{"type":"pong"}"#.into())
}

/// Makes the answers to one operation; a socket may send thousands.
#[derive(Clone)]
pub(super) struct Answers {
    head: Rc<str>,
}

impl Answers {
    pub(super) fn to(id: &str) -> Self {
        Self { head: head("next", id).into() }
    }

    /// One answer. `payload` is JSON.
    pub(super) fn next(&self, payload: &[u8]) -> ws::Message {
        message(&self.head, payload)
    }

    /// Those to an operation with this id, which are the same as `others` if that has the same.
    pub(super) fn like(others: Option<&Self>, id: &str) -> Self {
        let new = Self::to(id);
        others.filter(|others| others.head == new.head).cloned().unwrap_or(new)
    }

    /// Whether they are known to be the same.
    pub(super) fn are(&self, others: &Self) -> bool {
        Rc::ptr_eq(&self.head, &others.head)
    }

    /// One answer, as the frame that [`next`](Self::next) becomes.
    pub(super) fn frame(&self, payload: &[u8]) -> Vec<u8> {
        let length = self.head.len() + payload.len() + TAIL.len();
        let mut frame = Vec::with_capacity(10 + length);
        frame.push(TEXT_FRAME);
        match u16::try_from(length) {
            Ok(short @ 0..126) => frame.push(short.to_be_bytes()[1]),
            Ok(length) => {
                frame.push(126);
                frame.extend(length.to_be_bytes());
            }
            Err(_) => {
                frame.push(127);
                frame.extend((length as u64).to_be_bytes());
            }
        }
        for part in [self.head.as_bytes(), payload, TAIL] {
            frame.extend_from_slice(part);
        }
        frame
    }
}

/// The operation was refused. `errors` is a JSON array of GraphQL errors. Nothing follows it.
pub(super) fn error(id: &str, errors: &str) -> ws::Message {
    message(&head("error", id), errors.as_bytes())
}

/// The operation was refused with this `answer`.
pub(super) fn refused(id: &str, answer: &[u8], status: StatusCode) -> ws::Message {
    match serde_json::from_slice::<Outcome<'_>>(answer) {
        Ok(Outcome { errors: Some(errors), .. }) => error(id, errors.get()),
        // The router answers in plain text when it refuses before it knows the operation.
        Ok(_) | Err(_) => unexplained(id, status),
    }
}

/// The operation was refused, and nobody has said why.
pub(super) fn unexplained(id: &str, status: StatusCode) -> ws::Message {
    error(id, &refusal::unexplained(status).to_string())
}

pub(super) fn complete(id: &str) -> ws::Message {
    let id = Value::from(id);
    ws::Message::Text(format!(r#"{{"type":"complete","id":{id}}}"#).into())
}

/// How a frame begins that is a whole text ([RFC 6455, 5.2](https://www.rfc-editor.org/rfc/rfc6455#section-5.2)).
const TEXT_FRAME: u8 = 0x81;
/// What comes after the payload of a message.
const TAIL: &[u8] = b"}";

/// A message up to its payload.
fn head(kind: &str, id: &str) -> String {
    let id = Value::from(id);
    format!(r#"{{"type":"{kind}","id":{id},"payload":"#)
}

fn message(head: &str, payload: &[u8]) -> ws::Message {
    let mut text = BytesMut::with_capacity(head.len() + payload.len() + TAIL.len());
    for part in [head.as_bytes(), payload, TAIL] {
        text.extend_from_slice(part);
    }
    // What the router writes is UTF-8.
    ws::Message::Text(ByteString::try_from(text).unwrap_or_default())
}

/// Why a socket is closed; codes of the protocol, and those of RFC 6455 below 4000.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Close {
    GoingAway,
    NotText,
    BadMessage,
    NotInitialised,
    NotSpoken,
    InitTimeout,
    DuplicateOperation,
    SecondInit,
    Silent,
    /// The credentials of `connection_init` are no good, or are so no more.
    Forbidden,
    Expired,
    /// Too many keys were tried at the address: whether that of the caller is good is not looked at now.
    Limited,
    /// The caller has as many sockets as one may have.
    TooMany,
    /// The peer does not read what it is sent.
    Slow,
}

impl Close {
    /// The name in metrics.
    pub(super) const fn reason(self) -> &'static str {
        match self {
            Self::GoingAway => "shutdown",
            Self::NotText
            | Self::BadMessage
            | Self::NotInitialised
            | Self::NotSpoken
            | Self::DuplicateOperation
            | Self::SecondInit => "protocol",
            Self::InitTimeout => "init_timeout",
            Self::Silent => "silent",
            Self::Forbidden => "forbidden",
            Self::Expired => "expired",
            Self::Limited => "rate_limited",
            Self::TooMany => "user",
            Self::Slow => "slow",
        }
    }
}

impl From<Close> for ws::Message {
    fn from(close: Close) -> Self {
        let (code, description) = match close {
            Close::GoingAway => (1001, "Going away"),
            Close::NotText => (1003, "Only whole text messages are accepted"),
            Close::BadMessage => (4400, "Invalid message"),
            Close::NotInitialised => (4401, "Unauthorized"),
            Close::NotSpoken => (4406, "Subprotocol not acceptable"),
            Close::InitTimeout => (4408, "Connection initialisation timeout"),
            Close::DuplicateOperation => (4409, "Subscriber already exists"),
            Close::SecondInit => (4429, "Too many initialisation requests"),
            Close::Silent => (1002, "No answer to pings"),
            Close::Forbidden => (4403, "Forbidden"),
            Close::Expired => (4403, "Access token expired"),
            // Free for applications. Clients of the protocol connect again after these.
            Close::Slow => (4450, "Reading too slowly: connect again and read anew"),
            Close::Limited => (4452, "Too many requests: connect again later"),
            Close::TooMany => (4451, "You have too many sockets open"),
        };
        Self::Close(Some(ws::CloseReason {
            code: ws::CloseCode::from(code),
            description: Some(description.to_owned()),
        }))
    }
}

/// The answer to a query or mutation, or to a subscription that was refused.
#[derive(Debug, Deserialize)]
pub(super) struct Outcome<'b> {
    /// Whether the operation was executed; if not, it was refused.
    #[serde(default, rename = "data", deserialize_with = "present")]
    pub(super) executed: bool,
    /// A JSON array.
    #[serde(borrow)]
    pub(super) errors: Option<&'b RawValue>,
}

fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(deserializer).map(|_| true)
}

#[cfg(test)]
mod tests {
    use ntex::{codec::Encoder, util::BytePages, ws::Codec};

    use super::*;

    #[test]
    fn messages_are_read_without_decoding_the_operation() {
        let text = r#"{"id":"a\"b","type":"subscribe","payload":{"query":"{ a }"}}"#;
        let Some(Incoming::Subscribe { id, payload }) = Incoming::parse(text) else { panic!("{text}") };
        assert_eq!(id, "a\"b");
        assert_eq!(payload.get(), r#"{"query":"{ a }"}"#);
        assert!(matches!(
            Incoming::parse(r#"{"type":"connection_init","payload":null}"#),
            Some(Incoming::Init { payload: None })
        ));
    }

    #[test]
    fn what_is_not_of_the_protocol_is_refused() {
        for text in [
            "",
            "[]",
            r#"{"type":"start","id":"1"}"#,
            r#"{"type":"subscribe","id":"1"}"#,
            r#"{"type":"subscribe","payload":{}}"#,
            r#"{"type":"complete"}"#,
        ] {
            assert!(Incoming::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn ids_are_escaped() {
        let ws::Message::Text(text) = Answers::to("a\"b").next(br#"{"data":null}"#) else {
            panic!("not text")
        };
        assert_eq!(&*text, r#"{"type":"next","id":"a\"b","payload":{"data":null}}"#);
    }

    #[test]
    fn an_answer_is_the_frame_of_its_message() {
        let answers = Answers::to("1");
        for length in [0, 80, 90, 65_000, 65_499, 65_500, 70_000] {
            let payload = vec![b'7'; length];
            let mut encoded = BytePages::default();
            Codec::new().encodev(answers.next(&payload), &mut encoded).unwrap();
            assert_eq!(answers.frame(&payload), *encoded.freeze(), "{length}");
        }
    }

    #[test]
    fn an_executed_operation_may_have_no_data() {
        let outcome: Outcome<'_> = serde_json::from_str(r#"{"data":null,"errors":[{}]}"#).unwrap();
        assert!(outcome.executed);
        let outcome: Outcome<'_> = serde_json::from_str(r#"{"errors":[{}]}"#).unwrap();
        assert!(!outcome.executed);
        assert_eq!(outcome.errors.unwrap().get(), "[{}]");
    }
}
