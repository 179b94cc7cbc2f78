//! The id of a request: the client's if it is well-formed, else a new one. It is on the answer and in
//! logs, and goes on to subgraphs; but one that was made here does not go on with queries, as
//! requests to a subgraph are shared when they are equal.

use kernel::SharedIds;
use ntex::http::{
    HeaderMap,
    header::{HeaderName, HeaderValue},
};

/// The header, on requests and answers.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Longer ids are not for people.
const LONGEST: usize = 128;

/// The id of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RequestId {
    pub(crate) value: HeaderValue,
    /// Whether it was made here, as the client gave none that can be used.
    pub(crate) made: bool,
}

/// The id of the request with these headers, which has it afterwards.
pub(crate) fn request_id(headers: &mut HeaderMap, ids: &SharedIds) -> RequestId {
    let mut given = headers.get_all(REQUEST_ID);
    let id = match (given.next().cloned(), given.next()) {
        (Some(value), None) if is_well_formed(value.as_bytes()) => return RequestId { value, made: false },
        _ => HeaderValue::try_from(&*ids.uuid().simple().encode_lower(&mut [0; 32])),
    };
    let value = id.unwrap_or_else(|_| HeaderValue::from_static("unknown"));
    headers.insert(REQUEST_ID, value.clone());
    RequestId { value, made: true }
}

fn is_well_formed(id: &[u8]) -> bool {
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(byte);
    (1..=LONGEST).contains(&id.len()) && id.iter().all(allowed)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use kernel::source::SystemIds;

    use super::*;

    #[test]
    fn only_harmless_ids_are_taken_over() {
        let ids: SharedIds = Arc::new(SystemIds);
        for (given, taken) in [("abc-1.2_3:4", true), ("", false), ("a b", false), ("a\tb", false)] {
            let mut headers = HeaderMap::new();
            headers.insert(REQUEST_ID, HeaderValue::from_static(given));
            let id = request_id(&mut headers, &ids);
            assert_eq!(id.value.as_bytes() == given.as_bytes(), taken, "{given:?}");
            assert_eq!(id.made, !taken);
            assert_eq!(headers.get(REQUEST_ID), Some(&id.value));
        }
        let long = HeaderValue::try_from("x".repeat(LONGEST + 1).as_str()).unwrap();
        let mut headers = HeaderMap::new();
        headers.insert(REQUEST_ID, long);
        assert_eq!(request_id(&mut headers, &ids).value.len(), 32);
        assert_eq!(request_id(&mut HeaderMap::new(), &ids).value.len(), 32);
    }
}
