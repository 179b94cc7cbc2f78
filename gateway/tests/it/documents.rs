//! Persisted documents, whatever the transport.

use gateway::{DocumentMode, PersistedDocuments};
use serde_json::{Value, json};
use tempfile::NamedTempFile;

use crate::harness::{Events, Gateway, answer, until};

const WHOAMI: &str = "query WhoAmI { whoami }";
/// Of `WHOAMI`, as Apollo's clients have it.
const HASH: &str = "551059c190141f3a11cf10bf8db5c0d7ae10dd31a36f91fd6167c56e676bacd9";

async fn gateway(mode: DocumentMode) -> (Gateway, NamedTempFile) {
    let file = NamedTempFile::new().unwrap();
    let manifest = json!({
        "who": WHOAMI,
        "map": "subscription Map { seatMapChanged(showId: 1) { version } }",
        "set": "mutation Set { slowly }",
        HASH: WHOAMI,
    });
    std::fs::write(file.path(), manifest.to_string()).unwrap();
    let documents = PersistedDocuments { mode, manifest: file.path().to_path_buf() };
    (Gateway::with(|config| config.documents = documents).await, file)
}

fn whoami() -> Value {
    json!({ "data": { "whoami": null } })
}

fn refusal(answer: &Value) -> &str {
    assert_eq!(answer["errors"][0]["extensions"]["code"], "BAD_USER_INPUT", "{answer}");
    answer["errors"][0]["message"].as_str().unwrap()
}

#[tokio::test]
async fn a_document_is_known_by_its_id_everywhere() {
    for mode in [DocumentMode::Allow, DocumentMode::Require] {
        let (gateway, _manifest) = gateway(mode).await;
        let url = gateway.url("/graphql");
        let post = |body: Value| gateway.http.post(&url).json(&body);
        assert_eq!(answer(post(json!({ "documentId": "who" }))).await, whoami());
        let extensions = json!({ "persistedQuery": { "version": 1, "sha256Hash": HASH } });
        assert_eq!(answer(post(json!({ "extensions": extensions }))).await, whoami());
        assert_eq!(answer(gateway.http.get(&url).query(&[("documentId", "who")])).await, whoami());
        let extensions = extensions.to_string();
        assert_eq!(answer(gateway.http.get(&url).query(&[("extensions", &extensions)])).await, whoami());
        let unknown = answer(post(json!({ "documentId": "nobody" }))).await;
        assert!(refusal(&unknown).contains("PersistedQueryNotFound"), "{unknown}");

        let mut socket = gateway.socket(json!({})).await;
        let subscribe = |id: &str, document: &str| json!({ "type": "subscribe", "id": id, "payload": { "documentId": document } });
        socket.send(subscribe("1", "who")).await;
        assert_eq!(socket.next("1").await, whoami());
        socket.send(subscribe("2", "map")).await;
        let mut events = Events::of(post(json!({ "documentId": "map" }))).await;
        until(|| gateway.booking.subscriptions() == 1).await;
        gateway.booking.send(3);
        let expected = json!({ "data": { "seatMapChanged": { "version": 3 } } });
        assert_eq!(socket.message().await, json!({ "type": "complete", "id": "1" }));
        assert_eq!(socket.next("2").await, expected);
        assert_eq!(events.next().await, Some(expected));
        // What cannot be sent by GET cannot be named by GET.
        let set = gateway.http.get(&url).query(&[("documentId", "set")]).send().await.unwrap();
        assert_eq!(set.status(), 405);
        assert_eq!(gateway.booking.slow_begun(), 0);
    }
}

#[tokio::test]
async fn only_known_documents_are_executed_where_that_is_required() {
    let (gateway, _manifest) = gateway(DocumentMode::Require).await;
    assert_eq!(gateway.query(WHOAMI).await, whoami());
    for query in ["{ whoami }", "{ __schema { queryType { name } } }", ""] {
        assert!(refusal(&gateway.query(query).await).contains("documentId"));
    }
    let beside = json!({ "documentId": "who", "query": "{ locale }" });
    refusal(&answer(gateway.http.post(gateway.url("/graphql")).json(&beside)).await);
    let mut socket = gateway.socket(json!({})).await;
    socket.subscribe("1", "{ whoami }").await;
    let refused = socket.message().await;
    assert_eq!((&refused["type"], &refused["id"]), (&json!("error"), &json!("1")));
    let page = gateway.http.get(gateway.url("/graphql")).header("accept", "text/html").send().await.unwrap();
    assert!(!page.text().await.unwrap().contains("GraphiQL"));
}

#[tokio::test]
async fn without_a_manifest_ids_are_not_understood() {
    let gateway = Gateway::start().await;
    let named = json!({ "documentId": "who" });
    let refused = answer(gateway.http.post(gateway.url("/graphql")).json(&named)).await;
    assert!(refusal(&refused).contains("gateway.documents.mode"), "{refused}");
    let forged =
        json!({ "query": WHOAMI, "extensions": { "persistedQuery": { "version": 1, "sha256Hash": "00" } } });
    refusal(&answer(gateway.http.post(gateway.url("/graphql")).json(&forged)).await);
}
