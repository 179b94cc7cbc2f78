//! How operations went, for whoever watches: how many, how long they took, and how they ended.

use std::{
    collections::HashSet,
    sync::{Arc, PoisonError, RwLock},
    time::Instant,
};

use kernel::error::ErrorCode;
use ntex::http::{
    StatusCode,
    body::{Body, ResponseBody},
};

use crate::refusal::Refusal;

/// Names of operations that get series of their own, besides those of the manifest. Clients choose
/// names, and nobody could look at more.
const LEARNT: usize = 100;
/// The name of all other operations, and of those without one.
const OTHER: &str = "other";
/// What an answer that has errors has, and what comes before the code of each.
const ERRORS: &str = r#""errors":["#;
const CODE: &str = r#""code":""#;

/// The names that operations are told by.
#[derive(Debug)]
pub(crate) struct Names {
    manifest: HashSet<Arc<str>>,
    learnt: RwLock<HashSet<Arc<str>>>,
}

impl Names {
    /// Those of the manifest, and the first others that come.
    pub(crate) fn new(manifest: HashSet<Arc<str>>) -> Self {
        Self { manifest, learnt: RwLock::default() }
    }

    fn known(&self, name: &str) -> Option<Arc<str>> {
        let learnt = self.learnt.read().unwrap_or_else(PoisonError::into_inner);
        self.manifest.get(name).or_else(|| learnt.get(name)).cloned()
    }

    /// The name that an operation is told by.
    fn of(&self, name: Option<&str>) -> Arc<str> {
        let Some(name) = name else { return OTHER.into() };
        if let Some(known) = self.known(name) {
            return known;
        }
        let mut learnt = self.learnt.write().unwrap_or_else(PoisonError::into_inner);
        if learnt.len() >= LEARNT || name.len() > 100 {
            return OTHER.into();
        }
        let name: Arc<str> = name.into();
        learnt.insert(Arc::clone(&name));
        name
    }

    /// Begins to measure an operation of which nothing is known yet but that it is of this class.
    pub(crate) fn meter(&self, class: &'static str) -> Meter {
        Meter { name: self.of(None), class, begun: Instant::now() }
    }

    /// Tells a meter what it measures.
    pub(crate) fn tell(&self, meter: &mut Meter, name: Option<&str>, class: &'static str) {
        meter.name = self.of(name);
        meter.class = class;
    }
}

/// Measures one operation. Of one whose client has left nothing is told.
#[derive(Debug)]
pub(crate) struct Meter {
    name: Arc<str>,
    class: &'static str,
    begun: Instant,
}

impl Meter {
    /// A query or mutation has this answer.
    pub(crate) fn answered(self, status: StatusCode, body: &[u8]) {
        self.ended(outcome(status, body));
    }

    /// The same, if the answer is no stream.
    pub(crate) fn answered_with(self, status: StatusCode, body: &ResponseBody<Body>) {
        if let ResponseBody::Body(Body::Bytes(body)) | ResponseBody::Other(Body::Bytes(body)) = body {
            self.answered(status, body);
        }
    }

    /// It was refused.
    pub(crate) fn refused(self, refusal: &Refusal) {
        self.ended(told(refusal.code));
    }

    /// A subscription has begun. Nobody waits for its end.
    pub(crate) fn opened(self) {
        self.count("ok");
    }

    fn ended(self, outcome: &'static str) {
        let seconds = self.begun.elapsed();
        metrics::histogram!("gateway_operation_seconds", "operation" => Arc::clone(&self.name))
            .record(seconds);
        self.count(outcome);
    }

    fn count(self, outcome: &'static str) {
        let Self { name, class, .. } = self;
        metrics::counter!(
            "gateway_operations_total", "operation" => name, "class" => class, "outcome" => outcome
        )
        .increment(1);
    }
}

/// How an operation with this answer ended: `ok`, or the code of its first error.
fn outcome(status: StatusCode, body: &[u8]) -> &'static str {
    let body = std::str::from_utf8(body).unwrap_or_default();
    let Some(errors) = body.find(ERRORS).and_then(|at| body.get(at..)) else {
        return match status {
            status if status.is_success() => "ok",
            status if status.is_client_error() => told(ErrorCode::BadUserInput),
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => told(ErrorCode::Unavailable),
            _ => told(ErrorCode::Internal),
        };
    };
    let code = errors.find(CODE).and_then(|at| errors.get(at + CODE.len()..)).unwrap_or_default();
    let codes = [
        ErrorCode::Unauthenticated,
        ErrorCode::Forbidden,
        ErrorCode::RateLimited,
        ErrorCode::BadUserInput,
        ErrorCode::Unavailable,
        ErrorCode::Internal,
    ];
    // A field of an answer may have that name too, and then no such code comes after it.
    codes.into_iter().find(|known| code.starts_with(known.as_str())).map_or("ok", told)
}

const fn told(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::Unauthenticated => "unauthenticated",
        ErrorCode::Forbidden => "forbidden",
        ErrorCode::RateLimited => "rate_limited",
        ErrorCode::BadUserInput => "bad_user_input",
        ErrorCode::Unavailable => "unavailable",
        ErrorCode::Internal => "internal",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outcome_is_the_code_of_the_first_error() {
        let check =
            |body: &str, expected| assert_eq!(outcome(StatusCode::OK, body.as_bytes()), expected, "{body}");
        check(r#"{"data":{"a":1}}"#, "ok");
        check(r#"{"data":null,"errors":[{"message":"m","extensions":{"code":"FORBIDDEN"}}]}"#, "forbidden");
        check(r#"{"data":{"signUp":{"userErrors":[{"code":"EMAIL_TAKEN"}]}}}"#, "ok");
        check(r#"{"data":{"errors":[{"code":"mine"}]}}"#, "ok");
        check(r#"{"data":{"a":"\"errors\":[\"code\":\"INTERNAL\""}}"#, "ok");
        assert_eq!(outcome(StatusCode::SERVICE_UNAVAILABLE, b"away"), "unavailable");
    }

    #[test]
    fn clients_cannot_make_names_without_end() {
        let names = Names::new(HashSet::from(["Checkout".into()]));
        for n in 0..1_000 {
            names.of(Some(&format!("N{n}")));
        }
        assert_eq!(&*names.of(Some("N7")), "N7");
        assert_eq!(&*names.of(Some("N777")), OTHER);
        assert_eq!(&*names.of(Some("Checkout")), "Checkout");
        assert_eq!(&*names.of(None), OTHER);
    }
}
