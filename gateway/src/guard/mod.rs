//! Refuses what is too much before anything expensive looks at it: in one pass over the bytes, without
//! a parser, and no further than to the first limit that is passed. What is refused here costs less
//! than the simplest query.
//!
//! The router has some of these limits too; it looks at them after parsing. Here each refusal names the
//! limit and the setting that has it.

mod json;
mod lexer;
mod outline;
mod overlap;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use ntex::http::StatusCode;

use crate::{config::Limits, refusal::Refusal};

pub(crate) use outline::Traits;

/// Knows what one operation may be.
#[derive(Debug, Clone)]
pub(crate) struct Guard {
    limits: Limits,
}

/// Why a document is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Excess {
    Tokens,
    Depth,
    Aliases,
    Arguments,
    Directives,
    Fields,
    RootFields,
    Operations,
    /// Brackets in brackets.
    Nesting,
    /// Fragments in fragments.
    Chain,
    /// A fragment that contains itself.
    Circle,
    /// Two fragments of one name.
    SameName,
    /// Lists of types in lists of types.
    Introspection,
    /// Fields of one name.
    Overlap,
}

impl Guard {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { limits }
    }

    /// Looks at the body of a request, which is not read yet.
    pub(crate) fn body(&self, body: &[u8]) -> Result<(), Refusal> {
        if body.len() > self.limits.body_bytes {
            return Err(self.too_long());
        }
        if body.trim_ascii_start().first() == Some(&b'[') {
            return Err(Refusal::bad("One request has one operation: send them one by one."));
        }
        // Around variables there is the body itself.
        if json::is_deeper(body, self.limits.variables_depth.saturating_add(1)) {
            return Err(self.deep("The request"));
        }
        Ok(())
    }

    /// The answer to a body that is longer than it may be, however much of it was read.
    pub(crate) fn too_long(&self) -> Refusal {
        let message = more("The request", self.limits.body_bytes, "bytes", "body_bytes");
        Refusal::bad(message).with_status(StatusCode::PAYLOAD_TOO_LARGE)
    }

    /// Looks at `variables` or `extensions`, as JSON.
    pub(crate) fn values(&self, name: &str, json: &str) -> Result<(), Refusal> {
        if json.len() > self.limits.variables_bytes {
            let what = format!("`{name}`");
            return Err(Refusal::bad(more(&what, self.limits.variables_bytes, "bytes", "variables_bytes")));
        }
        if json::is_deeper(json.as_bytes(), self.limits.variables_depth) {
            return Err(self.deep(&format!("`{name}`")));
        }
        Ok(())
    }

    /// Looks at the text of a document.
    pub(crate) fn document(&self, text: &str) -> Result<Traits, Refusal> {
        outline::measure(text, &self.limits).map_err(|excess| Refusal::bad(self.told(excess)))
    }

    fn deep(&self, what: &str) -> Refusal {
        Refusal::bad(more(
            what,
            self.limits.variables_depth,
            "levels of lists and objects",
            "variables_depth",
        ))
    }

    fn told(&self, excess: Excess) -> Cow<'static, str> {
        let limits = &self.limits;
        let document = |limit, of, setting| more("The document", limit, of, setting).into();
        match excess {
            Excess::Tokens => document(limits.tokens, "tokens", "tokens"),
            Excess::Depth => document(limits.depth, "levels of fields", "depth"),
            Excess::Aliases => document(limits.aliases, "aliases", "aliases"),
            Excess::Arguments => {
                document(limits.arguments, "tokens in parentheses: use variables", "arguments")
            }
            Excess::Directives => document(limits.directives, "directives", "directives"),
            Excess::Fields => document(limits.fields, "fields, those of fragments included", "fields"),
            Excess::RootFields => {
                more("The operation", limits.root_fields, "root fields", "root_fields").into()
            }
            Excess::Operations => document(limits.operations, "operations", "operations"),
            Excess::Nesting => "The document has brackets in brackets more than 50 deep.".into(),
            Excess::Chain => "The document has fragments in fragments more than 50 deep.".into(),
            Excess::Circle => "The document has a fragment that contains itself.".into(),
            Excess::SameName => "The document has two fragments of the same name.".into(),
            Excess::Introspection => {
                "The document asks for the fields of the types of the fields of types: ask for names, and \
                 then for those types."
                    .into()
            }
            Excess::Overlap => format!(
                "The document selects fields of one name too often: it takes more than {} comparisons to \
                 merge them (gateway.limits.overlaps).",
                limits.overlaps
            )
            .into(),
        }
    }
}

fn more(what: &str, limit: usize, of: &str, setting: &str) -> String {
    format!("{what} has more than {limit} {of} (gateway.limits.{setting}).")
}
