//! What an answer of the gateway means for whoever asked.

use std::{future::Future, time::Duration};

use client::{ClientError, Reply};
use serde_json::Value;
use tokio::time::timeout;

/// How long a client waits for an answer.
pub const PATIENCE: Duration = Duration::from_secs(3);
/// Characters of a failure's text that are kept.
const WHY: usize = 160;

/// An answer, as far as its top level goes.
#[derive(Debug, Clone)]
pub enum Answer {
    /// The `data`.
    Data(Value),
    /// Definitely not done, with the code.
    Refused(String),
    /// Nobody can tell.
    Unknown(String),
}

/// Waits for an answer for as long as a client does, and classifies it.
pub async fn await_answer(asking: impl Future<Output = Result<Reply, ClientError>>) -> Answer {
    match timeout(PATIENCE, asking).await {
        Ok(Ok(reply)) => classify(reply),
        Ok(Err(error)) => Answer::Unknown(brief(&error.to_string())),
        Err(_) => Answer::Unknown("no answer in time".to_owned()),
    }
}

fn classify(reply: Reply) -> Answer {
    let Some(first) = reply.errors.first() else {
        return match reply.data {
            Value::Null => Answer::Unknown("an answer without data".to_owned()),
            data => Answer::Data(data),
        };
    };
    // What failed in parts may have been done. These codes are given before anything is done.
    let codes = reply.errors.iter().map(|error| error["extensions"]["code"].as_str().unwrap_or_default());
    match codes.clone().find(|code| !matches!(*code, "UNAUTHENTICATED" | "FORBIDDEN" | "RATE_LIMITED")) {
        None => Answer::Refused(codes.take(1).collect()),
        Some(code) => {
            let message = first["message"].as_str().unwrap_or_default();
            Answer::Unknown(brief(&format!("{code}: {message}")))
        }
    }
}

/// The beginning of a text.
pub fn brief(text: &str) -> String {
    text.chars().take(WHY).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    async fn answer(body: Value) -> Answer {
        let errors = body["errors"].as_array().cloned().unwrap_or_default();
        let reply = Reply { data: body["data"].clone(), errors, extensions: Value::Null };
        await_answer(async { Ok(reply) }).await
    }

    fn error(code: &str) -> Value {
        json!({ "message": "no", "extensions": { "code": code } })
    }

    #[tokio::test]
    async fn only_refusals_before_the_work_are_definite() {
        assert!(matches!(answer(json!({ "data": { "a": 1 } })).await, Answer::Data(_)));
        let refused = answer(json!({ "data": null, "errors": [error("FORBIDDEN")] })).await;
        assert!(matches!(refused, Answer::Refused(code) if code == "FORBIDDEN"));
        for unknown in [
            json!({ "data": { "a": null }, "errors": [error("UNAVAILABLE")] }),
            json!({ "data": null, "errors": [error("FORBIDDEN"), error("INTERNAL")] }),
            json!({ "data": null, "errors": [{ "message": "?" }] }),
            json!({ "data": null }),
        ] {
            assert!(matches!(answer(unknown.clone()).await, Answer::Unknown(_)), "{unknown}");
        }
    }
}
