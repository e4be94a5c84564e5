//! How streams are spread over the nodes of a target, as the server sees it, and which targets are refused.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use etl::copy::postgres::connect::{Cluster, PROBES};
use etl::copy::postgres::environment::Environment;
use etl::copy::postgres::settings::Settings;
use etl_tests::bed::{Bed, until};
use etl_tests::customers::{self, assert_same, csv, expected, loaded, rows_of};
use etl_tests::postgres::Server;
use etl_tests::server::{DEAD_PORT, PrivateServer, Setup};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

/// A `yb_servers()` with YugabyteDB's columns, from (host, port, node type).
fn yb_servers(rows: &[(&str, u16, &str)]) -> String {
    let row = |(host, port, kind): &(&str, u16, &str)| {
        format!("('{host}', {port}, 0, '{kind}', 'c', 'r', 'z', '', md5('{host}'))")
    };
    format!(
        "CREATE FUNCTION yb_servers() RETURNS TABLE (host text, port bigint, num_connections bigint, \
         node_type text, cloud text, region text, zone text, public_ip text, uuid text) \
         LANGUAGE sql AS $$ VALUES {} $$",
        rows.iter().map(row).collect::<Vec<_>>().join(", ")
    )
}

/// The streams' sessions: node by name, and the address and port that they come from.
const SESSIONS: &str = "SELECT split_part(application_name, '/', 2), host(client_addr), client_port::text, \
     application_name FROM pg_stat_activity \
     WHERE datname = current_database() AND application_name LIKE 'etl/127%'";

/// The local address of the server's end of a connection, as the kernel sees it: what `inet_server_addr()` answers
/// in that session. More than one, where connections to other addresses of the server came from the same port.
fn server_addresses(server_port: u16, client: &str, client_port: &str) -> Vec<String> {
    let table = std::fs::read_to_string("/proc/net/tcp").expect("Linux");
    let address = |text: &str| -> Option<(String, u16)> {
        let (address, port) = text.split_once(':')?;
        let bytes = u32::from_str_radix(address, 16).ok()?.to_le_bytes();
        Some((std::net::Ipv4Addr::from(bytes).to_string(), u16::from_str_radix(port, 16).ok()?))
    };
    let ends = table.lines().skip(1).filter_map(|line| {
        let mut words = line.split_whitespace().skip(1);
        let (local, remote) = (address(words.next()?)?, address(words.next()?)?);
        let ours = local.1 == server_port && remote == (client.into(), client_port.parse().ok()?);
        ours.then_some(local.0)
    });
    ends.collect()
}

#[tokio::test]
async fn thirty_two_streams_on_three_nodes_are_eleven_eleven_and_ten() {
    let bed = Bed::new("balance_three").await;
    let port = bed.server.port;
    bed.sql(customers::TABLE).await;
    bed.sql(&yb_servers(&[
        ("127.0.0.1", port, "primary"),
        ("127.0.0.2", port, "primary"),
        ("127.0.0.3", port, "primary"),
    ]))
    .await;
    let file = csv(20_000);
    bed.folder.write("customers.csv", &file);
    let table = customers::recipe_table("customers.csv");
    // However long it takes until all of them wait, none of them looks whether its node is there.
    bed.recipe(&format!("stall_timeout = \"10 min\"\n[run]\nstreams = 32\n{table}"));

    let locker = bed.server.client(&bed.database).await;
    locker.batch_execute("BEGIN; LOCK TABLE customers IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let report = bed.folder.path("report.json");
    let etl = etl_tests::bed::Process::of(bed.etl(["-v", "--report", &report.display().to_string()]));
    let blocked = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                   AND application_name LIKE 'etl/127%' AND wait_event_type = 'Lock'";
    until("32 sessions that wait for the table", async || (bed.number(blocked).await >= 32).then_some(()))
        .await;

    let sessions = rows_of(&bed.client, SESSIONS).await;
    let mut nodes: BTreeMap<String, usize> = BTreeMap::new();
    for session in &sessions {
        let [node, client, client_port, name] = session.each_text();
        *nodes.entry(node.into()).or_default() += 1;
        let addresses = server_addresses(port, client, client_port);
        assert!(addresses.iter().any(|address| address == node), "{name}: {addresses:?}");
        let parts: Vec<&str> = name.split('/').collect();
        assert_eq!((parts.len(), parts[3]), (4, "public.customers"), "{name}");
    }
    let spread = [("127.0.0.1", 11), ("127.0.0.2", 11), ("127.0.0.3", 10)];
    assert_eq!(nodes, spread.map(|(node, streams)| (node.to_string(), streams)).into());
    let control = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                   AND application_name LIKE 'etl/control/%'";
    assert_eq!(bed.number(control).await, 1);

    locker.batch_execute("COMMIT").await.unwrap();
    let ran = etl.finish().await.code(0);
    // Each stream says where the server itself thinks that it is.
    for (node, streams) in spread {
        let server = format!("node=\"{node}\" server=\"{node}\"");
        let lines =
            ran.stderr.lines().filter(|line| line.contains("stream opened") && line.contains(&server));
        assert_eq!(lines.count(), streams, "{ran:?}");
    }
    assert_same(&expected(&file), &loaded(&bed.client).await);
    let report: serde_json::Value = serde_json::from_slice(&std::fs::read(report).unwrap()).unwrap();
    let nodes = report["nodes"].as_array().unwrap();
    let share = |node: &serde_json::Value| (node["address"].clone(), node["streams"].clone());
    let wanted = spread.map(|(node, streams)| (format!("{node}:{port}").into(), streams.into()));
    assert_eq!(nodes.iter().map(share).collect::<Vec<_>>(), wanted);
    assert_eq!(nodes.iter().map(|node| node["rows"].as_u64().unwrap()).sum::<u64>(), 20_000);
}

/// The cells of a row that has no NULL.
trait EachText {
    fn each_text<const N: usize>(&self) -> [&str; N];
}

impl EachText for customers::Row {
    fn each_text<const N: usize>(&self) -> [&str; N] {
        let cells: Vec<&str> = self.iter().map(|cell| cell.as_deref().expect("a text")).collect();
        cells.try_into().expect("the row's cells")
    }
}

#[tokio::test]
async fn a_read_replica_and_a_dead_node_are_left_out_and_it_is_said() {
    let bed = Bed::new("balance_dead").await;
    let (port, dead) = (bed.server.port, DEAD_PORT);
    bed.sql(customers::TABLE).await;
    bed.sql(&yb_servers(&[
        ("127.0.0.1", port, "primary"),
        ("127.0.0.2", port, "read_replica"),
        ("127.0.0.3", dead, "primary"),
    ]))
    .await;
    let file = csv(3000);
    bed.folder.write("customers.csv", &file);
    let table = customers::recipe_table("customers.csv");
    bed.recipe(&format!("[run]\nstreams = 4\n{table}"));
    let dead_node = format!("127.0.0.3:{dead}");
    bed.run().code(0).says(&["note: 1 read replica", "note: node left out", &dead_node]);
    assert_same(&expected(&file), &loaded(&bed.client).await);
    let owners = "SELECT count(*) FROM etl.ledger WHERE owner_address NOT LIKE '127.0.0.1:%'";
    assert_eq!(bed.number(owners).await, 0, "every split was loaded through the one usable node");
}

#[tokio::test]
async fn a_node_that_joins_the_cluster_gets_its_share_of_streams() {
    let bed = Bed::new("balance_joins").await;
    let port = bed.server.port;
    bed.sql(customers::TABLE).await;
    bed.slow_down(500).await;
    let two = [("127.0.0.1", port, "primary"), ("127.0.0.2", port, "primary")];
    bed.sql(&yb_servers(&two)).await;
    let file = csv(20_000);
    bed.folder.write("customers.csv", &file);
    let table = customers::recipe_table("customers.csv");
    let run = "[run]\nstreams = 6\nchunk_rows = 20\nsplit_bytes = \"4 KiB\"";
    bed.recipe(&format!("connect_timeout = \"4 s\"\n{run}\n{table}"));
    let report = bed.folder.path("report.json");
    let mut etl = etl_tests::bed::Process::of(bed.etl(["-v", "--report", &report.display().to_string()]));
    until("a part of it", async || (bed.progress().await.is_midway() || etl.has_ended()).then_some(())).await;
    // At its private address somebody listens and never answers, as long as a connection may take.
    let _silent = std::net::TcpListener::bind(("127.0.0.4", port)).unwrap();
    let three = yb_servers(&[two[0], two[1], ("127.0.0.4", port, "primary")]);
    let three = three.replace("'', md5('127.0.0.4')", "'127.0.0.3', md5('127.0.0.4')");
    bed.sql(&three.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION")).await;
    let spread = "SELECT count(*) FROM (SELECT split_part(application_name, '/', 2) FROM pg_stat_activity \
        WHERE datname = current_database() AND application_name LIKE 'etl/127%' \
        GROUP BY 1 HAVING count(*) = 2) AS nodes";
    until("two streams on each of three nodes", async || {
        assert!(!etl.has_ended(), "too fast");
        (bed.number(spread).await == 3).then_some(())
    })
    .await;
    bed.sql("DROP TRIGGER pause ON customers").await;
    etl.finish().await.code(0).says(&["a new node", "127.0.0.3"]);
    assert_same(&expected(&file), &loaded(&bed.client).await);
    let report: serde_json::Value = serde_json::from_slice(&std::fs::read(report).unwrap()).unwrap();
    let third = &report["nodes"][2];
    assert!(third["address"] == format!("127.0.0.3:{port}") && third["rows"].as_u64() > Some(0), "{report}");
}

#[tokio::test]
async fn nodes_that_yb_servers_lists_and_nobody_can_reach_give_way_to_the_configured_hosts() {
    let bed = Bed::new("balance_fallback").await;
    bed.sql(customers::TABLE).await;
    bed.sql(&yb_servers(&[("127.0.0.1", DEAD_PORT, "primary")])).await;
    let file = csv(500);
    bed.folder.write("customers.csv", &file);
    let table = customers::recipe_table("customers.csv");
    bed.recipe_to(&bed.server.url("127.0.0.2,127.0.0.3", &bed.database), &table);
    bed.run().code(0).says(&["falling back to the configured hosts"]);
    assert_same(&expected(&file), &loaded(&bed.client).await);
}

#[tokio::test]
async fn two_separate_servers_are_no_target() {
    let bed = Bed::new("balance_separate").await;
    let other = Setup::default().start();
    bed.sql(customers::TABLE).await;
    other.psql("CREATE DATABASE balance_separate");
    let client = other_database(&other).await;
    client.batch_execute(customers::TABLE).await.unwrap();
    bed.folder.write("customers.csv", csv(100));
    // One user that both servers know.
    let user = "balance_separate";
    bed.sql(&format!("DROP ROLE IF EXISTS {user}; CREATE ROLE {user} SUPERUSER LOGIN")).await;
    other.psql(&format!("CREATE ROLE {user} SUPERUSER LOGIN"));
    let (here, there) = (bed.server.port, other.port);
    let url = format!("postgres://{user}@127.0.0.1:{here},127.0.0.1:{there}/balance_separate");
    bed.recipe_to(&url, &customers::recipe_table("customers.csv"));
    let ports = [bed.server.port, other.port].map(|port| format!("127.0.0.1:{port}"));
    bed.run().code(5).says(&["different clusters", &ports[0], &ports[1], "name the hosts of one cluster"]);
    assert_eq!(bed.number("SELECT count(*) FROM customers").await, 0);
    let there = client.query_one("SELECT count(*) FROM customers", &[]).await.unwrap();
    assert_eq!(there.get::<_, i64>(0), 0);
}

async fn other_database(server: &PrivateServer) -> tokio_postgres::Client {
    let url = server.url("127.0.0.1", "balance_separate");
    let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

#[tokio::test]
async fn a_right_authority_does_not_make_a_wrong_host_name_right() {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let (authority_key, key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let certificate = CertificateParams::new(vec!["db.example".to_string()]).unwrap();
    let certificate = certificate.signed_by(&key, &Issuer::from_params(&authority, &authority_key)).unwrap();
    let server = Setup::default()
        .setting("ssl", "on")
        .file("server.crt", &certificate.pem())
        .file("server.key", &key.serialize_pem())
        .hba("local all all trust\nhostssl all all all trust\n")
        .start();
    server.psql(customers::TABLE);
    let folder = etl_tests::harness::Folder::new();
    folder.write("authority.pem", authority.self_signed(&authority_key).unwrap().pem());
    let file = csv(200);
    folder.write("customers.csv", &file);
    let run = |host: &str| {
        let url = format!(
            "host={host} hostaddr=127.0.0.1 port={} user=etl dbname=postgres sslmode=verify-full sslrootcert={}",
            server.port,
            folder.path("authority.pem").display()
        );
        let table = customers::recipe_table("customers.csv");
        folder.write("recipe.toml", format!("name = \"t\"\n[target.postgres]\nurl = \"{url}\"\n{table}"));
        folder.etl(["run", "recipe.toml"]).run()
    };
    run("other.example").code(5).says(&["other.example", "db.example"]);
    run("db.example").code(0);
    server.psql("DO $$ BEGIN ASSERT (SELECT count(*) FROM customers) = 200; END $$");
}

/// Hangs up on the next connections, as many as it is told; all others are served.
async fn hangs_up(server: u16) -> (u16, Arc<AtomicUsize>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    let next = Arc::new(AtomicUsize::new(0));
    let left = Arc::clone(&next);
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            if left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_err() {
                let mut server =
                    tokio::net::TcpStream::connect(("127.0.0.1", server)).await.expect("the server");
                tokio::spawn(async move { tokio::io::copy_bidirectional(&mut client, &mut server).await });
            }
        }
    });
    (port, next)
}

#[tokio::test]
async fn two_probes_may_fail_and_a_third_may_not() {
    let server = Server::of_the_test_run();
    drop(server.database("balance_probes").await);
    let (port, hang_ups) = hangs_up(server.port).await;
    let url = format!("postgres://etl@127.0.0.1:{port}/balance_probes?sslmode=disable");
    let cluster =
        Cluster::connect(&Settings::of_url(&url), &Environment::from_iter([("USER", "nobody")]), "test")
            .await
            .unwrap();
    let nodes = cluster.nodes().await.unwrap().nodes;
    for (failures, is_well) in [(0, true), (2, true), (3, false)] {
        hang_ups.store(failures, Relaxed);
        assert_eq!(cluster.probe(&nodes[0], PROBES).await.is_ok(), is_well, "{failures}");
        assert_eq!(hang_ups.load(Relaxed), 0, "each failure is one probe");
    }
}
