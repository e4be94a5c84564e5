//! Crashes: `kill -9` at random moments of a load, and the same command again until it is done.

use std::io::Write;
use std::time::Duration;

use etl_tests::bed::{Bed, until};
use etl_tests::customers::{self, assert_same, expected, loaded};
use etl_tests::gate::Gate;
use etl_tests::random::Random;

const ROWS: u64 = 50_000;
const KILLS: i64 = 20;
const CHUNK: i64 = 200;

/// Each after the first commit and before the last, by what the ledger says. No key in the table: a row that is
/// loaded twice is there twice.
#[tokio::test]
async fn twenty_kills_between_the_first_commit_and_the_last_leave_exactly_the_rows_of_the_file() {
    let mut random = Random::of_the_test_run();
    let bed = Bed::new("kill_twenty").await;
    bed.sql(customers::TABLE).await;
    bed.slow_down(20).await;
    // However late the kill comes: not behind the end.
    let gate = Gate::close(&bed, "customers").await;
    bed.measure_chunks("customers").await;
    let file = customers::csv(ROWS);
    bed.folder.write("customers.csv", &file);
    let table = customers::recipe_table("customers.csv");
    bed.recipe(&format!("[run]\nstreams = 3\nchunk_rows = {CHUNK}\n{table}"));

    for kills in 0..KILLS {
        let before = bed.progress().await;
        // A third of what is left is shared between the kills that are left, and used up on purpose. Each is a few
        // chunks late besides.
        let left = (ROWS as i64 - before.read) / CHUNK;
        let step = random.below((left / 3 / (KILLS - kills)).max(1) as u64) as i64;
        let threshold = before.chunks + 1 + step;
        gate.open(threshold + 2).await;
        let mut etl = bed.start();
        gate.reached(threshold, &mut etl).await;
        // Sometimes at once, when a stream has just committed; sometimes in the middle of the next chunks.
        let pause = if random.below(3) == 0 { 0 } else { random.below(60) };
        tokio::time::sleep(Duration::from_millis(pause)).await;
        let ran = etl.kill();
        assert_eq!(ran.code, None, "it ended before kill {kills} of {KILLS}: {ran:?}");
        let after = bed.progress().await;
        assert!(before.chunks < after.chunks && after.is_midway(), "kill {kills}: {before:?} {after:?}");
        let unbalanced = "SELECT count(*) FROM etl.ledger WHERE read <> loaded + filtered + rejected + skipped \
                          OR written <> loaded";
        assert_eq!(bed.number(unbalanced).await, 0);
        gate.settle().await;
    }
    gate.open_wide().await;
    bed.run().code(0);
    assert_same(&expected(&file), &loaded(&bed.client).await);
    assert_eq!(bed.is_finished().await, ROWS as i64);
    assert_eq!(bed.longest_chunk().await, CHUNK);
    let progress = bed.progress().await;
    bed.run().code(0).says(&["was done before, nothing to load"]);
    assert_eq!(bed.progress().await, progress);
    assert_eq!(bed.number("SELECT count(*) FROM customers").await, ROWS as i64);
}

/// Before any split is in the ledger, and while the file is being cut.
#[tokio::test]
async fn a_kill_at_any_moment_of_the_start_loses_and_doubles_nothing() {
    let mut random = Random::of_the_test_run();
    let bed = Bed::new("kill_start").await;
    bed.sql(customers::TABLE).await;
    let file = customers::csv(20_000);
    bed.folder.write("customers.csv", &file);
    let table = customers::recipe_table("customers.csv");
    bed.recipe(&format!("[run]\nstreams = 3\nsplit_bytes = \"4 KiB\"\n{table}"));
    for kill in 0..10 {
        let mut etl = bed.start();
        if kill % 2 == 0 {
            // On a busy machine that takes longer than all the rest.
            let sessions = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                            AND application_name LIKE 'etl/%'";
            until("a session", async || (bed.number(sessions).await > 0 || etl.has_ended()).then_some(()))
                .await;
        }
        tokio::time::sleep(Duration::from_millis(random.below(500))).await;
        etl.kill();
        bed.quiet().await;
    }
    bed.run().code(0);
    assert_same(&expected(&file), &loaded(&bed.client).await);
    assert_eq!(bed.is_finished().await, 20_000);
}

/// A slow load of `file` into a table with a constraint, killed five times half way; `code` is what its end answers.
async fn killed_five_times(bed: &Bed, file: &str, constraint: &str, code: i32) {
    bed.sql(customers::TABLE).await;
    bed.sql(constraint).await;
    bed.slow_down(30).await;
    let gate = Gate::close(bed, "customers").await;
    let table = customers::recipe_table(file);
    bed.recipe(&format!("[run]\nstreams = 2\nchunk_rows = 100\nmax_rejects = 1000\n{table}"));
    for kill in 0..5 {
        let before = bed.progress().await;
        gate.open(before.chunks + 4).await;
        let mut etl = bed.start();
        gate.reached(before.chunks + 2, &mut etl).await;
        let ran = etl.kill();
        assert_eq!(ran.code, None, "it ended before kill {kill}: {ran:?}");
        assert!(bed.progress().await.is_midway());
        gate.settle().await;
    }
    gate.open_wide().await;
    bed.run().code(code);
}

/// Positions in it are those of the decompressed bytes: to continue, what was read is passed over.
#[tokio::test]
async fn a_compressed_file_continues_in_its_middle() {
    let plain = customers::csv(5000);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&plain).unwrap();
    let zstd = zstd::encode_all(&plain[..], 1).unwrap();
    for (database, file, content) in
        [("kill_gz", "customers.csv.gz", gzip.finish().unwrap()), ("kill_zst", "customers.csv.zst", zstd)]
    {
        let bed = Bed::new(database).await;
        bed.folder.write(file, content);
        killed_five_times(&bed, file, "", 0).await;
        assert_same(&expected(&plain), &loaded(&bed.client).await);
        assert_eq!(bed.is_finished().await, 5000);
    }
}

/// Every tenth row has no `@` in its e-mail, which the module rejects; the server refuses five.
#[tokio::test]
async fn rejects_are_kept_exactly_once_too() {
    let bed = Bed::new("kill_rejects").await;
    let customers = customers::csv_with_rejects(5000, 10, 1000);
    bed.folder.write("customers.csv", &customers.file);
    killed_five_times(&bed, "customers.csv", &customers.constraint, 8).await;
    customers.is_loaded_by(&bed.client).await;
    assert_eq!(bed.number("SELECT count(*) FROM etl.reject").await, 505);
    assert_eq!(bed.number("SELECT sum(rejected)::bigint FROM etl.ledger").await, 505);
    assert_eq!(bed.is_finished().await, 5000);
}
