//! Crashes at every step of the protocol and at random moments: the same command again until it is done, then rows
//! and rejects are compared by content. `make torture` does the same a thousand times.

use etl::failpoint::Point;
use etl_tests::bed::{Bed, Process, until};
use etl_tests::customers::{self, WithRejects, csv_with_rejects};
use etl_tests::harness::Folder;
use etl_tests::torture::{FOLDER, FRESH, Load, STOP, Torture, die_at, finish, points_of_a_load};

async fn bed(database: &str, customers: &WithRejects, run: &str) -> Bed {
    let bed = Bed::new(database).await;
    bed.sql(customers::TABLE).await;
    bed.sql(&customers.constraint).await;
    bed.folder.write("customers.csv", &customers.file);
    let table = customers::recipe_table("customers.csv");
    bed.recipe(&format!("[run]\nmax_rejects = 1000000\n{run}\n{table}"));
    bed
}

#[tokio::test]
async fn every_failpoint_is_met_and_survived() {
    let customers = csv_with_rejects(5000, 10, 500);
    let run = "streams = 2\nsplit_bytes = \"64 KiB\"\nchunk_rows = 100";
    let bed = bed("torture_points", &customers, run).await;
    for point in points_of_a_load() {
        // Not at once, where there is more than one of it: some are before it.
        let nth = if point > Point::SplitsAdded && point < Point::Finishing { 2 } else { 1 };
        let ran = die_at(&bed, point, nth).await;
        assert_eq!(ran.code, None, "{point:?} was not met: {ran:?}");
    }
    finish(&bed, 8).await;
    customers.is_loaded_by(&bed.client).await;
    assert_eq!(bed.is_finished().await, 5000);
}

#[tokio::test]
async fn forty_kills_leave_exactly_the_rows_and_the_rejects_of_the_file() {
    let customers = csv_with_rejects(50_000, 50, 5000);
    let bed =
        bed("torture_csv", &customers, "streams = 3\nsplit_bytes = \"512 KiB\"\nchunk_rows = 500").await;
    let mut torture = Torture::of(40);
    while let Some(mut random) = torture.next_load() {
        bed.forget("customers").await;
        torture.load(&bed, Load { chunks: 100, code: 8 }, &mut random).await;
        customers.is_loaded_by(&bed.client).await;
        assert_eq!(bed.is_finished().await, 50_000);
    }
}

#[tokio::test]
async fn a_death_while_a_load_is_forgotten_leaves_all_of_its_ledger_or_nothing() {
    let customers = csv_with_rejects(1000, 10, 500);
    let bed = bed("torture_fresh", &customers, "split_bytes = \"16 KiB\"").await;
    finish(&bed, 8).await;
    let all = "SELECT (SELECT count(*) FROM etl.run) + (SELECT count(*) FROM etl.source) \
               + (SELECT count(*) FROM etl.ledger) + (SELECT count(*) FROM etl.reject)";
    let before = bed.number(all).await;
    for (point, left) in FRESH.into_iter().zip([before, 0]) {
        let ran = bed.etl(["--fresh", "--yes"]).env("ETL_FAILPOINT", point.name()).run();
        assert_eq!(ran.code, None, "{point:?} was not met: {ran:?}");
        bed.quiet().await;
        assert_eq!(bed.number(all).await, left, "{point:?}");
        // The rows of a database stay in any case.
        customers.is_in(&bed.client).await;
        if left > 0 {
            bed.run().code(8).says(&["was done before, nothing to load"]);
        }
    }
    bed.sql("TRUNCATE customers").await;
    finish(&bed, 8).await;
    customers.is_loaded_by(&bed.client).await;
}

#[tokio::test]
async fn a_death_while_a_stopped_run_gives_its_splits_back_leaves_them_to_be_taken() {
    let customers = csv_with_rejects(3000, 10, 500);
    // One split, so that there is something to give back until the load's end.
    let run = "streams = 2\nchunk_rows = 50\nsplit_bytes = \"1 GiB\"";
    let bed = bed("torture_release", &customers, run).await;
    bed.slow_down(100).await;
    for point in STOP {
        let before = bed.progress().await.chunks;
        let etl = Process::of(bed.etl([""; 0]).env("ETL_FAILPOINT", point.name()));
        until("a chunk", async || (bed.progress().await.chunks > before).then_some(())).await;
        etl.signal(libc::SIGINT);
        let ran = etl.finish().await;
        assert_eq!(ran.code, None, "{point:?} was not met: {ran:?}");
        assert!(bed.progress().await.is_midway());
    }
    bed.sql("DROP TRIGGER pause ON customers").await;
    finish(&bed, 8).await;
    customers.is_loaded_by(&bed.client).await;
    assert_eq!(bed.is_finished().await, 3000);
}

/// Rows and rejects of a folder, by the numbers that they begin with.
fn in_folder(folder: &Folder) -> (Vec<u64>, usize) {
    let (mut ids, mut rejects) = (Vec::new(), 0);
    for entry in std::fs::read_dir(folder.path("out/t")).expect("a folder") {
        let path = entry.expect("a file").path();
        let text = std::fs::read_to_string(&path).expect("UTF-8");
        match path.extension().and_then(|ending| ending.to_str()) {
            Some("csv") => {
                ids.extend(text.lines().skip(1).map(|line| {
                    line.split(',').next().and_then(|id| id.parse::<u64>().ok()).expect("a number")
                }))
            }
            Some("jsonl") => rejects += text.lines().count(),
            _ => {}
        }
    }
    ids.sort_unstable();
    (ids, rejects)
}

#[test]
fn a_death_at_any_step_of_a_folder_loses_and_doubles_no_row_of_it() {
    const ROWS: u64 = 3000;
    let folder = Folder::new();
    // Each hundredth row has no number where one must be.
    let rows = (0..ROWS).map(|id| format!("{id},{}\n", if id % 100 == 7 { "x" } else { "1" }));
    folder.write("rows.csv", "id,n\n".to_string() + &rows.collect::<String>());
    let expected = ((0..ROWS).filter(|id| id % 100 != 7).collect::<Vec<_>>(), 30);
    let run = "streams = 1\nsplit_bytes = \"4 KiB\"\nmax_rejects = 100";
    let table = "[[tables]]\nfrom = \"rows.csv\"\ninto = \"t\"\ntypes = { n = \"int32\" }";
    folder
        .write("recipe.toml", format!("name = \"x\"\n[target.files]\ndir = \"out\"\n[run]\n{run}\n{table}"));
    let etl = |more: &[&str]| folder.etl(["run", "recipe.toml"].into_iter().chain(more.iter().copied()));
    for point in FOLDER {
        for nth in 1..=3 {
            // Over a folder that is done, and that was not asked for again.
            let again = ["--fresh", "--yes"];
            let ran = etl(&again).env("ETL_FAILPOINT", format!("{}:{nth}", point.name())).run();
            assert_eq!(ran.code, None, "{point:?} was not met: {ran:?}");
            etl(&[]).run().code(8);
            assert_eq!(in_folder(&folder), expected, "{point:?} {nth}");
            etl(&[]).run().code(8).says(&["was done before, nothing to load"]);
        }
    }
}
