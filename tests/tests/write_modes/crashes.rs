//! `kill -9` in the middle, and several processes at once: what is skipped, written and counted is the same.

use std::fmt::Write as _;

use etl_tests::bed::{Bed, Process};
use etl_tests::gate::Gate;
use etl_tests::random::Random;

use super::bed::{bed, counts, recipe, rows};

const ROWS: i64 = 20_000;
const KEYS: i64 = 8000;
/// Of the keys, these are there before.
const THERE: i64 = 1000;

const TABLE: &str = "CREATE TABLE public.t (id int PRIMARY KEY, v text, number int);
    INSERT INTO public.t SELECT id, 'there', -1 FROM generate_series(0, 999) id";

/// Every key comes twice or more, all with the same value, so that it does not matter which one stays.
fn csv() -> String {
    let mut csv = "id,v,number\n".to_string();
    for row in 0..ROWS {
        let id = row * 7 % KEYS;
        writeln!(csv, "{id},v{id},{id}").unwrap();
    }
    csv
}

async fn is_right(bed: &Bed, mode: &str) {
    let new = KEYS - THERE;
    let expected =
        if mode == "skip" { [ROWS, new, 0, 0, ROWS - new, ROWS] } else { [ROWS, ROWS, 0, 0, 0, ROWS] };
    assert_eq!(counts(bed).await, expected);
    let there = if mode == "skip" { THERE } else { 0 };
    assert_eq!(bed.number("SELECT count(*) FROM t WHERE v = 'there' AND number = -1").await, there);
    assert_eq!(bed.number("SELECT count(*) FROM t WHERE v = 'v' || id AND number = id").await, KEYS - there);
    assert_eq!(rows(bed, "id").await.len(), usize::try_from(KEYS).unwrap());
}

async fn killed(database: &str, mode: &str) {
    let mut random = Random::of_the_test_run();
    let bed = bed(database, TABLE, csv()).await;
    bed.slow_down_table("t", 40).await;
    let gate = Gate::close(&bed, "t").await;
    recipe(&bed, mode, "streams = 3\nchunk_rows = 100\nsplit_bytes = \"16 KiB\"", "");
    for kill in 0..6 {
        let before = bed.progress().await;
        gate.open(before.chunks + 4).await;
        let mut etl = bed.start();
        gate.reached(before.chunks + 2, &mut etl).await;
        tokio::time::sleep(std::time::Duration::from_millis(random.below(40))).await;
        let ran = etl.kill();
        assert_eq!(ran.code, None, "it ended before kill {kill}: {ran:?}");
        assert!(bed.progress().await.is_midway());
        let unbalanced = "SELECT count(*) FROM etl.ledger WHERE read <> loaded + skipped";
        assert_eq!(bed.number(unbalanced).await, 0);
        gate.settle().await;
    }
    gate.open_wide().await;
    bed.run().code(0);
    is_right(&bed, mode).await;
    bed.run().code(0).says(&["was done before, nothing to load"]);
    is_right(&bed, mode).await;
}

#[tokio::test]
async fn kills_in_the_middle_of_skip_change_neither_rows_nor_counts() {
    killed("write_kill_skip", "skip").await;
}

#[tokio::test]
async fn kills_in_the_middle_of_upsert_change_neither_rows_nor_counts() {
    killed("write_kill_upsert", "upsert").await;
}

/// The INSERT from the temporary table is answered between `chunk-ending` and `advancing`.
#[tokio::test]
async fn a_death_at_any_step_of_a_chunk_changes_neither_rows_nor_counts() {
    const STEPS: [&str; 8] = [
        "beginning",
        "checked",
        "copying",
        "chunk-ending",
        "advancing",
        "committing",
        "commit-sent",
        "committed",
    ];
    for mode in ["skip", "upsert"] {
        let bed = bed(&format!("write_steps_{mode}"), TABLE, csv()).await;
        recipe(&bed, mode, "streams = 2\nchunk_rows = 100\nbatch_rows = 40\nsplit_bytes = \"16 KiB\"", "");
        for step in STEPS {
            let ran = bed.etl([""; 0]).env("ETL_FAILPOINT", format!("{step}:4")).run();
            assert_eq!(ran.code, None, "{step}: {ran:?}");
        }
        bed.run().code(0);
        is_right(&bed, mode).await;
    }
}

/// A stream that lost its connection makes its temporary table anew on another one.
#[tokio::test]
async fn lost_connections_change_neither_rows_nor_counts() {
    for mode in ["skip", "upsert"] {
        let bed = bed(&format!("write_lost_{mode}"), TABLE, csv()).await;
        bed.slow_down_table("t", 20).await;
        let gate = Gate::close(&bed, "t").await;
        recipe(&bed, mode, "streams = 3\nchunk_rows = 100\nsplit_bytes = \"16 KiB\"", "");
        let mut etl = bed.start();
        for _ in 0..5 {
            let before = bed.progress().await;
            gate.open(before.chunks + 6).await;
            gate.reached(before.chunks + 4, &mut etl).await;
            bed.sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()
                 AND application_name LIKE 'etl/%' AND application_name NOT LIKE 'etl/control/%'",
            )
            .await;
            assert!(bed.progress().await.is_midway());
        }
        gate.open_wide().await;
        etl.finish().await.code(0);
        is_right(&bed, mode).await;
    }
}

/// Streams and processes meet the same keys all the time.
#[tokio::test]
async fn three_processes_that_write_the_same_keys_count_each_once() {
    for mode in ["skip", "upsert"] {
        let bed = bed(&format!("write_three_{mode}"), TABLE, csv()).await;
        recipe(&bed, mode, "streams = 4\nchunk_rows = 50\nsplit_bytes = \"4 KiB\"", "");
        let running: Vec<Process> = (0..3).map(|_| bed.start()).collect();
        let mut codes = Vec::new();
        for process in running {
            codes.push(process.finish().await.code);
        }
        assert!(
            codes.contains(&Some(0)) && codes.iter().all(|code| matches!(code, Some(0 | 10))),
            "{codes:?}"
        );
        is_right(&bed, mode).await;
    }
}
