//! Persisted documents: texts that are known by an id, so that clients need not send them and, where that
//! is required, cannot send others.
//!
//! A manifest lists them, as JSON: `{ "id": "query …" }`, or as Apollo's clients write it (`{ "format":
//! "apollo-persisted-query-manifest", "operations": [{ "id", "body" }] }`), or as Relay's compiler does
//! (the first, with its own ids). `marquee documents` makes one. Requests name a document by `documentId`
//! ([GraphQL over HTTP, appendix on persisted documents](https://github.com/graphql/graphql-over-http/pull/264))
//! or by `extensions.persistedQuery.sha256Hash`, as Apollo's clients do, whatever the transport.
//!
//! The router can do this too, but from its own requests only: the gateway looks at documents before, so
//! it has to know them.

use std::{
    collections::{BTreeMap, HashMap},
    path::{Path, PathBuf},
    sync::Arc,
};

use garde::Validate;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{GatewayError, refusal::Refusal};

/// The section `gateway.documents`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct PersistedDocuments {
    /// Whether documents may be, or have to be, in the manifest.
    #[garde(skip)]
    pub mode: DocumentMode,
    /// The manifest, relative to the working directory.
    #[garde(skip)]
    pub manifest: PathBuf,
}

/// Whether documents may be, or have to be, in the manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DocumentMode {
    /// Clients send texts.
    Off,
    /// Clients send texts, or ids of the manifest.
    Allow,
    /// Clients send ids of the manifest, or texts that are in it. Nothing else is executed.
    Require,
}

impl Default for PersistedDocuments {
    fn default() -> Self {
        Self { mode: DocumentMode::Off, manifest: PathBuf::from("schema/documents.json") }
    }
}

/// The documents of the manifest.
#[derive(Debug)]
pub(crate) struct Known {
    mode: DocumentMode,
    by_id: HashMap<String, Arc<str>>,
    /// The hashes of all texts.
    hashes: std::collections::HashSet<[u8; 32]>,
}

/// How a request names its document besides its text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Ids<'r> {
    /// `documentId`.
    pub(crate) document: Option<&'r str>,
    /// `extensions`, as JSON.
    pub(crate) extensions: Option<&'r str>,
}

/// What of `extensions` is looked at.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Extensions {
    persisted_query: Option<PersistedQuery>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PersistedQuery {
    sha256_hash: String,
}

impl Known {
    /// Reads the manifest. Where documents are not known by ids it need not be there; if it is, operations
    /// are still known by their names.
    pub(crate) fn load(config: &PersistedDocuments) -> Result<Self, GatewayError> {
        let path = std::path::absolute(&config.manifest).unwrap_or_else(|_| config.manifest.clone());
        if config.mode == DocumentMode::Off && !path.exists() {
            return Ok(Self::new(config.mode, BTreeMap::new()));
        }
        let unreadable = |reason: String| GatewayError::Manifest { path: path.clone(), reason };
        let text = std::fs::read_to_string(&path).map_err(|error| unreadable(error.to_string()))?;
        let manifest: Manifest =
            serde_json::from_str(&text).map_err(|error| unreadable(error.to_string()))?;
        let documents = manifest.documents();
        if documents.is_empty() {
            return Err(unreadable("it has no documents".to_owned()));
        }
        Ok(Self::new(config.mode, documents))
    }

    fn new(mode: DocumentMode, documents: BTreeMap<String, String>) -> Self {
        let hashes = documents.values().map(|text| Sha256::digest(text.as_bytes()).into()).collect();
        let by_id = documents.into_iter().map(|(id, text)| (id, text.into())).collect();
        Self { mode, by_id, hashes }
    }

    /// The texts of all documents.
    pub(crate) fn texts(&self) -> impl Iterator<Item = &str> {
        self.by_id.values().map(|text| &**text)
    }

    /// The text that a request names by an id. `None` when it has its own, which may be executed.
    pub(crate) fn resolve(&self, text: Option<&str>, ids: &Ids<'_>) -> Result<Option<Arc<str>>, Refusal> {
        let hash = ids.persisted_query();
        let id = ids.document.or(hash.as_deref());
        let known = id.and_then(|id| self.by_id.get(id));
        match (text.filter(|text| !text.is_empty()), id, self.mode) {
            (None, None, DocumentMode::Off | DocumentMode::Allow) => Ok(None),
            (None, None, DocumentMode::Require) => Err(Refusal::bad(REQUIRED)),
            (None, Some(_), DocumentMode::Off) => Err(Refusal::bad(
                "PersistedQueryNotSupported: documents are not known by ids here (gateway.documents.mode). Send \
                 the text of the document as `query`.",
            )),
            (None, Some(_), DocumentMode::Allow | DocumentMode::Require) => match known {
                Some(text) => Ok(Some(Arc::clone(text))),
                // Apollo's clients look for this text, and then send the document.
                None => Err(Refusal::bad(
                    "PersistedQueryNotFound: no document of this id is in the manifest (gateway.documents.manifest).",
                )),
            },
            (Some(text), _, mode) => {
                if hash.as_deref().is_some_and(|hash| hash != hex(&Sha256::digest(text.as_bytes()))) {
                    return Err(Refusal::bad(
                        "`extensions.persistedQuery.sha256Hash` is not the hash of `query`.",
                    ));
                }
                let digest = || <[u8; 32]>::from(Sha256::digest(text.as_bytes()));
                match mode == DocumentMode::Require && !self.hashes.contains(&digest()) {
                    true => Err(Refusal::bad(REQUIRED)),
                    false => Ok(None),
                }
            }
        }
    }
}

const REQUIRED: &str = "Only documents of the manifest are executed here (gateway.documents.mode is `require`): send the \
                        id of one as `documentId`, and no text.";

impl Ids<'_> {
    fn persisted_query(&self) -> Option<String> {
        let extensions = self.extensions.filter(|extensions| extensions.contains("persistedQuery"))?;
        let extensions: Extensions = serde_json::from_str(extensions).ok()?;
        extensions.persisted_query.map(|query| query.sha256_hash)
    }
}

/// The shapes of manifests.
#[derive(Deserialize)]
#[serde(untagged)]
enum Manifest {
    Apollo { operations: Vec<ApolloOperation> },
    Plain(BTreeMap<String, String>),
}

#[derive(Deserialize)]
struct ApolloOperation {
    id: String,
    body: String,
}

impl Manifest {
    fn documents(self) -> BTreeMap<String, String> {
        match self {
            Self::Apollo { operations } => {
                operations.into_iter().map(|operation| (operation.id, operation.body)).collect()
            }
            Self::Plain(documents) => documents,
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A manifest of the operations in some files, each document known by the SHA-256 of its text, as JSON.
///
/// # Errors
/// A file cannot be read or is no document, or an operation has no name or the name of another.
pub fn manifest(files: &[PathBuf]) -> Result<String, GatewayError> {
    let mut documents = BTreeMap::new();
    for file in files {
        for (name, text) in operations(file)? {
            if documents.insert(name.clone(), text).is_some() {
                let reason = format!("it has the operation `{name}`, which is there already");
                return Err(GatewayError::Manifest { path: file.clone(), reason });
            }
        }
    }
    let operations: Vec<_> = documents.into_iter().map(|(name, body)| Entry::new(name, body)).collect();
    let manifest = Written { format: "apollo-persisted-query-manifest", version: 1, operations };
    let text = serde_json::to_string_pretty(&manifest).unwrap_or_default();
    Ok(text + "\n")
}

#[derive(Serialize)]
struct Written {
    format: &'static str,
    version: u32,
    operations: Vec<Entry>,
}

#[derive(Serialize)]
struct Entry {
    id: String,
    name: String,
    body: String,
}

impl Entry {
    fn new(name: String, body: String) -> Self {
        Self { id: hex(&Sha256::digest(body.as_bytes())), name, body }
    }
}

/// The operations of a file by their names, each with the fragments that it uses.
fn operations(file: &Path) -> Result<Vec<(String, String)>, GatewayError> {
    let refused = |reason: String| GatewayError::Manifest { path: file.to_path_buf(), reason };
    let text = std::fs::read_to_string(file).map_err(|error| refused(error.to_string()))?;
    split::operations(&text).map_err(refused)
}

/// The names of the operations in a text.
pub(crate) fn names(text: &str) -> Vec<Arc<str>> {
    let operations = split::operations(text).unwrap_or_default();
    operations.into_iter().map(|(name, _)| name.into()).collect()
}

mod split;

#[cfg(test)]
mod tests;
