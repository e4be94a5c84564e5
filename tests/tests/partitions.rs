//! A partitioned target whose partitions change behind the ledger's back: what was emptied, rewritten or taken away is
//! drift, by name; what was added is none.

use etl_tests::bed::Bed;
use etl_tests::postgres::Server;
use etl_tests::versions::Tried;

const TABLE: &str = "CREATE TABLE public.t (id int, v text) PARTITION BY RANGE (id);
    CREATE TABLE public.low PARTITION OF t FOR VALUES FROM (0) TO (100);
    CREATE TABLE public.high PARTITION OF t FOR VALUES FROM (100) TO (200) PARTITION BY RANGE (id);
    CREATE TABLE public.\"High 1\" PARTITION OF high FOR VALUES FROM (100) TO (150)";

/// Rows of both partitions, then one that stops the first run.
const CSV: &str = "id,v\n1,a\n2,b\n101,c\n102,d\nx\n3,e\n";

/// A load of which two chunks are committed.
async fn begun(database: &str, more: &str) -> Bed {
    begun_on(Server::of_the_test_run(), database, more).await
}

/// The same on another server.
async fn begun_on(server: Server, database: &str, more: &str) -> Bed {
    let bed = Bed::on(server, database).await;
    bed.sql(TABLE).await;
    bed.folder.write("data.csv", CSV);
    bed.recipe(&format!(
        "[run]\nstreams = 1\nchunk_rows = 2\n[[tables]]\nfrom = \"data.csv\"\ninto = \"public.t\"\n{more}\n"
    ));
    bed.etl(["--yes"]).run().code(7);
    assert_eq!(bed.number("SELECT count(*) FROM t").await, 4);
    bed
}

/// Goes on with the load, to its end.
async fn goes_on(bed: &Bed) {
    bed.etl(["--max-rejects", "1", "--yes"]).run().code(8);
    assert_eq!(bed.is_finished().await, 6);
}

#[tokio::test]
async fn a_partition_that_was_emptied_or_rewritten_is_drift_and_is_named() {
    let how = "was truncated, restored or rewritten (VACUUM FULL, CLUSTER, ALTER TABLE)";
    for tried in Tried::all() {
        let bed = begun_on(tried.server.clone(), "partitions_emptied", "").await;
        bed.sql("TRUNCATE public.\"High 1\"").await;
        let ran = bed.etl(["--max-rejects", "1"]).run().code(9);
        ran.says(&[&format!("partition public.\"High 1\" {how}"), "--fresh"]).never_says("low");
        assert_eq!(bed.number("SELECT count(*) FROM t").await, 2);
    }
    let bed = begun("partitions_rewritten", "").await;
    bed.sql("VACUUM FULL public.low").await;
    bed.run().code(9).says(&[&format!("partition public.low {how}")]).never_says("High");
    // Of a load that is done too.
    bed.etl(["--fresh", "--yes", "--max-rejects", "1"]).run().code(8);
    bed.etl(["--max-rejects", "1"]).run().code(8).says(&["was done before"]);
    bed.sql("TRUNCATE public.t").await;
    let ran = bed.etl(["--max-rejects", "1"]).run().code(9);
    ran.says(&[&format!("partition public.low {how}"), &format!("partition public.\"High 1\" {how}")]);
}

#[tokio::test]
async fn a_partition_that_was_taken_away_is_drift_and_is_named() {
    let gone = "is not a partition of it any more (detached or dropped)";
    let bed = begun("partitions_detached", "").await;
    bed.sql("ALTER TABLE high DETACH PARTITION \"High 1\"").await;
    bed.run().code(9).says(&[&format!("partition public.\"High 1\" {gone}")]);
    bed.sql("ALTER TABLE high ATTACH PARTITION \"High 1\" FOR VALUES FROM (100) TO (150)").await;
    goes_on(&bed).await;

    let bed = begun("partitions_dropped", "").await;
    bed.sql("DROP TABLE high").await;
    bed.run().code(9).says(&[&format!("partition public.\"High 1\" {gone}")]).never_says("low");
}

#[tokio::test]
async fn a_partition_that_was_added_is_no_drift() {
    let bed = begun("partitions_added", "").await;
    bed.sql("CREATE TABLE \"High 2\" PARTITION OF high FOR VALUES FROM (150) TO (200)").await;
    bed.sql("CREATE TABLE rest PARTITION OF t DEFAULT").await;
    goes_on(&bed).await;
}

#[tokio::test]
async fn a_load_that_emptied_its_partitions_itself_goes_on_and_knows_their_files() {
    let bed = begun("partitions_first_run", "truncate = \"first-run\"").await;
    goes_on(&bed).await;
    assert_eq!(bed.number("SELECT count(*) FROM t").await, 5);
    bed.etl(["--fresh", "--yes", "--max-rejects", "1"]).run().code(8);
    assert_eq!(bed.number("SELECT count(*) FROM t").await, 5);
    bed.sql("TRUNCATE low").await;
    bed.etl(["--max-rejects", "1", "--yes"]).run().code(9).says(&["partition public.low was truncated"]);
}

#[tokio::test]
async fn many_partitions_that_changed_are_not_all_named() {
    let bed = Bed::new("partitions_many").await;
    bed.sql("CREATE TABLE t (id int) PARTITION BY RANGE (id)").await;
    for part in 0..30 {
        bed.sql(&format!("CREATE TABLE p{part} PARTITION OF t FOR VALUES FROM ({part}) TO ({part} + 1)"))
            .await;
    }
    bed.folder.write("data.csv", "id\n1\n2\n");
    bed.recipe("[[tables]]\nfrom = \"data.csv\"\ninto = \"public.t\"\n");
    bed.run().code(0);
    bed.sql("TRUNCATE t").await;
    let ran = bed.run().code(9).says(&["partition public.p0 was truncated", "and 25 more partitions"]);
    ran.never_says("public.p29 ");
}

/// Which kind of ledger is true to a table is a matter of where its rows are.
#[tokio::test]
async fn a_table_whose_partitions_are_unlogged_is_refused_or_has_an_unlogged_ledger() {
    let bed = Bed::new("partitions_unlogged").await;
    bed.sql(
        "CREATE TABLE t (id int) PARTITION BY RANGE (id);
         CREATE UNLOGGED TABLE low PARTITION OF t FOR VALUES FROM (0) TO (100)",
    )
    .await;
    bed.folder.write("data.csv", "id\n1\n2\n");
    let table = "[[tables]]\nfrom = \"data.csv\"\ninto = \"public.t\"\n";
    bed.recipe(table);
    let check = |code| bed.folder.etl(["check", "recipe.toml"]).run().code(code);
    check(11).says(&["public.t is UNLOGGED", "allow_unlogged"]);
    bed.run().code(5).says(&["public.t is UNLOGGED"]);
    bed.recipe(&format!("{table}allow_unlogged = true\n"));
    check(0);
    bed.run().code(0);
    assert_eq!(bed.number("SELECT count(*) FROM etl.ledger_unlogged WHERE done").await, 1);
    assert_eq!(bed.number("SELECT count(*) FROM pg_class WHERE relname = 'ledger'").await, 0);

    // Neither kind of ledger would be true to these.
    bed.sql("CREATE TABLE high PARTITION OF t FOR VALUES FROM (100) TO (200)").await;
    check(11).says(&["public.t", "UNLOGGED partitions beside others"]);
    bed.run().code(5).says(&["UNLOGGED partitions beside others"]);
}

#[tokio::test]
async fn a_table_with_a_partition_on_another_server_is_refused() {
    let bed = Bed::new("partitions_foreign").await;
    bed.sql(
        "CREATE FOREIGN DATA WRAPPER nothing; CREATE SERVER elsewhere FOREIGN DATA WRAPPER nothing;
         CREATE TABLE t (id int) PARTITION BY RANGE (id);
         CREATE TABLE low PARTITION OF t FOR VALUES FROM (0) TO (100);
         CREATE FOREIGN TABLE high PARTITION OF t FOR VALUES FROM (100) TO (200) SERVER elsewhere",
    )
    .await;
    bed.folder.write("data.csv", "id\n1\n");
    bed.recipe("[[tables]]\nfrom = \"data.csv\"\ninto = \"public.t\"\n");
    let why = ["public.t", "a partition that is a foreign table (public.high)"];
    bed.folder.etl(["check", "recipe.toml"]).run().code(11).says(&why);
    bed.run().code(5).says(&why);
    assert_eq!(bed.number("SELECT count(*) FROM t WHERE id < 100").await, 0);
}
