//! The composed supergraph file, checked before anything starts: the router itself would load it in
//! the background and only log what is wrong with it.

use std::{
    collections::BTreeSet,
    io::ErrorKind,
    panic::catch_unwind,
    path::{Path, PathBuf},
    sync::Arc,
};

use hive_router::query_planner::{
    planner::{Planner, QueryPlannerOptions},
    utils::parsing::safe_parse_schema,
};

use crate::{GatewayError, admission::Scopes, shortcut::Facts};

/// A supergraph that the router can plan for.
#[derive(Debug)]
pub(crate) struct Supergraph {
    /// Absolute.
    pub(crate) path: PathBuf,
    /// The names of its subgraphs.
    pub(crate) subgraphs: BTreeSet<String>,
    /// Which fields need which scopes.
    pub(crate) scopes: Arc<Scopes>,
    /// What shortcuts need to know, if there can be any.
    pub(crate) facts: Option<Arc<Facts>>,
}

impl Supergraph {
    /// Reads and checks the file.
    pub(crate) fn load(path: &Path) -> Result<Self, GatewayError> {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
        let sdl = match std::fs::read_to_string(&path) {
            Ok(sdl) => sdl,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(GatewayError::SupergraphMissing { path });
            }
            Err(source) => return Err(GatewayError::SupergraphUnreadable { path, source }),
        };
        match planner(&sdl) {
            Ok((planner, subgraphs)) => {
                let facts = Facts::of(&planner).map(Arc::new);
                Ok(Self { path, subgraphs, scopes: Arc::new(Scopes::of(&sdl)), facts })
            }
            Err(reason) => Err(GatewayError::SupergraphInvalid { path, reason }),
        }
    }
}

/// Who can plan for a supergraph, and the names of its subgraphs.
fn planner(sdl: &str) -> Result<(Planner, BTreeSet<String>), String> {
    let document = safe_parse_schema(sdl).map_err(|error| error.to_string())?;
    if !sdl.contains("join__Graph") {
        return Err("it names no subgraphs".to_owned());
    }
    // The planner takes a composed document for granted and panics over some that are not.
    let planner = catch_unwind(|| Planner::new_from_supergraph(&document, QueryPlannerOptions::default()))
        .map_err(|_| "the query planner cannot make sense of it".to_owned())?
        .map_err(|error| error.to_string())?;
    let subgraphs: BTreeSet<_> = planner.supergraph.subgraph_endpoint_map.keys().cloned().collect();
    if subgraphs.is_empty() {
        return Err("it names no subgraphs".to_owned());
    }
    Ok((planner, subgraphs))
}

#[cfg(test)]
mod tests {
    use super::planner;

    #[test]
    fn a_supergraph_names_its_subgraphs() {
        let (_, names) = planner(include_str!("../tests/fixture/supergraph.graphql")).unwrap();
        assert_eq!(names.into_iter().collect::<Vec<_>>(), ["booking", "catalog"]);
    }

    #[test]
    fn anything_else_is_refused_with_a_reason() {
        let refused = [
            ("", "arse error"),
            ("type Query { a: Int }", "it names no subgraphs"),
            ("this is not SDL", "arse error"),
            ("enum join__Graph { A }", ""),
        ];
        for (sdl, reason) in refused {
            let error = planner(sdl).map(|(_, names)| names).unwrap_err();
            assert!(error.contains(reason), "{sdl:?}: {error}");
        }
    }
}
