//! Nodes that die, hang or are cut off in the middle of a load, one by one, two at once and all of them: the run goes on
//! through the others, takes nodes back when they are well again, and loads every row once. Three proxies before one
//! PostgreSQL are three nodes of one cluster.

#![allow(clippy::print_stderr, reason = "how long it took is worth knowing")]

use std::net::SocketAddr;
use std::time::Instant;

use etl_tests::bed::{Bed, Process, until};
use etl_tests::customers::{self, WithRejects, csv_with_rejects};
use etl_tests::faults::FaultProxy;
use etl_tests::harness::Ran;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};

const HOSTS: [&str; 3] = ["127.0.0.1", "127.0.0.2", "127.0.0.3"];

/// As fast as a run may notice, so that a test need not wait long.
const TIMES: &str = "stall_timeout = \"1 s\"\nprobe_timeout = \"500 ms\"\nconnect_timeout = \"4 s\"\ngive_up_after = \"2 min\"";

/// What happens to a node.
#[derive(Clone, Copy, Debug)]
enum Fault {
    /// Its connections are reset, new ones refused.
    Killed,
    /// Connections stay, and new ones are taken; nothing is answered, and nothing lost.
    Paused,
    /// The same, but what is sent meanwhile is lost: half-open connections.
    CutOff,
}

/// What `[target.postgres]` says of times: `ETL_TEST_NODE_TIMES`, to see how long the defaults take.
fn times() -> String {
    std::env::var("ETL_TEST_NODE_TIMES").unwrap_or_else(|_| TIMES.into())
}

/// A load through three nodes, as slow as the test wants it.
struct Nodes {
    bed: Bed,
    proxies: Vec<FaultProxy>,
    customers: WithRejects,
}

impl Nodes {
    async fn new(database: &str, times: &str, chunk_rows: u32) -> Nodes {
        let bed = Bed::new(database).await;
        let customers = csv_with_rejects(30_000, 10, 5000);
        bed.sql(customers::TABLE).await;
        bed.sql(&customers.constraint).await;
        bed.sql(
            "CREATE TABLE pace (seconds float8); INSERT INTO pace VALUES (0.7); \
             CREATE FUNCTION pause() RETURNS trigger LANGUAGE plpgsql AS \
             $$ BEGIN PERFORM pg_sleep(seconds) FROM public.pace; RETURN NULL; END $$; \
             CREATE TRIGGER pause AFTER INSERT ON customers FOR EACH STATEMENT EXECUTE FUNCTION pause()",
        )
        .await;
        bed.folder.write("customers.csv", &customers.file);
        let server = SocketAddr::from(([127, 0, 0, 1], bed.server.port));
        let mut proxies = Vec::new();
        for host in HOSTS {
            proxies.push(FaultProxy::start(host, server).await);
        }
        let hosts: Vec<String> = proxies.iter().map(|proxy| proxy.address.to_string()).collect();
        let url = format!("postgres://{}@{}/{database}", bed.server.user, hosts.join(","));
        let run = format!(
            "[run]\nstreams = 6\nsplit_bytes = \"4 KiB\"\nchunk_rows = {chunk_rows}\nmax_rejects = 10000"
        );
        bed.recipe_to(&url, &format!("{times}\n{run}\n{}", customers::recipe_table("customers.csv")));
        Nodes { bed, proxies, customers }
    }

    /// How many streams are on each node, as far as the server knows.
    async fn spread(&self) -> Vec<i64> {
        let mut spread = Vec::new();
        for host in HOSTS {
            let streams = format!(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                 AND application_name LIKE 'etl/{host}/%'"
            );
            spread.push(self.bed.number(&streams).await);
        }
        spread
    }

    async fn start(&self) -> Process {
        let mut etl = self.bed.start();
        self.evenly(&mut etl, "at first").await;
        until("a chunk", async || (self.bed.progress().await.chunks > 0).then_some(())).await;
        etl
    }

    /// Waits until every node has its share.
    async fn evenly(&self, etl: &mut Process, when: &str) {
        until(&format!("two streams on each node {when}"), async || {
            assert!(!etl.has_ended(), "it ended {when}");
            (self.spread().await == [2, 2, 2]).then_some(())
        })
        .await;
    }

    /// Waits until each other node has its share, and the load has moved on without those.
    async fn without(&self, etl: &mut Process, down: &[usize]) {
        let (before, struck) = (self.bed.progress().await.chunks, Instant::now());
        until(&format!("all streams to be spread elsewhere than on {down:?}"), async || {
            assert!(!etl.has_ended(), "it ended without {down:?}");
            let spread = self.spread().await;
            let share = 6 / (3 - down.len() as i64);
            (0..3).all(|node| down.contains(&node) || spread[node] == share).then_some(())
        })
        .await;
        eprintln!("all streams elsewhere than on {down:?} after {:?}", struck.elapsed());
        until(&format!("chunks without {down:?}"), async || {
            assert!(!etl.has_ended(), "it ended without {down:?}");
            (self.bed.progress().await.chunks > before + 8).then_some(())
        })
        .await;
    }

    async fn strike(&mut self, node: usize, fault: Fault) {
        match fault {
            Fault::Killed => self.proxies[node].kill().await,
            Fault::Paused => self.proxies[node].pause(),
            Fault::CutOff => self.proxies[node].black_hole(),
        }
    }

    async fn heal(&mut self, node: usize) {
        self.proxies[node].accept().await;
        self.proxies[node].resume();
    }

    async fn strike_all(&mut self, fault: Fault) {
        for node in 0..3 {
            self.strike(node, fault).await;
        }
    }

    async fn heal_all(&mut self) {
        for node in 0..3 {
            self.heal(node).await;
        }
    }

    /// Lets the load run to its end.
    async fn finish(&self, etl: Process) -> Ran {
        self.bed.sql("UPDATE pace SET seconds = 0").await;
        etl.finish().await
    }

    /// The same command loads what is left.
    async fn is_completed(&self) {
        self.bed.quiet().await;
        self.bed.start().finish().await.code(8);
        self.is_exact().await;
    }

    async fn is_exact(&self) {
        self.customers.is_loaded_by(&self.bed.client).await;
        assert_eq!(self.bed.is_finished().await, self.customers.rows() as i64);
    }
}

/// Strikes and heals groups of nodes, one after the other, in one load.
async fn survives(database: &str, strikes: &[(&[usize], Fault)]) {
    // Enough chunks that the load lasts until the last node is back, however long that takes.
    let mut nodes = Nodes::new(database, &times(), 25).await;
    let mut etl = nodes.start().await;
    for (down, fault) in strikes {
        for node in *down {
            nodes.strike(*node, *fault).await;
        }
        nodes.without(&mut etl, down).await;
        for node in *down {
            nodes.heal(*node).await;
        }
        nodes.evenly(&mut etl, &format!("after {fault:?} of {down:?}")).await;
    }
    nodes.finish(etl).await.code(8);
    nodes.is_exact().await;
}

#[tokio::test]
async fn nodes_that_are_killed_one_by_one_and_two_at_once_are_done_without_and_taken_back() {
    let strikes: [(&[usize], Fault); 4] =
        [(&[0], Fault::Killed), (&[1], Fault::Killed), (&[2], Fault::Killed), (&[0, 2], Fault::Killed)];
    survives("nodes_killed", &strikes).await;
}

#[tokio::test]
async fn nodes_that_hang_or_are_cut_off_are_noticed_done_without_and_taken_back() {
    let strikes: [(&[usize], Fault); 3] =
        [(&[0, 1], Fault::Paused), (&[1], Fault::CutOff), (&[1, 2], Fault::CutOff)];
    survives("nodes_hanging", &strikes).await;
}

#[tokio::test]
async fn a_run_without_any_node_waits_for_them_and_goes_on() {
    let mut nodes = Nodes::new("nodes_none", TIMES, 50).await;
    let etl = nodes.start().await;
    nodes.strike_all(Fault::Killed).await;
    nodes.bed.quiet().await;
    let before = nodes.bed.progress().await;
    assert!(before.is_midway());
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    nodes.heal_all().await;
    nodes.finish(etl).await.code(8);
    nodes.is_exact().await;
}

#[tokio::test]
async fn a_run_that_waited_too_long_for_a_node_stops_and_the_same_command_continues() {
    // Progress is told every five seconds.
    let times = TIMES.replace("2 min", "9 s");
    let mut nodes = Nodes::new("nodes_given_up", &times, 50).await;
    let etl = nodes.start().await;
    nodes.strike_all(Fault::Killed).await;
    // The wait is seen while it lasts.
    nodes.finish(etl).await.code(5).says(&["no node answers: giving up in ", "continue with: "]);
    nodes.heal_all().await;
    nodes.bed.quiet().await;
    assert!(nodes.bed.progress().await.is_midway());
    nodes.is_completed().await;
}

/// Nothing is refused and nothing answered: what it still wants to ask at its end must not keep it.
#[tokio::test]
async fn a_run_that_is_cut_off_from_every_node_stops_too() {
    let mut nodes = Nodes::new("nodes_cut_off", &TIMES.replace("2 min", "2 s"), 50).await;
    let etl = nodes.start().await;
    nodes.strike_all(Fault::CutOff).await;
    nodes.finish(etl).await.code(5).says(&["continue with: "]);
    nodes.heal_all().await;
    nodes.is_completed().await;
}

/// The first node has the connection that the ledger is asked through, also about each row that is refused.
#[tokio::test]
async fn a_node_that_hangs_for_good_keeps_neither_refused_rows_nor_the_end_waiting() {
    let mut nodes = Nodes::new("nodes_no_return", TIMES, 50).await;
    let etl = nodes.start().await;
    nodes.strike(0, Fault::Paused).await;
    nodes.finish(etl).await.code(8);
    nodes.is_exact().await;
}

#[tokio::test]
async fn a_run_that_is_cut_off_from_every_node_still_stops_when_it_is_told_to() {
    let mut nodes = Nodes::new("nodes_stopped", TIMES, 50).await;
    let etl = nodes.start().await;
    nodes.strike_all(Fault::CutOff).await;
    etl.signal(libc::SIGINT);
    nodes.finish(etl).await.code(130).says(&["stopped; the same command continues"]);
    nodes.heal_all().await;
    nodes.is_completed().await;
}

/// Lets probes and control connections through, and hangs up on every stream.
async fn without_streams(server: u16) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut first = [0; 1024];
                let length = client.peek(&mut first).await.unwrap_or(0);
                if String::from_utf8_lossy(&first[..length]).contains("etl/control/") {
                    let mut server = TcpStream::connect(("127.0.0.1", server)).await.expect("the server");
                    let _ = copy_bidirectional(&mut client, &mut server).await;
                }
            });
        }
    });
    port
}

#[tokio::test]
async fn a_node_that_answers_probes_and_gives_no_session_is_given_up_too() {
    let bed = Bed::new("nodes_no_session").await;
    bed.sql("CREATE TABLE t (id int)").await;
    bed.folder.write("data.csv", "id\n1\n");
    let port = without_streams(bed.server.port).await;
    let url = format!("postgres://{}@127.0.0.1:{port}/{}?sslmode=disable", bed.server.user, bed.database);
    let table = "[[tables]]\nfrom = \"data.csv\"\ninto = \"public.t\"\n";
    bed.recipe_to(&url, &format!("give_up_after = \"3 s\"\n[run]\nstreams = 2\n{table}"));
    let ran = bed.start().finish().await.code(5);
    ran.says(&["node set aside", &format!("127.0.0.1:{port}"), "continue with: "]);
    bed.recipe(table);
    bed.run().code(0);
    assert_eq!(bed.number("SELECT count(*) FROM t").await, 1);
}
