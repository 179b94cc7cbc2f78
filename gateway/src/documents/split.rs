//! Takes a document with many operations apart.

use std::collections::{BTreeMap, BTreeSet};

use hive_router::graphql_tools::parser::query::{
    Definition, Document, FragmentDefinition, OperationDefinition, Selection, SelectionSet, parse_query,
};

type Fragments<'d, 'q> = BTreeMap<&'q str, &'d FragmentDefinition<'q, &'q str>>;

/// The operations of a text by their names, each with the fragments that it uses.
pub(super) fn operations(text: &str) -> Result<Vec<(String, String)>, String> {
    let document: Document<'_, &str> = parse_query(text).map_err(|error| error.to_string())?;
    let fragments: Fragments<'_, '_> = document
        .definitions
        .iter()
        .filter_map(|definition| match definition {
            Definition::Fragment(fragment) => Some((fragment.name, fragment)),
            Definition::Operation(_) => None,
        })
        .collect();
    let operations = document.definitions.iter().filter_map(|definition| match definition {
        Definition::Operation(operation) => Some(operation),
        Definition::Fragment(_) => None,
    });
    operations.map(|operation| apart(operation, &fragments)).collect()
}

fn apart<'q>(
    operation: &OperationDefinition<'q, &'q str>,
    fragments: &Fragments<'_, 'q>,
) -> Result<(String, String), String> {
    let (name, selections) = match operation {
        OperationDefinition::SelectionSet(selections) => (None, selections),
        OperationDefinition::Query(query) => (query.name, &query.selection_set),
        OperationDefinition::Mutation(mutation) => (mutation.name, &mutation.selection_set),
        OperationDefinition::Subscription(subscription) => (subscription.name, &subscription.selection_set),
    };
    let name =
        name.ok_or("it has an operation without a name: name it, so that it can be told from others")?;
    let mut used = BTreeSet::new();
    collect(selections, fragments, &mut used)?;
    let mut definitions = vec![Definition::Operation(operation.clone())];
    let fragments = used.into_iter().filter_map(|name| fragments.get(name).copied());
    definitions.extend(fragments.map(|fragment| Definition::Fragment(fragment.clone())));
    Ok((name.to_owned(), Document { definitions }.to_string()))
}

fn collect<'q>(
    selections: &SelectionSet<'q, &'q str>,
    fragments: &Fragments<'_, 'q>,
    used: &mut BTreeSet<&'q str>,
) -> Result<(), String> {
    selections.items.iter().try_for_each(|selection| match selection {
        Selection::Field(field) => collect(&field.selection_set, fragments, used),
        Selection::InlineFragment(fragment) => collect(&fragment.selection_set, fragments, used),
        Selection::FragmentSpread(spread) => {
            let name = spread.fragment_name;
            let fragment = fragments.get(name).ok_or_else(|| format!("it has no fragment `{name}`"))?;
            if used.insert(name) { collect(&fragment.selection_set, fragments, used) } else { Ok(()) }
        }
    })
}
