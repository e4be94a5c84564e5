//! Connections to real servers: what is tried, what is refused and in which words, how nodes are found.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use etl::copy::error::{Class, Error};
use etl::copy::postgres::backend::Backend;
use etl::copy::postgres::connect::Cluster;
use etl::copy::postgres::environment::Environment;
use etl::copy::postgres::nodes::Node;
use etl::copy::postgres::placement::Placement;
use etl::copy::postgres::session::stream_name;
use etl::copy::postgres::settings::Settings;
use etl::units::Span;
use etl_tests::bed::until;
use etl_tests::postgres::Server;
use etl_tests::server::{DEAD_PORT, Setup};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

/// Nothing of the machine's: no password file, no variables.
fn bare() -> Environment {
    Environment::from_iter([("USER", "nobody")])
}

async fn connect_with(url: &str, variables: &[(&str, &str)]) -> Result<Cluster, Error> {
    let environment = variables.iter().copied().chain([("USER", "nobody")]).collect();
    // A guard against a hanging test, far above every limit in here.
    tokio::time::timeout(
        Duration::from_secs(120),
        Cluster::connect(&Settings::of_url(url), &environment, "test"),
    )
    .await
    .expect("connecting ends by itself")
}

async fn connect(url: &str) -> Result<Cluster, Error> {
    connect_with(url, &[]).await
}

/// The message of a connect that must fail.
async fn refused(url: &str, variables: &[(&str, &str)]) -> String {
    connect_with(url, variables).await.map(|_| ()).expect_err(url).to_string()
}

fn names(nodes: &[Node]) -> Vec<&str> {
    nodes.iter().map(Node::name).collect()
}

/// A `yb_servers()` with YugabyteDB's columns: (host, port, node type).
fn yb_servers(rows: &[(&str, u16, &str)]) -> String {
    let rows: Vec<String> = rows
        .iter()
        .enumerate()
        .map(|(at, (host, port, kind))| {
            format!("('{host}', {port}, 0, '{kind}', 'c', 'r', 'z', '', 'uuid{at}')")
        })
        .collect();
    format!(
        "CREATE FUNCTION yb_servers(OUT host text, OUT port bigint, OUT num_connections bigint, OUT node_type text, \
         OUT cloud text, OUT region text, OUT zone text, OUT public_ip text, OUT uuid text) RETURNS SETOF record \
         LANGUAGE sql AS $$ VALUES {} $$",
        rows.join(", ")
    )
}

#[tokio::test]
async fn the_first_usable_host_gets_the_control_connection_and_its_session_is_pinned() {
    let server = Server::of_the_test_run();
    let client = server.database("connect_control").await;
    client
        .batch_execute(
            "ALTER DATABASE connect_control SET timezone = 'Asia/Tokyo'; \
             ALTER DATABASE connect_control SET datestyle = 'German'; \
             ALTER DATABASE connect_control SET statement_timeout = '1h'; \
             ALTER DATABASE connect_control SET idle_session_timeout = '1h'",
        )
        .await
        .unwrap();
    let dead = DEAD_PORT;
    let url = format!("postgres://etl@127.0.0.1:{dead},127.0.0.2:{}/connect_control", server.port);
    let cluster = connect(&url).await.unwrap();
    assert_eq!(cluster.control.address, format!("127.0.0.2:{}", server.port));
    assert_eq!(cluster.control.server.address.as_deref(), Some("127.0.0.2"));
    assert!(cluster.control.server.version >= 110_000 && !cluster.control.server.yugabyte);
    assert!(cluster.notes[0].contains(&format!("127.0.0.1:{dead}")) && cluster.notes[0].contains("refused"));
    let row = cluster
        .control
        .client
        .query_one(
            "SELECT string_agg(current_setting(s), ',' ORDER BY o), \
             (SELECT application_name FROM pg_stat_activity WHERE pid = pg_backend_pid()) \
             FROM unnest(ARRAY['timezone', 'intervalstyle', 'client_encoding', 'statement_timeout', 'lock_timeout', \
             'idle_in_transaction_session_timeout', 'idle_session_timeout']) WITH ORDINALITY u(s, o)",
            &[],
        )
        .await
        .unwrap();
    assert_eq!(row.get::<_, &str>(0), "UTC,postgres,UTF8,0,1min,0,0");
    assert_eq!(row.get::<_, &str>(1), "etl/control/test");
    let (control, address) = (&cluster.control, &cluster.control.address);
    assert_eq!(control.backend().unwrap(), Backend::read(&control.client, address).await.unwrap());
    let date = cluster.control.client.query_one("SELECT current_setting('datestyle')", &[]).await.unwrap();
    assert!(date.get::<_, &str>(0).starts_with("ISO"));
}

#[tokio::test]
async fn a_silent_host_and_a_refusing_one_are_both_named_with_what_happened() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let (silent_port, dead) = (silent.local_addr().unwrap().port(), DEAD_PORT);
    let settings = Settings {
        connect_timeout: Span(Duration::from_millis(300)),
        ..Settings::of_url(&format!("postgres://u@127.0.0.1:{silent_port},127.0.0.1:{dead}/d"))
    };
    let environment = bare();
    let connecting = Cluster::connect(&settings, &environment, "test");
    let error =
        tokio::time::timeout(Duration::from_secs(60), connecting).await.expect("no hang").unwrap_err();
    assert_eq!(error.class(), Class::Connection);
    let message = error.to_string();
    assert!(
        message.contains(&format!("127.0.0.1:{silent_port}: no usable session within 300ms")),
        "{message}"
    );
    assert!(message.contains(&format!("127.0.0.1:{dead}: connection refused")), "{message}");
    // Longer than a part of a name may be: the resolver knows that without asking anybody.
    let nobody = "x".repeat(64) + ".invalid";
    let message = refused(&format!("postgres://u@{nobody}/d"), &[]).await;
    assert!(message.contains(&format!("{nobody}:5432")) && message.contains("lookup"), "{message}");
}

#[tokio::test]
async fn a_wrong_password_a_missing_one_and_a_missing_database_are_told_apart() {
    let hba = "local all all trust\nhost all nobody all reject\nhost all all all scram-sha-256\n";
    let setup = Setup::default().hba(hba).setting("password_encryption", "scram-sha-256");
    let server = setup.start();
    server.psql("ALTER ROLE etl PASSWORD 'right one'");
    let url = server.url("127.0.0.1", "postgres");
    let missing = refused(&url, &[]).await;
    assert!(missing.contains("PGPASSWORD") && missing.contains(".pgpass"), "{missing}");
    let wrong = refused(&url, &[("PGPASSWORD", "wrong one")]).await;
    assert!(wrong.contains("password of user `etl` is wrong") && wrong.contains("28P01"), "{wrong}");
    assert!(!wrong.contains("wrong one"), "{wrong}");
    let database = refused(&server.url("127.0.0.1", "nowhere"), &[("PGPASSWORD", "right one")]).await;
    assert!(database.contains("no database `nowhere`") && database.contains("3D000"), "{database}");
    let host = refused(&url.replace("etl@", "nobody@"), &[("PGPASSWORD", "x")]).await;
    assert!(host.contains("pg_hba.conf"), "{host}");
    connect_with(&url, &[("PGPASSWORD", "right one")]).await.unwrap();

    let home = tempfile::tempdir().unwrap();
    let pgpass = home.path().join(".pgpass");
    std::fs::write(&pgpass, format!("127.0.0.1:{}:*:etl:right one\n", server.port)).unwrap();
    let home = [("HOME", home.path().to_str().unwrap())];
    std::fs::set_permissions(&pgpass, std::fs::Permissions::from_mode(0o644)).unwrap();
    let ignored = refused(&url, &home).await;
    assert!(ignored.contains("PGPASSWORD") && ignored.contains("chmod 0600"), "{ignored}");
    std::fs::set_permissions(&pgpass, std::fs::Permissions::from_mode(0o600)).unwrap();
    connect_with(&url, &home).await.unwrap();
}

/// An authority and a server certificate that it signed, as PEM: (authority, certificate, key).
fn certificates(names: &[&str]) -> (String, String, String) {
    let mut authority = CertificateParams::new(Vec::new()).expect("a certificate");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority_key = KeyPair::generate().expect("a certificate");
    let authority_pem = authority.self_signed(&authority_key).expect("a certificate").pem();
    let key = KeyPair::generate().expect("a certificate");
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let server = CertificateParams::new(names).expect("a certificate");
    let signed =
        server.signed_by(&key, &Issuer::from_params(&authority, &authority_key)).expect("a certificate");
    (authority_pem, signed.pem(), key.serialize_pem())
}

#[tokio::test]
async fn certificates_are_checked_as_far_as_sslmode_says_also_for_nodes_found_by_address() {
    let (authority, certificate, key) = certificates(&["db.example"]);
    let server = Setup::default()
        .setting("ssl", "on")
        .file("server.crt", &certificate)
        .file("server.key", &key)
        .hba("local all all trust\nhostssl all all all trust\n")
        .start();
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let (right, wrong) = (file("right.pem", &authority), file("wrong.pem", &certificates(&["db.example"]).0));
    let url = |host: &str, rest: &str| {
        format!("host={host} hostaddr=127.0.0.1 port={} user=etl dbname=postgres {rest}", server.port)
    };

    for mode in [
        "prefer",
        "require",
        &format!("verify-ca sslrootcert={right}"),
        &format!("verify-full sslrootcert={right}"),
    ] {
        let cluster = connect(&url("db.example", &format!("sslmode={mode}"))).await.unwrap();
        let ssl = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
        assert!(cluster.control.client.query_one(ssl, &[]).await.unwrap().get::<_, bool>(0), "{mode}");
    }
    // The chain alone: any name will do. As libpq, `require` with an authority checks the chain.
    connect(&url("other.example", &format!("sslmode=verify-ca sslrootcert={right}"))).await.unwrap();
    let name = refused(&url("other.example", &format!("sslmode=verify-full sslrootcert={right}")), &[]).await;
    assert!(name.contains("not for `other.example`") && name.contains("db.example"), "{name}");
    for mode in ["verify-full", "verify-ca", "require"] {
        let signer = refused(&url("db.example", &format!("sslmode={mode} sslrootcert={wrong}")), &[]).await;
        assert!(signer.contains("not signed by the authority") && signer.contains("sslrootcert"), "{signer}");
    }
    let plain = refused(&url("db.example", "sslmode=disable"), &[]).await;
    assert!(plain.contains("sslmode") && plain.contains("28000"), "{plain}");

    let port = server.port;
    server.psql(&yb_servers(&[("127.0.0.2", port, "primary"), ("127.0.0.3", port, "primary")]));
    let cluster =
        connect(&url("db.example", &format!("sslmode=verify-full sslrootcert={right}"))).await.unwrap();
    let found = cluster.nodes().await.unwrap();
    assert_eq!(names(&found.nodes), ["127.0.0.2", "127.0.0.3"], "{:?}", found.notes);
    cluster.verify_one_cluster(&found).await.unwrap();
}

#[tokio::test]
async fn a_server_without_tls_is_refused_where_tls_is_a_must_and_taken_where_it_is_not() {
    let server = Setup::default().start();
    let url = server.url("127.0.0.1", "postgres");
    let message = refused(&format!("{url}?sslmode=require"), &[]).await;
    assert!(message.contains("does not offer TLS"), "{message}");
    connect(&format!("{url}?sslmode=prefer")).await.unwrap();
    let socket =
        format!("host={} port={} user=etl dbname=postgres", server.socket_folder().display(), server.port);
    let local = connect(&format!("{socket} sslmode=verify-full")).await.unwrap();
    assert_eq!(local.control.server.address, None);
    assert_eq!(names(&local.nodes().await.unwrap().nodes), ["local"]);
    let file = refused(&format!("{url}?sslmode=verify-full&sslrootcert=/nowhere.pem"), &[]).await;
    assert!(file.contains("/nowhere.pem"), "{file}");
}

#[tokio::test]
async fn a_standby_is_left_out() {
    let (primary, standby) = (Setup::default().start(), Setup::default().standby().start());
    let alone = refused(&standby.url("127.0.0.1", "postgres"), &[]).await;
    assert!(alone.contains("standby"), "{alone}");
    let url = format!("postgres://etl@127.0.0.1:{},127.0.0.1:{}/postgres", standby.port, primary.port);
    let cluster = connect(&url).await.unwrap();
    assert_eq!(cluster.control.address, format!("127.0.0.1:{}", primary.port));
    assert!(cluster.notes[0].contains("standby"), "{:?}", cluster.notes);
    let found = cluster.nodes().await.unwrap();
    assert_eq!(found.nodes.len(), 1);
    assert!(found.notes[0].contains("standby"), "{:?}", found.notes);
    cluster.verify_one_cluster(&found).await.unwrap();
}

#[tokio::test]
async fn two_separate_servers_are_refused_as_one_target() {
    let shared = Server::of_the_test_run();
    drop(shared.database("connect_separate").await);
    let other = Setup::default().start();
    other.psql("CREATE DATABASE connect_separate");
    let url = format!("postgres://etl@127.0.0.1:{},127.0.0.1:{}/connect_separate", shared.port, other.port);
    let cluster = connect(&url).await.unwrap();
    let found = cluster.nodes().await.unwrap();
    assert_eq!(
        names(&found.nodes),
        [format!("127.0.0.1:{}", shared.port), format!("127.0.0.1:{}", other.port)]
    );
    let error = cluster.verify_one_cluster(&found).await.unwrap_err();
    assert_eq!(error.class(), Class::Refused);
    assert!(error.to_string().contains("different clusters"), "{error}");

    // The same when the second server already has such a table of its own.
    let second = connect(&other.url("127.0.0.1,127.0.0.2", "connect_separate")).await.unwrap();
    second.verify_one_cluster(&second.nodes().await.unwrap()).await.unwrap();
    let error = cluster.verify_one_cluster(&found).await.unwrap_err();
    assert!(error.to_string().contains("different clusters"), "{error}");
    let left = cluster.control.client.query_one("SELECT count(*) FROM etl.node_check", &[]).await.unwrap();
    assert_eq!(left.get::<_, i64>(0), 0);
}

#[tokio::test]
async fn nodes_come_from_yb_servers_without_read_replicas_and_dead_addresses() {
    let server = Server::of_the_test_run();
    let client = server.database("connect_nodes").await;
    let (port, dead) = (server.port, DEAD_PORT);
    let rows = [
        ("127.0.0.1", port, "primary"),
        ("127.0.0.2", port, "primary"),
        ("127.0.0.3", port, "primary"),
        ("127.0.0.4", port, "read_replica"),
        ("127.0.0.5", dead, "primary"),
    ];
    client.batch_execute(&yb_servers(&rows)).await.unwrap();
    let cluster = connect(&server.url("127.0.0.1", "connect_nodes")).await.unwrap();
    let found = cluster.nodes().await.unwrap();
    assert_eq!(names(&found.nodes), ["127.0.0.1", "127.0.0.2", "127.0.0.3"]);
    let notes = found.notes.join("\n");
    assert!(notes.contains("1 read replica") && notes.contains(&format!("127.0.0.5:{dead}")), "{notes}");
    cluster.verify_one_cluster(&found).await.unwrap();

    let settings =
        Settings { discover: false, ..Settings::of_url(&server.url("127.0.0.2", "connect_nodes")) };
    let alone = Cluster::connect(&settings, &bare(), "test").await.unwrap().nodes().await.unwrap();
    assert_eq!((names(&alone.nodes), alone.notes.len()), (vec!["127.0.0.2"], 0));
}

#[tokio::test]
async fn without_a_reachable_listed_node_the_configured_hosts_are_used_and_it_is_said() {
    let server = Server::of_the_test_run();
    let client = server.database("connect_fallback").await;
    let dead = DEAD_PORT;
    client
        .batch_execute(&yb_servers(&[("127.0.0.1", dead, "primary"), ("/tmp", dead, "primary")]))
        .await
        .unwrap();
    let cluster = connect(&server.url("127.0.0.1,127.0.0.3,127.0.0.1", "connect_fallback")).await.unwrap();
    let found = cluster.nodes().await.unwrap();
    assert_eq!(names(&found.nodes), ["127.0.0.1", "127.0.0.3"]);
    assert!(found.notes.join("\n").contains("falling back to the configured hosts"), "{:?}", found.notes);
}

#[tokio::test]
async fn thirty_two_streams_show_themselves_as_eleven_eleven_ten() {
    let server = Setup::default().start();
    let cluster = connect(&server.url("127.0.0.1,127.0.0.2,127.0.0.3", "postgres")).await.unwrap();
    let found = cluster.nodes().await.unwrap();
    let mut placement = Placement::new(found.nodes.len());
    let mut streams = Vec::new();
    for _ in 0..32 {
        let node = &found.nodes[placement.choose().unwrap()];
        let connection =
            cluster.open(node, &stream_name(node.name(), "run", "public.flights")).await.unwrap();
        assert_eq!(connection.server.address.as_deref(), Some(node.name()));
        streams.push(connection);
    }
    let counted = "SELECT split_part(application_name, '/', 2), count(*) FROM pg_stat_activity \
                   WHERE application_name LIKE 'etl/%/run/public.flights' GROUP BY 1 ORDER BY 1";
    let rows = cluster.control.client.query(counted, &[]).await.unwrap();
    let counts: Vec<(&str, i64)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    assert_eq!(counts, [("127.0.0.1", 11), ("127.0.0.2", 11), ("127.0.0.3", 10)]);

    streams[0].set_application_name("etl/n/run/it's another").await.unwrap();
    let row = streams[0].client.query_one("SELECT current_setting('application_name')", &[]).await.unwrap();
    assert_eq!(row.get::<_, &str>(0), "etl/n/run/it's another");
}

#[tokio::test]
async fn a_lost_connection_says_why_without_the_servers_text() {
    let server = Server::of_the_test_run();
    let client = server.database("connect_lost").await;
    let cluster = connect(&server.url("127.0.0.1", "connect_lost")).await.unwrap();
    assert_eq!(cluster.control.lost.reason(), None);
    client.execute("SELECT pg_terminate_backend($1)", &[&cluster.control.server.backend_pid]).await.unwrap();
    // A statement that meets the end of the connection would have the network throw the server's last words away.
    until("the connection's end", async || cluster.control.lost.reason().map(drop)).await;
    let error = cluster.control.client.batch_execute("SELECT 1").await.expect_err("the connection has ended");
    let error = cluster.control.error("COMMIT", &error);
    assert_eq!(error.class(), Class::Connection);
    assert!(error.to_string().contains("57P01") && error.to_string().contains("admin_shutdown"), "{error}");
    assert!(!error.to_string().contains("terminating"), "{error}");
}
