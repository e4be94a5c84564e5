//! Several `etl run` of the same recipe at once: together they load every row once, and who finds nothing left to
//! do says so.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use etl_tests::bed::{Bed, Process, until};
use etl_tests::customers::{self, assert_same, csv, expected, loaded};
use etl_tests::gate::Gate;
use etl_tests::harness::Ran;

const ROWS: u64 = 8000;

async fn bed(database: &str, run: &str) -> (Bed, Vec<customers::Row>) {
    let bed = Bed::new(database).await;
    bed.sql(customers::TABLE).await;
    let file = csv(ROWS);
    bed.folder.write("customers.csv", &file);
    bed.recipe(&format!("[run]\n{run}\n{}", customers::recipe_table("customers.csv")));
    (bed, expected(&file))
}

/// Done, or nothing left but what another one loads. Answers whether it was done.
fn done_or_busy(ran: Ran) -> bool {
    if ran.code == Some(10) {
        ran.code(10).says(&["test: another run is at work on the rest", "continue with: "]);
        return false;
    }
    ran.code(0);
    true
}

#[tokio::test]
async fn processes_that_start_at_once_load_every_row_once() {
    let (bed, expected) = bed("two_at_once", "streams = 3\nsplit_bytes = \"32 KiB\"\nchunk_rows = 100").await;
    bed.slow_down(10).await;
    for (round, processes) in [2, 2, 2, 2, 4].into_iter().enumerate() {
        // The first time they also make the ledger's tables at once.
        let forget = "TRUNCATE customers; TRUNCATE etl.run, etl.source, etl.ledger, etl.reject";
        bed.sql(if round == 0 { "SELECT" } else { forget }).await;
        let locker = locked(&bed).await;
        let running: Vec<Process> = (0..processes).map(|_| bed.start()).collect();
        bed.runs_that_wait(processes).await;
        locker.batch_execute("COMMIT").await.unwrap();
        let mut done = 0;
        for process in running {
            done += usize::from(done_or_busy(process.finish().await));
        }
        assert!(done > 0, "somebody is the last");
        assert_same(&expected, &loaded(&bed.client).await);
        assert_eq!(bed.is_finished().await, ROWS as i64);
        let owners = bed.number("SELECT count(DISTINCT owner) FROM etl.ledger").await;
        assert!(owners > 1, "one process loaded all, round {round}");
    }
}

/// Locks the table on a connection of its own.
async fn locked(bed: &Bed) -> tokio_postgres::Client {
    let locker = bed.server.client(&bed.database).await;
    locker.batch_execute("BEGIN; LOCK TABLE customers IN ACCESS EXCLUSIVE MODE").await.unwrap();
    locker
}

/// Starts a run that owns every split and can load none of them.
async fn blocked(bed: &Bed) -> (tokio_postgres::Client, Process) {
    let locker = locked(bed).await;
    let first = bed.start();
    until("every split is owned", async || {
        let owned = "SELECT (count(*) > 1 AND count(*) = count(owner) AND \
                     (SELECT bool_and(tiled) FROM etl.source))::int::bigint FROM etl.ledger";
        let there = bed.number("SELECT (to_regclass('etl.ledger') IS NOT NULL)::int::bigint").await == 1;
        (there && bed.number(owned).await == 1).then_some(())
    })
    .await;
    (locker, first)
}

#[tokio::test]
async fn a_run_beside_one_that_is_blocked_ends_soon_and_says_what_to_do() {
    let (bed, expected) = bed("two_blocked", "streams = 8\nsplit_bytes = \"256 KiB\"").await;
    let (locker, mut first) = blocked(&bed).await;
    let second = bed.start().finish().await;
    assert!(!first.has_ended(), "the first one is still blocked: {:?}", first.finish().await);
    second.code(10).says(&["test: another run is at work on the rest", "continue with: ", "run recipe.toml"]);

    let fresh = bed.etl(["--fresh", "--yes"]).run();
    fresh.code(10).says(&["another process loads `test`", "wait for it or stop it"]);

    locker.batch_execute("COMMIT").await.unwrap();
    first.finish().await.code(0);
    assert_same(&expected, &loaded(&bed.client).await);
    assert_eq!(bed.is_finished().await, ROWS as i64);
}

#[tokio::test]
async fn who_comes_later_takes_over_what_a_killed_one_had_in_hand() {
    let (bed, expected) = bed("two_takeover", "streams = 8\nsplit_bytes = \"256 KiB\"").await;
    let (locker, first) = blocked(&bed).await;
    let second = bed.start();
    first.kill();
    // The dead one's backends wait for the lock, as far as the server knows: they end with it, or are ended.
    locker.batch_execute("COMMIT").await.unwrap();
    // On a machine that is too busy to end them soon it says so, and the same command again takes over.
    if !done_or_busy(second.finish().await) {
        bed.run().code(0);
    }
    assert_same(&expected, &loaded(&bed.client).await);
    assert_eq!(bed.is_finished().await, ROWS as i64);
}

/// A machine that slept: it wakes with chunks in hand that somebody else has loaded long ago.
#[tokio::test]
async fn a_process_that_wakes_when_another_one_has_done_its_work_doubles_nothing() {
    let run = "streams = 3\nsplit_bytes = \"128 KiB\"\nchunk_rows = 100";
    let (bed, expected) = bed("two_zombie", run).await;
    let gate = Gate::close(&bed, "customers").await;
    gate.open(8).await;
    let mut first = bed.start();
    gate.reached(8, &mut first).await;
    first.signal(libc::SIGSTOP);
    let stat = format!("/proc/{}/stat", first.id());
    until("it to sleep", async || std::fs::read_to_string(&stat).unwrap().contains(") T ").then_some(()))
        .await;
    // As the server does once it misses its client.
    gate.disperse().await;
    gate.open_wide().await;
    bed.start().finish().await.code(0);
    assert_same(&expected, &loaded(&bed.client).await);
    first.signal(libc::SIGCONT);
    done_or_busy(first.finish().await);
    assert_same(&expected, &loaded(&bed.client).await);
    assert_eq!(bed.is_finished().await, ROWS as i64);
}
