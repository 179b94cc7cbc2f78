//! What bodies ask for, as far as that does not depend on who sends them. Clients ask the same again and
//! again, byte for byte: what was found out once is then known at one look.

use std::sync::Arc;

use metrics::Counter;
use moka::sync::Cache;
use ntex::util::Bytes;

use super::document::{Document, Operation};
use crate::{answers::Question, operations::Series, refusal::Refusal};

/// Bytes of the bodies that are remembered.
const CAPACITY: u64 = 16 * 1024 * 1024;
/// What is remembered of a body besides, about.
const EXTRA: usize = 512;
/// Longer bodies are not remembered.
const LONGEST: usize = 64 * 1024;

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

/// The bodies of queries that were read lately. Others come once.
pub(super) struct Bodies {
    known: Cache<Arc<[u8]>, Arc<Read>>,
    /// Whoever knows the body knows the document.
    documents: Counter,
}

impl Bodies {
    pub(super) fn new() -> Self {
        let weigh = |body: &Arc<[u8]>, read: &Arc<Read>| {
            u32::try_from(body.len() + read.body.len() + EXTRA).unwrap_or(u32::MAX)
        };
        Self {
            known: Cache::builder().max_capacity(CAPACITY).weigher(weigh).build(),
            documents: metrics::counter!("gateway_documents_total", "known" => "true"),
        }
    }

    /// What a body asks for, by `read` if that is not known yet.
    pub(super) fn get(
        &self,
        body: &Bytes,
        read: impl FnOnce() -> Result<Read, Refusal>,
    ) -> Result<Arc<Read>, Refusal> {
        if let Some(known) = self.known.get(&**body) {
            self.documents.increment(1);
            return Ok(known);
        }
        let read = read()?;
        if read.question.is_none() || body.len() > LONGEST {
            return Ok(Arc::new(read));
        }
        // As it came it is a part of a larger buffer.
        let read = Arc::new(Read { body: Bytes::copy_from_slice(&read.body), ..read });
        self.known.insert(Arc::from(&**body), Arc::clone(&read));
        Ok(read)
    }
}
