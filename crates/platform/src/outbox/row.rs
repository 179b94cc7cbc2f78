//! An event as the table has it and as it is put on the wire: its body is text that nobody parses.

use chrono::{DateTime, Utc};
use kernel::id::EventId;
use serde::Serialize;
use uuid::Uuid;

/// Bytes of an envelope besides its body, name and trace; more costs a reallocation.
const HEAD: usize = 224;

/// The primary key of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// What its event stays in order with.
    pub(super) key: Uuid,
    /// Grows in the order of appending.
    pub(super) seq: i64,
}

/// One row.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) place: Place,
    pub(super) id: EventId,
    pub(super) name: String,
    pub(super) version: u16,
    pub(super) time: DateTime<Utc>,
    /// The trace that it was appended in.
    pub(super) trace: Option<String>,
    /// JSON.
    pub(super) body: String,
}

/// [`events::Envelope`] without its body.
#[derive(Serialize)]
struct Head<'r> {
    id: EventId,
    name: &'r str,
    version: u16,
    time: DateTime<Utc>,
    key: Uuid,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace: Option<&'r str>,
}

impl Row {
    /// The [`events::Envelope`] of this event as JSON, which carries on `trace`.
    ///
    /// # Errors
    /// None in practice: a head has a JSON form.
    pub(super) fn envelope(&self, trace: Option<&str>) -> Result<Vec<u8>, serde_json::Error> {
        let Self { place, id, name, version, time, body, .. } = self;
        let head = Head { id: *id, name, version: *version, time: *time, key: place.key, trace };
        let length = HEAD + name.len() + trace.map_or(0, str::len) + body.len();
        let mut json = Vec::with_capacity(length);
        serde_json::to_writer(&mut json, &head)?;
        // The object goes on.
        json.pop();
        json.extend_from_slice(b",\"body\":");
        json.extend_from_slice(body.as_bytes());
        json.push(b'}');
        Ok(json)
    }
}

#[cfg(test)]
mod tests {
    use events::Envelope;
    use serde_json::json;

    use super::*;

    #[test]
    fn readers_find_the_envelope_that_was_appended() {
        let appended = Envelope {
            id: EventId::from_uuid(Uuid::from_u128(7)),
            name: "test.happened".to_owned(),
            version: 3,
            time: DateTime::UNIX_EPOCH,
            key: Uuid::from_u128(9),
            trace: None,
            body: json!({ "says": "\"}\\é", "seats": [1, 2], "none": null }),
        };
        let row = Row {
            place: Place { key: appended.key, seq: 1 },
            id: appended.id,
            name: appended.name.clone(),
            version: appended.version,
            time: appended.time,
            trace: None,
            body: appended.body.to_string(),
        };
        for trace in [None, Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")] {
            let json = row.envelope(trace).unwrap();
            let read: Envelope = serde_json::from_slice(&json).unwrap();
            assert_eq!(read, Envelope { trace: trace.map(str::to_owned), ..appended.clone() });
            assert!(json.capacity() <= HEAD + 100 + json.len(), "nothing was made too large by far");
        }
        assert!(row.envelope(None).unwrap().len() <= HEAD + row.name.len() + row.body.len());
    }
}
