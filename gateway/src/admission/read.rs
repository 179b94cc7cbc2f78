//! What bodies ask for, as far as that does not depend on who sends them. Clients ask the same again and
//! again, byte for byte: what was found out is then known at one look. It is remembered of bodies that come
//! again; most that come once never do.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use ahash::RandomState;
use metrics::Counter;
use moka::sync::Cache;
use ntex::util::Bytes;

use super::document::{Document, Operation};
use crate::{answers::Question, operations::Series};

/// Bytes of the bodies that are remembered.
const CAPACITY: u64 = 16 * 1024 * 1024;
/// What is remembered of a body besides its text and its document, about.
const EXTRA: usize = 512;
/// Longer bodies are not remembered.
const LONGEST: usize = 64 * 1024;
/// So many bodies that came once are recognised when they come again.
const PLACES: usize = 64 * 1024;

/// What a body asks for.
#[derive(Debug)]
pub(super) struct Read {
    /// What is known of its document, if it has one.
    pub(super) document: Option<Arc<Document>>,
    /// The operation that is asked for, if that is clear.
    pub(super) operation: Option<Arc<Operation>>,
    /// Where that counts.
    pub(super) series: Option<Arc<Series>>,
    /// What a query asks whose answer might be kept.
    pub(super) question: Option<Question>,
    /// The operation as JSON, with the text of its document.
    pub(super) body: Bytes,
}

/// The bodies of queries that came more than once, lately.
pub(super) struct Bodies {
    known: Cache<Arc<[u8]>, Arc<Read>, RandomState>,
    seen: Seen,
    /// Whoever knows the body knows the document.
    documents: Counter,
}

impl Bodies {
    pub(super) fn new() -> Self {
        let weigh = |body: &Arc<[u8]>, read: &Arc<Read>| {
            // Another body may have the same document; nobody else may still have it, either.
            let document = read.document.as_ref().map_or(0, |document| document.weight());
            u32::try_from(body.len() + read.body.len() + document + EXTRA).unwrap_or(u32::MAX)
        };
        Self {
            known: Cache::builder()
                .max_capacity(CAPACITY)
                .weigher(weigh)
                .build_with_hasher(RandomState::new()),
            seen: Seen::new(),
            documents: metrics::counter!("gateway_documents_total", "known" => "true"),
        }
    }

    /// What a body asks for, if that is known.
    pub(super) fn known(&self, body: &Bytes) -> Option<Arc<Read>> {
        let known = self.known.get(&**body)?;
        self.documents.increment(1);
        Some(known)
    }

    /// Remembers what a body asks for, if it has come before.
    pub(super) fn keep(&self, body: &Bytes, read: Read) -> Arc<Read> {
        if read.question.is_none() || body.len() > LONGEST || !self.seen.again(body) {
            return Arc::new(read);
        }
        // As it came it is a part of a larger buffer.
        let read = Arc::new(Read { body: Bytes::copy_from_slice(&read.body), ..read });
        self.known.insert(Arc::from(&**body), Arc::clone(&read));
        read
    }
}

/// Which bodies have come lately: a mark of each, in the place of whichever had it before.
struct Seen {
    hasher: RandomState,
    marks: Box<[AtomicU32]>,
}

impl Seen {
    fn new() -> Self {
        Self { hasher: RandomState::new(), marks: (0..PLACES).map(|_| AtomicU32::new(0)).collect() }
    }

    /// Whether a body has come before. One of four thousand million others is taken for it.
    fn again(&self, body: &[u8]) -> bool {
        let hash = self.hasher.hash_one(body);
        let mark = (hash >> 32) as u32;
        let place = self.marks.get(hash as usize % PLACES);
        place.is_some_and(|place| place.swap(mark, Ordering::Relaxed) == mark)
    }
}

#[cfg(test)]
mod tests {
    use super::Seen;

    #[test]
    fn a_body_is_recognised_when_it_comes_again() {
        let seen = Seen::new();
        let bodies: Vec<_> = (0..100).map(|number| format!("a body {number}")).collect();
        let again = || bodies.iter().filter(|body| seen.again(body.as_bytes())).count();
        assert_eq!(again(), 0);
        // Two of them may have the same place.
        assert!(again() > 90);
    }
}
