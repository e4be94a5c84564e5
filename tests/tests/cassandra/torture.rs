//! Crashes at steps of the protocol and at random moments of a load from Cassandra: the same command again until it is
//! done, then rows and rejects are compared by content.

use etl_tests::cassandra::Raw;
use etl_tests::cql_text;
use etl_tests::customers::{Row, assert_same, rows_of};
use etl_tests::torture::{Load as Target, Torture};

use crate::bed::Load;

const ROWS: i32 = 50_000;
/// Rows of each partition but the last.
const PARTITION: i32 = 125;
/// Partitions without rows: rejects, each with its static column.
const STATIC_ONLY: i32 = 40;
/// Rows in one statement.
const BATCH: i32 = 25;

async fn written(load: &Load) {
    let key = "(p int, c int, s text static, v text, PRIMARY KEY (p, c))";
    load.tables("t", key, "(p int, c int, s text, v text)").await;
    let row = |at: i32| {
        let int = |value: i32| Raw::of(value.to_be_bytes());
        [int(at / PARTITION), int(at % PARTITION), Raw::of(format!("value {at} {}", "x".repeat(40)))]
    };
    let batch = format!(
        "BEGIN UNLOGGED BATCH {} APPLY BATCH",
        "INSERT INTO t (p, c, v) VALUES (?, ?, ?);".repeat(BATCH as usize)
    );
    let rows = (0..ROWS / BATCH).map(|of| (of * BATCH..(of + 1) * BATCH).flat_map(row).collect::<Vec<Raw>>());
    load.keyspace.insert(&batch, rows).await;
    let statics = (0..STATIC_ONLY).map(|p| (format!("static {p}"), 1_000_000 + p));
    load.keyspace.insert("UPDATE t SET s = ? WHERE p = ?", statics).await;
}

#[tokio::test]
async fn twenty_kills_leave_exactly_the_rows_and_the_rejects_of_the_table() {
    let load = Load::new("torture").await;
    written(&load).await;
    let mut expected = cql_text::rows_of(&load.keyspace.session, "SELECT p, c, s, v FROM t").await;
    expected.retain(|row| row[1].is_some());
    assert_eq!(expected.len(), ROWS as usize);
    let mut alone: Vec<Row> = (0..STATIC_ONLY)
        .map(|p| [(1_000_000 + p).to_string(), format!("static {p}")].map(Some).to_vec())
        .collect();
    alone.sort();
    load.recipe("", &format!("[run]\nstreams = 3\nchunk_rows = 500\nmax_rejects = 100\n{}", load.table("t")));
    let mut torture = Torture::of(20);
    while let Some(mut random) = torture.next_load() {
        load.bed.forget("t").await;
        torture.load(&load.bed, Target { chunks: 100, code: 8 }, &mut random).await;
        assert_same(&expected, &rows_of(&load.bed.client, "SELECT p, c, s, v FROM t").await);
        let rejects = "SELECT original->>'p', original->>'s' FROM etl.reject \
                       WHERE (stage, code) = ('read', 'static_only')";
        assert_same(&alone, &rows_of(&load.bed.client, rejects).await);
        assert_eq!(load.bed.number("SELECT count(*) FROM etl.reject").await, i64::from(STATIC_ONLY));
        assert_eq!(load.bed.is_finished().await, i64::from(ROWS + STATIC_ONLY));
    }
}
