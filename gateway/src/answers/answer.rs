//! One answer that is kept.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use moka::Expiry;
use ntex::{
    http::{
        HeaderMap, StatusCode,
        body::{Body, ResponseBody},
        header::{CACHE_CONTROL, HeaderValue},
    },
    util::Bytes,
    web::HttpResponse,
};
use platform::cache::validator::Validator;
use tokio::sync::OnceCell;

use super::{Digest, Key};

/// An answer that has been asked for so often is fetched anew before somebody has to wait for it.
const OFTEN: u32 = 4;
/// That is done in the last part of its life: one in so many.
const LAST_PART: u32 = 4;
/// What an answer takes besides its texts, in bytes; about.
const EXTRA: usize = 512;
/// In an answer that has errors; it may be in others.
const ERRORS: &str = r#""errors":["#;

/// An answer that everybody may share.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The answer, as JSON.
    pub(crate) body: Bytes,
    /// The same, compressed with gzip, when somebody has asked for that.
    pub(super) packed: OnceCell<Bytes>,
    pub(super) asked: Asked,
    /// Whom to ask each time whether it still holds; nobody if it does for as long as it lasts.
    validator: Option<Box<dyn Validator>>,
    /// When it was asked of the subgraphs. It is as old as that.
    begun: Instant,
    lasts: Duration,
    /// How often it was given; of those before it, less and less counts.
    given: AtomicU32,
    /// Whether it waits to be fetched anew.
    waits: AtomicBool,
}

/// What it takes to ask again.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(super) digest: Digest,
    /// The operation as JSON.
    pub(super) body: Bytes,
    /// Those that decide.
    pub(super) headers: HeaderMap,
}

/// The circumstances that a response was fetched under.
pub(super) struct Fetch {
    /// When the subgraphs were asked, or a moment before.
    pub(super) begun: Instant,
    pub(super) asked: Asked,
    /// How often an earlier answer was given.
    pub(super) given: u32,
    pub(super) validator: Option<Box<dyn Validator>>,
}

impl Answer {
    /// What a response is worth to everybody. `None` if it is not for everybody: only what says clearly
    /// that it is may be kept.
    pub(super) fn of(response: &HttpResponse, fetch: Fetch) -> Option<Self> {
        let lasts = may_be_kept(response)?;
        let body = body(response)?.clone();
        let Fetch { begun, asked, given, validator } = fetch;
        Some(Self {
            body,
            packed: OnceCell::new(),
            asked,
            validator,
            begun,
            lasts,
            given: given.into(),
            waits: false.into(),
        })
    }

    /// How long it is still good; `None` when it is not.
    pub(super) fn left(&self) -> Option<Duration> {
        self.lasts.checked_sub(self.begun.elapsed()).filter(|left| !left.is_zero())
    }

    /// Whether somebody who asked at this moment may have it without another look: what it says was found
    /// out later, or holds anyway.
    pub(super) fn is_of(&self, moment: Instant) -> bool {
        self.validator.is_none() || self.begun >= moment
    }

    /// Whether it still holds. False also when nobody can tell.
    pub(super) async fn holds(&self) -> bool {
        match &self.validator {
            Some(validator) => validator.holds().await,
            None => true,
        }
    }

    /// What HTTP is told: for how long it may be kept elsewhere, where nobody asks whether it holds.
    pub(crate) fn cache_control(&self) -> HeaderValue {
        const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
        if self.validator.is_some() {
            return NO_STORE;
        }
        let seconds = self.left().unwrap_or_default().as_secs();
        let value = HeaderValue::try_from(format!("public, max-age={seconds}"));
        value.unwrap_or(NO_STORE)
    }

    /// Notes that it is given, with so much left. Whether it should be fetched anew now; that is told
    /// once.
    pub(super) fn give(&self, left: Duration) -> bool {
        self.given.fetch_add(1, Ordering::Relaxed);
        left < self.lasts / LAST_PART && self.should_wait()
    }

    /// It cannot wait to be fetched anew.
    pub(super) fn does_not_wait(&self) {
        self.waits.store(false, Ordering::Relaxed);
    }

    /// Whether it should be fetched anew because it is asked for often; that is told once. What may change
    /// at any moment is not fetched for nobody.
    pub(super) fn should_wait(&self) -> bool {
        self.validator.is_none() && self.given() >= OFTEN && !self.waits.swap(true, Ordering::Relaxed)
    }

    pub(super) fn ends_soon(&self) -> bool {
        self.left().is_none_or(|left| left < self.lasts / LAST_PART)
    }

    pub(super) fn given(&self) -> u32 {
        self.given.load(Ordering::Relaxed)
    }

    pub(super) fn weight(&self) -> u32 {
        // Texts such as these become less than a quarter.
        u32::try_from(self.body.len() + self.body.len() / 4 + self.asked.body.len() + EXTRA)
            .unwrap_or(u32::MAX)
    }
}

/// Whether everybody may have a response, as its headers say.
pub(crate) fn is_for_all(response: &HttpResponse) -> bool {
    may_be_kept(response).is_some()
}

fn may_be_kept(response: &HttpResponse) -> Option<Duration> {
    let lasts = (response.status() == StatusCode::OK).then(|| age(response.headers()))??;
    let text = std::str::from_utf8(body(response)?).ok()?;
    (!text.contains(ERRORS)).then_some(lasts)
}

/// What `Cache-Control` says, if it says that a response is public and how long it lasts, and nothing
/// else.
fn age(headers: &HeaderMap) -> Option<Duration> {
    let mut values = headers.get_all(CACHE_CONTROL);
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let (mut public, mut age) = (false, None);
    for part in value.to_str().ok()?.split(',') {
        match part.trim() {
            "public" => public = true,
            part => age = Some(part.strip_prefix("max-age=")?.parse().ok()?),
        }
    }
    age.filter(|age| public && *age > 0).map(Duration::from_secs)
}

fn body(response: &HttpResponse) -> Option<&Bytes> {
    match response.body() {
        ResponseBody::Body(Body::Bytes(body)) | ResponseBody::Other(Body::Bytes(body)) => Some(body),
        _ => None,
    }
}

/// Each answer has its own life.
pub(super) struct Life;

impl Expiry<Key, Arc<Answer>> for Life {
    fn expire_after_create(&self, _: &Key, answer: &Arc<Answer>, _: Instant) -> Option<Duration> {
        Some(answer.left().unwrap_or_default())
    }

    fn expire_after_update(
        &self,
        _: &Key,
        answer: &Arc<Answer>,
        _: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        Some(answer.left().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(values: &[&'static str], expected: Option<u64>) {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(CACHE_CONTROL, HeaderValue::from_static(value));
        }
        assert_eq!(age(&headers), expected.map(Duration::from_secs), "{values:?}");
    }

    #[test]
    fn only_what_says_so_clearly_is_kept() {
        check(&["public, max-age=30"], Some(30));
        check(&["max-age=30,public"], Some(30));
        for no in [
            &[] as &[_],
            &["max-age=30"],
            &["public"],
            &["public, max-age=0"],
            &["public, max-age=-1"],
            &["public, max-age=30, private"],
            &["public, max-age=30, no-store"],
            &["public, max-age=30, s-maxage=5"],
            &["no-store, no-cache"],
            &["public, max-age=30", "public, max-age=30"],
            &[""],
        ] {
            check(no, None);
        }
    }
}
