//! Which runs of which servers have the keys.

use std::{collections::HashMap, ops::RangeInclusive, sync::Arc};

use fred::{
    clients::Client,
    error::Error,
    interfaces::{ClientLike, ClusterInterface},
    types::{Value, cluster::ClusterRouting},
    util::redis_keyslot,
};

/// The servers that have the keys, by the names of their present runs: `run_id` and `master_replid`, which changes
/// also when a replica takes over ([`INFO`](https://redis.io/docs/latest/commands/info/)). A run that is not there
/// any more may have taken with it what was acknowledged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Servers {
    /// Slots of keys, and who has them. One server has all.
    runs: Vec<(RangeInclusive<u16>, Arc<str>)>,
}

impl Servers {
    /// The present run of the server that has `key`.
    #[must_use]
    pub fn of(&self, key: &str) -> Option<&Arc<str>> {
        let slot = redis_keyslot(key.as_bytes());
        self.runs.iter().find_map(|(slots, run)| slots.contains(&slot).then_some(run))
    }

    /// Whether this is the present run of one of them.
    #[must_use]
    pub fn has(&self, run: &str) -> bool {
        self.runs.iter().any(|(_, present)| **present == *run)
    }

    /// As they say now; nothing where users of Redis may not ask.
    pub(super) async fn ask(client: &Client) -> Result<Option<Arc<Self>>, Error> {
        let runs = if client.is_clustered() {
            in_cluster(client).await?
        } else {
            name(&client.info::<String>(None).await?).map(|run| vec![(0..=u16::MAX, run)])
        };
        Ok(runs.map(|runs| Arc::new(Self { runs })))
    }
}

/// Asks who has which keys, and then each of them: what the client knows may be of yesterday, as it learns of changes
/// only where its commands are refused.
async fn in_cluster(client: &Client) -> Result<Option<Vec<(RangeInclusive<u16>, Arc<str>)>>, Error> {
    let hosts = client.client_config().server.hosts();
    let default_host = hosts.first().map(|server| server.host.clone()).unwrap_or_default();
    let slots: Value = client.cluster_slots().await?;
    let routing = ClusterRouting::from_cluster_slots(slots, default_host)?;
    let mut runs = HashMap::new();
    for node in routing.unique_primary_nodes() {
        let info: String = client.with_cluster_node(node.clone()).info(None).await?;
        runs.extend(name(&info).map(|run| (node, run)));
    }
    let run = |node| runs.get(node).cloned();
    Ok(routing.slots().iter().map(|part| Some((part.start..=part.end, run(&part.primary)?))).collect())
}

/// What a server calls this run of itself, from its answer to INFO.
fn name(info: &str) -> Option<Arc<str>> {
    let field = |name: &str| info.lines().find_map(|line| line.strip_prefix(name)).map(str::trim_end);
    Some(format!("{}:{}", field("run_id:")?, field("master_replid:")?).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_is_with_one_server() {
        let name = |run: &str| name(&format!("run_id:{run}\r\nrole:master\r\nmaster_replid:r\r\n")).unwrap();
        let servers = Servers { runs: vec![(0..=8_191, name("a")), (8_192..=16_383, name("b"))] };
        // From the cluster specification: the slot of 123456789 is 0x31C3.
        assert_eq!(servers.of("{123456789}:states").map(|run| &**run), Some("b:r"));
        assert!(servers.has("a:r") && servers.has("b:r"));
        assert!(!servers.has("c:r") && !servers.has(""));
    }
}
