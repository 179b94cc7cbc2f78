//! How often a cache knew the answer.

use metrics::Counter;

/// Counts what is asked of a cache, as `cache_requests_total` with the labels `cache` and `result`
/// (`hit` or `miss`). Make it once, with the cache: counting allocates nothing.
#[derive(Clone, Debug)]
pub struct CacheMeter {
    hits: Counter,
    misses: Counter,
}

impl CacheMeter {
    /// A meter for the cache of this name, such as `booking.shows`. Make it after
    /// [`super::init`].
    #[must_use]
    pub fn new(cache: &'static str) -> Self {
        Self {
            hits: metrics::counter!("cache_requests_total", "cache" => cache, "result" => "hit"),
            misses: metrics::counter!("cache_requests_total", "cache" => cache, "result" => "miss"),
        }
    }

    /// The answer was there.
    pub fn hit(&self) {
        self.hits.increment(1);
    }

    /// The answer had to be fetched.
    pub fn miss(&self) {
        self.misses.increment(1);
    }

    /// One or the other.
    pub fn asked(&self, known: bool) {
        if known { self.hit() } else { self.miss() }
    }
}
