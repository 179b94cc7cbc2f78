//! Documents that were read before.
//!
//! The gateway asks a few questions over and over, with other variables. To look at a document's
//! tokens and to parse it costs more than to answer most of them from memory, and to copy what came
//! of it costs a thirtieth.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use async_graphql::{Request, parser::types::ExecutableDocument};
use moka::sync::Cache;

use super::{Excess, check};
use crate::limits::Limits;

/// How much text is known, in bytes. Parsed, it takes about a hundred times as much.
const CAPACITY: u64 = 256 * 1_024;
/// Longer documents are rare, and read each time.
const LONGEST: usize = 8 * 1_024;

/// The documents that were within these limits, by their text. Clones share them.
#[derive(Clone)]
pub(crate) struct Documents {
    limits: Limits,
    known: Cache<String, Arc<Remembered>>,
}

/// A document that is remembered.
pub(crate) struct Remembered {
    document: ExecutableDocument,
    valid: AtomicBool,
}

impl Remembered {
    /// It was validated completely, and is valid.
    pub(crate) fn is_valid(&self) -> bool {
        self.valid.load(Ordering::Relaxed)
    }

    /// See [`is_valid`](Self::is_valid).
    pub(crate) fn mark_valid(&self) {
        self.valid.store(true, Ordering::Relaxed);
    }
}

impl Documents {
    /// Nothing is known yet.
    pub(crate) fn within(limits: Limits) -> Self {
        let weigh = |text: &String, _: &Arc<Remembered>| u32::try_from(text.len()).unwrap_or(u32::MAX);
        Self { limits, known: Cache::builder().max_capacity(CAPACITY).weigher(weigh).build() }
    }

    /// Looks at the document of `request`; it is given back if it is remembered from now on. What is not
    /// GraphQL is left to the library, which says so.
    ///
    /// # Errors
    /// [`Excess`] names the limit.
    pub(crate) fn read(&self, request: &mut Request) -> Result<Option<Arc<Remembered>>, Excess> {
        if let Some(known) = self.known.get(request.query.as_str()) {
            request.set_parsed_query(known.document.clone());
            return Ok(Some(known));
        }
        check(&request.query, &self.limits)?;
        if request.query.len() > LONGEST {
            return Ok(None);
        }
        let Ok(document) = request.parsed_query() else { return Ok(None) };
        let known = Arc::new(Remembered { document: document.clone(), valid: AtomicBool::new(false) });
        self.known.insert(request.query.clone(), Arc::clone(&known));
        Ok(Some(known))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(documents: &Documents, query: &str) -> Result<Option<ExecutableDocument>, Excess> {
        let mut request = Request::new(query);
        documents.read(&mut request)?;
        Ok(request.parsed_query().ok().cloned())
    }

    #[test]
    fn a_document_is_the_same_the_second_time() {
        let documents = Documents::within(Limits::default());
        for query in [
            "query($id: ID! = \"x\") { show(id: $id) { ...F } } fragment F on Show { id @skip(if: true) }",
            "mutation M { a: cancel(input: { id: [1, 2.5, null, E], text: \"\\\"\" }) { id } }",
            "query A { a } query B { b }",
        ] {
            let first = read(&documents, query).unwrap().unwrap();
            assert!(documents.known.contains_key(query));
            let second = read(&documents, query).unwrap().unwrap();
            assert_eq!(format!("{first:?}"), format!("{second:?}"));
        }
    }

    #[test]
    fn what_was_refused_is_refused_again_and_not_known() {
        let documents = Documents::within(Limits { depth: 2, ..Limits::default() });
        let deep = "{ a { b { c { d } } } }";
        for _ in 0..2 {
            assert_eq!(read(&documents, deep).unwrap_err(), Excess::Depth(2));
            assert!(read(&documents, "{ a").unwrap().is_none());
        }
        assert!(!documents.known.contains_key(deep) && !documents.known.contains_key("{ a"));
    }

    #[test]
    fn long_documents_are_not_kept_and_many_are_bounded() {
        let documents = Documents::within(Limits::default());
        let long = format!("{{ {} }}", "a ".repeat(LONGEST / 2));
        assert!(read(&documents, &long).unwrap().is_some());
        assert!(!documents.known.contains_key(&long));
        for number in 0..200 {
            read(&documents, &format!("{{ a{number}(b: \"{}\") }}", "x".repeat(LONGEST / 2)))
                .unwrap()
                .unwrap();
        }
        documents.known.run_pending_tasks();
        assert!(documents.known.weighted_size() <= CAPACITY);
    }
}
