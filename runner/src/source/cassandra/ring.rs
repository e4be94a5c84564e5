//! What is known of the ring before it is cut: its tokens with the nodes that have them, and how much is stored
//! where. Must not know how it is cut.
//!
//! Source: `system.size_estimates` of Apache Cassandra, in which each node speaks of its own primary ranges and of
//! what it has flushed; several minutes old unless the node is told otherwise.

use std::collections::HashMap;
use std::sync::Arc;

use scylla::cluster::Node;
use scylla::policies::load_balancing::{NodeIdentifier, SingleTargetLoadBalancingPolicy};
use scylla::response::query_result::QueryRowsResult;
use scylla::statement::unprepared::Statement;
use uuid::Uuid;

use super::cluster::Cluster;
use super::name::TableName;
use super::nodes::owners;

/// The ring of one table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ring {
    /// Each token, which ends a range, and which of `owners` has that range.
    pub tokens: Vec<(i64, usize)>,
    /// Sets of nodes of the local datacentre, by their addresses.
    pub owners: Vec<Vec<String>>,
    /// What nodes say is stored in a range: (start, end, bytes). Ranges may wrap around, overlap, be missing.
    pub estimates: Vec<(i64, i64, u64)>,
    /// The mean size of a partition in bytes, where anything is known.
    pub partition_bytes: Option<u64>,
}

/// Asks all nodes that can be reached about a table. Estimates that cannot be had are left out.
pub(super) async fn ring(cluster: &Cluster, name: &TableName) -> Ring {
    let state = cluster.client.session.get_cluster_state();
    let datacenter = Some(&*cluster.client.datacenter);
    let mut ring = Ring::default();
    let mut sets: HashMap<Vec<Uuid>, usize> = HashMap::new();
    for (token, _) in state.replica_locator().ring().iter() {
        let nodes = owners(&state, name, datacenter, token.value());
        let mut ids: Vec<Uuid> = nodes.iter().map(|node| node.host_id).collect();
        ids.sort_unstable();
        let set = *sets.entry(ids).or_insert_with(|| {
            ring.owners.push(nodes.iter().map(|node| node.address.to_string()).collect());
            ring.owners.len() - 1
        });
        ring.tokens.push((token.value(), set));
    }
    let (mut bytes, mut partitions) = (0u64, 0u64);
    for node in state.get_nodes_info() {
        for (start, end, mean, count) in estimates(cluster, name, node).await.unwrap_or_default() {
            ring.estimates.push((start, end, mean.saturating_mul(count)));
            bytes = bytes.saturating_add(mean.saturating_mul(count));
            partitions = partitions.saturating_add(count);
        }
    }
    ring.partition_bytes = bytes.checked_div(partitions);
    ring
}

/// What one node says: (start, end, mean size of a partition, partitions).
async fn estimates(
    cluster: &Cluster,
    name: &TableName,
    node: &Arc<Node>,
) -> Option<Vec<(i64, i64, u64, u64)>> {
    if !node.is_connected() {
        return None;
    }
    let mut query = Statement::new(
        "SELECT range_start, range_end, mean_partition_size, partitions_count FROM system.size_estimates \
         WHERE keyspace_name = ? AND table_name = ?",
    );
    let this_one = NodeIdentifier::HostId(node.host_id);
    query.set_load_balancing_policy(Some(SingleTargetLoadBalancingPolicy::new(this_one, None)));
    let answer = cluster.client.session.query_unpaged(query, (&name.keyspace, &name.table)).await;
    match answer.ok().and_then(|answer| answer.into_rows_result().ok()) {
        Some(rows) => read(&rows),
        None => {
            tracing::info!(node = %node.address, "no size estimates");
            None
        }
    }
}

fn read(rows: &QueryRowsResult) -> Option<Vec<(i64, i64, u64, u64)>> {
    let mut found = Vec::new();
    for row in rows.rows::<(&str, &str, i64, i64)>().ok()? {
        let (start, end, mean, count) = row.ok()?;
        let size = |number: i64| u64::try_from(number).unwrap_or(0);
        found.push((start.parse().ok()?, end.parse().ok()?, size(mean), size(count)));
    }
    Some(found)
}
