//! Layers within a subgraph: `graphql, consumers → app → store → domain`.
//!
//! What a query returns may travel up to a resolver; the query itself may be called by `app` only,
//! because that is where it is decided who may ask.

use super::{Problem, Source, paths};

/// A layer, with the layers that it may use, and those of which it may use types only.
const LAYERS: &[(&str, &[&str], &[&str])] = &[
    ("domain", &["domain"], &[]),
    ("store", &["store", "domain"], &[]),
    ("app", &["app", "store", "domain"], &[]),
    ("graphql", &["graphql", "app", "domain"], &["store"]),
    ("consumers", &["consumers", "app", "domain"], &["store"]),
];

/// Checks one Rust file. Modules beside the layers (configuration, the provider's client) are free
/// to be used, and use what they need.
pub(super) fn check(source: &Source) -> Vec<Problem> {
    let Some(layer) = layer_of(&source.path) else { return Vec::new() };
    let Some((_, allowed, types)) = LAYERS.iter().find(|(name, ..)| *name == layer) else {
        return Vec::new();
    };
    paths::named(&source.text)
        .into_iter()
        .filter_map(|(line, path)| {
            let used = path.strip_prefix("crate::")?.split("::").next()?;
            let is_layer = LAYERS.iter().any(|(name, ..)| *name == used);
            if !is_layer || allowed.contains(&used) || (types.contains(&used) && is_type(&path)) {
                return None;
            }
            let what = if types.contains(&used) { "call into" } else { "use" };
            Some(source.problem(line, format!("the layer `{layer}` may not {what} `{used}` (`{path}`)")))
        })
        .collect()
}

/// Whether a path ends in a type rather than in a function or a module.
fn is_type(path: &str) -> bool {
    path.rsplit("::").next().is_some_and(|last| last.starts_with(char::is_uppercase))
}

/// `store` of `subgraphs/booking/src/store/shows.rs`, and of `…/src/store.rs`.
fn layer_of(path: &str) -> Option<&str> {
    let (_, inner) = path.strip_prefix("subgraphs/")?.split_once("/src/")?;
    Some(inner.split('/').next()?.trim_end_matches(".rs"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::{expect, source};

    #[test]
    fn layers_use_what_is_below_them() {
        let text = "use crate::{app, config::Config, domain::Seat, store::{shows, shows::Row}};\n";
        let in_layer = |layer: &str| source(&format!("subgraphs/booking/src/{layer}/x.rs"), text);
        expect(check(&in_layer("app")), &[]);
        expect(
            check(&in_layer("graphql")),
            &[
                "subgraphs/booking/src/graphql/x.rs:1: the layer `graphql` may not call into `store` (`crate::store::shows`)",
            ],
        );
        expect(
            check(&in_layer("store")),
            &["subgraphs/booking/src/store/x.rs:1: the layer `store` may not use `app` (`crate::app`)"],
        );
        expect(
            check(&in_layer("domain")),
            &[
                "subgraphs/booking/src/domain/x.rs:1: the layer `domain` may not use `app` (`crate::app`)",
                "subgraphs/booking/src/domain/x.rs:1: the layer `domain` may not use `store` (`crate::store::shows`)",
                "subgraphs/booking/src/domain/x.rs:1: the layer `domain` may not use `store` (`crate::store::shows::Row`)",
            ],
        );
        expect(check(&in_layer("payments")), &[]);
        expect(check(&source("gateway/src/store.rs", text)), &[]);
    }
}
