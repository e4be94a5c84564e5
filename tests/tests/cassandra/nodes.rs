//! Three nodes with two copies of each row: who is asked for what, and what becomes of a load when one of them dies.

use etl_tests::bed::Process;
use etl_tests::cassandra::{Keyspace, ONE_COPY};
use etl_tests::cluster::Cluster;
use etl_tests::cql_text;
use etl_tests::customers::{Row, assert_same, rows_of};
use scylla::cluster::Node;
use scylla::policies::load_balancing::{NodeIdentifier, SingleTargetLoadBalancingPolicy};
use scylla::statement::Statement;

use crate::bed::{Gate, Load};

const COPIES: &str = "{'class': 'NetworkTopologyStrategy', 'datacenter1': 2}";
const ROWS: i32 = 10_000;

/// How many reads of ranges of table `t` a node has coordinated so far: each knows of itself alone.
pub(crate) async fn scans_of(load: &Load, node: &Node) -> i64 {
    let query = format!(
        "SELECT \"count\" FROM system_views.coordinator_scan_latency \
         WHERE keyspace_name = '{}' AND table_name = 't'",
        load.keyspace.name
    );
    number_of(load, node, &query).await
}

/// The bigint that one node answers a query with.
pub(crate) async fn number_of(load: &Load, node: &Node, query: &str) -> i64 {
    let mut query = Statement::new(query);
    let this_one = NodeIdentifier::HostId(node.host_id);
    query.set_load_balancing_policy(Some(SingleTargetLoadBalancingPolicy::new(this_one, None)));
    let answer = load.keyspace.session.query_unpaged(query, &[]).await.unwrap();
    answer.into_rows_result().unwrap().single_row::<(i64,)>().unwrap().0
}

/// The same of each node, by its address.
async fn scans(load: &Load) -> Vec<(String, i64)> {
    let mut scans = Vec::new();
    for node in load.keyspace.session.get_cluster_state().get_nodes_info() {
        scans.push((node.address.to_string(), scans_of(load, node).await));
    }
    scans.sort();
    scans
}

/// What came on top of `before`.
async fn scans_since(load: &Load, before: &[(String, i64)]) -> Vec<(String, i64)> {
    let now = scans(load).await.into_iter().zip(before);
    now.map(|((node, now), (_, before))| (node, now - before)).collect()
}

/// A load of an empty target in which something happens behind the first chunk.
async fn load_with(load: &Load, consistency: &str, happens: impl FnOnce(&mut Process)) -> Process {
    load.bed
        .sql("TRUNCATE t; DROP TABLE IF EXISTS public.gate; DROP FUNCTION IF EXISTS public.pass CASCADE")
        .await;
    let run = format!("[run]\nstreams = 3\nchunk_rows = 200\n{}", load.table("t"));
    load.recipe(&format!("consistency = \"{consistency}\"\n"), &run);
    // Only the chunks of this load.
    load.bed
        .sql(
            "DO $$ BEGIN IF to_regclass('etl.ledger') IS NOT NULL THEN DELETE FROM etl.ledger; END IF; END $$",
        )
        .await;
    let gate = Gate::close(&load.bed, "t").await;
    gate.open(1).await;
    let mut etl = Process::of(load.bed.etl(["--fresh", "--yes"]));
    gate.reached(1, &mut etl).await;
    assert!(!etl.has_ended());
    happens(&mut etl);
    gate.open(i64::MAX).await;
    etl
}

/// A node is killed, and comes back or not.
async fn load_with_a_kill(load: &Load, cluster: &Cluster, consistency: &str, node: usize, restart: bool) {
    let mut etl = load_with(load, consistency, |_| cluster.kill_node(node)).await;
    if restart {
        // It does not give up while a busy machine takes its time to start the node.
        etl.says("reading again").await;
        etl.signal(libc::SIGSTOP);
        cluster.restart_node(node);
        etl.signal(libc::SIGCONT);
    }
    etl.finish().await.code(0);
}

/// A node is there, holds its connections, and answers nothing: the others are read, as soon as it is missed.
async fn load_with_a_pause(load: &Load, cluster: &Cluster, consistency: &str, node: usize) {
    let etl = load_with(load, consistency, |_| cluster.pause_node(node)).await;
    let ran = etl.finish().await;
    cluster.resume_node(node);
    ran.code(0).says(&["reading again"]);
}

#[tokio::test]
async fn three_nodes_are_all_asked_for_what_they_have_and_one_may_die() {
    let cluster = Cluster::start(&["--nodes", "3"]);
    let load = Load::from(Keyspace::on(&cluster.access, "load_nodes", COPIES).await, "nodes").await;
    load.tables("t", "(id int PRIMARY KEY, v text)", "(id int, v text)").await;
    let rows = (0..ROWS).map(|id| (id, format!("v{id} {}", "x".repeat(100))));
    load.keyspace.insert("INSERT INTO t (id, v) VALUES (?, ?)", rows).await;
    let expected = cql_text::rows_of(&load.keyspace.session, "SELECT id, v FROM t").await;
    assert_eq!(expected.len(), ROWS as usize);

    let alone = Keyspace::on(&cluster.access, "load_nodes1", ONE_COPY).await;
    alone.cql("CREATE TABLE t (id int PRIMARY KEY)").await;
    alone.insert("INSERT INTO t (id) VALUES (?)", (0..500).map(|id| (id,))).await;

    owners_alone_are_asked(&load).await;

    let before = scans(&load).await;
    load.load("t").code(0);
    is_loaded(&load, &expected).await;
    let asked = scans_since(&load, &before).await;
    // How evenly depends on how fast each one answers: who has the fewest readers is asked first.
    assert!(asked.len() == 3 && asked.iter().all(|(_, scans)| *scans > 0), "{asked:?}");

    load_with_a_pause(&load, &cluster, "LOCAL_ONE", 3).await;
    is_loaded(&load, &expected).await;
    a_quorum_of_three_goes_on_without_the_third(&cluster).await;

    // Both copies must answer: the load waits until the node is back.
    load_with_a_kill(&load, &cluster, "LOCAL_QUORUM", 3, true).await;
    is_loaded(&load, &expected).await;
    assert_eq!(alone.number("SELECT count(*) FROM t").await, 500, "a killed node comes back with its data");
    load_with_a_kill(&load, &cluster, "LOCAL_ONE", 2, false).await;
    is_loaded(&load, &expected).await;
}

async fn a_quorum_of_three_goes_on_without_the_third(cluster: &Cluster) {
    let copies = "{'class': 'NetworkTopologyStrategy', 'datacenter1': 3}";
    let load = Load::from(Keyspace::on(&cluster.access, "load_nodes3", copies).await, "nodes3").await;
    load.tables("t", "(id int PRIMARY KEY, v text)", "(id int, v text)").await;
    let rows = (0..ROWS).map(|id| (id, format!("v{id} {}", "x".repeat(100))));
    load.keyspace.insert("INSERT INTO t (id, v) VALUES (?, ?)", rows).await;
    let expected = cql_text::rows_of(&load.keyspace.session, "SELECT id, v FROM t").await;
    load_with_a_pause(&load, cluster, "LOCAL_QUORUM", 2).await;
    is_loaded(&load, &expected).await;
}

/// A range whose owners are known is read from them, and the third node hears nothing of it.
async fn owners_alone_are_asked(load: &Load) {
    load.recipe("consistency = \"LOCAL_ONE\"\n", &load.table("t"));
    let plan = load.bed.folder.etl(["plan", "recipe.toml", "--json"]).run().code(0).json();
    let splits = plan["files"][0]["splits"].as_array().unwrap().clone();
    assert!(splits.len() >= 32, "four for each stream: {splits:?}");
    let mut seen = 0;
    for split in splits.iter().filter(|split| split["owners"].is_array()).take(4) {
        let owners: Vec<&str> =
            split["owners"].as_array().unwrap().iter().map(|o| o.as_str().unwrap()).collect();
        assert_eq!(owners.len(), 2, "{split}");
        let range = format!("token_range = [{}, {}]\n", split["token"], split["end"]);
        load.recipe("consistency = \"LOCAL_ONE\"\n", &format!("{}{range}", load.table("t")));
        let before = scans(load).await;
        let folder = format!("out-{}", split["token"]);
        load.bed.etl(["--to", &folder]).run().code(0);
        for (node, scans) in scans_since(load, &before).await {
            assert!(scans == 0 || owners.contains(&node.as_str()), "{node} is asked for {split}");
            seen += scans;
        }
    }
    assert!(seen >= 4, "nobody was asked: {seen}");
}

async fn is_loaded(load: &Load, expected: &[Row]) {
    assert_same(expected, &rows_of(&load.bed.client, "SELECT id, v FROM t").await);
    assert_eq!(load.bed.is_finished().await, i64::from(ROWS));
}
