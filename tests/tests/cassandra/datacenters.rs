//! Two datacenters behind a tunnel: each node has another address for us than for the cluster, and only those of one
//! datacenter are asked.

use std::time::Duration;

use etl_tests::bed::{Process, until};
use etl_tests::cassandra::Keyspace;
use etl_tests::cluster::Cluster;
use etl_tests::cql_text;
use etl_tests::customers::{Row, assert_same, rows_of};
use etl_tests::proxy::Proxy;

use crate::bed::{Gate, Load};
use crate::nodes::{number_of, scans_of};

const COPIES: &str = "{'class': 'NetworkTopologyStrategy', 'datacenter1': 1, 'datacenter2': 1}";
const ROWS: i32 = 5_000;

/// A cluster of a node in each of two datacenters, with a way to each that the cluster does not know.
struct Tunnels {
    load: Load,
    ways: Vec<Proxy>,
    expected: Vec<Row>,
}

impl Tunnels {
    async fn dig(cluster: &Cluster) -> Tunnels {
        let load = Load::from(Keyspace::on(&cluster.access, "load_dcs", COPIES).await, "dcs").await;
        load.tables("t", "(id int PRIMARY KEY, v text)", "(id int, v text)").await;
        let rows = (0..ROWS).map(|id| (id, format!("v{id} {}", "x".repeat(100))));
        load.keyspace.insert("INSERT INTO t (id, v) VALUES (?, ?)", rows).await;
        // A write waits for its own datacenter alone.
        for node in load.keyspace.session.get_cluster_state().get_nodes_info() {
            let all = async || number_of(&load, node, "SELECT count(*) FROM t").await == i64::from(ROWS);
            until("all copies", async || all().await.then_some(())).await;
        }
        let expected = cql_text::rows_of(&load.keyspace.session, "SELECT id, v FROM t").await;
        assert_eq!(expected.len(), ROWS as usize);
        let mut ways = Vec::new();
        for host in &cluster.access.hosts {
            ways.push(Proxy::start(host.parse().unwrap(), Duration::ZERO).await);
        }
        Tunnels { load, ways, expected }
    }

    /// A recipe that knows the way to node 1 and where the others are.
    fn recipe(&self, source: &str) {
        let map = self.load.keyspace.access.hosts.iter().zip(&self.ways);
        let map = map.map(|(host, way)| format!("\"{host}\" = \"127.0.0.1:{}\"", way.port));
        let map = map.collect::<Vec<_>>().join(", ");
        self.load.bed.recipe(&format!(
            "[source.cassandra]\nhosts = [\"127.0.0.1:{}\"]\naddress_map = {{ {map} }}\n{source}\n\
             [run]\nstreams = 3\nchunk_rows = 100\n{}",
            self.ways[0].port,
            self.load.table("t")
        ));
    }

    /// How many scans each datacenter's node has coordinated.
    async fn scans(&self) -> [i64; 2] {
        [self.scans_in("datacenter1").await, self.scans_in("datacenter2").await]
    }

    async fn scans_in(&self, datacenter: &str) -> i64 {
        let state = self.load.keyspace.session.get_cluster_state();
        let mut nodes = state.get_nodes_info().iter();
        let node = nodes.find(|node| node.datacenter.as_deref() == Some(datacenter)).unwrap();
        scans_of(&self.load, node).await
    }

    /// Loads all anew; how many scans it took in each datacenter.
    async fn load(&self) -> [i64; 2] {
        self.load.bed.sql("TRUNCATE t").await;
        let before = self.scans().await;
        self.load.bed.etl(["--fresh", "--yes"]).run().code(0);
        self.is_loaded().await;
        let after = self.scans().await;
        [after[0] - before[0], after[1] - before[1]]
    }

    async fn is_loaded(&self) {
        assert_same(&self.expected, &rows_of(&self.load.bed.client, "SELECT id, v FROM t").await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_datacenter_that_is_meant_is_read_through_its_tunnel_and_others_if_allowed() {
    let cluster = Cluster::start(&["--nodes", "2", "--datacenters", "2"]);
    let tunnels = Tunnels::dig(&cluster).await;

    tunnels.recipe("");
    let (own, other) = (tunnels.ways[0].turns(), tunnels.ways[1].turns());
    let scans = tunnels.load().await;
    assert!(scans[0] > 0 && scans[1] == 0, "the datacenter of the host that answers: {scans:?}");
    assert!(tunnels.ways[0].turns() > own && tunnels.ways[1].turns() == other, "through its tunnel alone");

    for allowed in [false, true] {
        tunnels.recipe(&format!("datacenter = \"datacenter2\"\nallow_remote = {allowed}\n"));
        let before = tunnels.ways[1].turns();
        let scans = tunnels.load().await;
        assert!(scans[0] == 0 && scans[1] > 0, "the one that is named, allow_remote = {allowed}: {scans:?}");
        assert!(tunnels.ways[1].turns() > before, "another way was taken");
    }

    // Its only node dies in the middle.
    tunnels.load.bed.sql("TRUNCATE t").await;
    let before = tunnels.scans_in("datacenter1").await;
    let gate = Gate::close(&tunnels.load.bed, "t").await;
    tunnels.load.bed.sql("DELETE FROM etl.ledger").await;
    gate.open(1).await;
    let mut etl = Process::of(tunnels.load.bed.etl(["--fresh", "--yes"]));
    gate.reached(1, &mut etl).await;
    assert!(!etl.has_ended());
    cluster.kill_node(2);
    gate.open(i64::MAX).await;
    etl.finish().await.code(0);
    tunnels.is_loaded().await;
    assert!(tunnels.scans_in("datacenter1").await > before, "who was asked instead?");
}
