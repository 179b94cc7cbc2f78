//! Directives that tell the gateway what a field costs and who may ask for it.
//!
//! They are for the schema only: what a field costs is also limited where it is carried out (see
//! [`limits`](crate::limits)), and who may do what is decided in a subgraph's `app`.
//!
//! ```ignore
//! #[graphql(directive = Cost::apply(5), directive = Paged::apply())]
//! async fn movies(&self, first: Option<i32>, after: Option<String>) -> … {}
//! ```

use std::borrow::Cow;

use async_graphql::indexmap::IndexMap;
use async_graphql::registry::location_traits::Directive_At_FIELD_DEFINITION;
use async_graphql::registry::{
    __DirectiveLocation, Deprecation, MetaDirective, MetaDirectiveInvocation, MetaInputValue, Registry,
};
use async_graphql::{TypeDirective, Value};

/// Where `@cost` and `@listSize` are defined. The gateway gets them by composition.
const COST_SPEC: &str = "https://specs.apollo.dev/cost/v0.1";

/// `@cost(weight:)`: what one value of the field costs, where a plain field costs nothing and an
/// object costs 1.
///
/// Roughly: 1 for each query that it makes, 10 for one that may be slow or writes.
#[derive(Debug, Clone, Copy)]
pub struct Cost;

/// `@listSize` of a connection: as many nodes as `first` says, else as many as the gateway assumes.
#[derive(Debug, Clone, Copy)]
pub struct Paged;

/// `@listSize(assumedSize:)` of a list that the client does not limit.
#[derive(Debug, Clone, Copy)]
pub struct AssumedSize;

/// `@requiresScopes(scopes:)`, also for the fields of subscriptions, where the library's attribute
/// `requires_scopes` does not reach.
#[derive(Debug, Clone, Copy)]
pub struct RequiresScopes;

impl Cost {
    /// The field costs `weight`.
    pub fn apply(weight: u32) -> MetaDirectiveInvocation {
        invocation("cost", [("weight", weight.into())])
    }
}

impl Paged {
    /// The field is a connection with the argument `first`.
    pub fn apply() -> MetaDirectiveInvocation {
        invocation(
            "listSize",
            [
                ("slicingArguments", strings(["first"])),
                ("sizedFields", strings(["nodes", "edges"])),
                // Nobody has to say how many.
                ("requireOneSlicingArgument", false.into()),
            ],
        )
    }
}

impl AssumedSize {
    /// The list has about `size` members at most.
    pub fn apply(size: u32) -> MetaDirectiveInvocation {
        invocation("listSize", [("assumedSize", size.into())])
    }
}

impl RequiresScopes {
    /// Whoever asks needs all the scopes of one of `alternatives`, each separated by spaces.
    pub fn apply(alternatives: &[&str]) -> MetaDirectiveInvocation {
        let scopes = alternatives.iter().map(|all| strings(all.split_whitespace())).collect();
        invocation("requiresScopes", [("scopes", Value::List(scopes))])
    }
}

impl TypeDirective for Cost {
    fn name(&self) -> Cow<'static, str> {
        Cow::Borrowed("cost")
    }

    fn register(&self, registry: &mut Registry) {
        define(registry, "cost", "What a value of the field costs.", [("weight", "Int!", None)]);
    }
}

/// Both kinds of `@listSize` are one directive.
macro_rules! list_size {
    ($($name:ident)*) => {$(
        impl TypeDirective for $name {
            fn name(&self) -> Cow<'static, str> {
                Cow::Borrowed("listSize")
            }

            fn register(&self, registry: &mut Registry) {
                define(
                    registry,
                    "listSize",
                    "How long the list is, as far as it can be told before.",
                    [
                        ("assumedSize", "Int", None),
                        ("slicingArguments", "[String!]", None),
                        ("sizedFields", "[String!]", None),
                        ("requireOneSlicingArgument", "Boolean", Some("true")),
                    ],
                );
            }
        }
    )*};
}

list_size!(Paged AssumedSize);

impl TypeDirective for RequiresScopes {
    fn name(&self) -> Cow<'static, str> {
        Cow::Borrowed("requiresScopes")
    }

    /// The federation specification, which every exported schema links, defines it.
    fn register(&self, _: &mut Registry) {}
}

impl Directive_At_FIELD_DEFINITION for Cost {}
impl Directive_At_FIELD_DEFINITION for Paged {}
impl Directive_At_FIELD_DEFINITION for AssumedSize {}
impl Directive_At_FIELD_DEFINITION for RequiresScopes {}

fn invocation<const N: usize>(name: &str, args: [(&str, Value); N]) -> MetaDirectiveInvocation {
    let args = args.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    MetaDirectiveInvocation { name: name.to_owned(), args }
}

fn strings<'s>(texts: impl IntoIterator<Item = &'s str>) -> Value {
    Value::List(texts.into_iter().map(Value::from).collect())
}

fn define<const N: usize>(
    registry: &mut Registry,
    name: &str,
    description: &str,
    args: [(&str, &str, Option<&str>); N],
) {
    let arg = |(name, ty, default): (&str, &str, Option<&str>)| {
        let value = MetaInputValue {
            name: name.to_owned(),
            description: None,
            ty: ty.to_owned(),
            deprecation: Deprecation::NoDeprecated,
            default_value: default.map(str::to_owned),
            visible: None,
            inaccessible: false,
            tags: Vec::new(),
            is_secret: false,
            directive_invocations: Vec::new(),
        };
        (name.to_owned(), value)
    };
    registry.add_directive(MetaDirective {
        name: name.to_owned(),
        description: Some(description.to_owned()),
        locations: vec![__DirectiveLocation::FIELD_DEFINITION],
        args: args.into_iter().map(arg).collect::<IndexMap<_, _>>(),
        is_repeatable: false,
        visible: None,
        composable: Some(COST_SPEC.to_owned()),
    });
}

#[cfg(test)]
mod tests {
    use async_graphql::{EmptyMutation, Object, Schema, Subscription};
    use futures::{Stream, stream};

    use super::*;

    struct Query;

    #[Object]
    impl Query {
        #[graphql(directive = Cost::apply(7), directive = AssumedSize::apply(30), requires_scopes = "account")]
        async fn cities(&self) -> Vec<i32> {
            Vec::new()
        }

        #[graphql(directive = Paged::apply(), directive = RequiresScopes::apply(&["role:manager", "role:admin a"]))]
        async fn movies(&self, first: Option<i32>) -> Vec<i32> {
            first.into_iter().collect()
        }
    }

    struct Changes;

    #[Subscription]
    impl Changes {
        #[graphql(directive = RequiresScopes::apply(&["account"]))]
        async fn changed(&self) -> impl Stream<Item = i32> {
            stream::empty()
        }
    }

    #[test]
    fn a_schema_says_what_fields_cost_and_who_may_ask() {
        let schema = Schema::build(Query, EmptyMutation, Changes)
            .enable_federation()
            .enable_subscription_in_federation()
            .finish();
        let sdl = crate::shell::sdl(&schema);
        for line in [
            r#"cities: [Int!]! @cost(weight: 7) @listSize(assumedSize: 30) @requiresScopes(scopes: [["account"]])"#,
            r#"@listSize(slicingArguments: ["first"], sizedFields: ["nodes", "edges"], requireOneSlicingArgument: false)"#,
            r#"@requiresScopes(scopes: [["role:manager"], ["role:admin", "a"]])"#,
            r#"changed: Int! @requiresScopes(scopes: [["account"]])"#,
            r#"url: "https://specs.apollo.dev/cost/v0.1""#,
            r#"import: ["@cost","@listSize"]"#,
            "directive @cost(weight: Int!) on FIELD_DEFINITION",
            "requireOneSlicingArgument: Boolean = true) on FIELD_DEFINITION",
        ] {
            assert!(sdl.contains(line), "{line}\n{sdl}");
        }
        assert!(!sdl.contains("directive @requiresScopes"), "{sdl}");
    }
}
