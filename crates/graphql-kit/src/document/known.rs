//! Documents that were read before.
//!
//! The gateway asks a few questions over and over, with other variables. To look at a document's
//! tokens and to parse it costs more than to answer most of them from memory, and to copy what came
//! of it costs a thirtieth.

use std::sync::Arc;

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
    known: Cache<String, Arc<ExecutableDocument>>,
}

impl Documents {
    /// Nothing is known yet.
    pub(crate) fn within(limits: Limits) -> Self {
        let weigh =
            |text: &String, _: &Arc<ExecutableDocument>| u32::try_from(text.len()).unwrap_or(u32::MAX);
        Self { limits, known: Cache::builder().max_capacity(CAPACITY).weigher(weigh).build() }
    }

    /// Looks at the document of `request`. What is not GraphQL is left to the library, which says so.
    ///
    /// # Errors
    /// [`Excess`] names the limit.
    pub(crate) fn read(&self, request: &mut Request) -> Result<(), Excess> {
        if let Some(document) = self.known.get(request.query.as_str()) {
            request.set_parsed_query(ExecutableDocument::clone(&document));
            return Ok(());
        }
        check(&request.query, &self.limits)?;
        if request.query.len() <= LONGEST
            && let Ok(document) = request.parsed_query()
        {
            let document = Arc::new(document.clone());
            self.known.insert(request.query.clone(), document);
        }
        Ok(())
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
