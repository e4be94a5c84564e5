//! Which nodes have a row, and which of them is asked for it: the owners of its token first, the one with the fewest
//! readers before the rest. Nodes of another datacenter are asked only where none of the own can be reached that has
//! the row: a quorum there does not know of what was just written here. Must not know what is read.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use scylla::cluster::{ClusterState, Node};
use scylla::frame::response::result::TableSpec;
use scylla::policies::load_balancing::{
    LoadBalancingPolicy, NodeIdentifier, SingleTargetLoadBalancingPolicy,
};
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
    /// The first of the nodes, which have the token.
    owners: usize,
    /// The datacenter that is read from.
    home: String,
    asked: usize,
}

/// This node and no other.
pub(super) fn only(node: &Arc<Node>) -> Arc<dyn LoadBalancingPolicy> {
    SingleTargetLoadBalancingPolicy::new(NodeIdentifier::Node(Arc::clone(node)), None)
}

impl Turn {
    /// Takes the least asked of the owners. Nodes that cannot be reached go last, those of other datacenters than
    /// `home` behind those of it.
    pub(super) fn take(readers: &Arc<Readers>, candidates: Candidates, home: &str) -> Turn {
        let Candidates { mut nodes, owners } = candidates;
        let mut by_node = readers.by_node.lock().unwrap_or_else(PoisonError::into_inner);
        let load = |node: &Arc<Node>| by_node.get(&node.host_id).copied().unwrap_or(0);
        let (own, others) = nodes.split_at_mut(owners);
        for part in [own, others] {
            // Stable: the ring's order stays among equals.
            part.sort_by_key(|node| rank(node.is_connected(), is_remote(node, home), load(node)));
        }
        if let Some(first) = nodes.first() {
            *by_node.entry(first.host_id).or_default() += 1;
        }
        drop(by_node);
        Turn { readers: Arc::clone(readers), nodes, owners, home: home.into(), asked: 0 }
    }

    /// The node to ask; `None` leaves it to the driver.
    pub(super) fn node(&self) -> Option<&Arc<Node>> {
        self.nodes.get(self.asked)
    }

    /// Goes on to the next node, in turn.
    pub(super) fn go_on(&mut self) {
        self.count(false);
        let places = self.nodes.iter().enumerate().map(|(at, node)| Place {
            is_owner: at < self.owners,
            is_remote: is_remote(node, &self.home),
            is_connected: node.is_connected(),
        });
        self.asked = next(&places.collect::<Vec<_>>(), self.asked);
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

fn is_remote(node: &Node, home: &str) -> bool {
    node.datacenter.as_deref() != Some(home)
}

/// The lowest is asked first: a node that answers slowly keeps its readers longer, and gets fewer.
fn rank(is_connected: bool, is_remote: bool, readers: usize) -> impl Ord {
    (!is_connected, is_remote, readers)
}

/// What counts of a node when the next one is chosen.
#[derive(Clone, Copy, Debug)]
struct Place {
    /// It has the row.
    is_owner: bool,
    /// It is in another datacenter than the one that is read from.
    is_remote: bool,
    is_connected: bool,
}

/// The node to ask after the one `asked`, in turn. Those of other datacenters are left out as long as one at home that
/// has the row is connected (where nobody knows who has it: any one at home): whatever it answers, it is there.
fn next(places: &[Place], asked: usize) -> usize {
    let owners_are_known = places.iter().any(|place| place.is_owner);
    let has_it = |place: &Place| place.is_owner || !owners_are_known;
    let at_home = places.iter().any(|place| !place.is_remote && place.is_connected && has_it(place));
    let mut turn = (1..=places.len()).map(|step| (asked + step) % places.len());
    turn.find(|at| !(at_home && places[*at].is_remote)).unwrap_or(0)
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

#[cfg(test)]
mod tests {
    use super::*;

    const OWNER: Place = Place { is_owner: true, is_remote: false, is_connected: true };
    const OTHER: Place = Place { is_owner: false, ..OWNER };
    const REMOTE: Place = Place { is_remote: true, ..OWNER };

    /// Who is asked, one after the other, when each one fails.
    fn turns(places: &[Place]) -> Vec<usize> {
        std::iter::successors(Some(0), |asked| Some(next(places, *asked))).take(places.len() + 1).collect()
    }

    #[test]
    fn the_node_with_the_fewest_readers_is_asked_first_if_it_is_connected_and_at_home() {
        assert!(rank(true, false, 1) < rank(true, false, 2));
        assert!(rank(true, false, 9) < rank(true, true, 0));
        assert!(rank(true, true, 9) < rank(false, false, 0));
    }

    #[test]
    fn nodes_that_answer_equally_fast_are_read_from_equally_often() {
        let mut readers = [0; 3];
        for reader in 0..30 {
            // Each range has two of the three as its owners.
            let mut owners = [reader % 3, (reader + 1) % 3];
            owners.sort_by_key(|node| rank(true, false, readers[*node]));
            readers[owners[0]] += 1;
            let (fewest, most) = (readers.iter().min().unwrap(), readers.iter().max().unwrap());
            assert!(most - fewest <= 1, "{readers:?}");
        }
    }

    #[test]
    fn a_range_stays_at_home_while_an_owner_there_is_connected_whatever_it_answers() {
        assert_eq!(turns(&[OWNER, REMOTE]), [0, 0, 0]);
        assert_eq!(turns(&[OWNER, OWNER, REMOTE, REMOTE, OTHER]), [0, 1, 4, 0, 1, 4]);
        let away = Place { is_connected: false, ..OWNER };
        assert_eq!(turns(&[OWNER, REMOTE, away, OTHER]), [0, 2, 3, 0, 2]);
    }

    #[test]
    fn another_datacenter_is_asked_where_no_owner_at_home_is_connected() {
        let away = Place { is_connected: false, ..OWNER };
        assert_eq!(turns(&[away, REMOTE, OTHER]), [0, 1, 2, 0]);
        assert_eq!(turns(&[REMOTE, REMOTE, OTHER]), [0, 1, 2, 0], "the keyspace is not kept here");
    }

    #[test]
    fn where_owners_are_unknown_any_node_at_home_will_do() {
        let remote = Place { is_owner: false, ..REMOTE };
        assert_eq!(turns(&[OTHER, remote, OTHER]), [0, 2, 0, 2]);
        let away = Place { is_connected: false, ..OTHER };
        assert_eq!(turns(&[away, remote]), [0, 1, 0]);
        assert_eq!(next(&[], 0), 0);
    }
}
