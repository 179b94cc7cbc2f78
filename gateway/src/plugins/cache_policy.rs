//! Whether an answer may be shared by everybody, which the subgraphs say: each in `Cache-Control` of its
//! answers (RFC 9111). The router makes one of all that an operation has fetched: the shortest life, and
//! `public` only if all say so. It takes silence for consent to the rest, and looks at no extensions; so
//! an answer of a subgraph that does not say clearly that everybody may have it, or that has errors or is
//! degraded, is made to say that it must not be kept.
//!
//! Some answers everybody may share for as long as their validators hold. Where those are of use, they are
//! noted, and the answer counts as one for all; elsewhere it does not.
//!
//! What is kept ([`crate::answers`]) is fetched by requests that share nothing with others under way:
//! those may have begun before something changed.

use std::sync::Arc;

use hive_router::{
    executor::{executors::common::SubgraphExecutionRequest, response::subgraph_response::SubgraphResponse},
    http::{HeaderMap, HeaderValue, header::CACHE_CONTROL},
    plugins::hooks::on_subgraph_execute::OnSubgraphExecuteEndHookPayload,
};

use platform::cache::validator::{self, VALIDATORS};

use super::degraded;
use crate::admission::Admitted;

/// What is kept is fetched apart from all that is under way.
pub(super) fn ask_apart(admitted: &Admitted, request: &mut SubgraphExecutionRequest<'_>) {
    request.dedupe &= admitted.flight.is_none();
}

/// Has the answer of a subgraph say clearly who may share it.
pub(super) fn judge(end: &mut OnSubgraphExecuteEndHookPayload<'_>) {
    let result = &mut end.execution_result;
    let policy = policy(result);
    if policy != Policy::Public {
        let admitted = end.context.get_ref::<Admitted>();
        let said = kept_by(policy, admitted.as_deref());
        Arc::make_mut(result.headers.get_or_insert_default()).insert(CACHE_CONTROL, said);
    }
}

/// Who may share the answer to a whole operation that one subgraph has given with these headers, and nothing
/// but data.
pub(crate) fn of_whole(headers: &HeaderMap, admitted: &Admitted) -> HeaderValue {
    match (said(headers), headers.get(CACHE_CONTROL)) {
        (Policy::Public, Some(value)) => value.clone(),
        (policy, _) => kept_by(policy, Some(admitted)),
    }
}

pub(crate) const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// What is said of an answer that is not for everybody without more ado.
fn kept_by(policy: Policy, admitted: Option<&Admitted>) -> HeaderValue {
    let Policy::Validated(seconds, validators) = policy else { return NO_STORE };
    let noted = admitted.and_then(|admitted| admitted.noted.as_ref());
    let age = noted.and_then(|noted| {
        noted.add(validators);
        HeaderValue::try_from(format!("public, max-age={seconds}")).ok()
    });
    age.unwrap_or(NO_STORE)
}

/// What a subgraph says of sharing its answer.
#[derive(Debug, PartialEq, Eq)]
enum Policy {
    /// Nobody else may have it.
    Own,
    /// Everybody may have it.
    Public,
    /// Everybody may have it, for so many seconds at most, while these validators hold.
    Validated(u32, Vec<String>),
}

fn policy(result: &SubgraphResponse<'_>) -> Policy {
    let whole = result.errors.as_ref().is_none_or(Vec::is_empty)
        && result.status.is_none_or(|status| status.is_success())
        && result.extensions.as_ref().is_none_or(|extensions| !degraded::is_named(extensions));
    result.headers.as_ref().filter(|_| whole).map_or(Policy::Own, |headers| said(headers))
}

fn said(headers: &HeaderMap) -> Policy {
    let mut values = headers.get_all(VALIDATORS).iter();
    match (values.next(), values.next()) {
        (None, _) if is_public(headers) => Policy::Public,
        (Some(value), None) => match value.to_str().ok().and_then(validator::parse) {
            Some((seconds, validators)) => Policy::Validated(seconds, validators),
            None => Policy::Own,
        },
        _ => Policy::Own,
    }
}

fn is_public(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(CACHE_CONTROL).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return false };
    let (mut public, mut lasts) = (false, false);
    for part in value.to_str().unwrap_or_default().split(',').map(str::trim) {
        match part {
            "public" => public = true,
            part if part.starts_with("max-age=") => lasts = true,
            _ => return false,
        }
    }
    public && lasts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_no_consent() {
        let check = |values: &[&'static str], expected: bool| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(CACHE_CONTROL, HeaderValue::from_static(value));
            }
            assert_eq!(is_public(&headers), expected, "{values:?}");
        };
        check(&["public, max-age=30"], true);
        check(&["max-age=30, public"], true);
        for no in [&[] as &[_], &["max-age=30"], &["public"], &["public, max-age=30, private"], &["no-store"]]
        {
            check(no, false);
        }
        check(&["public, max-age=30", "private"], false);
    }

    #[test]
    fn validators_are_read_completely_or_not_at_all() {
        let check = |values: &[&'static str], expected: Policy| {
            let mut headers = HeaderMap::new();
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=30"));
            for value in values {
                headers.append(VALIDATORS, HeaderValue::from_static(value));
            }
            assert_eq!(said(&headers), expected, "{values:?}");
        };
        check(&[], Policy::Public);
        check(&["max-age=60, a:1"], Policy::Validated(60, vec!["a:1".to_owned()]));
        check(&["max-age=60, a:1", "max-age=60, b:1"], Policy::Own);
        check(&["a:1"], Policy::Own);
        check(&[""], Policy::Own);
    }
}
