//! How often a cache knew the answer.

use metrics::Counter;

/// Counts what is asked of a cache, as `cache_requests_total` with the labels `cache` and `result`
/// (`hit`, `miss`, or `shared` when somebody was asking already). Make it once, with the cache:
/// counting allocates nothing.
#[derive(Clone, Debug)]
pub struct CacheMeter {
    hits: Counter,
    misses: Counter,
    shared: Counter,
}

impl CacheMeter {
    /// A meter for the cache of this name, such as `catalog.shows`. Make it after
    /// [`super::init`].
    #[must_use]
    pub fn new(cache: &'static str) -> Self {
        let counter = |result: &'static str| metrics::counter!("cache_requests_total", "cache" => cache, "result" => result);
        Self { hits: counter("hit"), misses: counter("miss"), shared: counter("shared") }
    }

    /// The answer was there.
    pub fn hit(&self) {
        self.hits.increment(1);
    }

    /// The answer had to be fetched.
    pub fn miss(&self) {
        self.misses.increment(1);
    }

    /// The answer was being fetched for somebody else.
    pub fn shared(&self) {
        self.shared.increment(1);
    }
}
