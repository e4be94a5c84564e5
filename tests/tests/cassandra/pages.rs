//! Pages that end where nobody thinks of it: at a trial's last row, in the middle of nothing, and behind few rows of which much is made.

use etl_tests::bed::Process;
use etl_tests::cassandra::Raw;
use etl_tests::empty_pages::EmptyPages;

use crate::bed::Load;

#[tokio::test]
async fn a_trial_that_died_behind_its_last_row_reads_no_further_one() {
    const LIMIT: i64 = 300;
    let load = Load::new("last_row").await;
    load.tables("t", "(id int PRIMARY KEY, v text)", "(id int, v text)").await;
    let rows = (0..2000).map(|id| (id, format!("v{id}")));
    load.keyspace.insert("INSERT INTO t (id, v) VALUES (?, ?)", rows).await;
    load.recipe("", &format!("[run]\nchunk_rows = 100\n{}limit = {LIMIT}\n", load.table("t")));
    let url = load.bed.url();
    let etl = load.bed.etl(["--to", &url]).env("ETL_FAILPOINT", "committed:3");
    assert_eq!(Process::of(etl).finish().await.code, None, "it was to die");
    let there = load.bed.progress().await;
    assert_eq!((there.read, there.done), (LIMIT, 0), "all of the trial, and nobody knows that it is all");
    assert_eq!(load.bed.number("SELECT count(*) FROM t").await, LIMIT);

    load.bed.etl(["--to", &url]).run().code(0);
    let after = load.bed.progress().await;
    assert_eq!((after.read, after.done, after.splits), (LIMIT, 1, 1));
    assert_eq!(load.bed.number("SELECT count(DISTINCT id) FROM t WHERE v = 'v' || id").await, LIMIT);
    assert_eq!(load.bed.number("SELECT count(*) FROM t").await, LIMIT);
}

/// A cell of some bytes is a document of twenty thousand where its type has many fields. A page of such rows is small.
#[tokio::test]
async fn small_cells_that_are_large_documents_are_loaded_in_bounded_memory() {
    const FIELDS: usize = 400;
    const ROWS: i32 = 6000;
    let load = Load::new("documents").await;
    let name = |at: usize| format!("a_field_with_a_name_that_is_long_{at}");
    let fields: Vec<String> = (0..FIELDS).map(|at| format!("{} int", name(at))).collect();
    load.keyspace.cql(&format!("CREATE TYPE wide ({})", fields.join(", "))).await;
    let cql = "(p int, c int, v frozen<wide>, PRIMARY KEY (p, c))";
    load.tables("t", cql, "(p int, c int, v text)").await;
    // One partition, so that pages grow.
    // As if all other fields had been added since: they are not stored at all.
    let cell = [4_i32.to_be_bytes(), 7_i32.to_be_bytes()].concat();
    let rows = (0..ROWS).map(|c| (c, Raw::of(cell.clone())));
    load.keyspace.insert("INSERT INTO t (p, c, v) VALUES (1, ?, ?)", rows).await;
    load.recipe("", &format!("[run]\nstreams = 1\nbatch_rows = 65536\n{}", load.table("t")));
    let report = load.bed.etl(["--json"]).run().code(0).json();
    let right = format!(
        "SELECT count(DISTINCT c) FROM t WHERE (v::json ->> '{}') = '7' AND json_typeof(v::json -> '{}') = 'null'",
        name(0),
        name(FIELDS - 1)
    );
    assert_eq!(load.bed.number(&right).await, i64::from(ROWS));
    let built = load.bed.number("SELECT sum(length(v))::bigint FROM t").await;
    assert!(built > 100_000_000, "{built} bytes of documents show little");
    let peak = report["peak_memory_bytes"].as_i64().unwrap();
    assert!(peak < built / 2, "{peak} bytes were resident for {built} of documents");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_page_with_more_behind_it_is_not_the_end() {
    const ROWS: i32 = 3000;
    let load = Load::new("empty_pages").await;
    load.tables("t", "(p int, c int, v text, PRIMARY KEY (p, c))", "(p int, c int, v text)").await;
    // One partition is one split, so its rows come in several pages.
    let rows = (0..ROWS).map(|c| (c, format!("v{c}")));
    load.keyspace.insert("INSERT INTO t (p, c, v) VALUES (1, ?, ?)", rows).await;
    let proxy = EmptyPages::start(load.keyspace.access.hosts[0].parse().unwrap()).await;
    let source = format!("[source.cassandra]\nhosts = [\"127.0.0.1:{}\"]\n", proxy.port);
    load.bed.recipe(&format!("{source}[run]\nstreams = 1\n{}", load.table("t")));
    let ran = load.bed.etl(["-vv"]).run().code(0);
    ran.says(&["an empty page with more behind it"]);
    assert!(proxy.made() >= 2, "{} empty pages", proxy.made());
    load.same_table("t", "p, c, v").await;
    assert_eq!(load.bed.is_finished().await, i64::from(ROWS));
}
