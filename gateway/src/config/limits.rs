//! The section `gateway.limits`: what one operation may be.

use garde::Validate;
use serde::Deserialize;

/// What one operation may be. The defaults leave room for the introspection query, and for the largest
/// operation in `schema/operations.graphql` several times over.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Levels of nested fields, through fragments; introspection is not counted.
    #[garde(range(min = 1))]
    pub depth: usize,
    /// Aliases, as they are written.
    #[garde(range(min = 1))]
    pub aliases: usize,
    /// Directives, as they are written.
    #[garde(range(min = 1))]
    pub directives: usize,
    /// Lexical tokens of a document.
    #[garde(range(min = 1))]
    pub tokens: usize,
    /// Lexical tokens in parentheses: arguments, and what variables there are.
    #[garde(range(min = 1))]
    pub arguments: usize,
    /// Fields of an operation or fragment, with those of a fragment each time that it is used.
    #[garde(range(min = 1))]
    pub fields: usize,
    /// Comparisons that merging fields of one name takes, with what is within them, and fragments that are
    /// used beside each other.
    #[garde(range(min = 1))]
    pub overlaps: usize,
    /// Fields of an operation that are not within another one.
    #[garde(range(min = 1))]
    pub root_fields: usize,
    /// Operations of a document. Clients execute one, but may send the file that has it.
    #[garde(range(min = 1))]
    pub operations: usize,
    /// Bytes of a request body.
    #[garde(range(min = 1))]
    pub body_bytes: usize,
    /// Bytes of `variables`, and of `extensions`, as JSON.
    #[garde(range(min = 1))]
    pub variables_bytes: usize,
    /// Levels of lists and objects in `variables` and `extensions`. More than 100 is not read.
    #[garde(range(min = 1, max = 100))]
    pub variables_depth: usize,
    /// What an operation may cost, by `@cost` and `@listSize` in the schema: about one for each object
    /// in the largest answer that it could have.
    #[garde(range(min = 1))]
    pub cost: u64,
    /// Objects that a list without `@listSize` is taken to have.
    #[garde(range(min = 1))]
    pub list_size: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            depth: 15,
            aliases: 30,
            directives: 50,
            tokens: 2_000,
            arguments: 500,
            fields: 500,
            overlaps: 1_500,
            root_fields: 20,
            operations: 50,
            body_bytes: 64 * 1024,
            variables_bytes: 32 * 1024,
            variables_depth: 16,
            cost: 50_000,
            list_size: 10,
        }
    }
}
