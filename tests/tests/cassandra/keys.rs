//! Keys of every kind, and going on behind any of them: loads that were stopped at each chunk, or killed at random,
//! end with exactly the table's rows.

use std::time::Duration;

use etl_tests::bed::{Process, until};
use etl_tests::cassandra::Raw;
use etl_tests::cql_text;
use etl_tests::customers::{Row, assert_same, rows_of};
use etl_tests::random::Random;

use crate::bed::{Gate, Load};

const TABLE: &str = "(a int, b text, c int, d text, s text static, v text, PRIMARY KEY ((a, b), c, d)) \
                     WITH CLUSTERING ORDER BY (c ASC, d DESC)";
const TARGET: &str = "(a int, b text, c int, d text, s text, v text)";
const COLUMNS: &str = "a, b, c, d, s, v";

/// Partitions that have no row, only a static column.
const STATIC_ONLY: i32 = 3;
/// Rows in one statement: a partition of 200,000 is written in seconds.
const BATCH: i32 = 100;

/// One partition with `large` rows, a multiple of [`BATCH`], beside 300 small ones.
async fn written(load: &Load, large: i32) {
    load.tables("t", TABLE, TARGET).await;
    let int = |value: i32| Raw::of(value.to_be_bytes());
    let row = |at: i32| {
        let d = format!("{:03}", at % 450);
        let v = format!("value {at} {}", "x".repeat(60));
        [int(7), Raw::of(*b"large"), int(at / 450), Raw::of(d), Raw::of(v)]
    };
    let insert = "INSERT INTO t (a, b, c, d, v) VALUES (?, ?, ?, ?, ?);";
    let batch = format!("BEGIN UNLOGGED BATCH {} APPLY BATCH", insert.repeat(BATCH as usize));
    let rows =
        (0..large / BATCH).map(|of| (of * BATCH..(of + 1) * BATCH).flat_map(row).collect::<Vec<Raw>>());
    load.keyspace.insert(&batch, rows).await;
    // Among them empty texts, and partitions that have the same first column.
    let small = (0..300).flat_map(|p| {
        (0..p % 6)
            .map(move |at| (p / 3, ["", "x", "y"][p as usize % 3], at / 2, ["", "z"][at as usize % 2], "v"))
    });
    load.keyspace.insert(insert.trim_end_matches(';'), small).await;
    load.keyspace.cql("UPDATE t SET s = 'of all' WHERE a = 7 AND b = 'large'").await;
    let statics = (0..STATIC_ONLY).map(|p| ("alone", 1000 + p, "static"));
    load.keyspace.insert("UPDATE t SET s = ? WHERE a = ? AND b = ?", statics).await;
}

/// The table's rows are loaded, and the partitions without rows are rejects, all once.
async fn is_loaded(load: &Load) {
    let mut expected = cql_text::rows_of(&load.keyspace.session, &format!("SELECT {COLUMNS} FROM t")).await;
    let all = expected.len();
    expected.retain(|row| row[2].is_some());
    assert_eq!(all - expected.len(), STATIC_ONLY as usize);
    assert_same(&expected, &rows_of(&load.bed.client, &format!("SELECT {COLUMNS} FROM t")).await);
    let rejects = "SELECT stage, code, original->>'a', original->>'s' FROM etl.reject";
    let text = |text: &str| Some(text.to_string());
    let alone = (0..STATIC_ONLY)
        .map(|p| vec![text("read"), text("static_only"), text(&(1000 + p).to_string()), text("alone")]);
    assert_same(&alone.collect::<Vec<Row>>(), &rows_of(&load.bed.client, rejects).await);
    assert_eq!(load.bed.is_finished().await, all as i64);
}

/// Requests for rows of partition `t` that the node has answered so far, a page each.
async fn pages(load: &Load) -> i64 {
    let query = format!(
        "SELECT \"count\" FROM system_views.coordinator_read_latency WHERE keyspace_name = '{}' AND table_name = 't'",
        load.keyspace.name
    );
    // The node fails to answer while another test's keyspace is being dropped.
    let answer = async || {
        let rows =
            load.keyspace.session.query_unpaged(query.as_str(), &[]).await.ok()?.into_rows_result().ok()?;
        rows.first_row::<(i64,)>().ok().map(|(count,)| count)
    };
    until("the node's count of reads", answer).await
}

/// Loads table `t`, ended by `kill -9` behind each chunk of so many rows once; chunks of splits without rows come in
/// between. For each run, how many pages of a partition were read.
async fn stopped_at_every_chunk(load: &Load, rows: i64, code: i32) -> Vec<i64> {
    // A trial goes into a database only if it is told to.
    let to = ["--to".to_string(), load.bed.url()];
    let gate = Gate::close(&load.bed, "t").await;
    let mut runs = Vec::new();
    loop {
        let (before, pages_before) = (load.bed.progress().await, pages(load).await);
        gate.open(before.chunks + 1).await;
        let mut etl = Process::of(load.bed.etl(&to));
        gate.reached(before.chunks + 1, &mut etl).await;
        gate.somebody_waits(&mut etl).await;
        if etl.has_ended() {
            etl.finish().await.code(code);
            return runs;
        }
        assert_eq!(etl.kill().code, None);
        gate.disperse().await;
        let after = load.bed.progress().await;
        // Nothing holds a chunk of rejects alone back.
        let read = after.read - before.read - (after.rejected - before.rejected);
        assert!(after.chunks > before.chunks && read <= rows, "{before:?} {after:?}");
        runs.push(pages(load).await - pages_before);
    }
}

#[tokio::test]
async fn a_partition_of_200_000_rows_is_continued_behind_every_chunk_without_reading_it_again() {
    let load = Load::new("large").await;
    written(&load, 200_000).await;
    load.recipe("", &format!("[run]\nstreams = 1\nchunk_rows = 10000\nmax_rejects = 3\n{}", load.table("t")));
    let runs = stopped_at_every_chunk(&load, 10_000, 8).await;
    is_loaded(&load).await;
    assert!(runs.len() >= 20, "{runs:?}");
    // A page has 5,000 of these rows at most. Each run reads the rows of two chunks, and a little ahead.
    let from_the_start = 200_000 / 5_000;
    assert!(runs.iter().all(|pages| *pages < from_the_start / 2), "{runs:?}");
    assert!(runs.iter().sum::<i64>() > from_the_start, "pages are not counted: {runs:?}");
}

/// CQL's type with the column's order, PostgreSQL's type, two values.
type Clustering = (&'static str, &'static str, [&'static str; 2]);

/// The clustering columns of one key.
const KEY: &[Clustering] = &[
    ("decimal ASC", "numeric", ["-1.5", "1E+3"]),
    ("timestamp DESC", "timestamptz", ["0", "-1"]),
    ("text ASC", "text", ["''", "'é'"]),
    ("uuid DESC", "uuid", ["8db96410-8dff-11f0-8de9-0242ac120002", "00000000-0000-4000-8000-000000000000"]),
    ("boolean ASC", "boolean", ["true", "false"]),
    ("frozen<list<int>> DESC", "int[]", ["[]", "[1, 2]"]),
    ("inet ASC", "inet", ["'::1'", "'10.0.0.1'"]),
    ("double DESC", "float8", ["NaN", "-0.0"]),
    ("blob ASC", "bytea", ["0x", "0x00ff"]),
    (
        "timeuuid DESC",
        "uuid",
        ["8db96410-8dff-11f0-8de9-0242ac120002", "8db96411-8dff-11f0-8de9-0242ac120002"],
    ),
    ("varint ASC", "numeric", ["-1", "99999999999999999999"]),
    ("bigint DESC", "bigint", ["5", "blob_as_bigint(0x)"]),
];

/// Also behind a row that is a reject: a value of no length is none in a key.
#[tokio::test]
async fn a_load_is_continued_behind_keys_of_every_type_and_order() {
    let load = Load::new("keys").await;
    let list = |part: &dyn Fn(usize, &Clustering) -> String| {
        KEY.iter().enumerate().map(|(at, key)| part(at, key)).collect::<Vec<_>>().join(", ")
    };
    let names = list(&|at, _| format!("k{at}"));
    let cql = list(&|at, key| format!("k{at} {}", key.0.rsplit_once(' ').unwrap().0));
    let order = list(&|at, key| format!("k{at} {}", key.0.rsplit_once(' ').unwrap().1));
    let sql = list(&|at, key| format!("k{at} {}", key.1));
    let key = format!("PRIMARY KEY ((p, q, r), {names})) WITH CLUSTERING ORDER BY ({order})");
    let cql = format!("(p timestamp, q blob, r double, {cql}, {key}");
    load.tables("t", &cql, &format!("(p timestamptz, q bytea, r float8, {sql})")).await;
    const ROWS: usize = 12;
    for row in 0..ROWS {
        let values = list(&|at, key| {
            let value = if at + 1 == KEY.len() { usize::from(row == 7) } else { row >> (at % 4) & 1 };
            key.2[value].into()
        });
        let partition = if row < 10 { "-1, 0x, NaN" } else { "0, 0x00, -0.0" };
        let insert = format!("INSERT INTO t (p, q, r, {names}) VALUES ({partition}, {values})");
        load.keyspace.cql(&insert).await;
    }
    let run = "[run]\nstreams = 1\nchunk_rows = 1\nbatch_rows = 1\nmax_rejects = 1\n";
    load.recipe("", &format!("{run}{}", load.table("t")));
    let runs = stopped_at_every_chunk(&load, 1, 8).await;
    // The last run is not killed; nor is there anything to wait for in the reject's chunk, should it be the last one.
    assert!(runs.len() + 2 >= ROWS, "{runs:?}");
    let columns = format!("p, q, r, {names}");
    let mut expected = cql_text::rows_of(&load.keyspace.session, &format!("SELECT {columns} FROM t")).await;
    assert_eq!(expected.len(), ROWS);
    expected.retain(|row| row.last().unwrap().is_some());
    assert_same(&expected, &rows_of(&load.bed.client, &format!("SELECT {columns} FROM t")).await);
    let reject = rows_of(&load.bed.client, "SELECT stage, code, original->>'k11' FROM etl.reject").await;
    assert_eq!(reject, [["read", "empty", "\\x"].map(|cell| Some(cell.to_string()))]);
}

#[tokio::test]
async fn a_condition_and_a_limit_hold_over_all_continuations() {
    let load = Load::new("limited").await;
    written(&load, 2000).await;
    let trial = "where = \"v >= 'value 1'\"\nlimit = 1000\n";
    load.recipe(
        "static_only = \"skip\"\n",
        &format!("[run]\nstreams = 1\nchunk_rows = 90\n{}{trial}", load.table("t")),
    );
    let runs = stopped_at_every_chunk(&load, 90, 0).await;
    assert!(runs.len() > 9, "{runs:?}");
    let query = format!("SELECT {COLUMNS} FROM t");
    let mut expected = cql_text::rows_of(&load.keyspace.session, &query).await;
    let loaded = rows_of(&load.bed.client, &query).await;
    expected.retain(|row| loaded.contains(row) && row[5].as_deref().is_some_and(|v| v >= "value 1"));
    assert_same(&expected, &loaded);
    assert_eq!(loaded.len(), 1000);
}

/// No key in the target: a row that is loaded twice is there twice.
#[tokio::test]
async fn ten_kills_at_random_leave_exactly_the_rows_of_the_table() {
    const KILLS: i64 = 10;
    const CHUNK: i64 = 100;
    let mut random = Random::of_the_test_run();
    let load = Load::new("killed").await;
    written(&load, 12_000).await;
    load.bed.slow_down_table("t", 100).await;
    load.recipe(
        "",
        &format!("[run]\nstreams = 3\nchunk_rows = {CHUNK}\nmax_rejects = 3\n{}", load.table("t")),
    );
    for kills in 0..KILLS {
        let before = load.bed.progress().await;
        let left = (12_000 - before.read) / CHUNK;
        let step = random.below((left * 2 / 3 / (KILLS - kills)).max(1) as u64) as i64;
        let mut etl = load.bed.start();
        let reached = async || load.bed.progress().await.chunks > before.chunks + step;
        until("the next chunks", async || (reached().await || etl.has_ended()).then_some(())).await;
        tokio::time::sleep(Duration::from_millis(random.below(60))).await;
        let ran = etl.kill();
        assert_eq!(ran.code, None, "it ended before kill {kills}: {ran:?}");
    }
    assert!(load.bed.progress().await.is_midway());
    load.bed.sql("DROP TRIGGER pause ON t").await;
    load.bed.run().code(8);
    is_loaded(&load).await;
}

#[tokio::test]
async fn keys_that_are_equal_in_the_target_alone_become_rejects() {
    let load = Load::new("equal").await;
    load.tables("t", "(id decimal PRIMARY KEY, v text)", "(id numeric PRIMARY KEY, v text)").await;
    let values = ["1.0", "1.00", "1.000", "2.5", "3", "3.0"];
    for id in values {
        load.keyspace.cql(&format!("INSERT INTO t (id, v) VALUES ({id}, '{id}')")).await;
    }
    for number in 10..200 {
        load.keyspace.cql(&format!("INSERT INTO t (id, v) VALUES ({number}, 'x')")).await;
    }
    load.recipe("", &format!("[run]\nmax_rejects = 3\n{}", load.table("t")));
    load.bed.run().code(8).says(&["3 rejected", "server/unique_violation"]);
    assert_eq!(load.bed.number("SELECT count(*) FROM t").await, 193);
    // One of each is loaded, the others are kept as they were.
    let kept = "SELECT count(DISTINCT v) FROM (SELECT v FROM t WHERE v <> 'x'
        UNION ALL SELECT original ->> 'v' FROM etl.reject) AS all_of_them (v)";
    assert_eq!(load.bed.number(kept).await, 6);
}
