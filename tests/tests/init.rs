//! `etl init`: a starting recipe for every table of a real keyspace, which `etl` then runs.

use etl_tests::bed::Bed;
use etl_tests::cassandra::Keyspace;
use etl_tests::harness::Folder;

fn address(keyspace: &Keyspace, name: &str) -> String {
    format!("cassandra://{}/{name}", keyspace.access.hosts[0])
}

/// Tables of many kinds, a view, and what cannot be read.
async fn bank(name: &str) -> Keyspace {
    let keyspace = Keyspace::new(name).await;
    let custom = "'org.apache.cassandra.db.marshal.LexicalUUIDType'";
    for statement in [
        "CREATE TYPE address (street text, number int)".to_owned(),
        "CREATE TABLE moves (account bigint, posted timestamp, amount decimal, home frozen<address>, owner text static, \
         PRIMARY KEY (account, posted)) WITH CLUSTERING ORDER BY (posted DESC)"
            .into(),
        "CREATE TABLE \"Order\" (\"Id\" int PRIMARY KEY, \"order\" list<text>)".into(),
        format!("CREATE TABLE partly (id int PRIMARY KEY, odd {custom}, name text)"),
        format!("CREATE TABLE never (id {custom} PRIMARY KEY, name text)"),
    ] {
        keyspace.cql(&statement).await;
    }
    keyspace
}

#[tokio::test]
async fn every_table_of_a_keyspace_is_in_a_recipe_that_runs() {
    let keyspace = bank("init_bank").await;
    keyspace
        .cql("INSERT INTO moves (account, posted, amount) VALUES (1, '2024-02-29T10:00:00Z', 2.50)")
        .await;
    keyspace.cql("INSERT INTO \"Order\" (\"Id\", \"order\") VALUES (1, ['a', 'b'])").await;
    keyspace.cql("INSERT INTO partly (id, name) VALUES (1, 'x')").await;
    let bed = Bed::new("init_bank").await;
    let ran = bed.folder.etl(["init", &address(&keyspace, "init_bank")]).run().code(0);
    let ran = ran.says(&[
        "recipe.toml: 3 of 4 tables",
        "never",
        "column `id` of its key is of the server's own class",
    ]);
    assert_eq!(ran.stdout, "");
    let text = std::fs::read_to_string(bed.folder.path("recipe.toml")).unwrap();
    for part in [
        "name = \"init_bank\"\n",
        "from = \"init_bank.moves\"\ninto = \"public.moves\"\n#create = \"if-missing\"\n",
        "#   account  bigint           int64      partition key\n",
        "#   posted   timestamp        timestamp  clustering, descending\n",
        "#   home     frozen<address>  json\n",
        "#   owner    text             text       static\n",
        "transforms = [{ drop = [\"odd\"] }]\n",
        "#[[tables]]\n#from = \"init_bank.never\"\n",
    ] {
        assert!(text.contains(part), "lacks {part:?}:\n{text}");
    }
    // As it is, it goes into files.
    bed.folder.etl(["run"]).run().code(0);
    // With what is commented out, into a database whose tables it makes.
    let text = text.replace("#create", "create").replace("#[target.postgres]\n", "[target.postgres]\n");
    let url = text.lines().find(|line| line.starts_with("#url")).unwrap().to_owned();
    bed.folder.write("recipe.toml", text.replace(&url, &format!("url = \"{}\"", bed.url())));
    bed.folder.etl(["check"]).run().code(0);
    bed.folder.etl(["run"]).run().code(0);
    let loaded = "SELECT (SELECT count(*) FROM moves WHERE amount::text = '2.50') + (SELECT count(*) FROM partly) \
                  + (SELECT count(*) FROM \"Order\" WHERE \"order\" = '{a,b}' AND \"Id\" = 1)";
    assert_eq!(bed.number(loaded).await, 3);
}

#[tokio::test]
async fn a_file_that_is_there_is_never_written_over() {
    let keyspace = Keyspace::new("init_there").await;
    keyspace.cql("CREATE TABLE t (id int PRIMARY KEY)").await;
    let folder = Folder::new();
    folder.write("recipe.toml", "mine");
    let address = address(&keyspace, "init_there");
    folder.etl(["init", &address]).run().code(2).says(&["recipe.toml is there already", "--output"]);
    assert_eq!(std::fs::read_to_string(folder.path("recipe.toml")).unwrap(), "mine");
    let ran = folder.etl(["init", &address, "--output", "-"]).run().code(0);
    assert!(ran.stdout.contains("\nfrom = \"init_there.t\"\n"), "{}", ran.stdout);
    let json = folder.etl(["init", &address, "--output", "other.toml", "--json"]).run().code(0).json();
    assert_eq!(json, serde_json::json!({"recipe": "other.toml", "tables": 1, "unreadable": []}));
}

#[tokio::test]
async fn what_cannot_be_asked_is_told_without_a_secret() {
    let keyspace = Keyspace::new("init_empty").await;
    let folder = Folder::new();
    let host = &keyspace.access.hosts[0];
    let empty = folder.etl(["init", &address(&keyspace, "init_empty")]).run().code(3);
    empty.says(&["no tables of users in keyspace `init_empty`: the keyspaces there are"]);
    folder.etl(["init", &address(&keyspace, "system")]).run().code(3).says(&["keyspace `system`"]);
    let secret = format!("cassandra://etl:hush-5k2@{host}/init_empty");
    let ran = folder.etl(["init", &secret]).run().code(2).never_says("hush-5k2");
    ran.says(&["ETL_SOURCE__CASSANDRA__PASSWORD"]);
    folder.etl(["init", "data.csv"]).run().code(2).says(&["must be cassandra://host/keyspace"]);
    let port = etl_tests::server::DEAD_PORT;
    let dead = format!("cassandra://127.0.0.1:{port}/init_empty");
    folder.etl(["init", &dead]).run().code(3).says(&["cannot connect to Cassandra"]);
    let lonely = folder.etl(["init", &address(&keyspace, "init_empty")]);
    let ran = lonely.env("ETL_SOURCE__CASSANDRA__PASSWORD", "hush-5k2").run().code(2).never_says("hush-5k2");
    ran.says(&["`source.cassandra.user`: is missing, but there is a password"]);
    assert!(!folder.path("recipe.toml").exists());
}
