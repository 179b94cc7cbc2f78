//! How large an operation a subgraph takes, whoever sends it.
//!
//! The gateway limits what clients send. A subgraph trusts nobody, so it has limits of its own,
//! well above what the gateway's fetches need: those carry a client's operation with its fragments
//! unfolded, inside a query of entities.

use async_graphql::{ObjectType, SchemaBuilder, SubscriptionType};
use garde::Validate;
use serde::Deserialize;

/// `limits` in the section of a subgraph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Bytes of a request, variables included.
    #[garde(range(min = 1_024, max = 16_777_216))]
    pub body_bytes: usize,
    /// Tokens of a document.
    #[garde(range(min = 16, max = 1_000_000))]
    pub tokens: usize,
    /// How deep a document may nest: selections through all fragments, and values in arguments.
    #[garde(range(min = 2, max = 64))]
    pub depth: usize,
    /// Fields, inline fragments and spreads of a document, with each fragment unfolded wherever it
    /// is spread.
    #[garde(range(min = 1, max = 1_000_000))]
    pub selections: usize,
    /// Directives of a document.
    #[garde(range(max = 100_000))]
    pub directives: usize,
    /// What an operation may cost: 1 for each field; lists multiply what is in them.
    #[garde(range(min = 1))]
    pub complexity: usize,
    /// Whether the subgraph describes itself: `__schema`, `__type`, `_service`. Nothing of ours
    /// needs it, since the supergraph is composed from files.
    #[garde(skip)]
    pub introspection: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 256 * 1_024,
            tokens: 10_000,
            depth: 32,
            selections: 5_000,
            directives: 500,
            complexity: 50_000,
            introspection: false,
        }
    }
}

impl Limits {
    /// The library's own limits, from these; and no hints at names that a client got wrong.
    #[must_use]
    pub fn on<Q, M, S>(self, builder: SchemaBuilder<Q, M, S>) -> SchemaBuilder<Q, M, S>
    where
        Q: ObjectType + 'static,
        M: ObjectType + 'static,
        S: SubscriptionType + 'static,
    {
        let builder = builder
            .limit_depth(self.depth)
            .limit_recursive_depth(self.depth)
            .limit_complexity(self.complexity)
            .limit_directives(self.directives)
            .disable_suggestions();
        if self.introspection { builder } else { builder.disable_introspection() }
    }
}
