//! What the gateway knows of a document before the router sees it. A document is parsed once and
//! then known by its text: clients send the same few again and again.

use std::{collections::HashMap, sync::Arc};

use ahash::RandomState;
use hive_router::graphql_tools::parser::query::{
    Definition, Document as Parsed, OperationDefinition, Selection, parse_query,
};
use moka::sync::Cache;

use super::limits::{Class, Counts};
use crate::{answers::Habit, guard::Traits, refusal::Refusal, shortcut::Way};

/// Bytes of the documents that are remembered.
const CAPACITY: u64 = 16 * 1024 * 1024;
/// What an operation takes besides its name, with its place in the list and its counts of references.
const OPERATION: usize = size_of::<Operation>() + 3 * size_of::<usize>();
/// What an entry takes besides its text and what was found out, about.
const ENTRY: usize = 256;
/// Fragments in fragments that are looked into; more than that is counted as too much.
const DEPTH: u32 = 100;

/// Kinds of operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Query,
    Mutation,
    Subscription,
}

/// One operation of a document.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Operation {
    pub(crate) name: Option<String>,
    pub(crate) kind: Kind,
    /// Its root fields, those in fragments included, each alias by itself.
    pub(crate) counts: Counts,
    /// Whether it is a subscription to fields alone that are the same for everyone.
    pub(crate) shared: bool,
    /// Whether answers to it could be kept.
    pub(crate) habit: Habit,
    /// How it goes to its answer.
    pub(crate) way: Way,
}

/// A document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Document {
    operations: Vec<Arc<Operation>>,
    /// Without comments and in one way of writing, if it has a subscription.
    pub(crate) canonical: Option<String>,
    pub(crate) traits: Traits,
}

/// What the names of root fields mean.
pub(crate) trait Names {
    fn class(&self, field: &str) -> Class;
    /// Whether a field of `Subscription` is the same for everyone.
    fn is_shared(&self, field: &str) -> bool;
}

impl Document {
    /// `None` for what is no document.
    #[cfg(test)]
    pub(crate) fn parse(text: &str, names: &impl Names) -> Option<Self> {
        Self::try_parse(text, names).ok()
    }

    /// An error for what is no document, which says why. The router must never see such a text: in
    /// graphql-tools 0.5.12 the error of the parser keeps pointing into it, and the router writes its
    /// message when the text is gone, with whatever is in its place by then.
    pub(crate) fn try_parse(text: &str, names: &impl Names) -> Result<Self, String> {
        let document = parse_query::<&str>(text).map_err(|error| error.to_string())?;
        let mut counter = Counter::new(&document, names);
        let mut operations = Vec::new();
        for definition in &document.definitions {
            if let Definition::Operation(operation) = definition {
                operations.push(Arc::new(facts(operation, &mut counter, names)));
            }
        }
        let subscribes = operations.iter().any(|operation| operation.kind == Kind::Subscription);
        let canonical = subscribes.then(|| document.to_string());
        Ok(Self { operations, canonical, traits: Traits::default() })
    }

    /// With what the guard found.
    pub(crate) fn with(self, traits: Traits) -> Self {
        Self { traits, ..self }
    }

    /// Bytes that it takes in memory besides its text, about.
    pub(crate) fn weight(&self) -> usize {
        let names = self.operations.iter().map(|operation| operation.name.as_ref().map_or(0, String::len));
        size_of::<Self>()
            + self.operations.len() * OPERATION
            + names.sum::<usize>()
            + self.canonical.as_ref().map_or(0, String::len)
    }

    /// The operation that is asked for, if that is clear.
    pub(crate) fn operation(&self, name: Option<&str>) -> Option<&Arc<Operation>> {
        match (name, self.operations.as_slice()) {
            (None, [operation]) => Some(operation),
            (None, _) => None,
            (Some(name), operations) => {
                operations.iter().find(|operation| operation.name.as_deref() == Some(name))
            }
        }
    }
}

/// What came of looking at a document: it is known, or is none, or may not be sent.
type Looked = Result<Option<Arc<Document>>, Refusal>;

/// The documents that were looked at lately.
#[derive(Debug)]
pub(crate) struct Documents(Cache<Arc<str>, Looked, RandomState>);

impl Documents {
    pub(crate) fn new() -> Self {
        let weigh = |text: &Arc<str>, looked: &Looked| {
            let looked = match looked {
                Ok(document) => document.as_ref().map_or(0, |document| document.weight()),
                // What is wrong with a text may quote it.
                Err(refusal) => refusal.message().len(),
            };
            u32::try_from(text.len() + looked + ENTRY).unwrap_or(u32::MAX)
        };
        Self(Cache::builder().max_capacity(CAPACITY).weigher(weigh).build_with_hasher(RandomState::new()))
    }

    /// What is known of a document, by `look` if nothing yet.
    pub(crate) fn get(&self, text: &str, look: impl FnOnce() -> Looked) -> Looked {
        if let Some(known) = self.0.get(text) {
            metrics::counter!("gateway_documents_total", "known" => "true").increment(1);
            return known;
        }
        metrics::counter!("gateway_documents_total", "known" => "false").increment(1);
        let looked = look();
        self.0.insert(text.into(), looked.clone());
        looked
    }
}

fn facts<'d, 'q>(
    operation: &'d OperationDefinition<'q, &'q str>,
    counter: &mut Counter<'d, 'q, impl Names>,
    names: &impl Names,
) -> Operation {
    let (name, kind, selections) = match operation {
        OperationDefinition::SelectionSet(selections) => (None, Kind::Query, selections),
        OperationDefinition::Query(query) => (query.name, Kind::Query, &query.selection_set),
        OperationDefinition::Mutation(mutation) => (mutation.name, Kind::Mutation, &mutation.selection_set),
        OperationDefinition::Subscription(subscription) => {
            (subscription.name, Kind::Subscription, &subscription.selection_set)
        }
    };
    Operation {
        name: name.map(str::to_owned),
        kind,
        counts: counter.count(&selections.items, 0),
        shared: kind == Kind::Subscription && are_shared(&selections.items, names),
        habit: Habit::default(),
        way: Way::default(),
    }
}

fn are_shared<'q>(fields: &[Selection<'q, &'q str>], names: &impl Names) -> bool {
    !fields.is_empty()
        && fields.iter().all(|selection| match selection {
            Selection::Field(field) => names.is_shared(field.name),
            Selection::FragmentSpread(_) | Selection::InlineFragment(_) => false,
        })
}

/// Counts root fields; each fragment once, however often it is used.
struct Counter<'d, 'q, N> {
    names: &'d N,
    fragments: HashMap<&'q str, &'d [Selection<'q, &'q str>]>,
    /// `None` for a fragment that is being counted, and so contains itself.
    counted: HashMap<&'q str, Option<Counts>>,
}

impl<'d, 'q, N: Names> Counter<'d, 'q, N> {
    fn new(document: &'d Parsed<'q, &'q str>, names: &'d N) -> Self {
        let fragments = document.definitions.iter().filter_map(|definition| match definition {
            Definition::Fragment(fragment) => Some((fragment.name, fragment.selection_set.items.as_slice())),
            Definition::Operation(_) => None,
        });
        Self { names, fragments: fragments.collect(), counted: HashMap::new() }
    }

    fn count(&mut self, selections: &[Selection<'q, &'q str>], depth: u32) -> Counts {
        let mut counts = Counts::default();
        if depth > DEPTH {
            return Counts::too_many();
        }
        for selection in selections {
            match selection {
                Selection::Field(field) => counts.add(self.names.class(field.name)),
                Selection::InlineFragment(fragment) => {
                    counts.add_all(self.count(&fragment.selection_set.items, depth + 1));
                }
                Selection::FragmentSpread(spread) => {
                    counts.add_all(self.fragment(spread.fragment_name, depth + 1));
                }
            }
        }
        counts
    }

    fn fragment(&mut self, name: &'q str, depth: u32) -> Counts {
        if let Some(counts) = self.counted.get(name) {
            return counts.unwrap_or_default();
        }
        let Some(selections) = self.fragments.get(name).copied() else { return Counts::default() };
        self.counted.insert(name, None);
        let counts = self.count(selections, depth);
        self.counted.insert(name, Some(counts));
        counts
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::admission::RateLimits;

    /// Classes as they are by default; `seatMapChanged` and `noticeBoard` are shared.
    pub(crate) struct Usual;

    impl Names for Usual {
        fn class(&self, field: &str) -> Class {
            RateLimits::default().class(field)
        }

        fn is_shared(&self, field: &str) -> bool {
            ["seatMapChanged", "noticeBoard"].contains(&field)
        }
    }

    fn check(text: &str, name: Option<&str>, expected: &[(Class, u32)]) {
        let document = Document::parse(text, &Usual).unwrap();
        let counts = document.operation(name).unwrap().counts;
        assert_eq!(counts.classes().collect::<Vec<_>>(), expected, "{text}");
    }

    #[test]
    fn root_fields_are_counted_by_class() {
        check("{ cities { id name } movies { nodes { id } } }", None, &[(Class::General, 2)]);
        check("mutation { a: holdSeats { x } b: holdSeats { x } }", None, &[(Class::Hold, 2)]);
        check(
            "query A { search { x } } mutation B { checkout { x } logIn { x } }",
            Some("B"),
            &[(Class::Payment, 1), (Class::SignIn, 1)],
        );
    }

    #[test]
    fn fragments_hide_nothing() {
        check(
            "mutation { ...A ... on Mutation { ...A } } fragment A on Mutation { ...B c: holdSeats { x } } \
             fragment B on Mutation { a: holdSeats { x } b: checkout { x } }",
            None,
            &[(Class::Hold, 4), (Class::Payment, 2)],
        );
        check("{ ...A } fragment A on Query { a ...A }", None, &[(Class::General, 1)]);
        check("{ a ...Nowhere }", None, &[(Class::General, 1)]);
    }

    #[test]
    fn a_bomb_is_counted_without_being_lit() {
        let mut text = "{ ...F0 }".to_owned();
        for n in 0..90 {
            text += &format!(" fragment F{n} on Query {{ ...F{m} ...F{m} }}", m = n + 1);
        }
        text += " fragment F90 on Query { a }";
        let document = Document::parse(&text, &Usual).unwrap();
        assert_eq!(document.operation(None).unwrap().counts.total(), u32::MAX);
        let mut chain = "{ ...F0 }".to_owned();
        for n in 0..5_000 {
            chain += &format!(" fragment F{n} on Query {{ ...F{m} }}", m = n + 1);
        }
        let document = Document::parse(&chain, &Usual).unwrap();
        assert_eq!(document.operation(None).unwrap().counts.total(), u32::MAX);
    }

    #[test]
    fn what_is_made_of_a_text_weighs_too() {
        let weight = |text: &str| Document::parse(text, &Usual).unwrap().weight();
        let many: String = (0..1_000).map(|n| format!("query N{n}{{a}}")).collect();
        assert!(weight(&many) > 1_000 * size_of::<Operation>());
        let names = "x".repeat(500);
        assert!(weight(&format!("query {names}{{a}}")) > weight("{a}") + 499);
        let subscription = "subscription{a{b{c}}}";
        assert!(weight(subscription) > weight("query{a{b{c}}}") + subscription.len());
    }

    #[test]
    fn a_document_is_looked_at_once() {
        let documents = Documents::new();
        let look = || Ok(Document::parse("{ a }", &Usual).map(Arc::new));
        let first = documents.get("{ a }", look).unwrap();
        assert_eq!(documents.get("{ a }", || unreachable!("it is known")).unwrap(), first);
        assert_eq!(documents.get("{ b", || Ok(None)).unwrap(), None);
        assert_eq!(documents.get("{ b", || unreachable!("it is known")).unwrap(), None);
    }
}
