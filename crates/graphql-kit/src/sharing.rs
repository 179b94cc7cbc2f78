//! Whether an answer may be shared, and for how long: what `Cache-Control` of a subgraph's answer says
//! (RFC 9111). The gateway keeps what it may.
//!
//! A field is shared because somebody has said so, with `cache_control(max_age = N)` on itself or on the
//! type that it is a field of; on a root field it has to be on itself. An answer may be shared when that
//! is so for every field that was asked for, whatever becomes of `@skip` and `@include`, and is as old as
//! it may be when the first of its fields is. Nothing was said means no; so does a field that nobody has
//! thought of. (The library's own rule is the opposite: what nothing is said of does not matter.)
//!
//! The parts of a page have no hints of their own: they are shared as long as the field that has the page.
//! Its nodes are things with fields of their own.
//!
//! Never shared: mutations, answers with errors, [degraded](crate::degraded) ones, and those that miss
//! something that was asked for by its name. That may be there in a moment.
//!
//! What changes at any moment, and is the same for everybody, has the hint `cache_control(private, max_age =
//! N)`: it is shared as long as its [validators](crate::validated) hold, and no longer than that. All others
//! are told `no-store`.
//!
//! Whether something is the same for everybody is for who writes the hint. [`shared`] lists all that is,
//! for a test in each subgraph in which no new field goes unseen.

use std::collections::HashMap;

use async_graphql::{
    CacheControl, Name, ObjectType, Positioned, Request, Response, Value,
    parser::types::{
        DocumentOperations, ExecutableDocument, FragmentDefinition, OperationDefinition, OperationType,
        Selection, SelectionSet,
    },
    registry::{MetaField, MetaType, Registry},
};
use axum::http::HeaderValue;
use platform::cache::validator;

use crate::validated::Noted;

/// What federation asks for by keys, and the union of what it gets.
const ENTITIES: &str = "_entities";
const ENTITY: &str = "_Entity";
/// The type of `pageInfo`; names of other parts of pages end so.
const PAGE_INFO: &str = "PageInfo";
const PAGES: [&str; 2] = ["Connection", "Edge"];

/// What of a schema everybody may share.
#[derive(Debug, Default)]
pub(crate) struct Sharing {
    /// The type of root fields of queries.
    root: String,
    types: HashMap<String, HashMap<String, Field>>,
}

#[derive(Debug, Clone)]
struct Field {
    age: Age,
    /// The type of what it has.
    output: String,
}

/// How old a field may be, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Age {
    /// It is not shared.
    Never,
    Most(u32),
    /// The same, and only while its validators hold.
    Validated(u32),
    /// As old as what it is a part of.
    Inherited,
}

impl Age {
    /// What a hint says, if anything.
    fn hinted(hint: &CacheControl) -> Option<Self> {
        match *hint {
            CacheControl { public: true, max_age: 0 } => None,
            CacheControl { public: true, max_age } => {
                Some(u32::try_from(max_age).map_or(Self::Never, Self::Most))
            }
            CacheControl { public: false, max_age } => match u32::try_from(max_age) {
                Ok(max_age) if max_age > 0 => Some(Self::Validated(max_age)),
                _ => Some(Self::Never),
            },
        }
    }

    /// That of a field with a hint of its own, one of its type, both or none.
    fn of_field(own: Option<Self>, of_type: Option<Self>) -> Option<Self> {
        match (own, of_type) {
            (Some(Self::Never), _) | (_, Some(Self::Never)) => Some(Self::Never),
            (Some(Self::Most(age)), Some(Self::Validated(_))) => Some(Self::Validated(age)),
            (own, of_type) => own.or(of_type),
        }
    }

    fn strictest(self, other: Self) -> Self {
        match (self, other) {
            (Self::Most(one), Self::Most(other)) => Self::Most(one.min(other)),
            (Self::Most(one) | Self::Validated(one), Self::Most(other) | Self::Validated(other)) => {
                Self::Validated(one.min(other))
            }
            _ => Self::Never,
        }
    }
}

impl Sharing {
    /// That of the queries of a schema.
    pub(crate) fn of<Q: ObjectType>() -> Self {
        let mut registry = Registry::default();
        Q::create_type_info(&mut registry);
        registry.query_type = Q::type_name().into_owned();
        // What a root is merged from stands for itself, too.
        registry.remove_unused_types();
        let mut sharing = Self { root: Q::type_name().into_owned(), types: HashMap::new() };
        for (name, kind) in &registry.types {
            if let MetaType::Object { fields, cache_control, .. } = kind {
                let of_type = Age::hinted(cache_control).filter(|_| *name != sharing.root);
                let field = |field: &MetaField| Field {
                    age: match Age::of_field(Age::hinted(&field.cache_control), of_type) {
                        Some(age) => age,
                        None if is_page(name) => Age::Inherited,
                        None => Age::Never,
                    },
                    output: field.ty.trim_matches(['[', ']', '!']).to_owned(),
                };
                let fields = fields.iter().map(|(name, meta)| (name.clone(), field(meta))).collect();
                sharing.types.insert(name.clone(), fields);
            }
        }
        // Who asks an interface for a field may get it from any of its types.
        for (name, kind) in &registry.types {
            if let MetaType::Interface { fields, possible_types, .. } = kind {
                let fields = fields.keys().filter_map(|field| {
                    let mut members = possible_types.iter().map(|kind| sharing.types.get(kind)?.get(field));
                    let first = members.next()??.clone();
                    let age = members.fold(first.age, |age, member| {
                        age.strictest(member.map_or(Age::Never, |member| member.age))
                    });
                    Some((field.clone(), Field { age, ..first }))
                });
                let fields = fields.collect();
                sharing.types.insert(name.clone(), fields);
            }
        }
        sharing
    }

    /// What everybody may do with the answer to a request, if it has no errors; `None` if it may not be
    /// shared.
    pub(crate) fn terms(&self, request: &mut Request) -> Option<Terms> {
        let name = request.operation_name.clone();
        let document = request.parsed_query().ok()?;
        let operation = operation(document, name.as_deref())?;
        if operation.ty != OperationType::Query {
            return None;
        }
        let mut walk = Walk { sharing: self, fragments: &document.fragments, age: None, validated: false };
        walk.selections(&operation.selection_set.node, &self.root, None)?;
        walk.age.map(|age| Terms { age, validated: walk.validated })
    }
}

/// How an answer may be shared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Terms {
    /// How old it may be, in seconds.
    age: u32,
    /// Whether only while its validators hold.
    validated: bool,
}

fn is_page(kind: &str) -> bool {
    kind == PAGE_INFO || PAGES.iter().any(|end| kind.ends_with(end))
}

fn operation<'d>(document: &'d ExecutableDocument, name: Option<&str>) -> Option<&'d OperationDefinition> {
    match (&document.operations, name) {
        (DocumentOperations::Single(operation), None) => Some(&operation.node),
        (DocumentOperations::Multiple(operations), Some(name)) => {
            operations.get(name).map(|found| &found.node)
        }
        (DocumentOperations::Multiple(operations), None) if operations.len() == 1 => {
            operations.values().next().map(|found| &found.node)
        }
        _ => None,
    }
}

/// Goes through all that an operation asks for. Its fragments are within limits and in no circle, which
/// was looked at before ([`crate::document`]).
struct Walk<'d> {
    sharing: &'d Sharing,
    fragments: &'d HashMap<Name, Positioned<FragmentDefinition>>,
    /// That of the strictest field so far.
    age: Option<u32>,
    /// Whether one of them holds by validators.
    validated: bool,
}

impl Walk<'_> {
    /// `None` when something is not shared. `inherited` is the age of the field that this is about.
    fn selections(&mut self, set: &SelectionSet, kind: &str, inherited: Option<u32>) -> Option<()> {
        set.items.iter().try_for_each(|selection| match &selection.node {
            Selection::Field(field) => {
                let set = &field.node.selection_set.node;
                self.field(field.node.name.node.as_str(), set, kind, inherited)
            }
            Selection::InlineFragment(fragment) => {
                let condition = fragment.node.type_condition.as_ref().map(|on| on.node.on.node.as_str());
                let set = &fragment.node.selection_set.node;
                self.selections(set, condition.unwrap_or(kind), inherited)
            }
            Selection::FragmentSpread(spread) => {
                let fragment = &self.fragments.get(&spread.node.fragment_name.node)?.node;
                let condition = fragment.type_condition.node.on.node.as_str();
                self.selections(&fragment.selection_set.node, condition, inherited)
            }
        })
    }

    fn field(&mut self, name: &str, set: &SelectionSet, kind: &str, inherited: Option<u32>) -> Option<()> {
        if name == "__typename" {
            return Some(());
        }
        if name == ENTITIES && kind == self.sharing.root {
            return self.selections(set, ENTITY, None);
        }
        let sharing = self.sharing;
        let field = sharing.types.get(kind)?.get(name)?;
        let age = match field.age {
            Age::Never => return None,
            Age::Most(age) => age,
            Age::Validated(age) => {
                self.validated = true;
                age
            }
            Age::Inherited => inherited?,
        };
        self.age = Some(self.age.map_or(age, |strictest| strictest.min(age)));
        self.selections(set, &field.output, Some(age))
    }
}

/// Says in an answer whether it may be shared: on these terms, with what was noted of it.
pub(crate) fn said_in(mut answer: Response, terms: Option<Terms>, noted: &Noted) -> Response {
    let whole = answer.errors.is_empty() && answer.extensions.is_empty() && !misses_something(&answer.data);
    answer.cache_control = CacheControl { public: false, max_age: -1 };
    match terms.filter(|_| whole) {
        Some(Terms { age, validated: false }) => {
            if let Ok(max_age) = i32::try_from(age) {
                answer.cache_control = CacheControl { public: true, max_age };
            }
        }
        Some(Terms { age, validated: true }) => {
            let validators = noted.validators().map(|validators| validator::format(age, &validators));
            if let Some(Ok(value)) = validators.map(HeaderValue::try_from) {
                answer.http_headers.insert(validator::VALIDATORS, value);
            }
        }
        None => {}
    }
    answer
}

/// Whether something that was asked for by its name or key is not there.
fn misses_something(data: &Value) -> bool {
    let Value::Object(fields) = data else { return true };
    fields.values().any(|value| match value {
        Value::Null => true,
        Value::List(items) => items.contains(&Value::Null),
        _ => false,
    })
}

/// The value of `Cache-Control` that says what an answer says.
pub(crate) fn header(answer: &Response) -> HeaderValue {
    let CacheControl { public, max_age } = answer.cache_control;
    let age =
        (public && max_age > 0).then(|| HeaderValue::try_from(format!("public, max-age={max_age}")).ok());
    age.flatten().unwrap_or(HeaderValue::from_static("no-store"))
}

/// All that everybody may share of the queries `Q`: a line for each type and age, such as
/// `City 60: id name`, in order; `City 60 validated: …` while validators hold. Parts of pages, which are shared as their pages are, are left out.
pub fn shared<Q: ObjectType>() -> Vec<String> {
    let mut lines = HashMap::<(&str, u32, &str), Vec<&str>>::new();
    let sharing = Sharing::of::<Q>();
    for (kind, fields) in &sharing.types {
        for (name, field) in fields {
            let (age, how) = match field.age {
                Age::Most(age) => (age, ""),
                Age::Validated(age) => (age, " validated"),
                Age::Never | Age::Inherited => continue,
            };
            lines.entry((kind, age, how)).or_default().push(name);
        }
    }
    let line = |((kind, age, how), mut fields): ((&str, u32, &str), Vec<&str>)| {
        fields.sort_unstable();
        format!("{kind} {age}{how}: {}", fields.join(" "))
    };
    let mut lines: Vec<_> = lines.into_iter().map(line).collect();
    lines.sort_unstable();
    lines
}

#[cfg(test)]
mod tests;
