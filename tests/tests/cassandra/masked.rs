//! Columns that a server shows masked to some: what is behind the mask is loaded, or nothing is.

use etl_tests::cassandra::{Keyspace, ONE_COPY};
use etl_tests::cluster::Cluster;
use etl_tests::harness::{Folder, Ran};

use crate::bed::Load;

/// `etl run` of a table by a user whose password is its name, into files.
fn run(cluster: &Cluster, user: &str, table: &str, rest: &str) -> (Folder, Ran) {
    let folder = Folder::new();
    let hosts = &cluster.access.hosts;
    let keys = ["ca.pem", "client.crt", "client.key"].map(|name| cluster.key(name));
    let recipe = format!(
        "name = \"test\"\n[source.cassandra]\nhosts = {hosts:?}\nconnect_timeout = \"2 min\"\nca = {:?}\ncertificate = {:?}\nkey = {:?}\nuser = \"{user}\"\n[target.files]\ndir = \"out\"\n\
         [[tables]]\nfrom = \"load_masked.{table}\"\ninto = \"t\"\n{rest}",
        keys[0], keys[1], keys[2]
    );
    folder.write("recipe.toml", recipe);
    let ran = folder.etl(["run", "recipe.toml"]).env("ETL_SOURCE__CASSANDRA__PASSWORD", user).run();
    (folder, ran)
}

pub(crate) async fn masked_columns_are_refused_unless_the_user_sees_what_is_behind_the_mask(
    cluster: &Cluster,
) {
    let keyspace = Keyspace::on(&cluster.access, "load_masked", ONE_COPY).await;
    keyspace.cql("CREATE TABLE t (id int PRIMARY KEY, v text MASKED WITH DEFAULT, w text)").await;
    keyspace.cql("INSERT INTO t (id, v, w) VALUES (1, 'behind', 'open')").await;
    keyspace.cql("CREATE TABLE k (id text MASKED WITH DEFAULT PRIMARY KEY, w text)").await;
    keyspace.cql("INSERT INTO k (id, w) VALUES ('behind', 'open')").await;
    for role in ["Reader", "clear", "admin"] {
        let is_super = role == "admin";
        keyspace
            .cql(&format!(
                "CREATE ROLE \"{role}\" WITH LOGIN = true AND PASSWORD = '{role}' AND SUPERUSER = {is_super}"
            ))
            .await;
        keyspace.cql(&format!("GRANT SELECT ON KEYSPACE load_masked TO \"{role}\"")).await;
    }
    // By way of another role, and for the whole keyspace.
    keyspace.cql("CREATE ROLE sees").await;
    keyspace.cql("GRANT UNMASK ON KEYSPACE load_masked TO sees").await;
    keyspace.cql("GRANT sees TO clear").await;

    let (_, refused) = run(cluster, "Reader", "t", "");
    let ways =
        ["column `v` of load_masked.t is masked", "GRANT UNMASK ON load_masked.t", "{ drop = [\"v\"] }"];
    refused.code(3).says(&ways);
    let (_, key) = run(cluster, "Reader", "k", "transforms = [{ drop = [\"id\"] }]\n");
    key.code(3).says(&["column `id` of load_masked.k is masked"]).never_says("drop = ");
    let (folder, without) = run(cluster, "Reader", "t", "transforms = [{ drop = [\"v\"] }]\n");
    without.code(0);
    assert!(loaded(&folder).contains("open"));
    for user in ["clear", "admin"] {
        let (folder, ran) = run(cluster, user, "t", "");
        ran.code(0);
        assert!(loaded(&folder).contains("behind"), "{user}");
    }
}

#[tokio::test]
async fn masks_are_of_no_interest_where_nobody_logs_in() {
    let load = Load::new("masked").await;
    load.tables("t", "(id int PRIMARY KEY, v text MASKED WITH DEFAULT)", "(id int, v text)").await;
    load.keyspace.cql("INSERT INTO t (id, v) VALUES (1, 'behind')").await;
    load.load("t").code(0);
    assert_eq!(load.bed.number("SELECT count(*) FROM t WHERE v = 'behind'").await, 1);
}

/// All that was written.
fn loaded(folder: &Folder) -> String {
    let mut all = String::new();
    for file in std::fs::read_dir(folder.path("out/t")).unwrap() {
        all += &std::fs::read_to_string(file.unwrap().path()).unwrap();
    }
    all
}
