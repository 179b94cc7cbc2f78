//! Refusals that clients expect, as data: members of the `UserError` interface that more than one
//! subgraph uses.
//!
//! Each subgraph declares the interface itself, over these and its own:
//! ```ignore
//! #[derive(Interface)]
//! #[graphql(field(name = "message", ty = "&String"), field(name = "code", ty = "&String"),
//!           field(name = "path", ty = "&Option<Vec<String>>"))]
//! enum UserError { InvalidInput(InvalidInputError), SeatsUnavailable(SeatsUnavailableError) }
//! ```

/// Declares members of `UserError` that have no fields of their own.
///
/// Each gets `new(message)` with its default code, `with_code`, and `at(path)`.
#[macro_export]
macro_rules! user_errors {
    ($($(#[$doc:meta])* $name:ident $code:literal $(, $shareable:ident)?;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, async_graphql::SimpleObject)]
        $(#[graphql($shareable)])?
        pub struct $name {
            /// What is wrong and what to do, in words for a person.
            pub message: String,
            /// The same for a program: stable, in upper case.
            pub code: String,
            /// Where in the mutation's arguments, from the outside in.
            pub path: Option<Vec<String>>,
        }

        impl $name {
            /// The refusal in these words, with the usual code.
            pub fn new(message: impl Into<String>) -> Self {
                Self { message: message.into(), code: $code.to_owned(), path: None }
            }

            /// The same with a more exact code.
            #[must_use]
            pub fn with_code(mut self, code: impl Into<String>) -> Self {
                self.code = code.into();
                self
            }

            /// The same, pointing at an argument.
            #[must_use]
            pub fn at(mut self, path: &[&str]) -> Self {
                self.path = Some(path.iter().map(|part| (*part).to_owned()).collect());
                self
            }
        }
    )*};
}

user_errors! {
    /// An argument has a value that can never work.
    InvalidInputError "INVALID_INPUT", shareable;
    /// There is no such thing, or none that the caller may see.
    NotFoundError "NOT_FOUND", shareable;
    /// The request contradicts an earlier one or the present state.
    ConflictError "CONFLICT", shareable;
    /// A limit for this account is reached.
    LimitExceededError "LIMIT_EXCEEDED", shareable;
    /// The rules do not allow it now.
    NotAllowedError "NOT_ALLOWED", shareable;
}

impl ConflictError {
    /// An idempotency key came a second time with another request.
    pub fn idempotency_key_reused() -> Self {
        Self::new("this idempotencyKey was used for another request; use a new key for a new request")
            .with_code("IDEMPOTENCY_KEY_REUSED")
            .at(&["input", "idempotencyKey"])
    }
}
