//! Clusters that do not let us in: exit code and words, and no secret anywhere.

use etl_tests::cassandra::{Access, Keyspace, ONE_COPY};
use etl_tests::cluster::Cluster;
use etl_tests::harness::{Folder, Ran};
use etl_tests::server::DEAD_PORT;

use crate::masked::masked_columns_are_refused_unless_the_user_sees_what_is_behind_the_mask;

const SECRET: &str = "hush-8f3a";

/// `etl run` from such a cluster into files, with a password in the environment.
fn run(folder: &Folder, hosts: &[String], settings: &str, password: Option<&str>) -> Ran {
    let recipe = format!(
        "name = \"test\"\n[source.cassandra]\nhosts = {hosts:?}\nconnect_timeout = \"2 min\"\n{settings}\n[target.files]\ndir = \"out\"\n\
         [[tables]]\nfrom = \"load_door.t\"\ninto = \"t\"\n"
    );
    folder.write("recipe.toml", recipe);
    let etl = folder.etl(["run", "recipe.toml", "-vv"]);
    match password {
        Some(password) => etl.env("ETL_SOURCE__CASSANDRA__PASSWORD", password).run(),
        None => etl.run(),
    }
}

/// One cluster for all that is behind a door: each takes a node's start.
#[tokio::test]
async fn a_cluster_that_does_not_let_us_in_says_why_and_no_secret_and_no_mask_is_loaded() {
    let cluster = Cluster::start(&["--auth", "--mtls"]);
    strangers_are_refused(&cluster).await;
    a_refusal_says_why_and_no_secret(&cluster).await;
    masked_columns_are_refused_unless_the_user_sees_what_is_behind_the_mask(&cluster).await;
}

/// That the test's own cluster has a door.
async fn strangers_are_refused(cluster: &Cluster) {
    cluster.access.session().await;
    let refused = async |access: Access| match access.try_session().await {
        Ok(_) => panic!("{access:?} is let in"),
        Err(error) => error.to_string(),
    };
    let wrong = refused(cluster.access.user("cassandra", "guess")).await;
    assert!(wrong.contains("Authentication"), "{wrong}");
    refused(Access { user: None, ..cluster.access.clone() }).await;
    refused(Access { client: None, ..cluster.access.clone() }).await;
    refused(Access { ca: None, client: None, ..cluster.access.clone() }).await;
    refused(Access { ca: Some(cluster.key("other-ca.pem")), ..cluster.access.clone() }).await;
    let stranger = Some((cluster.key("other-client.crt"), cluster.key("other-client.key")));
    refused(Access { client: stranger, ..cluster.access.clone() }).await;
}

async fn a_refusal_says_why_and_no_secret(cluster: &Cluster) {
    let keyspace = Keyspace::on(&cluster.access, "load_door", ONE_COPY).await;
    keyspace.cql("CREATE TABLE t (id int PRIMARY KEY, v text)").await;
    keyspace.cql("INSERT INTO t (id, v) VALUES (1, 'x')").await;
    keyspace.cql(&format!("CREATE ROLE reader WITH LOGIN = true AND PASSWORD = '{SECRET}'")).await;
    let folder = Folder::new();
    let hosts = &cluster.access.hosts;
    let key = |name: &str| cluster.key(name).display().to_string();
    let ours = format!("certificate = {:?}\nkey = {:?}\n", key("client.crt"), key("client.key"));
    let ca = format!("ca = {:?}\n", key("ca.pem"));
    let all = format!("{ca}{ours}user = \"reader\"\n");
    let try_it = |settings: &str, password| run(&folder, hosts, settings, password).never_says(SECRET);

    let at_host = format!("cannot connect to Cassandra: {}: ", hosts[0]);
    let wrong = try_it(&all, Some("guess-51c7")).code(3).never_says("guess-51c7");
    wrong.says(&[&at_host, "the user's password is wrong"]);
    try_it(&all.replace("reader", "nobody"), Some(SECRET)).code(3).says(&["or there is no such user"]);
    let none = try_it(&format!("{ca}{ours}"), None).code(3);
    none.says(&["asks for a user and a password", "ETL_SOURCE__CASSANDRA__PASSWORD"]);
    try_it(&all, None).code(2).says(&["ETL_SOURCE__CASSANDRA__PASSWORD"]);
    let ungranted = try_it(&all, Some(SECRET)).code(3);
    ungranted.says(&["no permission to read it: GRANT SELECT"]);

    let stranger = format!("ca = {:?}\n", key("other-ca.pem"));
    let stranger = try_it(&all.replace(&ca, &stranger), Some(SECRET)).code(3);
    stranger.says(&[&at_host, "`source.cassandra.ca`"]);
    let bare = try_it(&format!("{ca}user = \"reader\"\n"), Some(SECRET)).code(3);
    bare.says(&[&at_host, "client's certificate", "give `certificate` and `key`"]);
    let other = all.replace("client.crt", "other-client.crt").replace("client.key", "other-client.key");
    try_it(&other, Some(SECRET)).code(3).says(&[&at_host]);
    let plain = try_it("user = \"reader\"\n", Some(SECRET)).code(3);
    plain.says(&[&at_host, "if its port is for TLS, give `ca` or set `tls`"]);
    let lost = all.replace("ca.pem", "no-ca.pem");
    try_it(&lost, Some(SECRET)).code(2).says(&["`source.cassandra.ca` cannot be used", "no-ca.pem"]);

    keyspace.cql("GRANT SELECT ON load_door.t TO reader").await;
    folder.write("password", format!("{SECRET}\n"));
    // It takes effect within a second.
    let granted = etl_tests::bed::until("the grant", async || {
        let ran = try_it(&format!("{all}password_file = \"password\"\n"), None);
        (ran.code == Some(0)).then_some(ran)
    });
    granted.await.says(&["1 loaded"]);
    // In a recipe, a password is refused without being repeated.
    let written = try_it(&format!("{all}password = \"{SECRET}\"\n"), None).code(2);
    written.says(&["source.cassandra.password"]);
}

#[tokio::test]
async fn nobody_there_another_protocol_and_no_such_datacenter_are_told_apart() {
    let keyspace = Keyspace::new("load_door").await;
    keyspace.cql("CREATE TABLE t (id int PRIMARY KEY)").await;
    let access = Access::of_the_test_run();
    let folder = Folder::new();
    let nobody = format!("127.0.0.1:{DEAD_PORT}");
    let refused = run(&folder, std::slice::from_ref(&nobody), "", None).code(3);
    refused.says(&[&nobody, "connection refused: no node listens there", "recipe.toml"]);
    let unknown = run(&folder, &["nowhere.invalid".into()], "", None).code(3);
    unknown.says(&["nowhere.invalid:9042", "the name has no address"]);
    let tls = run(&folder, &access.hosts, "tls = \"require\"", None).code(3);
    tls.says(&[&access.hosts[0], "does not speak TLS on this port"]);
    let elsewhere = run(&folder, &access.hosts, "datacenter = \"dc9\"", None).code(3);
    elsewhere.says(&["no datacenter `dc9`", "`datacenter1`"]);
    // One host of several that answers is enough.
    let hosts = [&[nobody][..], &access.hosts].concat();
    run(&folder, &hosts, "", None).code(0);
}
