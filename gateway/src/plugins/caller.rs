//! Who asks. Requests share an answer when their operations and the headers of
//! [`caller_headers`](crate::settings::caller_headers) are equal. The router compares only values
//! of visible ASCII, but forwards all, and of several values it forwards the first alone. Such a
//! header is dropped here, so that what subgraphs get is what was compared.
//!
//! Requests to a subgraph are shared too, when all of their headers are equal. The ids that the
//! gateway made for requests are not, and so do not go on with queries.

use hive_router::executor::executors::common::SubgraphExecutionRequest;
use ntex::http::HeaderMap;

use crate::admission::{Admitted, REQUEST_ID};

/// Drops those of the headers with these `names` that are compared and forwarded differently.
pub(super) fn drop_malformed(headers: &mut HeaderMap, names: &[String]) {
    for name in names {
        let mut values = headers.get_all(name);
        let first = values.next().map(|value| value.to_str().is_ok());
        if first == Some(false) || values.next().is_some() {
            headers.remove(name);
        }
    }
}

/// Requests to subgraphs whose answers may be shared go without the ids that the gateway made.
pub(super) fn drop_made_id(admitted: &Admitted, request: &mut SubgraphExecutionRequest<'_>) {
    if admitted.made_id && (request.dedupe || admitted.flight.is_some()) {
        request.headers.remove(REQUEST_ID);
    }
}
