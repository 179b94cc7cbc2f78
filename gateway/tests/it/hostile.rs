//! What is meant to cost us more than it costs the sender is refused, on every transport, and the
//! ordinary client beside it is served.

use futures::StreamExt;
use reqwest::{Method, StatusCode, header};
use serde_json::{Value, json};

use crate::harness::{Gateway, answer, within};

/// A document and the setting, or the words, that its refusal names.
fn documents() -> Vec<(&'static str, String, &'static str)> {
    let aliases: String = (0..10_000).map(|n| format!("a{n}:whoami ")).collect();
    let bomb: String =
        (0..40).map(|n| format!("fragment F{n} on Show{{id ...F{m} ...F{m}}}", m = n + 1)).collect();
    vec![
        ("deep", "{show(id:1)".repeat(5_000), "limits.depth"),
        ("no document", "{show(id:1){".repeat(5_000), ""),
        ("deep arguments", format!("{{show(id:{}", "[".repeat(20_000)), "brackets"),
        ("wide", format!("{{{}}}", "whoami ".repeat(5_000)), "limits."),
        ("wide below", format!("{{shows{{{}}}}}", "id ".repeat(3_000)), "limits.fields"),
        ("aliases", format!("{{{aliases}}}"), "limits.aliases"),
        ("root fields", format!("{{{}}}", "whoami ".repeat(25)), "limits.root_fields"),
        ("directives", format!("{{whoami {}}}", "@skip(if:false) ".repeat(900)), "limits.directives"),
        ("tokens", format!("{{show(id:[{}]){{id}}}}", "1 ".repeat(20_000)), "limits.arguments"),
        ("bomb", format!("{{shows{{...F0}}}} {bomb} fragment F40 on Show{{id}}"), "limits.fields"),
        ("circle", "{shows{...A}} fragment A on Show{...B} fragment B on Show{...A}".to_owned(), "itself"),
        ("self", "{shows{...A}} fragment A on Show{id ...A}".to_owned(), "itself"),
        (
            "introspection",
            format!("{{__schema{{types{{{}name{}}}}}}}", "fields{type{".repeat(8), "}}".repeat(8)),
            "ask for names",
        ),
        // As much as may be, and wrong at the very end.
        ("no document at the end", format!("{{show(id:[{}]){{id}}", "1 ".repeat(490)), ""),
        ("not of the schema", format!("{{show(id:[{}]){{id nowhere}}}}", "1 ".repeat(490)), ""),
    ]
}

#[track_caller]
fn is_refused(refusal: &Value, setting: &str) {
    assert_eq!(refusal["extensions"]["code"], "BAD_USER_INPUT", "{refusal}");
    let message = refusal["message"].as_str().unwrap();
    assert!(message.contains(setting), "{message} does not name {setting}");
    assert!(!message.contains("Did you mean"), "{message}");
}

#[tokio::test]
async fn hostile_documents_are_refused_by_http() {
    let gateway = Gateway::start().await;
    for (name, document, setting) in documents() {
        let response = within(gateway.post(&document).send()).await.unwrap();
        assert!(response.status().is_client_error() || setting.is_empty(), "{name}: {}", response.status());
        let refusal: Value = within(response.json()).await.unwrap();
        is_refused(
            &refusal["errors"][0],
            match document.len() {
                65_000.. => "limits.body_bytes",
                _ => setting,
            },
        );
    }
    let answered =
        gateway.query("{ shows { id ...F } } fragment F on Show { title ... on Show { available } }").await;
    assert_eq!(answered["data"]["shows"][0]["available"], 42);
}

#[tokio::test]
async fn hostile_documents_are_refused_on_a_socket() {
    let gateway = Gateway::start().await;
    let mut socket = gateway.socket(json!({})).await;
    for (name, document, setting) in documents() {
        if document.len() > 60_000 {
            // The frame itself is too long, and ends the socket.
            continue;
        }
        socket.subscribe(name, &document).await;
        let refusal = socket.message().await;
        assert_eq!((&refusal["type"], &refusal["id"]), (&json!("error"), &json!(name)));
        is_refused(&refusal["payload"][0], setting);
    }
    assert_eq!(socket.query("1", "{ whoami }").await, json!({ "data": { "whoami": null } }));
}

#[tokio::test]
async fn a_frame_that_is_too_long_ends_its_socket() {
    let gateway = Gateway::start().await;
    let mut socket = gateway.socket(json!({})).await;
    socket.subscribe("1", &format!("{{ whoami }} #{}", " ".repeat(100_000))).await;
    let end = within(async {
        while let Some(Ok(message)) = socket.stream.next().await {
            assert!(!message.is_text(), "{message}");
        }
    });
    end.await;
    assert_eq!(gateway.query("{ whoami }").await, json!({ "data": { "whoami": null } }));
}

#[tokio::test]
async fn bodies_and_variables_are_bounded() {
    let gateway = Gateway::start().await;
    let send = async |body: String| {
        let request =
            gateway.http.post(gateway.url("/graphql")).header(header::CONTENT_TYPE, "application/json");
        let response = within(request.body(body).send()).await.unwrap();
        (response.status(), within(response.json::<Value>()).await.unwrap()["errors"][0].clone())
    };
    let query = "query($id: ID!) { show(id: $id) { id } }";
    let of = |variables: Value| json!({ "query": query, "variables": variables }).to_string();

    let (status, refusal) = send(of(json!({ "id": "x".repeat(200_000) }))).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    is_refused(&refusal, "limits.body_bytes");
    let (status, refusal) = send(of(json!({ "id": "x".repeat(40_000) }))).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    is_refused(&refusal, "limits.variables_bytes");
    let deep = format!(r#"{{"query":"{{ a }}","variables":{{"a":{}"#, "[".repeat(30_000));
    is_refused(&send(deep).await.1, "limits.variables_depth");

    let (status, refusal) = send(format!("[{}]", of(json!({})))).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    is_refused(&refusal, "one by one");

    let mut socket = gateway.socket(json!({})).await;
    let variables = json!({ "id": "x".repeat(40_000) });
    socket
        .send(
            json!({ "type": "subscribe", "id": "1", "payload": { "query": query, "variables": variables } }),
        )
        .await;
    is_refused(&socket.message().await["payload"][0], "limits.variables_bytes");
    socket.send(json!({ "type": "subscribe", "id": "2", "payload": [{ "query": "{ whoami }" }] })).await;
    is_refused(&socket.message().await["payload"][0], "one by one");
}

#[tokio::test]
async fn a_query_string_is_looked_at_like_a_body() {
    let gateway = Gateway::start().await;
    let get = |query: &str| gateway.http.get(gateway.url("/graphql")).query(&[("query", query)]);
    let mutation = within(get("mutation { slowly }").send()).await.unwrap();
    assert_eq!(mutation.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(gateway.booking.slow_begun(), 0);
    let deep = answer(get(&"{a".repeat(100))).await;
    is_refused(&deep["errors"][0], "limits.depth");
    assert_eq!(answer(get("{ whoami }")).await, json!({ "data": { "whoami": null } }));
}

#[tokio::test]
async fn only_json_is_a_request() {
    let gateway = Gateway::start().await;
    let body = r#"{ "query": "mutation { slowly }" }"#;
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/graphql",
    ] {
        let request =
            gateway.http.post(gateway.url("/graphql")).header(header::CONTENT_TYPE, kind).body(body);
        let response = within(request.send()).await.unwrap();
        assert_eq!(response.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE, "{kind}");
    }
    for method in [Method::PUT, Method::DELETE, Method::PATCH] {
        let request =
            gateway.http.request(method.clone(), gateway.url("/graphql")).json(&json!({ "query": "{ a }" }));
        let response = within(request.send()).await.unwrap();
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED, "{method}");
    }
    assert_eq!(gateway.booking.slow_begun(), 0);
}

#[tokio::test]
async fn pages_of_other_sites_are_refused() {
    let gateway = Gateway::start().await;
    let post = gateway.post("{ whoami }").header(header::ORIGIN, "https://evil.example");
    let get = || gateway.http.get(gateway.url("/graphql")).query(&[("query", "{ whoami }")]);
    let image = get().header("sec-fetch-site", "cross-site").header("sec-fetch-mode", "no-cors");
    for request in [post, image] {
        let response = within(request.send()).await.unwrap();
        assert_eq!(response.status(), StatusCode::FORBIDDEN);
        let refusal: Value = within(response.json()).await.unwrap();
        assert_eq!(refusal["errors"][0]["extensions"]["code"], "FORBIDDEN");
    }
    let asked = get().header("sec-fetch-site", "cross-site").header("graphql-require-preflight", "1");
    assert_eq!(answer(asked).await, json!({ "data": { "whoami": null } }));
    let socket = gateway.raw_socket(&[("origin", "https://evil.example")]).await;
    assert!(socket.is_err());
}

#[tokio::test]
async fn nobody_is_told_what_else_there_is() {
    let gateway = Gateway::start().await;
    for query in [
        "{ whoam }",
        "{ shows { titl } }",
        "{ show(idd: 1) { id } }",
        "{ shows { ...F } } fragment F on Shop { id }",
    ] {
        let refused = gateway.query(query).await;
        assert_eq!(refused["errors"][0]["extensions"]["code"], "BAD_USER_INPUT", "{refused}");
        assert!(!refused.to_string().contains("Did you mean"), "{refused}");
    }
}

#[tokio::test]
async fn what_costs_too_much_is_refused_before_it_is_fetched() {
    let gateway = Gateway::with(|config| config.limits.cost = 2).await;
    assert_eq!(gateway.query("{ whoami }").await, json!({ "data": { "whoami": null } }));
    let refused = gateway.query("{ shows { id title available } }").await;
    is_refused(&refused["errors"][0], "cost");
}

#[tokio::test]
async fn every_answer_says_what_browsers_may_do_with_it() {
    let gateway =
        Gateway::with(|config| config.public_url = "https://api.marquee.example".parse().unwrap()).await;
    let page = gateway.http.get(gateway.url("/graphql")).header(header::ACCEPT, "text/html");
    for request in
        [gateway.post("{ whoami }"), gateway.post("{"), gateway.http.get(gateway.url("/health")), page]
    {
        let response = within(request.send()).await.unwrap();
        let value = |name: &str| response.headers()[name].to_str().unwrap();
        assert_eq!(value("x-content-type-options"), "nosniff");
        assert_eq!(value("referrer-policy"), "no-referrer");
        assert_eq!(value("strict-transport-security"), "max-age=31536000");
        assert!(value("content-security-policy").contains("frame-ancestors 'none'"));
        let is_page = value("content-type").starts_with("text/html");
        assert_eq!(value("content-security-policy").contains("https://unpkg.com"), is_page);
    }
}
