//! A small GraphQL client, for what looks at the platform from outside: the smoke check, the
//! journeys, the benchmarks.

mod operations;
mod socket;

use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

pub use operations::operation;
pub use socket::{Socket, Subscription};

/// How long one request may take before the client gives up.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The request did not get through, or its answer was no JSON.
    #[error("the request failed: {0}")]
    Http(#[from] reqwest::Error),
    /// The socket could not be opened, or broke.
    #[error("the socket failed: {0}")]
    Socket(#[from] tokio_tungstenite::tungstenite::Error),
    /// The peer does not speak graphql-transport-ws as it should.
    #[error("the socket said something unexpected: {0}")]
    Protocol(String),
    /// `schema/operations.graphql` has no such operation.
    #[error("there is no operation named {0}")]
    UnknownOperation(String),
    /// The answer has top-level errors.
    #[error("the answer has errors: {0}")]
    Errors(Value),
    /// The answer has another form than was asked for.
    #[error("the answer has an unexpected form: {0}")]
    Form(#[from] serde_json::Error),
}

/// What came back.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    /// The `data`, or null.
    pub data: Value,
    /// The top-level `errors`; empty when all went well.
    pub errors: Vec<Value>,
    /// The `extensions`, or null.
    pub extensions: Value,
}

impl Reply {
    pub(crate) fn new(mut body: Value) -> Self {
        let errors = match body["errors"].take() {
            Value::Array(errors) => errors,
            _ => Vec::new(),
        };
        Self { data: body["data"].take(), errors, extensions: body["extensions"].take() }
    }

    /// The data, when there are no errors.
    ///
    /// # Errors
    /// [`ClientError::Errors`].
    pub fn ok(self) -> Result<Value, ClientError> {
        if self.errors.is_empty() {
            Ok(self.data)
        } else {
            Err(ClientError::Errors(Value::Array(self.errors)))
        }
    }

    /// The data as a `T`, when there are no errors.
    ///
    /// # Errors
    /// [`ClientError::Errors`], [`ClientError::Form`].
    pub fn parse<T: DeserializeOwned>(self) -> Result<T, ClientError> {
        Ok(serde_json::from_value(self.ok()?)?)
    }

    /// The `extensions.code` of the first error.
    pub fn error_code(&self) -> Option<&str> {
        self.errors.first()?["extensions"]["code"].as_str()
    }
}

/// Sends operations to one GraphQL endpoint, as one caller.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    endpoint: String,
    token: Option<String>,
    trace: Option<String>,
}

impl Client {
    /// An anonymous client of `endpoint` (`http://…/graphql`).
    ///
    /// # Errors
    /// When the machine has no usable TLS set-up.
    pub fn new(endpoint: impl Into<String>) -> Result<Self, ClientError> {
        let http = reqwest::Client::builder().timeout(TIMEOUT).build()?;
        Ok(Self { http, endpoint: endpoint.into(), token: None, trace: None })
    }

    /// The same client with this access token.
    #[must_use]
    pub fn with_token(&self, token: impl Into<String>) -> Self {
        Self { token: Some(token.into()), ..self.clone() }
    }

    /// The same client as a part of the trace that this `traceparent` names
    /// (<https://www.w3.org/TR/trace-context/>), as a browser that records traces.
    #[must_use]
    pub fn with_trace(&self, traceparent: impl Into<String>) -> Self {
        Self { trace: Some(traceparent.into()), ..self.clone() }
    }

    /// The access token, if there is one.
    pub fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// The HTTP client underneath.
    pub const fn http(&self) -> &reqwest::Client {
        &self.http
    }

    /// Sends a document.
    ///
    /// # Errors
    /// [`ClientError::Http`].
    pub async fn execute(&self, document: &str, variables: Value) -> Result<Reply, ClientError> {
        let mut request = self
            .http
            .post(&self.endpoint)
            .header("accept", "application/json")
            .json(&json!({ "query": document, "variables": variables }));
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        if let Some(trace) = &self.trace {
            request = request.header("traceparent", trace);
        }
        Ok(Reply::new(request.send().await?.json().await?))
    }

    /// Sends an operation of `schema/operations.graphql`.
    ///
    /// # Errors
    /// [`ClientError::UnknownOperation`], [`ClientError::Http`].
    pub async fn call(&self, name: &str, variables: Value) -> Result<Reply, ClientError> {
        self.execute(operation(name)?, variables).await
    }

    /// Opens a socket at `address` (`ws://…`) as the same caller.
    ///
    /// # Errors
    /// [`ClientError::Socket`], [`ClientError::Protocol`].
    pub async fn socket(&self, address: &str) -> Result<Socket, ClientError> {
        Socket::open(address, self.token.as_deref()).await
    }
}
