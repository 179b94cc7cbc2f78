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
            CacheControl { public: false, .. } => Some(Self::Never),
        }
    }

    fn strictest(self, other: Self) -> Self {
        match (self, other) {
            (Self::Most(one), Self::Most(other)) => Self::Most(one.min(other)),
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
                    age: match (Age::hinted(&field.cache_control), of_type) {
                        (Some(Age::Never), _) | (_, Some(Age::Never)) => Age::Never,
                        (Some(age), _) | (None, Some(age)) => age,
                        (None, None) if is_page(name) => Age::Inherited,
                        (None, None) => Age::Never,
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

    /// How old the answer to a request may be, if it has no errors; `None` if it may not be shared.
    pub(crate) fn age(&self, request: &mut Request) -> Option<u32> {
        let name = request.operation_name.clone();
        let document = request.parsed_query().ok()?;
        let operation = operation(document, name.as_deref())?;
        if operation.ty != OperationType::Query {
            return None;
        }
        let mut walk = Walk { sharing: self, fragments: &document.fragments, age: None };
        walk.selections(&operation.selection_set.node, &self.root, None)?;
        walk.age
    }
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
            Age::Inherited => inherited?,
        };
        self.age = Some(self.age.map_or(age, |strictest| strictest.min(age)));
        self.selections(set, &field.output, Some(age))
    }
}

/// Says in an answer whether it may be shared: for as long as its fields may.
pub(crate) fn said_in(mut answer: Response, age: Option<u32>) -> Response {
    let whole = answer.errors.is_empty() && answer.extensions.is_empty() && !misses_something(&answer.data);
    let age = age.filter(|_| whole).and_then(|age| i32::try_from(age).ok());
    answer.cache_control = match age {
        Some(max_age) => CacheControl { public: true, max_age },
        None => CacheControl { public: false, max_age: -1 },
    };
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
/// `City 60: id name`, in order. Parts of pages, which are shared as their pages are, are left out.
pub fn shared<Q: ObjectType>() -> Vec<String> {
    let mut lines = HashMap::<(&str, u32), Vec<&str>>::new();
    let sharing = Sharing::of::<Q>();
    for (kind, fields) in &sharing.types {
        for (name, field) in fields {
            if let Age::Most(age) = field.age {
                lines.entry((kind, age)).or_default().push(name);
            }
        }
    }
    let line = |((kind, age), mut fields): ((&str, u32), Vec<&str>)| {
        fields.sort_unstable();
        format!("{kind} {age}: {}", fields.join(" "))
    };
    let mut lines: Vec<_> = lines.into_iter().map(line).collect();
    lines.sort_unstable();
    lines
}

#[cfg(test)]
mod tests {
    use async_graphql::{
        Interface, Object, SimpleObject,
        connection::{Connection, Edge},
    };

    use super::*;

    /// Shared for a minute, but for one field that is not and one that changes sooner.
    #[derive(SimpleObject, Clone)]
    #[graphql(cache_control(max_age = 60))]
    struct Movie {
        title: String,
        #[graphql(cache_control(max_age = 30))]
        rank: i32,
        #[graphql(cache_control(private))]
        seen_by_me: bool,
        review: Option<Review>,
    }

    /// Nobody has said anything.
    #[derive(SimpleObject, Clone)]
    struct Review {
        text: String,
        #[graphql(cache_control(max_age = 90))]
        stars: i32,
    }

    #[derive(SimpleObject, Clone)]
    #[graphql(cache_control(max_age = 20))]
    struct Concert {
        title: String,
        rank: i32,
    }

    #[derive(Interface, Clone)]
    #[graphql(field(name = "title", ty = "&String"), field(name = "rank", ty = "&i32"))]
    enum Title {
        Movie(Movie),
        Concert(Concert),
    }

    fn movie() -> Movie {
        Movie { title: "M".to_owned(), rank: 1, seen_by_me: true, review: None }
    }

    struct Query;

    #[Object(cache_control(max_age = 600))]
    impl Query {
        #[graphql(cache_control(max_age = 40))]
        async fn movie(&self) -> Movie {
            movie()
        }

        #[graphql(cache_control(max_age = 40))]
        async fn title(&self) -> Vec<Title> {
            let concert = Concert { title: "C".to_owned(), rank: 2 };
            vec![Title::Movie(movie()), Title::Concert(concert)]
        }

        #[graphql(cache_control(max_age = 10))]
        async fn movies(&self) -> Connection<usize, Movie> {
            let mut page = Connection::new(false, false);
            page.edges.push(Edge::new(0, movie()));
            page
        }

        /// The hint of the type is not enough for root fields.
        async fn unthought_of(&self) -> Movie {
            movie()
        }

        async fn me(&self) -> i32 {
            1
        }

        #[graphql(cache_control(no_cache))]
        async fn seats(&self) -> i32 {
            1
        }

        #[graphql(entity)]
        async fn find_movie(&self, title: String) -> Option<Movie> {
            (title == "M").then(movie)
        }
    }

    fn check(query: &str, expected: Option<u32>) {
        let sharing = Sharing::of::<Query>();
        assert_eq!(sharing.age(&mut Request::new(query)), expected, "{query}");
    }

    #[test]
    fn an_answer_is_as_old_as_its_strictest_field_may_be() {
        check("{ movie { title } }", Some(40));
        check("{ movie { title rank } }", Some(30));
        check("{ a: movie { __typename } b: movie { ...F } } fragment F on Movie { rank }", Some(30));
        check("{ title { title } }", Some(20));
        check("{ title { ... on Movie { title } } }", Some(40));
        check("query A { movie { title } } ", Some(40));
    }

    #[test]
    fn what_nothing_is_said_of_is_not_shared() {
        check("{ me }", None);
        check("{ movie { title } me }", None);
        check("{ unthoughtOf { title } }", None);
        check("{ movie { seenByMe } }", None);
        check("{ movie { review { text } } }", None);
        check("{ movie { ... on Movie { review { text } } } }", None);
        check("{ movie { review { stars } } }", Some(40));
        check("{ seats }", None);
        check("{ movie { nothing } }", None);
        check("{ movie { title } nothing }", None);
        check("{ movie { title @skip(if: true) } me @skip(if: true) }", None);
        check("{ __schema { types { name } } movie { title } }", None);
        check("{ _service { sdl } }", None);
        check("{ __typename }", None);
        check("mutation { movie { title } }", None);
        check("subscription { movie { title } }", None);
        check("query A { movie { title } } query B { me }", None);
        check("{ movie { ", None);
    }

    #[test]
    fn pages_are_shared_as_their_field_is() {
        check(
            "{ movies { nodes { title } edges { cursor node { rank } } pageInfo { endCursor } } }",
            Some(10),
        );
        check("{ movies { nodes { seenByMe } } }", None);
        check("{ movies { pageInfo { hasNextPage } } }", Some(10));
    }

    #[test]
    fn entities_are_shared_as_their_fields_are() {
        let of = |fields: &str| {
            format!(
                "query($r: [_Any!]!) {{ _entities(representations: $r) {{ ... on Movie {{ {fields} }} }} }}"
            )
        };
        check(&of("__typename title"), Some(60));
        check(&of("rank"), Some(30));
        check(&of("seenByMe title"), None);
        check(&of("__typename"), None);
        check("query($r: [_Any!]!) { _entities(representations: $r) { title } }", None);
    }

    #[test]
    fn all_that_is_shared_is_listed() {
        assert_eq!(
            shared::<Query>(),
            [
                "Concert 20: rank title",
                "Movie 30: rank",
                "Movie 60: review title",
                "Query 10: movies",
                "Query 40: movie title",
                "Review 90: stars",
                "Title 20: rank title",
            ]
        );
    }

    #[test]
    fn what_is_not_whole_is_not_shared() {
        let say = |data: Value, age| header(&said_in(Response::new(data), age));
        let data = |text: &str| Value::from_json(serde_json::from_str(text).unwrap()).unwrap();
        assert_eq!(say(data(r#"{"a":{"b":null}}"#), Some(30)), "public, max-age=30");
        assert_eq!(say(data(r#"{"a":[]}"#), Some(30)), "public, max-age=30");
        for (text, age) in
            [(r#"{"a":1}"#, None), (r#"{"a":null}"#, Some(30)), (r#"{"_entities":[{"a":1},null]}"#, Some(30))]
        {
            assert_eq!(say(data(text), age), "no-store", "{text}");
        }
        let degraded = Response::new(data(r#"{"a":1}"#)).extension("degraded", Value::from(vec!["seats"]));
        assert_eq!(header(&said_in(degraded, Some(30))), "no-store");
        let failed = Response::from_errors(vec![async_graphql::ServerError::new("no", None)]);
        assert_eq!(header(&said_in(failed, Some(30))), "no-store");
    }
}
