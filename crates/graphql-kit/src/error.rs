//! Top-level errors: what clients see, and what stays inside.

use std::error::Error as StdError;

use async_graphql::{ErrorExtensionValues, Response, ServerError};
use kernel::ErrorCode;

/// An error that a client may see: a code and words that say what to do.
///
/// It has no `Display` on purpose: `?` in a resolver can then only go through [`From`] below, and
/// no inner detail becomes a message by accident.
#[derive(Debug, Clone)]
pub struct ApiError {
    code: ErrorCode,
    message: String,
}

impl ApiError {
    /// An error with words for the client.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// The request can never work as it stands; `message` says what to change.
    pub fn bad_input(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::BadUserInput, message)
    }

    /// The caller may not do this.
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::Forbidden, message)
    }

    /// `what` is away: logs the cause, and tells the client to try again.
    pub fn unavailable(what: &'static str, cause: &(dyn StdError + 'static)) -> Self {
        tracing::warn!(what, cause = %Chain(cause), "dependency unavailable");
        Self::new(
            ErrorCode::Unavailable,
            format!("{what} is not available right now; nothing was changed, try again shortly"),
        )
    }

    /// Our fault: logs the cause, and tells the client nothing of it.
    pub fn internal(cause: &(dyn StdError + 'static)) -> Self {
        tracing::error!(cause = %Chain(cause), "internal error");
        Self::masked()
    }

    fn masked() -> Self {
        Self::new(ErrorCode::Internal, "something went wrong on our side; it was logged")
    }

    /// The stable code.
    pub const fn code(&self) -> ErrorCode {
        self.code
    }

    /// The words for the client.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl From<ApiError> for async_graphql::Error {
    fn from(error: ApiError) -> Self {
        let mut extensions = ErrorExtensionValues::default();
        extensions.set("code", error.code.as_str());
        Self { message: error.message, source: None, extensions: Some(extensions) }
    }
}

/// An error with all its causes, on one line.
pub struct Chain<'e>(pub &'e (dyn StdError + 'static));

impl std::fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

/// Gives every error of `response` a code, and hides what must not leave.
///
/// The library makes errors of its own (syntax, validation, wrong arguments); those have no
/// source and are the client's to mend. An error with a source but no code slipped through a
/// resolver: it is logged and masked.
pub fn finish(mut response: Response) -> Response {
    for error in &mut response.errors {
        finish_error(error);
    }
    response
}

fn finish_error(error: &mut ServerError) {
    if error.extensions.as_ref().is_some_and(|values| values.get("code").is_some()) {
        return;
    }
    let code = match error.source.take() {
        None => ErrorCode::BadUserInput,
        Some(_) => {
            tracing::error!(cause = %error.message, path = ?error.path, "error without a code");
            let masked = ApiError::masked();
            error.message = masked.message;
            masked.code
        }
    };
    error.extensions.get_or_insert_default().set("code", code.as_str());
}

#[cfg(test)]
mod tests {
    use async_graphql::{EmptyMutation, EmptySubscription, Object, Result, Schema};

    use super::*;

    struct Query;

    #[Object]
    impl Query {
        async fn leaky(&self) -> Result<i32> {
            Ok("postgres://user:secret@host".parse()?)
        }

        async fn refused(&self) -> Result<i32> {
            Err(ApiError::forbidden("only managers may do this").into())
        }

        async fn echo(&self, n: i32) -> i32 {
            n
        }
    }

    async fn check(query: &str, code: &str, message: &str) {
        let schema = Schema::new(Query, EmptyMutation, EmptySubscription);
        let response = finish(schema.execute(query).await);
        let error = &response.errors[0];
        let extensions = error.extensions.as_ref().unwrap();
        assert_eq!(extensions.get("code"), Some(&async_graphql::Value::from(code)), "{query}");
        assert!(error.message.contains(message), "{query}: {}", error.message);
    }

    #[tokio::test]
    async fn every_error_has_a_code_and_no_inner_detail() {
        check("{ leaky }", "INTERNAL", "our side").await;
        check("{ refused }", "FORBIDDEN", "only managers").await;
        check("{ nonsense }", "BAD_USER_INPUT", "nonsense").await;
        check("{ echo(n: \"x\") }", "BAD_USER_INPUT", "Int").await;
        check("{ ", "BAD_USER_INPUT", "expected").await;
    }
}
