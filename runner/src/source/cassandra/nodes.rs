//! Which nodes have a row, and which of them is asked for it: the owners of its token first, those of the local
//! datacenter before others, the one with the fewest readers before the rest. Must not know what is read.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use scylla::cluster::{ClusterState, Node};
use scylla::frame::response::result::TableSpec;
use scylla::routing::Token;
use uuid::Uuid;

use super::name::TableName;

/// How many readers each node has.
#[derive(Debug, Default)]
pub(super) struct Readers {
    by_node: Mutex<HashMap<Uuid, usize>>,
}

/// A reader's turn with its nodes, best first. Counts as a reader of the one it asks.
#[derive(Debug)]
pub(super) struct Turn {
    readers: Arc<Readers>,
    nodes: Vec<Arc<Node>>,
    asked: usize,
}

impl Turn {
    /// Takes the least asked of the owners. Nodes that cannot be reached go last, those of other datacenters than
    /// `home` behind those of it.
    pub(super) fn take(readers: &Arc<Readers>, candidates: Candidates, home: &str) -> Turn {
        let Candidates { mut nodes, owners } = candidates;
        let mut by_node = readers.by_node.lock().unwrap_or_else(PoisonError::into_inner);
        let load = |node: &Arc<Node>| by_node.get(&node.host_id).copied().unwrap_or(0);
        let is_remote = |node: &Arc<Node>| node.datacenter.as_deref() != Some(home);
        let (own, others) = nodes.split_at_mut(owners);
        for part in [own, others] {
            // Stable: the ring's order stays among equals.
            part.sort_by_key(|node| (!node.is_connected(), is_remote(node), load(node)));
        }
        if let Some(first) = nodes.first() {
            *by_node.entry(first.host_id).or_default() += 1;
        }
        drop(by_node);
        Turn { readers: Arc::clone(readers), nodes, asked: 0 }
    }

    /// The node to ask; `None` leaves it to the driver.
    pub(super) fn node(&self) -> Option<&Arc<Node>> {
        self.nodes.get(self.asked)
    }

    /// Goes on to the next node, in turn.
    pub(super) fn go_on(&mut self) {
        self.count(false);
        self.asked = (self.asked + 1) % self.nodes.len().max(1);
        self.count(true);
    }

    fn count(&self, more: bool) {
        let Some(node) = self.node() else { return };
        let mut by_node = self.readers.by_node.lock().unwrap_or_else(PoisonError::into_inner);
        let readers = by_node.entry(node.host_id).or_default();
        *readers = if more { *readers + 1 } else { readers.saturating_sub(1) };
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.count(false);
    }
}

/// The nodes to ask for a token.
#[derive(Debug)]
pub(super) struct Candidates {
    nodes: Vec<Arc<Node>>,
    /// The first of them, which have it.
    owners: usize,
}

/// The nodes to ask for a token, those of other datacenters only if `datacenter` is `None`.
pub(super) fn candidates(
    state: &ClusterState,
    name: &TableName,
    datacenter: Option<&str>,
    token: i64,
) -> Candidates {
    let mut nodes = owners(state, name, datacenter, token);
    let owners = nodes.len();
    let local = |node: &&Arc<Node>| datacenter.is_none() || node.datacenter.as_deref() == datacenter;
    let others = state.get_nodes_info().iter().filter(local);
    let others: Vec<_> =
        others.filter(|node| nodes.iter().all(|own| own.host_id != node.host_id)).cloned().collect();
    nodes.extend(others);
    Candidates { nodes, owners }
}

/// The nodes that have a token, in the ring's order.
pub(super) fn owners(
    state: &ClusterState,
    name: &TableName,
    datacenter: Option<&str>,
    token: i64,
) -> Vec<Arc<Node>> {
    let Some(keyspace) = state.get_keyspace(&name.keyspace) else { return Vec::new() };
    let table = TableSpec::borrowed(&name.keyspace, &name.table);
    let locator = state.replica_locator();
    let replicas = locator.replicas_for_token(Token::new(token), &keyspace.strategy, datacenter, &table);
    replicas.into_replicas_ordered().into_iter().map(|(node, _)| Arc::clone(node)).collect()
}
