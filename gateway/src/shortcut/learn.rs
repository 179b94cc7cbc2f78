//! Learns from the router's plan whether an operation has a shortcut. In doubt it has none.

use std::{
    collections::{HashMap, HashSet},
    mem::replace,
    sync::Arc,
};

use hive_router::{
    executor::{
        introspection::schema::{SchemaMetadata, SchemaWithMetadata as _},
        response::value::Value,
    },
    graphql_tools::parser::query::Definition,
    plugins::hooks::on_execute::OnExecuteStartHookPayload,
    query_planner::{
        ast::{
            operation::OperationDefinition,
            selection_item::SelectionItem,
            selection_set::{FieldSelection, InlineFragmentSelection, SelectionSet},
            value::Value as Argument,
        },
        planner::{
            Planner,
            plan_nodes::{FetchNode, PlanNode, QueryPlan},
        },
        state::supergraph_state::{OperationKind, SupergraphDefinition},
        utils::parsing::safe_parse_operation,
    },
};

use super::{EXTRA, Room, Shortcut, Shortcuts};
use crate::{
    admission::{Admitted, Needs, Scopes},
    plugins::local::Local,
};

/// What a supergraph says that matters to shortcuts.
#[derive(Debug)]
pub(crate) struct Facts {
    /// Its types, as clients see them.
    pub(super) types: SchemaMetadata,
    /// The names of fields whose arguments say how much they cost.
    sized: HashSet<String>,
    /// The names of input objects.
    inputs: HashSet<String>,
}

impl Facts {
    /// `None` if the router does more with the answers of its subgraphs, or with costs, than shortcuts know of.
    pub(crate) fn of(planner: &Planner) -> Option<Self> {
        let types = planner.consumer_schema.schema_metadata();
        let overrides = &planner.supergraph.progressive_overrides;
        if !(overrides.flags.is_empty() && overrides.percentages.is_empty()) {
            return None;
        }
        let (mut sized, mut inputs) = (HashSet::new(), HashSet::new());
        for definition in planner.supergraph.definitions.values() {
            let fields = match definition {
                // Objects that clients cannot see become null.
                SupergraphDefinition::Object(object) if !types.object_types.contains(&object.name) => {
                    return None;
                }
                SupergraphDefinition::Object(object) => &object.fields,
                SupergraphDefinition::Interface(interface) => &interface.fields,
                // What an input object costs would depend on what is in it.
                SupergraphDefinition::InputObject(input)
                    if input.fields.values().any(|field| field.cost.is_some()) =>
                {
                    return None;
                }
                SupergraphDefinition::InputObject(input) => {
                    inputs.insert(input.name.clone());
                    continue;
                }
                // So do values.
                SupergraphDefinition::Enum(list)
                    if types
                        .enum_values
                        .get(&list.name)
                        .is_some_and(|seen| seen.len() != list.values.len()) =>
                {
                    return None;
                }
                _ => continue,
            };
            let by_arguments = fields.values().filter(|field| {
                field.list_size.as_ref().is_some_and(|size| size.slicing_arguments.is_some())
            });
            sized.extend(by_arguments.map(|field| field.name.clone()));
        }
        Some(Self { types, sized, inputs })
    }

    fn root(&self, kind: &OperationKind) -> Option<&str> {
        match kind {
            OperationKind::Query => self.types.query_type_name.as_deref(),
            OperationKind::Mutation => self.types.mutation_type_name.as_deref(),
            OperationKind::Subscription => None,
        }
    }
}

/// Looks through an operation.
struct Look<'l> {
    facts: &'l Facts,
    scopes: &'l Scopes,
    needs: Needs,
    /// Its variables for input objects, and whether something uses them.
    inputs: HashMap<&'l str, bool>,
}

impl<'l> Look<'l> {
    /// `None` if what the variables cost is not clear.
    fn new(facts: &'l Facts, scopes: &'l Scopes, operation: &'l OperationDefinition) -> Option<Self> {
        let mut inputs = HashMap::new();
        for variable in operation.variable_definitions.iter().flatten() {
            if facts.inputs.contains(variable.variable_type.inner_type()) {
                if variable.default_value.is_some() {
                    return None;
                }
                inputs.insert(variable.name.as_str(), false);
            }
        }
        Some(Self { facts, scopes, needs: Needs::default(), inputs })
    }

    /// Adds what a selection needs. `None` if there are conditions in it, or what it costs depends on more than
    /// how many input objects are sent.
    fn selections(&mut self, parent: &str, selections: &'l SelectionSet, at_root: bool) -> Option<()> {
        selections.items.iter().try_for_each(|item| match item {
            SelectionItem::Field(field) => self.field(parent, field, at_root),
            SelectionItem::InlineFragment(fragment) if is_always(fragment) => {
                self.needs.add(self.scopes.needs_of_type(&fragment.type_condition));
                self.selections(&fragment.type_condition, &fragment.selections, false)
            }
            SelectionItem::InlineFragment(_) | SelectionItem::FragmentSpread(_) => None,
        })
    }

    fn field(&mut self, parent: &str, field: &'l FieldSelection, at_root: bool) -> Option<()> {
        if !is_plain(field) || self.facts.sized.contains(&field.name) {
            return None;
        }
        if field.name == "__typename" {
            return Some(());
        }
        for (_, value) in field.arguments.iter().flatten() {
            self.argument(value, at_root)?;
        }
        let output = &self.facts.types.type_fields.get(parent)?.get(&field.name)?.output_type_name;
        self.needs.add(self.scopes.needs(parent, &field.name, output));
        self.selections(output, &field.selections, false)
    }

    /// Input objects of a variable count once for each use, and below a list for each of its items: so they may
    /// be used once, at the root, where there is none.
    fn argument(&mut self, value: &Argument, at_root: bool) -> Option<()> {
        match value {
            Argument::Variable(name) => match self.inputs.get_mut(name.as_str()) {
                Some(is_used) => (at_root && !replace(is_used, true)).then_some(()),
                None => Some(()),
            },
            Argument::List(values) => values.iter().try_for_each(|value| self.argument(value, false)),
            Argument::Object(fields) => fields.values().try_for_each(|value| self.argument(value, false)),
            _ => Some(()),
        }
    }
}

fn is_plain(field: &FieldSelection) -> bool {
    field.skip_if.is_none() && field.include_if.is_none() && !field.omit_from_response
}

fn is_always(fragment: &InlineFragmentSelection) -> bool {
    fragment.skip_if.is_none() && fragment.include_if.is_none()
}

/// Learns the way of an operation that the router is about to execute, if it is not known.
pub(crate) fn learn(payload: &OnExecuteStartHookPayload<'_>) {
    let Some(admitted) = payload.context.get_ref::<Admitted>() else { return };
    let Some(way) = admitted.operation.as_ref().map(|operation| &operation.way) else { return };
    // What was taken out of it is the business of this caller.
    if !way.is_unknown() || !payload.errors.is_empty() {
        return;
    }
    let Some(local) = payload.context.get_ref::<Arc<Local>>() else { return };
    let Some(Shortcuts { facts, bytes, .. }) = &local.shortcuts else { return };
    let shortcut = match shortcut(payload, facts, &admitted.scopes, &local) {
        None => None,
        Some(mut shortcut) => {
            shortcut.room = Room::take(2 * shortcut.document.len() + EXTRA, bytes);
            // There may be some later.
            if shortcut.room.is_none() {
                return;
            }
            Some(Arc::new(shortcut))
        }
    };
    // Somebody else may have learned the same.
    let _ = way.0.set(shortcut);
}

fn shortcut(
    payload: &OnExecuteStartHookPayload<'_>,
    facts: &Facts,
    scopes: &Scopes,
    local: &Local,
) -> Option<Shortcut> {
    let operation = payload.operation_for_plan;
    let kind = operation.operation_kind.clone().unwrap_or(OperationKind::Query);
    let fetch = only_fetch(payload.query_plan)?;
    let subgraph = local.subgraph(&fetch.service_name)?;
    // What the router itself knows is there already.
    let asks_router = !matches!(&payload.data, Value::Object(fields) if fields.is_empty());
    if asks_router || !payload.extensions.is_empty() || !is_same(operation, &fetch.operation.document_str) {
        return None;
    }
    let mut look = Look::new(facts, scopes, operation)?;
    look.selections(facts.root(&kind)?, &operation.selection_set, true)?;
    Some(Shortcut {
        room: None,
        subgraph,
        document: fetch.operation.document_str.clone(),
        declared: OperationDefinition { selection_set: SelectionSet::default(), ..operation.clone() },
        used: fetch.variable_usages.iter().flatten().cloned().collect(),
        needs: look.needs,
        is_query: kind == OperationKind::Query,
        cost: payload.demand_control_estimate.map(|cost| (cost.estimated, cost.max)),
    })
}

/// The fetch that a plan consists of, if it changes nothing in what it sends and gets.
fn only_fetch(plan: &QueryPlan) -> Option<&FetchNode> {
    match &plan.node {
        Some(PlanNode::Fetch(fetch))
            if fetch.requires.is_none()
                && fetch.input_rewrites.is_none()
                && fetch.output_rewrites.is_none() =>
        {
            Some(fetch)
        }
        _ => None,
    }
}

/// Whether a document for a subgraph selects just what an operation does, in the same order.
fn is_same(operation: &OperationDefinition, document: &str) -> bool {
    selected(document).is_some_and(|selected| selected.to_string() == operation.selection_set.to_string())
}

/// What a document for a subgraph selects. The planner makes a fragment of a selection that occurs repeatedly,
/// in whatever order.
fn selected(document: &str) -> Option<SelectionSet> {
    let (mut operation, mut fragments) = (None, HashMap::new());
    for definition in safe_parse_operation(document).ok()?.definitions {
        match definition {
            Definition::Operation(found) => operation = Some(OperationDefinition::from(found)),
            Definition::Fragment(found) => {
                fragments.insert(found.name, SelectionSet::from(found.selection_set));
            }
        }
    }
    written_out(&operation?.selection_set, &fragments)
}

fn written_out(selections: &SelectionSet, fragments: &HashMap<String, SelectionSet>) -> Option<SelectionSet> {
    if let [SelectionItem::FragmentSpread(name)] = selections.items.as_slice() {
        return written_out(fragments.get(name)?, fragments);
    }
    let items = selections.items.iter().map(|item| match item {
        SelectionItem::Field(field) => {
            let selections = written_out(&field.selections, fragments)?;
            Some(SelectionItem::Field(field.with_new_selections(selections)))
        }
        SelectionItem::InlineFragment(fragment) => {
            let selections = written_out(&fragment.selections, fragments)?;
            Some(SelectionItem::InlineFragment(fragment.with_new_selections(selections)))
        }
        SelectionItem::FragmentSpread(_) => None,
    });
    Some(SelectionSet { items: items.collect::<Option<_>>()? })
}
