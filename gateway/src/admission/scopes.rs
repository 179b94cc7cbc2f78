//! Which fields need which scopes: `@authenticated` and `@requiresScopes` of the supergraph, which
//! composition takes over from the subgraphs.

use std::collections::HashMap;

use hive_router::{
    graphql_tools::parser::schema::{Definition, Directive, Document, Field, TypeDefinition, Value},
    query_planner::utils::parsing::safe_parse_schema,
};

use super::caller::Caller;

/// What a caller must be. Alternatives are lists of scopes of which all are needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Need {
    Known,
    OneOf(Vec<Vec<String>>),
}

/// All of these needs.
#[derive(Debug, Clone, Default)]
pub(crate) struct Needs(Vec<Need>);

impl Needs {
    /// Adds those that are not there yet.
    pub(crate) fn add<'n>(&mut self, needs: impl Iterator<Item = &'n Need>) {
        for need in needs {
            if !self.0.contains(need) {
                self.0.push(need.clone());
            }
        }
    }

    /// What `caller` lacks.
    pub(crate) fn lacking(&self, caller: &Caller) -> Option<&[Vec<String>]> {
        lacking(self.0.iter(), caller)
    }
}

/// The needs of types and fields. Nearly none has any.
#[derive(Debug, Default)]
pub(crate) struct Scopes {
    types: HashMap<String, Vec<Need>>,
    fields: HashMap<String, HashMap<String, Vec<Need>>>,
}

impl Scopes {
    /// Reads a supergraph. What is no schema has no scopes; others say that it is none.
    pub(crate) fn of(sdl: &str) -> Self {
        let Ok(document) = safe_parse_schema(sdl) else { return Self::default() };
        let mut scopes = Self::default();
        for definition in types(&document) {
            let (name, directives, fields) = parts(definition);
            insert(&mut scopes.types, name, needs(directives));
            for field in fields {
                scopes.add_field(name, &field.name, needs(&field.directives));
            }
        }
        scopes.spread_to_interfaces(&document);
        scopes
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.types.is_empty() && self.fields.is_empty()
    }

    /// Whether `caller` may read a field; if not, what they lack.
    pub(crate) fn check_field<'s>(
        &'s self,
        caller: &Caller,
        parent: &str,
        field: &str,
        output: &str,
    ) -> Result<(), &'s [Vec<String>]> {
        lacking(self.needs(parent, field, output), caller).map_or(Ok(()), Err)
    }

    /// What a field needs.
    pub(crate) fn needs<'s>(
        &'s self,
        parent: &str,
        field: &str,
        output: &str,
    ) -> impl Iterator<Item = &'s Need> + use<'s> {
        let of_field = self.fields.get(parent).and_then(|fields| fields.get(field));
        [self.types.get(parent), of_field, self.types.get(output)].into_iter().flatten().flatten()
    }

    /// Whether `caller` may read objects of a type.
    pub(crate) fn check_type<'s>(&'s self, caller: &Caller, name: &str) -> Result<(), &'s [Vec<String>]> {
        lacking(self.needs_of_type(name), caller).map_or(Ok(()), Err)
    }

    /// What objects of a type need.
    pub(crate) fn needs_of_type<'s>(&'s self, name: &str) -> impl Iterator<Item = &'s Need> + use<'s> {
        self.types.get(name).into_iter().flatten()
    }

    fn add_field(&mut self, parent: &str, field: &str, needs: Vec<Need>) {
        if !needs.is_empty() {
            let fields = self.fields.entry(parent.to_owned()).or_default();
            fields.entry(field.to_owned()).or_default().extend(needs);
        }
    }

    /// Who asks an interface for a field may get it from any of its types, and so needs what the
    /// strictest of them needs.
    fn spread_to_interfaces(&mut self, document: &Document<'static, String>) {
        for definition in types(document) {
            let TypeDefinition::Object(object) = definition else { continue };
            let own = self.fields.get(&object.name).cloned().unwrap_or_default();
            let of_type = self.types.get(&object.name).cloned().unwrap_or_default();
            for interface in &object.implements_interfaces {
                let members = types(document).find_map(|definition| match definition {
                    TypeDefinition::Interface(found) if found.name == *interface => Some(&found.fields),
                    _ => None,
                });
                for field in members.into_iter().flatten() {
                    let needs = own.get(&field.name).into_iter().flatten().chain(&of_type).cloned().collect();
                    self.add_field(interface, &field.name, needs);
                }
            }
        }
    }
}

/// What `caller` lacks of the first need that is not met.
fn lacking<'s>(mut needs: impl Iterator<Item = &'s Need>, caller: &Caller) -> Option<&'s [Vec<String>]> {
    needs.find_map(|need| match need {
        Need::Known => (!caller.is_known()).then_some(&[] as &[Vec<String>]),
        Need::OneOf(lists) => (!caller.has_one_of(lists)).then_some(lists.as_slice()),
    })
}

fn types<'d>(
    document: &'d Document<'static, String>,
) -> impl Iterator<Item = &'d TypeDefinition<'static, String>> {
    document.definitions.iter().filter_map(|definition| match definition {
        Definition::TypeDefinition(definition) => Some(definition),
        _ => None,
    })
}

fn parts<'d>(
    definition: &'d TypeDefinition<'static, String>,
) -> (&'d str, &'d [Directive<'static, String>], &'d [Field<'static, String>]) {
    match definition {
        TypeDefinition::Object(object) => (&object.name, &object.directives, &object.fields),
        TypeDefinition::Interface(interface) => (&interface.name, &interface.directives, &interface.fields),
        TypeDefinition::Scalar(scalar) => (&scalar.name, &scalar.directives, &[]),
        TypeDefinition::Enum(list) => (&list.name, &list.directives, &[]),
        TypeDefinition::Union(union) => (&union.name, &union.directives, &[]),
        TypeDefinition::InputObject(input) => (&input.name, &input.directives, &[]),
    }
}

fn insert(map: &mut HashMap<String, Vec<Need>>, name: &str, needs: Vec<Need>) {
    if !needs.is_empty() {
        map.insert(name.to_owned(), needs);
    }
}

fn needs(directives: &[Directive<'static, String>]) -> Vec<Need> {
    let need = |directive: &Directive<'static, String>| match directive.name.as_str() {
        "authenticated" => Some(Need::Known),
        "requiresScopes" => {
            let (_, scopes) = directive.arguments.iter().find(|(name, _)| name == "scopes")?;
            Some(Need::OneOf(lists(scopes).map(|list| lists(list).filter_map(text).collect()).collect()))
        }
        _ => None,
    };
    directives.iter().filter_map(need).collect()
}

fn lists<'v>(value: &'v Value<'static, String>) -> impl Iterator<Item = &'v Value<'static, String>> {
    let items: &[Value<'static, String>] = match value {
        Value::List(items) => items,
        _ => &[],
    };
    items.iter()
}

fn text(value: &Value<'static, String>) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, sync::Arc};

    use serde_json::json;

    use super::{super::caller::tests::claims, *};

    const SDL: &str = r#"
        type Query {
            movies: [Movie!]!
            me: User @requiresScopes(scopes: [["account"]])
            trail: [Entry!]! @requiresScopes(scopes: [["role:manager"], ["role:admin"]])
            secret: Secret
            node: Node
        }
        type Movie implements Node { id: ID! }
        type Entry { id: ID! }
        type User implements Node @authenticated { id: ID! email: String @requiresScopes(scopes: [["account"]]) }
        interface Node { id: ID! }
        scalar Secret @requiresScopes(scopes: [["role:admin"]])
    "#;

    fn check(caller: &Caller, parent: &str, field: &str, output: &str, allowed: bool) {
        let found = Scopes::of(SDL).check_field(caller, parent, field, output).is_ok();
        assert_eq!(found, allowed, "{caller:?} {parent}.{field}");
    }

    fn person(role: &str) -> Caller {
        Caller::from(Arc::new(claims(json!({ "roles": [role] }))))
    }

    #[test]
    fn fields_need_what_they_say() {
        check(&Caller::Stranger, "Query", "movies", "Movie", true);
        check(&Caller::Stranger, "Query", "me", "User", false);
        check(&person("CUSTOMER"), "Query", "me", "User", true);
        check(&person("CUSTOMER"), "Query", "trail", "Entry", false);
        check(&person("MANAGER"), "Query", "trail", "Entry", true);
    }

    #[test]
    fn fields_need_what_their_types_need() {
        check(&Caller::Stranger, "User", "id", "ID", false);
        check(&person("CUSTOMER"), "User", "id", "ID", true);
        check(&person("MANAGER"), "Query", "secret", "Secret", false);
        check(&person("ADMIN"), "Query", "secret", "Secret", true);
        assert!(Scopes::of(SDL).check_type(&Caller::Stranger, "User").is_err());
        assert!(Scopes::of(SDL).check_type(&Caller::Stranger, "Movie").is_ok());
    }

    #[test]
    fn an_interface_is_as_strict_as_its_strictest_type() {
        check(&Caller::Stranger, "Node", "id", "ID", false);
        check(&Caller::Stranger, "Movie", "id", "ID", true);
        check(&person("CUSTOMER"), "Node", "id", "ID", true);
    }

    /// Of the platform's own schema. Whoever adds a field that keys reach has to say so here.
    #[test]
    fn keys_reach_what_partners_are_for_and_nothing_else() {
        let sdl = fs::read_to_string("../schema/supergraph.graphql").unwrap();
        let (document, scopes) = (safe_parse_schema(&sdl).unwrap(), Scopes::of(&sdl));
        let reached = |caller: &Caller| -> BTreeSet<String> {
            let roots = types(&document).map(parts);
            let roots = roots.filter(|(name, ..)| ["Query", "Mutation", "Subscription"].contains(name));
            let fields = roots.flat_map(|(root, _, fields)| fields.iter().map(move |field| (root, field)));
            let open = fields.filter(|(root, field)| {
                let output = field.field_type.to_string().replace(['[', ']', '!'], "");
                scopes.check_field(caller, root, &field.name, &output).is_ok()
            });
            open.map(|(root, field)| format!("{root}.{}", field.name)).collect()
        };
        let strangers = reached(&Caller::Stranger);
        let check = |scope: &str, expected: &[&str]| {
            let key = Caller::from(Arc::new(claims(json!({
                "client_id": "key_00000000000000000000000003", "scope": scope,
                "partner": { "rate_per_minute": 600, "daily_quota": 1000, "seats_per_show": 10 },
            }))));
            let more: Vec<_> = reached(&key).difference(&strangers).cloned().collect();
            assert_eq!(more, expected, "{scope}");
        };
        let holds = ["extendHold", "holdBestAvailable", "holdSeats", "releaseHold"];
        let holds = holds.map(|field| format!("Mutation.{field}"));
        check("catalog:read seats:watch", &[]);
        check("holds:write", &holds.each_ref().map(String::as_str));
        let bookings =
            ["Mutation.cancelBooking", "Mutation.checkout", "Query.booking", "Subscription.bookingChanged"];
        check("bookings:write", &bookings);
        check("account role:admin role:manager role:staff", &[]);
        // What changes something without a login opens or ends a session, which keys may not do either: that
        // is decided by the subgraph.
        let sessions: Vec<_> = strangers.iter().filter(|field| field.starts_with("Mutation.")).collect();
        assert_eq!(
            sessions,
            ["logIn", "logOut", "refreshSession", "signUp"].map(|n| format!("Mutation.{n}")).each_ref()
        );
    }

    #[test]
    fn most_supergraphs_have_none() {
        assert!(Scopes::of("type Query { a: Int }").is_empty());
        assert!(Scopes::of("nonsense").is_empty());
        assert!(!Scopes::of(SDL).is_empty());
    }
}
