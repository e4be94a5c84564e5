//! A table that is altered or dropped while it is read: the run stops and says so, and no wrong row is loaded.

use etl_tests::bed::Process;
use etl_tests::customers::rows_of;

use crate::bed::{Gate, Load};

const ROWS: i32 = 20_000;

/// A run of table `t` that waits in front of its second chunk, long before all pages came.
async fn half_way<'a>(load: &'a Load, cql: &str, sql: &str, insert: &str) -> (Gate<'a>, Process) {
    load.tables("t", cql, sql).await;
    let rows = (0..ROWS).map(|id| (id, format!("v{id} {}", "x".repeat(200))));
    load.keyspace.insert(insert, rows).await;
    load.recipe("", &format!("[run]\nstreams = 1\nchunk_rows = 100\n{}", load.table("t")));
    let gate = Gate::close(&load.bed, "t").await;
    gate.open(1).await;
    let mut etl = load.bed.start();
    gate.reached(1, &mut etl).await;
    assert!(!etl.has_ended());
    (gate, etl)
}

/// The rows that were loaded are whole chunks of rows as they were written.
async fn no_wrong_row(load: &Load, sql: &str) {
    let wrong = format!("SELECT count(*) FROM t WHERE NOT coalesce({sql}, false)");
    assert_eq!(load.bed.number(&wrong).await, 0);
    let loaded = load.bed.number("SELECT count(*) FROM t").await;
    assert!(loaded >= 100 && loaded < i64::from(ROWS), "{loaded}");
    assert_eq!(load.bed.number("SELECT count(DISTINCT id) FROM t").await, loaded);
    assert_eq!(load.bed.progress().await.read, loaded);
}

#[tokio::test]
async fn a_column_that_is_read_and_dropped_in_the_middle_stops_the_run() {
    let load = Load::new("dropped_column").await;
    let insert = "INSERT INTO t (id, v) VALUES (?, ?)";
    let (gate, etl) = half_way(&load, "(id int PRIMARY KEY, v text)", "(id int, v text)", insert).await;
    load.keyspace.cql("ALTER TABLE t DROP v").await;
    gate.open(i64::MAX).await;
    etl.finish().await.code(9).says(&["altered"]);
    no_wrong_row(&load, "v LIKE 'v' || id || ' x%'").await;
    load.bed.run().code(9).says(&["`v`", "--fresh"]);
}

/// Its pages look as they should, and have no value that was there before.
#[tokio::test]
async fn a_column_that_is_dropped_and_added_again_in_the_middle_stops_the_run() {
    let load = Load::new("readded_column").await;
    let insert = "INSERT INTO t (id, v) VALUES (?, ?)";
    let (gate, etl) = half_way(&load, "(id int PRIMARY KEY, v text)", "(id int, v text)", insert).await;
    load.keyspace.cql("ALTER TABLE t DROP v").await;
    load.keyspace.cql("ALTER TABLE t ADD v text").await;
    gate.open(i64::MAX).await;
    etl.finish().await.code(9).says(&["altered", "--fresh"]);
    no_wrong_row(&load, "v LIKE 'v' || id || ' x%'").await;
    load.bed.run().code(9).says(&["`v`", "--fresh"]);
    // A load that begins with it loads what is there.
    load.bed.sql("TRUNCATE t").await;
    load.bed.etl(["--fresh", "--yes"]).run().code(0);
    assert_eq!(load.bed.number("SELECT count(*) FROM t WHERE v IS NULL").await, i64::from(ROWS));
}

#[tokio::test]
async fn a_column_that_is_added_in_the_middle_is_of_no_interest() {
    let load = Load::new("added_column").await;
    let insert = "INSERT INTO t (id, v) VALUES (?, ?)";
    let (gate, etl) = half_way(&load, "(id int PRIMARY KEY, v text)", "(id int, v text)", insert).await;
    load.keyspace.cql("ALTER TABLE t ADD a int").await;
    load.keyspace.cql("ALTER TABLE t ADD w text").await;
    gate.open(i64::MAX).await;
    etl.finish().await.code(0);
    load.same_table("t", "id, v").await;
}

#[tokio::test]
async fn a_type_that_grows_in_the_middle_stops_the_run() {
    let load = Load::new("grown_type").await;
    load.keyspace.cql("CREATE TYPE ty (a text)").await;
    let insert = "INSERT INTO t (id, v) VALUES (?, {a: ?})";
    let cql = "(id int PRIMARY KEY, v frozen<ty>)";
    let (gate, etl) = half_way(&load, cql, "(id int, v json)", insert).await;
    load.keyspace.cql("ALTER TYPE ty ADD b int").await;
    gate.open(i64::MAX).await;
    etl.finish().await.code(9).says(&["altered", "--fresh"]);
    // The rows that are left would become other documents.
    load.bed.run().code(9).says(&["column `v`", "--fresh"]);
    no_wrong_row(&load, "v->>'a' LIKE 'v' || id || ' x%'").await;
}

#[tokio::test]
async fn a_table_that_is_dropped_in_the_middle_stops_the_run() {
    let load = Load::new("dropped_table").await;
    let insert = "INSERT INTO t (id, v) VALUES (?, ?)";
    let (gate, etl) = half_way(&load, "(id int PRIMARY KEY, v text)", "(id int, v text)", insert).await;
    load.keyspace.cql("DROP TABLE t").await;
    gate.open(i64::MAX).await;
    etl.finish().await.code(9).says(&["dropped while it was read", "--fresh"]);
    no_wrong_row(&load, "v LIKE 'v' || id || ' x%'").await;
    load.bed.run().code(3).says(&["there is no table load_dropped_table.t: the tables there are none"]);
    // One of the same name is another table.
    load.keyspace.cql("CREATE TABLE t (id int PRIMARY KEY, v text)").await;
    load.bed.run().code(9).says(&["dropped and made again"]);
    assert!(rows_of(&load.bed.client, "SELECT 1 FROM etl.run WHERE finished IS NOT NULL").await.is_empty());
}

#[tokio::test]
async fn a_table_that_is_dropped_and_made_again_in_the_middle_stops_the_run() {
    let load = Load::new("remade_table").await;
    let insert = "INSERT INTO t (id, v) VALUES (?, ?)";
    let cql = "(id int PRIMARY KEY, v text)";
    let (gate, etl) = half_way(&load, cql, "(id int, v text)", insert).await;
    load.keyspace.cql("DROP TABLE t").await;
    load.keyspace.cql(&format!("CREATE TABLE t {cql}")).await;
    gate.open(i64::MAX).await;
    etl.finish().await.code(9).says(&["dropped while it was read", "--fresh"]);
    no_wrong_row(&load, "v LIKE 'v' || id || ' x%'").await;
    load.bed.run().code(9).says(&["dropped and made again"]);
    assert_eq!(load.bed.progress().await.done, 0, "the split that was read");
}

#[tokio::test]
async fn a_table_that_is_truncated_or_written_in_the_middle_is_read_as_it_is_then() {
    let load = Load::new("written_table").await;
    let insert = "INSERT INTO t (id, v) VALUES (?, ?)";
    let (gate, etl) = half_way(&load, "(id int PRIMARY KEY, v text)", "(id int, v text)", insert).await;
    load.keyspace.cql("TRUNCATE t").await;
    gate.open(i64::MAX).await;
    etl.finish().await.code(0);
    no_wrong_row(&load, "v LIKE 'v' || id || ' x%'").await;
    load.bed.is_finished().await;
}
