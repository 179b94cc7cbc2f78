//! A schema that validates each document completely once.
//!
//! What a document means does not change with its variables. To validate it costs more than to answer most
//! questions from memory. So once a document has been answered without an error, it is only looked at for what
//! depends on variables: how complex it is then. Values of a wrong type are refused all the same, where they
//! are read.

use async_graphql::{ObjectType, Request, Response, Schema, SchemaBuilder, SubscriptionType, ValidationMode};

use crate::{document::Remembered, limits::Limits};

/// A schema for documents that nobody knows, and the same for those that are known to be valid.
pub struct Schemas<Q, M, S> {
    strict: Schema<Q, M, S>,
    fast: Schema<Q, M, S>,
}

impl<Q, M, S> Schemas<Q, M, S>
where
    Q: ObjectType + 'static,
    M: ObjectType + 'static,
    S: SubscriptionType + 'static,
{
    /// What `builder` makes, each time the same, for operations within `limits`.
    pub fn within(limits: Limits, builder: impl Fn() -> SchemaBuilder<Q, M, S>) -> Self {
        let fast = limits.on(builder()).validation_mode(ValidationMode::Fast).finish();
        Self { strict: limits.on(builder()).finish(), fast }
    }

    /// The schema, with all that it checks.
    pub(crate) fn strict(&self) -> &Schema<Q, M, S> {
        &self.strict
    }

    /// The answer to a request whose document is this, if it is one that is remembered.
    pub(crate) async fn execute(&self, request: Request, document: Option<&Remembered>) -> Response {
        let Some(document) = document else { return self.strict.execute(request).await };
        if document.is_valid() {
            return self.fast.execute(request).await;
        }
        let response = self.strict.execute(request).await;
        if response.errors.is_empty() {
            document.mark_valid();
        }
        response
    }
}

impl<Q, M, S> Clone for Schemas<Q, M, S> {
    fn clone(&self) -> Self {
        Self { strict: self.strict.clone(), fast: self.fast.clone() }
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::{EmptyMutation, EmptySubscription, Object, Variables};
    use serde_json::{Value, json};

    use super::*;
    use crate::{document::Documents, error};

    struct Query;

    #[Object]
    impl Query {
        #[graphql(complexity = "n as usize * child_complexity")]
        async fn numbers(&self, n: i32) -> Vec<Number> {
            (0..n).map(Number).collect()
        }
    }

    struct Number(i32);

    #[Object]
    impl Number {
        async fn value(&self) -> i32 {
            self.0
        }
    }

    /// What is said to `query` with each of these variables, one after the other: how many numbers, or the error.
    async fn said(query: &str, variables: impl IntoIterator<Item = Value>) -> Vec<Result<usize, String>> {
        let limits = Limits { complexity: 10, ..Limits::default() };
        let documents = Documents::within(limits);
        let schemas = Schemas::within(limits, || Schema::build(Query, EmptyMutation, EmptySubscription));
        let mut said = Vec::new();
        for variables in variables {
            let mut request = Request::new(query).variables(Variables::from_json(variables));
            let known = documents.read(&mut request).unwrap();
            let response = error::finish(schemas.execute(request, known.as_deref()).await);
            let errors = serde_json::to_value(&response.errors).unwrap();
            said.push(match errors[0]["extensions"]["code"].as_str() {
                Some(code) => Err(code.to_owned()),
                None => Ok(response.data.into_json().unwrap()["numbers"].as_array().map_or(0, Vec::len)),
            });
        }
        said
    }

    #[tokio::test]
    async fn what_depends_on_variables_is_looked_at_each_time() {
        let wrong = || Err("BAD_USER_INPUT".to_owned());
        let numbers = "query($n: Int!) { numbers(n: $n) { value } }";
        let variables = [json!({"n": 3}), json!({"n": "x"}), json!({}), json!({"n": 11}), json!({"n": 4})];
        let first = [Ok(3), wrong(), wrong(), wrong(), Ok(4)];
        assert_eq!(said(numbers, variables.clone()).await, first);
        let last = variables.into_iter().rev();
        assert_eq!(said(numbers, last).await, first.into_iter().rev().collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn what_is_not_valid_never_becomes_so() {
        for query in [
            "query($n: Int!) { numbers(n: $n) { nothing } }",
            "query($n: Int!, $m: Int) { numbers(n: $n) { value } }",
        ] {
            let again = said(query, [json!({"n": 1}), json!({"n": 2}), json!({"n": 1})]).await;
            assert!(again.iter().all(Result::is_err), "{query}: {again:?}");
        }
    }
}
