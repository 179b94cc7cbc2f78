use serde_json::json;

use super::*;

const TEXT: &str = "query A { a }";

fn known(mode: DocumentMode) -> Known {
    let hash = hex(&Sha256::digest(TEXT.as_bytes()));
    let documents = [("a".to_owned(), TEXT.to_owned()), (hash, TEXT.to_owned())];
    Known::new(mode, BTreeMap::from(documents))
}

fn resolve(mode: DocumentMode, text: Option<&str>, id: Option<&str>) -> Result<Option<Arc<str>>, String> {
    let ids = Ids { document: id, extensions: None };
    known(mode).resolve(text, &ids).map_err(|refusal| refusal.errors()[0]["message"].to_string())
}

#[test]
fn a_document_is_found_by_its_id() {
    for mode in [DocumentMode::Allow, DocumentMode::Require] {
        assert_eq!(resolve(mode, None, Some("a")).unwrap().as_deref(), Some(TEXT));
        assert!(resolve(mode, None, Some("b")).unwrap_err().contains("PersistedQueryNotFound"));
    }
    assert!(resolve(DocumentMode::Off, None, Some("a")).unwrap_err().contains("gateway.documents.mode"));
}

#[test]
fn other_documents_are_refused_only_where_that_is_required() {
    let other = Some("{ other }");
    assert_eq!(resolve(DocumentMode::Off, other, None).unwrap(), None);
    assert_eq!(resolve(DocumentMode::Allow, other, None).unwrap(), None);
    for text in [other, None, Some("")] {
        assert!(resolve(DocumentMode::Require, text, None).unwrap_err().contains("documentId"));
    }
    // An id beside it does not smuggle another text in.
    assert!(resolve(DocumentMode::Require, other, Some("a")).is_err());
    assert_eq!(resolve(DocumentMode::Require, Some(TEXT), None).unwrap(), None);
}

#[test]
fn apollos_clients_name_a_document_by_its_hash() {
    let known = known(DocumentMode::Require);
    let of = |hash: &str| json!({ "persistedQuery": { "version": 1, "sha256Hash": hash } }).to_string();
    let hash = hex(&Sha256::digest(TEXT.as_bytes()));
    let extensions = of(&hash);
    let ids = Ids { document: None, extensions: Some(&extensions) };
    assert_eq!(known.resolve(None, &ids).unwrap().as_deref(), Some(TEXT));
    assert_eq!(known.resolve(Some(TEXT), &ids).unwrap(), None);
    let wrong = of("00");
    let ids = Ids { document: None, extensions: Some(&wrong) };
    assert!(known.resolve(Some(TEXT), &ids).is_err());
}

#[test]
fn manifests_of_others_are_read() {
    let apollo = json!({
        "format": "apollo-persisted-query-manifest",
        "version": 1,
        "operations": [{ "id": "a", "name": "A", "type": "query", "body": TEXT }],
    });
    for manifest in [apollo, json!({ "a": TEXT })] {
        let manifest: Manifest = serde_json::from_value(manifest).unwrap();
        assert_eq!(manifest.documents(), BTreeMap::from([("a".to_owned(), TEXT.to_owned())]));
    }
}

#[test]
fn a_manifest_has_each_operation_with_its_fragments() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("operations.graphql");
    let text = "query A { ...F } query B { b } fragment F on Query { ...G } fragment G on Query { c }";
    std::fs::write(&file, text).unwrap();
    let path = folder.path().join("documents.json");
    std::fs::write(&path, manifest(std::slice::from_ref(&file)).unwrap()).unwrap();
    let known = Known::load(&PersistedDocuments { mode: DocumentMode::Require, manifest: path }).unwrap();
    let mut texts: Vec<_> = known.texts().collect();
    texts.sort_by_key(|text| text.len());
    let [b, a] = texts[..] else { panic!("{texts:?}") };
    assert!(b.contains("query B") && !b.contains("fragment"), "{b}");
    assert!(a.contains("query A") && a.contains("fragment F") && a.contains("fragment G"), "{a}");
    for (id, text) in &known.by_id {
        assert_eq!(id, &hex(&Sha256::digest(text.as_bytes())));
    }

    std::fs::write(&file, "{ a }").unwrap();
    assert!(manifest(&[file]).unwrap_err().to_string().contains("without a name"));
}

#[test]
fn a_manifest_that_is_needed_has_to_be_there() {
    let config = |mode| PersistedDocuments { mode, manifest: PathBuf::from("nowhere.json") };
    Known::load(&config(DocumentMode::Off)).unwrap();
    let error = Known::load(&config(DocumentMode::Allow)).unwrap_err().to_string();
    assert!(error.contains("nowhere.json") && error.contains("marquee documents"), "{error}");
}
