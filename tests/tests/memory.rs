//! A server that stops reading stops the source: what `etl` holds does not grow, and the load ends exactly.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::Command;
use std::time::Duration;

use etl_tests::bed::{Bed, Process, until};
use etl_tests::customers::{self, assert_same, csv, csv_of, expected, loaded};
use etl_tests::harness::Folder;
use etl_tests::server::Setup;
use tokio_postgres::{Client, NoTls};

/// Twenty megabytes: far more than `etl` may buffer, and several times what it may grow by.
const ROWS: u64 = 120_000;
/// Four splits in chunks without an end: nothing but the server holds a stream back.
const RUN: &str = "[run]\nstreams = 4\nmemory = \"1 MiB\"\nsplit_bytes = \"5400 KiB\"\n\
     chunk_rows = 100000\nchunk_bytes = \"1 GiB\"\nchunk_time = \"1 h\"\n";
const MAY_GROW_KIB: u64 = 3 * 1024;

/// The streams that wait for the locked table.
const WAITING: &str = "SELECT pid::text FROM pg_stat_activity WHERE datname = current_database() \
     AND application_name LIKE 'etl/127%' AND wait_event_type = 'Lock'";

/// Locks the table on a connection of its own.
async fn lock(url: &str) -> Client {
    let (locker, connection) = tokio_postgres::connect(url, NoTls).await.expect("the server answers");
    tokio::spawn(connection);
    locker.batch_execute("BEGIN; LOCK TABLE customers IN ACCESS EXCLUSIVE MODE").await.expect("a lock");
    locker
}

/// The server processes of all four streams, once they wait for the table.
async fn four_that_wait(client: &Client) -> Vec<String> {
    until("four streams that wait", async || {
        let rows = client.query(WAITING, &[]).await.expect("the sessions");
        (rows.len() == 4).then(|| rows.iter().map(|row| row.get(0)).collect())
    })
    .await
}

/// Watches the process for ten seconds, from when the server has stopped reading.
async fn stays_flat(etl: &mut Process) {
    let before = etl.resident_kib();
    let mut most = before;
    for _ in 0..100 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(!etl.has_ended(), "it ended while the server did not read");
        most = most.max(etl.resident_kib());
    }
    assert!(most <= before + MAY_GROW_KIB, "grew from {before} to {most} KiB");
}

#[tokio::test]
async fn a_locked_table_stops_the_source() {
    let bed = Bed::new("memory_locked").await;
    bed.sql(customers::TABLE).await;
    let file = csv(ROWS);
    bed.folder.write("customers.csv", &file);
    bed.recipe(&format!("{RUN}{}", customers::recipe_table("customers.csv")));
    let locker = lock(&bed.url()).await;
    let mut etl = bed.start();
    four_that_wait(&bed.client).await;
    stays_flat(&mut etl).await;
    locker.batch_execute("COMMIT").await.unwrap();
    etl.finish().await.code(0);
    assert_same(&expected(&file), &loaded(&bed.client).await);
    assert_eq!(bed.is_finished().await, ROWS as i64);
}

/// Server processes that were stopped; they go on when this is dropped.
struct Stopped(Vec<String>);

impl Stopped {
    fn all(pids: Vec<String>) -> Stopped {
        assert!(signal("-STOP", &pids), "{pids:?} are gone");
        Stopped(pids)
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        // Behind a failure one more would end the whole program.
        let _ = signal("-CONT", &self.0);
    }
}

fn signal(signal: &str, pids: &[String]) -> bool {
    Command::new("kill").arg(signal).args(pids).status().is_ok_and(|status| status.success())
}

/// In the middle of a COPY, on a server of the test's own: a stopped process may hold locks that others need.
#[tokio::test]
async fn a_stopped_server_stops_the_source() {
    let server = Setup::default().start();
    let client = server.client().await;
    client.batch_execute(customers::TABLE).await.unwrap();
    let folder = Folder::new();
    let file = csv(ROWS);
    folder.write("customers.csv", &file);
    let url = server.url("127.0.0.1", "postgres");
    let table = customers::recipe_table("customers.csv");
    folder.write("recipe.toml", format!("name = \"test\"\n[target.postgres]\nurl = \"{url}\"\n{RUN}{table}"));
    let locker = lock(&url).await;
    let mut etl = Process::of(folder.etl(["run", "recipe.toml"]));
    let pids = four_that_wait(&client).await;
    locker.batch_execute("COMMIT").await.unwrap();
    let none_waits = async || client.query(WAITING, &[]).await.unwrap().is_empty().then_some(());
    until("COPY to begin", none_waits).await;
    let stopped = Stopped::all(pids);
    stays_flat(&mut etl).await;
    drop(stopped);
    etl.finish().await.code(0);
    assert_same(&expected(&file), &loaded(&client).await);
}

/// Two megabytes of quotes, newlines and letters of two bytes.
fn wide_note(number: u64) -> String {
    let cell: String = (0..40_000)
        .map(|at| format!("{number} \"\"é\"\" {at},\nblue, green and several other colours; "))
        .collect();
    format!("\"{}\"", cell.trim_end())
}

#[tokio::test]
async fn rows_wider_than_a_streams_share_load_exactly() {
    let bed = Bed::new("memory_wide").await;
    bed.sql(customers::TABLE).await;
    let mut file = csv_of(0..500);
    for number in 500..506 {
        let row = String::from_utf8(csv_of(number..number + 1)).unwrap();
        let (_, row) = row.split_once('\n').unwrap();
        // Up to the flag, behind which the note is.
        let row = &row[..row.rfind(",Y,").max(row.rfind(",N,")).unwrap()];
        file.extend_from_slice(format!("{row},Y,{}\n", wide_note(number)).as_bytes());
        file.extend_from_slice(&csv_of(number + 1000..number + 1020)[etl_tests::generate::HEADER.len()..]);
    }
    assert!(file.len() > 12 << 20);
    bed.folder.write("customers.csv", &file);
    bed.recipe(&format!("{RUN}{}", customers::recipe_table("customers.csv")));
    bed.start().finish().await.code(0);
    assert_same(&expected(&file), &loaded(&bed.client).await);
    assert_eq!(bed.is_finished().await, 500 + 6 * 21);
}
