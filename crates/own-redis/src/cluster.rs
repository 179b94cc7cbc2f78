//! Several servers, each with a part of the keys.

use std::io;

use crate::{free_ports, server::OwnRedis, until};

const NODES: usize = 3;
/// <https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/>
const SLOTS: usize = 16_384;

/// A cluster of three primaries, without replicas.
#[derive(Debug)]
pub struct OwnCluster {
    nodes: Vec<OwnRedis>,
}

impl OwnCluster {
    /// A cluster that serves. Each node begins with a third of the slots ([`OwnCluster::owner`]).
    ///
    /// # Errors
    /// When there is no `redis-server`, or they do not find together.
    pub async fn start() -> io::Result<Self> {
        let ports: [u16; 2 * NODES] = free_ports()?;
        let (ports, buses) = ports.split_at(NODES);
        let mut nodes = Vec::with_capacity(NODES);
        for (port, bus) in ports.iter().zip(buses) {
            let bus = bus.to_string();
            let options = ["--cluster-enabled", "yes", "--cluster-port", &bus].map(str::to_owned);
            nodes.push(OwnRedis::start_with(*port, options.to_vec()).await?);
        }
        for (number, node) in nodes.iter().enumerate() {
            let (first, end) = (first_slot(number), first_slot(number + 1));
            node.ask(&format!("CLUSTER ADDSLOTSRANGE {first} {}", end - 1)).await?;
            node.ask(&format!("CLUSTER SET-CONFIG-EPOCH {}", number + 1)).await?;
        }
        for (port, bus) in ports.iter().zip(buses).skip(1) {
            nodes[0].ask(&format!("CLUSTER MEET 127.0.0.1 {port} {bus}")).await?;
        }
        let cluster = Self { nodes };
        cluster.serves().await?;
        Ok(cluster)
    }

    /// Where it is, as clients are told.
    #[must_use]
    pub fn url(&self) -> String {
        let mut url = format!("redis-cluster://127.0.0.1:{}", self.nodes[0].port());
        for (number, node) in self.nodes.iter().enumerate().skip(1) {
            let sign = if number == 1 { '?' } else { '&' };
            url += &format!("{sign}node=127.0.0.1:{}", node.port());
        }
        url
    }

    /// Its nodes.
    #[must_use]
    pub fn nodes(&self) -> &[OwnRedis] {
        &self.nodes
    }

    /// One of them, to kill or to revive.
    pub fn node(&mut self, number: usize) -> &mut OwnRedis {
        &mut self.nodes[number]
    }

    /// The number of the node that has a slot in the beginning.
    #[must_use]
    pub fn owner(slot: u16) -> usize {
        (0..NODES).rev().find(|number| first_slot(*number) <= usize::from(slot)).unwrap_or_default()
    }

    /// Returns when every node serves, and knows all others.
    ///
    /// # Errors
    /// When that takes too long.
    pub async fn serves(&self) -> io::Result<()> {
        until("the cluster serves", async || {
            for node in &self.nodes {
                let info = node.ask("CLUSTER INFO").await?.concat();
                let has = |line: String| info.lines().any(|found| found == line);
                if !has("cluster_state:ok".to_owned()) || !has(format!("cluster_known_nodes:{NODES}")) {
                    return Ok(false);
                }
            }
            Ok(true)
        })
        .await
    }

    /// Gives a slot with all its keys to another node, as `redis-cli --cluster reshard` does.
    ///
    /// # Errors
    /// When a node refuses.
    pub async fn move_slot(&self, slot: u16, from: usize, to: usize) -> io::Result<()> {
        let (source, target) = (&self.nodes[from], &self.nodes[to]);
        let id = async |node: &OwnRedis| node.ask("CLUSTER MYID").await.map(|id| id.concat());
        let (source_id, target_id) = (id(source).await?, id(target).await?);
        target.ask(&format!("CLUSTER SETSLOT {slot} IMPORTING {source_id}")).await?;
        source.ask(&format!("CLUSTER SETSLOT {slot} MIGRATING {target_id}")).await?;
        let keys = source.ask(&format!("CLUSTER GETKEYSINSLOT {slot} 1000")).await?.join(" ");
        if !keys.is_empty() {
            source.ask(&format!("MIGRATE 127.0.0.1 {} \"\" 0 5000 KEYS {keys}", target.port())).await?;
        }
        // First the target, which then cannot be told that it never got the slot.
        for node in [target, source].into_iter().chain(&self.nodes) {
            node.ask(&format!("CLUSTER SETSLOT {slot} NODE {target_id}")).await?;
        }
        // Who does not know the new epoch of the target yet may believe its predecessor once more.
        let present = line_of(target, &target_id).await?.map(epoch);
        until("all know who has the slot", async || {
            for node in &self.nodes {
                let known = line_of(node, &target_id).await?.filter(|line| has_slot(line, slot));
                if known.map(epoch) != present {
                    return Ok(false);
                }
            }
            Ok(true)
        })
        .await
    }
}

fn first_slot(number: usize) -> usize {
    number * SLOTS / NODES
}

/// What a node knows of the one with this id: `id address flags primary ping pong epoch link slot…`, as
/// <https://redis.io/docs/latest/commands/cluster-nodes/> says.
async fn line_of(node: &OwnRedis, id: &str) -> io::Result<Option<String>> {
    let nodes = node.ask("CLUSTER NODES").await?.concat();
    Ok(nodes.lines().find(|line| line.starts_with(id)).map(str::to_owned))
}

fn epoch(line: String) -> Option<String> {
    line.split(' ').nth(6).map(str::to_owned)
}

fn has_slot(line: &str, slot: u16) -> bool {
    line.split(' ').skip(8).any(|slots| {
        let (first, last) = slots.split_once('-').unwrap_or((slots, slots));
        first.parse().is_ok_and(|first: u16| first <= slot)
            && last.parse().is_ok_and(|last: u16| slot <= last)
    })
}
