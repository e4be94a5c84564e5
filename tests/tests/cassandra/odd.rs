//! Tables that are unusual: empty, deleted, wide, oddly named; and reads of less than the whole table.

use std::time::{Duration, Instant};

use etl_tests::bed::until;
use etl_tests::customers::rows_of;

use crate::bed::Load;

#[tokio::test]
async fn a_table_without_rows_and_one_with_a_single_row_are_loaded() {
    let load = Load::new("small").await;
    load.tables("none", "(id int PRIMARY KEY, v text)", "(id int, v text)").await;
    load.tables("one", "(id int PRIMARY KEY, v text)", "(id int, v text)").await;
    load.keyspace.cql("INSERT INTO one (id, v) VALUES (1, 'x')").await;
    load.recipe("", &format!("{}{}", load.table("none"), load.table("one")));
    load.bed.run().code(0);
    load.same("SELECT id, v FROM none", "SELECT id, v FROM none", &[]).await;
    load.same_table("one", "id, v").await;
    load.bed.run().code(0).says(&["was done before, nothing to load"]);
}

/// The shared node answers no read that meets 2,000 tombstones.
#[tokio::test]
async fn rows_among_more_tombstones_than_the_server_bears_are_all_loaded() {
    let load = Load::new("tombstones").await;
    let sql = "(p int, c int, v text)";
    load.tables("gone", "(p int, c int, v text, PRIMARY KEY (p, c))", sql).await;
    load.tables("few", "(p int, c int, v text, PRIMARY KEY (p, c))", sql).await;
    let deleted =
        |partitions: i32, rows: i32| (0..partitions).flat_map(move |p| (0..rows).map(move |c| (p, c)));
    load.keyspace.insert("DELETE FROM gone WHERE p = ? AND c = ?", deleted(30, 50)).await;
    load.keyspace.insert("DELETE FROM few WHERE p = ? AND c = ?", deleted(300, 30)).await;
    let rows = (0..300).map(|p| (p, 100, format!("v{p}")));
    load.keyspace.insert("INSERT INTO few (p, c, v) VALUES (?, ?, ?)", rows).await;
    let whole = load.keyspace.session.query_unpaged("SELECT * FROM few", &[]).await;
    assert!(whole.is_err(), "the server reads it at once: the test shows nothing");

    load.recipe("", &format!("[run]\nstreams = 1\n{}{}", load.table("gone"), load.table("few")));
    load.bed.run().code(0);
    assert_eq!(load.bed.number("SELECT count(*) FROM gone").await, 0);
    load.same_partitions("few", "p, c, v", 0..300).await;
}

#[tokio::test]
async fn a_partition_that_no_node_can_read_is_named_by_its_token_range() {
    let load = Load::new("unreadable").await;
    load.tables("t", "(p int, c int, PRIMARY KEY (p, c))", "(p int, c int)").await;
    load.keyspace.insert("INSERT INTO t (p, c) VALUES (?, 9999)", (0..40).map(|p| (p,))).await;
    load.keyspace.insert("DELETE FROM t WHERE p = 7 AND c = ?", (0..2500).map(|c| (c,))).await;
    load.recipe("", &format!("[run]\nstreams = 1\n{}", load.table("t")));
    let token = load.keyspace.number("SELECT token(p) FROM t WHERE p = 7 AND c = 9999").await;
    let range = format!("cannot be read behind token {} up to {token}: ", token - 1);
    load.bed.run().code(3).says(&[&range, "too many tombstones", "gc_grace_seconds"]);
    // Once it can be read, the same command continues.
    load.keyspace.cql("DELETE FROM t WHERE p = 7").await;
    load.bed.run().code(0);
    let rows = rows_of(&load.bed.client, "SELECT p, c FROM t WHERE c <> 9999").await;
    assert_eq!((load.bed.number("SELECT count(*) FROM t").await, rows.len()), (39, 0));
    assert_eq!(load.bed.number("SELECT count(DISTINCT p) FROM t WHERE p <> 7").await, 39);
}

#[tokio::test]
async fn two_hundred_columns_are_loaded_and_only_what_is_kept_is_read() {
    let load = Load::new("wide").await;
    let list = |part: &dyn Fn(usize) -> String| (0..200).map(part).collect::<Vec<_>>().join(", ");
    let (names, typed) = (list(&|at| format!("c{at}")), list(&|at| format!("c{at} text")));
    load.tables("t", &format!("(id int PRIMARY KEY, {typed})"), &format!("(id int, {typed})")).await;
    load.bed.sql("CREATE TABLE public.few (id int, c7 text, c199 text)").await;
    for id in 0..40 {
        // Most cells of most rows are NULL: never written, as NULL would be a tombstone.
        let there: Vec<usize> = (0..200).filter(|at| (at + id) % 7 == 0).collect();
        let list = |part: &dyn Fn(&usize) -> String| there.iter().map(part).collect::<Vec<_>>().join(", ");
        let (names, values) = (list(&|at| format!("c{at}")), list(&|at| format!("'{at}.{id}'")));
        load.keyspace.cql(&format!("INSERT INTO t (id, {names}) VALUES ({id}, {values})")).await;
    }
    let dropped = (0..200).filter(|at| ![7, 199].contains(at)).map(|at| format!("\"c{at}\""));
    let dropped = dropped.collect::<Vec<_>>().join(", ");
    let few = load.table("t").replace("public.t", "public.few");
    load.recipe("", &format!("{}{few}transforms = [{{ drop = [{dropped}] }}]\n", load.table("t")));
    load.bed.run().code(0);
    load.same_table("t", &format!("id, {names}")).await;
    load.same("SELECT id, c7, c199 FROM t", "SELECT id, c7, c199 FROM few", &[]).await;
}

#[tokio::test]
async fn names_that_need_quotes_are_read_and_written() {
    let load = Load::new("quoted").await;
    let drop = "DROP KEYSPACE IF EXISTS \"Load_Quoted\"";
    load.keyspace.cql(drop).await;
    let one = etl_tests::cassandra::ONE_COPY;
    load.keyspace.cql(&format!("CREATE KEYSPACE \"Load_Quoted\" WITH replication = {one}")).await;
    load.keyspace.cql("CREATE TYPE \"Load_Quoted\".\"Ty\" (\"Fi eld\" int)").await;
    let columns = "\"Pa rt\", \"select\", \"Mixed\", \"qu\"\"ote\", \"é.;--\", \"udt\"";
    load.keyspace
        .cql(
            "CREATE TABLE \"Load_Quoted\".\"Table\" (\"Pa rt\" int, \"select\" text, \"Mixed\" int, \
             \"qu\"\"ote\" text static, \"é.;--\" text, \"udt\" frozen<\"Ty\">, \
             PRIMARY KEY ((\"Pa rt\"), \"select\")) WITH CLUSTERING ORDER BY (\"select\" DESC)",
        )
        .await;
    for (part, select) in [(1, "a"), (1, "b"), (2, "")] {
        let insert = format!(
            "INSERT INTO \"Load_Quoted\".\"Table\" ({columns}) VALUES ({part}, '{select}', 3, 'q', ';', {{\"Fi eld\": 1}})"
        );
        load.keyspace.cql(&insert).await;
    }
    load.bed
        .sql(
            "CREATE SCHEMA \"S c\"; CREATE TABLE \"S c\".\"T.t\" (\"Pa rt\" int, \"select\" text, \"Mixed\" int, \
             \"qu\"\"ote\" text, \"é.;--\" text, \"udt\" json)",
        )
        .await;
    let table = "[[tables]]\nfrom = '\"Load_Quoted\".\"Table\"'\ninto = '\"S c\".\"T.t\"'\n";
    // One row at a time, so that a continued read names all of the key as well.
    load.recipe("", &format!("[run]\nchunk_rows = 1\nbatch_rows = 1\nstreams = 1\n{table}"));
    load.bed.run().code(0);
    let (cql, sql) = (
        format!("SELECT {columns} FROM \"Load_Quoted\".\"Table\""),
        format!("SELECT {columns} FROM \"S c\".\"T.t\""),
    );
    load.same(&cql, &sql, &[5]).await;
    assert_eq!(load.bed.number("SELECT count(*) FROM \"S c\".\"T.t\"").await, 3);
    load.keyspace.cql(drop).await;
}

#[tokio::test]
async fn a_condition_chooses_rows_and_the_server_says_why_it_refuses_one() {
    let load = Load::new("filter").await;
    load.tables("t", "(id int PRIMARY KEY, n int, v text)", "(id int, n int, v text)").await;
    let rows = (0..2000).map(|id| (id, id % 10, format!("it's {}", id % 3)));
    load.keyspace.insert("INSERT INTO t (id, n, v) VALUES (?, ?, ?)", rows).await;
    let filtered = |filter: &str| load.recipe("", &format!("{}where = '''{filter}'''\n", load.table("t")));
    filtered("n >= 4 AND v = 'it''s 1'");
    load.bed.run().code(0);
    let cql = "SELECT id, n, v FROM t WHERE n >= 4 AND v = 'it''s 1' ALLOW FILTERING";
    load.same(cql, "SELECT id, n, v FROM t", &[]).await;
    assert_eq!(load.bed.number("SELECT count(*) FROM t").await, 400);
    filtered("n >= 5");
    load.bed.run().code(9).says(&["where", "n >= 5"]);
    filtered("nobody = 1");
    load.bed.run().code(3).says(&["recipe.toml:11: the cluster refuses to read", "nobody"]);
}

#[tokio::test]
async fn a_trial_goes_into_files_and_into_a_database_only_where_the_command_line_says_so() {
    let load = Load::new("trial").await;
    load.tables("t", "(id int PRIMARY KEY, v text)", "(id int, v text)").await;
    let rows = (0..5000).map(|id| (id, format!("v{id}")));
    load.keyspace.insert("INSERT INTO t (id, v) VALUES (?, ?)", rows).await;
    load.recipe("", &format!("{}limit = 700\n", load.table("t")));
    load.bed.run().code(0).says(&["note: `limit` or `token_range` makes this a trial", "-trial"]);
    assert_eq!(load.bed.number("SELECT count(*) FROM t").await, 0, "the database has none of it");
    load.bed.etl(["--to", "out", "--streams", "3"]).run().code(0);
    let mut lines = Vec::new();
    for file in std::fs::read_dir(load.bed.folder.path("out/public.t")).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "csv") {
            lines.extend(std::fs::read_to_string(path).unwrap().lines().skip(1).map(String::from));
        }
    }
    lines.sort();
    lines.dedup();
    let right = |line: &String| line.split_once(',').is_some_and(|(id, v)| v == format!("v{id}"));
    assert!(lines.len() == 700 && lines.iter().all(right), "{} lines: {lines:?}", lines.len());

    let range = (-3_000_000_000_000_000_000_i64, 1_234_567_890_123_456_789_i64);
    load.recipe("", &format!("{}token_range = [{}, {}]\n", load.table("t"), range.0, range.1));
    let url = load.bed.url();
    load.bed.etl(["--to", &url]).run().code(0);
    let cql = format!("SELECT id, v FROM t WHERE token(id) > {} AND token(id) <= {}", range.0, range.1);
    load.same(&cql, "SELECT id, v FROM t", &[]).await;
    let part = load.bed.number("SELECT count(*) FROM t").await;
    assert!((500..2000).contains(&part), "{part} of 5000");
    // The whole is another load: the part is not taken for it.
    load.recipe("", &load.table("t"));
    load.bed.run().code(9).says(&["token_range", "--fresh"]);
}

/// How many fit into a page is learned from the first, which is had by one reader at a time.
#[tokio::test]
async fn rows_of_megabytes_are_loaded_in_bounded_memory() {
    const ROWS: i32 = 80;
    const BYTES: usize = 2_000_000;
    let load = Load::new("megabytes").await;
    load.tables("t", "(id int PRIMARY KEY, b blob)", "(id int, b bytea)").await;
    let rows = (0..ROWS).map(|id| (id, vec![id as u8; BYTES]));
    load.keyspace.insert("INSERT INTO t (id, b) VALUES (?, ?)", rows).await;
    load.recipe("", &format!("[run]\nstreams = 4\n{}", load.table("t")));
    let report = load.bed.etl(["--json"]).run().code(0).json();
    let same =
        format!("SELECT count(*) FROM t WHERE b = decode(repeat(lpad(to_hex(id), 2, '0'), {BYTES}), 'hex')");
    assert_eq!(load.bed.number(&same).await, i64::from(ROWS));
    let peak = report["peak_memory_bytes"].as_u64().unwrap();
    assert!(peak < ROWS as u64 * BYTES as u64, "{peak} bytes were resident");
}

#[tokio::test]
async fn the_time_of_writing_and_the_time_to_live_are_columns_on_request() {
    let load = Load::new("written").await;
    let cql = "(id int PRIMARY KEY, v text, s frozen<set<int>>)";
    load.tables("t", cql, "(id int, v text, s int[], w timestamptz, l int, ws timestamptz)").await;
    load.keyspace.cql("INSERT INTO t (id, v) VALUES (1, 'a') USING TIMESTAMP 1700000000123456").await;
    load.keyspace
        .cql("INSERT INTO t (id, v, s) VALUES (2, 'b', {1}) USING TIMESTAMP -1 AND TTL 100000")
        .await;
    load.keyspace.cql("INSERT INTO t (id, s) VALUES (3, {}) USING TIMESTAMP 0").await;
    // What some set so that nobody overwrites it, which is not infinity.
    load.keyspace.cql("INSERT INTO t (id, v) VALUES (4, 'c') USING TIMESTAMP 9223372036854775807").await;
    let extras = "writetime = { w = \"v\", ws = \"s\" }\nttl = { l = \"v\" }\n";
    load.recipe("", &format!("[run]\nmax_rejects = 1\n{}{extras}", load.table("t")));
    load.bed.run().code(8).says(&["1 read/out_of_range", "column `w`"]);
    let micros = "(extract(epoch FROM w) * 1000000)::bigint, (extract(epoch FROM ws) * 1000000)::bigint";
    let sql = format!("SELECT id, v, s, {micros} FROM t");
    let cql = "SELECT id, v, s, writetime(v), writetime(s) FROM t WHERE id IN (1, 2, 3)";
    load.same(cql, &sql, &[]).await;
    let left = rows_of(&load.bed.client, "SELECT id, l > 90000 AND l <= 100000 FROM t").await;
    let yes = [("1", None), ("2", Some("t")), ("3", None)];
    let yes = yes.map(|(id, yes)| vec![Some(id.to_string()), yes.map(String::from)]);
    assert_eq!(left, yes);
}

/// Whatever it waits for: here each page takes minutes.
#[tokio::test]
async fn a_run_that_waits_for_rows_stops_when_it_is_told_to_and_continues() {
    let load = Load::new("waits").await;
    load.tables("t", "(id int PRIMARY KEY, v text)", "(id int, v text)").await;
    let rows = (0..400).map(|id| (id, format!("{id} {}", "x".repeat(5000))));
    load.keyspace.insert("INSERT INTO t (id, v) VALUES (?, ?)", rows).await;
    let run = format!("[run]\nstreams = 2\nchunk_rows = 10\n{}", load.table("t"));
    load.recipe("max_bytes_per_second = \"1 KiB\"\n", &run);
    let etl = load.bed.start();
    let some = async || (load.bed.progress().await.chunks >= 2).then_some(());
    until("the first page's chunks", some).await;
    etl.signal(libc::SIGTERM);
    etl.finish().await.code(130).says(&["stopped; the same command continues"]);
    assert!(load.bed.progress().await.is_midway());
    load.recipe("", &run);
    load.bed.run().code(0);
    load.same_table("t", "id, v").await;
    load.bed.is_finished().await;
}

/// Only that it is not faster: how slow a busy machine is, nobody knows.
#[tokio::test]
async fn a_run_is_not_faster_than_it_may_be() {
    let load = Load::new("rate").await;
    load.tables("t", "(id int PRIMARY KEY, v text)", "(id int, v text)").await;
    let rows = (0..3000).map(|id| (id, format!("v{id}")));
    load.keyspace.insert("INSERT INTO t (id, v) VALUES (?, ?)", rows).await;
    load.recipe("max_rows_per_second = 1000\n", &load.table("t"));
    let started = Instant::now();
    load.bed.run().code(0);
    // The last page of 3,000 rows takes no time itself.
    assert!(started.elapsed() > Duration::from_secs(1), "3,000 rows in {:?}", started.elapsed());
    load.same_table("t", "id, v").await;
}
