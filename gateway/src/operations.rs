//! How operations went, for whoever watches: how many, how long they took, and how they ended.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, OnceLock, PoisonError, RwLock},
    time::{Duration, Instant},
};

use kernel::error::ErrorCode;
use metrics::{Counter, Histogram};
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

/// How operations can end: `ok`, or the code of the first error.
const OUTCOMES: [&str; 7] =
    ["ok", "bad_user_input", "rate_limited", "unauthenticated", "forbidden", "unavailable", "internal"];

/// The names that operations are told by.
#[derive(Debug)]
pub(crate) struct Names {
    manifest: HashSet<Arc<str>>,
    learnt: RwLock<HashSet<Arc<str>>>,
    series: RwLock<HashMap<Key, Arc<Series>>>,
}

/// Name and class.
type Key = (Arc<str>, &'static str);

/// The series of operations with one name and class. They are made when they first count.
#[derive(Debug)]
pub(crate) struct Series {
    name: Arc<str>,
    class: &'static str,
    seconds: OnceLock<Histogram>,
    outcomes: [OnceLock<Counter>; OUTCOMES.len()],
}

impl Names {
    /// Those of the manifest, and the first others that come.
    pub(crate) fn new(manifest: HashSet<Arc<str>>) -> Self {
        Self { manifest, learnt: RwLock::default(), series: RwLock::default() }
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

    /// The series of an operation.
    pub(crate) fn series(&self, name: Option<&str>, class: &'static str) -> Arc<Series> {
        let key = (self.of(name), class);
        let known = self.series.read().unwrap_or_else(PoisonError::into_inner).get(&key).map(Arc::clone);
        known.unwrap_or_else(|| {
            let mut series = self.series.write().unwrap_or_else(PoisonError::into_inner);
            let new = || Series {
                name: Arc::clone(&key.0),
                class,
                seconds: OnceLock::new(),
                outcomes: Default::default(),
            };
            Arc::clone(series.entry(key.clone()).or_insert_with(|| Arc::new(new())))
        })
    }
}

impl Series {
    fn ended(&self, after: Duration, outcome: &'static str) {
        let make = || metrics::histogram!("gateway_operation_seconds", "operation" => Arc::clone(&self.name));
        self.seconds.get_or_init(make).record(after);
        self.count(outcome);
    }

    fn count(&self, outcome: &'static str) {
        let counter = OUTCOMES.iter().zip(&self.outcomes).find(|(known, _)| **known == outcome);
        let make = || {
            let name = Arc::clone(&self.name);
            metrics::counter!(
                "gateway_operations_total", "operation" => name, "class" => self.class, "outcome" => outcome
            )
        };
        if let Some((_, counter)) = counter {
            counter.get_or_init(make).increment(1);
        }
    }
}

/// Measures one operation. Of one whose client has left nothing is told.
#[derive(Debug)]
pub(crate) struct Meter {
    series: Arc<Series>,
    begun: Instant,
}

impl Meter {
    /// Begins to measure an operation of which nothing is known yet but where it would count.
    pub(crate) fn begin(series: &Arc<Series>) -> Self {
        Self { series: Arc::clone(series), begun: Instant::now() }
    }

    /// Tells what it measures.
    pub(crate) fn is_of(&mut self, series: &Arc<Series>) {
        self.series = Arc::clone(series);
    }

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

    /// It has an answer without errors.
    pub(crate) fn answered_well(self) {
        self.ended("ok");
    }

    /// It was refused.
    pub(crate) fn refused(self, refusal: &Refusal) {
        self.ended(told(refusal.code));
    }

    /// A subscription has begun. Nobody waits for its end.
    pub(crate) fn opened(self) {
        self.series.count("ok");
    }

    fn ended(self, outcome: &'static str) {
        self.series.ended(self.begun.elapsed(), outcome);
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
        let series = |name| names.series(Some(name), "general");
        assert!(Arc::ptr_eq(&series("N7"), &series("N7")) && !Arc::ptr_eq(&series("N7"), &series("N8")));
        assert!(Arc::ptr_eq(&series("N777"), &series("N778")));
    }
}
