//! Pages that end where nobody thinks of it: at a trial's last row, in the middle of nothing, and behind few rows of which much is made.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use etl::memory::Memory;
use etl::position::Position;
use etl::source::Next;
use etl::source::cassandra::{Cluster, Options, Reader, Settings, Table, TableName};
use etl_tests::bed::{Process, until};
use etl_tests::cassandra::Raw;
use etl_tests::empty_pages::{EmptyPages, Trouble};

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

async fn opened<const N: usize>(load: &Load, names: [&str; N]) -> [Arc<Table>; N] {
    let settings = Settings { hosts: load.keyspace.access.hosts.clone(), ..Settings::default() };
    let cluster = Arc::new(Cluster::open(&settings).await.unwrap());
    let mut tables = Vec::new();
    for name in names {
        let name = TableName { keyspace: load.keyspace.name.clone(), table: name.into() };
        tables.push(Arc::new(Table::open(&cluster, name, Options::default()).await.unwrap()));
    }
    tables.try_into().unwrap_or_else(|_| panic!("one for each name"))
}

/// Of all of a table, and all columns.
fn reader(table: &Arc<Table>, memory: &Memory) -> Reader {
    let wanted: Vec<usize> = (0..table.fields().len()).collect();
    Reader::open(table, &wanted, (&Position::Token(i64::MIN), i64::MAX), None, memory).unwrap()
}

/// A recipe that loads table `t` through a proxy.
async fn behind_a_proxy(load: &Load, trouble: Trouble, source: &str) -> EmptyPages {
    let proxy = EmptyPages::start(load.keyspace.access.hosts[0].parse().unwrap(), trouble).await;
    let hosts = format!("[source.cassandra]\nhosts = [\"127.0.0.1:{}\"]\n", proxy.port);
    load.bed.recipe(&format!("{hosts}{source}[run]\nstreams = 1\n{}", load.table("t")));
    proxy
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_page_with_more_behind_it_is_not_the_end() {
    const ROWS: i32 = 3000;
    let load = Load::new("empty_pages").await;
    load.tables("t", "(p int, c int, v text, PRIMARY KEY (p, c))", "(p int, c int, v text)").await;
    // One partition is one split, so its rows come in several pages.
    let rows = (0..ROWS).map(|c| (c, format!("v{c}")));
    load.keyspace.insert("INSERT INTO t (p, c, v) VALUES (1, ?, ?)", rows).await;
    let proxy = behind_a_proxy(&load, Trouble::Empty, "").await;
    let ran = load.bed.etl(["-vv"]).run().code(0);
    ran.says(&["an empty page with more behind it"]);
    assert!(proxy.made() >= 2, "{} empty pages", proxy.made());
    load.same_table("t", "p, c, v").await;
    assert_eq!(load.bed.is_finished().await, i64::from(ROWS));
}

/// Nothing is gained by an empty page, so what fails behind it is failure after failure: twelve are waited for, longer
/// and longer, which takes most of a minute. The first ones show it.
#[tokio::test(flavor = "multi_thread")]
async fn an_empty_page_does_not_count_as_an_answer_when_the_next_one_fails() {
    let load = Load::new("failing_pages").await;
    load.tables("t", "(id int PRIMARY KEY, v text)", "(id int, v text)").await;
    load.keyspace.cql("INSERT INTO t (id, v) VALUES (1, 'x')").await;
    let proxy = behind_a_proxy(&load, Trouble::EmptyThenFailing, "").await;
    let mut etl = load.bed.start();
    // Each attempt is an empty page and a failure.
    until("failures", async || (proxy.made() >= 12 || etl.has_ended()).then_some(())).await;
    assert!(!etl.has_ended());
    let said = etl.kill().stderr;
    let waits: Vec<u64> = said.split("wait_ms=").skip(1).map(leading_number).collect();
    assert!(waits.len() >= 5 && waits[4] >= 800, "{waits:?}");
}

/// One replica after the other has no time for half of the ring: it has for less.
#[tokio::test(flavor = "multi_thread")]
async fn a_range_that_no_replica_has_time_for_is_read_in_smaller_ones() {
    const ROWS: i32 = 300;
    let load = Load::new("late_pages").await;
    load.tables("t", "(id int PRIMARY KEY, v text)", "(id int, v text)").await;
    let rows = (0..ROWS).map(|id| (id, format!("v{id}")));
    load.keyspace.insert("INSERT INTO t (id, v) VALUES (?, ?)", rows).await;
    let proxy = behind_a_proxy(&load, Trouble::Late, "").await;
    let ran = load.bed.etl(["-v"]).run().code(0);
    ran.says(&["reading again", "reading less at once"]);
    assert!(proxy.made() >= 2, "{} time-outs", proxy.made());
    load.same_table("t", "id, v").await;
    assert_eq!(load.bed.is_finished().await, i64::from(ROWS));
}

fn leading_number(text: &str) -> u64 {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text[..end].parse().unwrap()
}

/// Behind the first page of its one partition the limit holds the load up for longer than anybody waits.
#[tokio::test(flavor = "multi_thread")]
async fn rows_that_came_are_committed_in_time_while_the_next_page_is_waited_for() {
    let load = Load::new("slow_pages").await;
    load.tables("t", "(p int, c int, PRIMARY KEY (p, c))", "(p int, c int)").await;
    load.keyspace.insert("INSERT INTO t (p, c) VALUES (1, ?)", (0..6000).map(|c| (c,))).await;
    let run = format!("[run]\nstreams = 1\nchunk_time = \"1 s\"\n{}", load.table("t"));
    load.recipe("max_rows_per_second = 1\n", &run);
    let mut etl = load.bed.start();
    until("rows", async || (load.bed.number("SELECT count(*) FROM t").await > 0).then_some(())).await;
    assert!(!etl.has_ended() && load.bed.progress().await.is_midway());
    etl.signal(libc::SIGTERM);
    etl.finish().await.code(130);
    load.recipe("", &run);
    load.bed.run().code(0);
    load.same_partitions("t", "p, c", 1..2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_never_prepares_a_statement_is_waited_for_as_long_as_for_an_answer() {
    let load = Load::new("unprepared").await;
    load.tables("t", "(id int PRIMARY KEY, v text)", "(id int, v text)").await;
    let _proxy = behind_a_proxy(&load, Trouble::Unprepared, "request_timeout = \"8 s\"\n").await;
    // Everything else that is asked at the start has as long.
    let ran = load.bed.start().finish().await.code(3);
    ran.says(&["did not answer within 8 s", "raise `source.cassandra.request_timeout`"]);
}

/// What comes next, however long the node takes.
fn not_idle(reader: &mut Reader, max_rows: usize) -> Next {
    loop {
        match reader.next_batch(max_rows, &AtomicBool::new(false)).unwrap() {
            Next::Idle => {}
            next => return next,
        }
    }
}

/// What all streams together may have of rows that are larger than a batch is lent to one at a time: not to those that
/// only fill their batches.
#[tokio::test(flavor = "multi_thread")]
async fn batches_that_are_full_of_small_rows_are_built_by_all_readers_at_once() {
    const COLUMNS: usize = 60;
    let load = Load::new("wide_nulls").await;
    let columns: Vec<String> = (0..COLUMNS).map(|at| format!("c{at} bigint")).collect();
    load.keyspace
        .cql(&format!("CREATE TABLE t (p int, c int, {}, PRIMARY KEY (p, c))", columns.join(", ")))
        .await;
    load.keyspace.insert("INSERT INTO t (p, c) VALUES (1, ?)", (0..3000).map(|c| (c,))).await;
    load.keyspace.cql("CREATE TABLE u (id int PRIMARY KEY, v text)").await;
    load.keyspace.insert("INSERT INTO u (id, v) VALUES (?, ?)", [(1, "x".repeat(1 << 20))]).await;
    let [small, large] = opened(&load, ["t", "u"]).await;
    let batches = move || {
        let memory = Memory::new(1, 64);
        let first = |table: &Arc<Table>| {
            let mut reader = reader(table, &memory);
            match not_idle(&mut reader, 100_000) {
                Next::Batch(batch) => batch,
                _ => panic!("no rows"),
            }
        };
        let one = first(&small);
        assert!(one.rows > 10 && one.rows < 100, "{} rows: the page's end does not end the batch", one.rows);
        assert!(one.loan.is_none());
        let (two, large) = (first(&small), first(&large));
        assert!(two.loan.is_none());
        assert!(large.rows == 1 && large.loan.is_some());
    };
    tokio::task::spawn_blocking(batches).await.unwrap();
}

/// Large as it came, or large only once it is built.
#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_is_larger_than_a_batch_waits_for_the_pool_but_not_without_end() {
    let load = Load::new("waits").await;
    let fields: Vec<String> =
        (0..600).map(|at| format!("a_field_with_a_name_that_is_long_{at} int")).collect();
    load.keyspace.cql(&format!("CREATE TYPE wide ({})", fields.join(", "))).await;
    load.keyspace.cql("CREATE TABLE t (id int PRIMARY KEY, v frozen<wide>)").await;
    load.keyspace.cql("CREATE TABLE u (id int PRIMARY KEY, v text)").await;
    let cell = [4_i32.to_be_bytes(), 7_i32.to_be_bytes()].concat();
    load.keyspace.insert("INSERT INTO t (id, v) VALUES (?, ?)", [(1, Raw::of(cell))]).await;
    load.keyspace.insert("INSERT INTO u (id, v) VALUES (?, ?)", [(1, "x".repeat(1 << 20))]).await;
    let tables = opened(&load, ["t", "u"]).await;
    let batches = move || {
        for table in &tables {
            let (memory, stop) = (Memory::new(1, 64), AtomicBool::new(false));
            let mut reader = reader(table, &memory);
            let held = memory.borrow_pool().unwrap();
            for _ in 0..2 {
                assert!(matches!(reader.next_batch(9, &stop), Ok(Next::Idle)));
            }
            drop(held);
            let Next::Batch(batch) = not_idle(&mut reader, 9) else { panic!("there is a row") };
            assert_eq!((batch.rows, batch.columns[1].len(), batch.loan.is_some()), (1, 1, true));
            assert!(matches!(not_idle(&mut reader, 9), Next::End));
        }
    };
    tokio::task::spawn_blocking(batches).await.unwrap();
}
