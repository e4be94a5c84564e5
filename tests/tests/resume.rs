//! The same command again: it continues, says that nothing is left, loads what is new, or refuses because what it
//! continues is not what it was.

use std::fs;
use std::time::SystemTime;

use etl_tests::bed::Bed;
use etl_tests::customers::{self, assert_same, csv, csv_of, expected, loaded};
use etl_tests::gate::Gate;
use etl_tests::harness::guest;

/// A database with the table and a folder with the file, not loaded yet.
async fn bed(database: &str, rows: u64) -> Bed {
    let bed = Bed::new(database).await;
    bed.sql(customers::TABLE).await;
    bed.folder.write("in/a.csv", csv(rows));
    bed
}

/// The same, loaded.
async fn loaded_bed(database: &str) -> Bed {
    let bed = bed(database, 300).await;
    bed.recipe(&customers::recipe_table("in/*.csv"));
    bed.run().code(0);
    bed
}

/// The same, killed half way.
async fn half_loaded_bed(database: &str) -> Bed {
    let bed = bed(database, 6000).await;
    let gate = Gate::close(&bed, "customers").await;
    gate.open(4).await;
    bed.recipe(&format!("[run]\nstreams = 2\nchunk_rows = 200\n{}", customers::recipe_table("in/*.csv")));
    let mut etl = bed.start();
    gate.reached(4, &mut etl).await;
    etl.kill();
    gate.disperse().await;
    assert!(bed.progress().await.is_midway());
    bed.sql("DROP TRIGGER pass ON customers").await;
    bed
}

/// Refused as something else than what was begun, with these words; nothing moved.
async fn is_drift(bed: &Bed, says: &[&str]) {
    let before = bed.progress().await;
    bed.run().code(9).says(says).says(&["--fresh"]);
    assert_eq!(bed.progress().await, before);
}

#[tokio::test]
async fn a_finished_run_says_so_and_loads_nothing() {
    let bed = loaded_bed("resume_finished").await;
    let (rows, progress) = (loaded(&bed.client).await, bed.progress().await);
    bed.run().code(0).says(&["test: was done before, nothing to load"]);
    let report = bed.etl(["--json"]).run().code(0).json();
    assert_eq!((&report["ending"], &report["rows"]["read"]), (&"already_done".into(), &0.into()));
    assert_eq!(report["tables"][0]["rows"]["loaded"], 300);
    assert_same(&rows, &loaded(&bed.client).await);
    assert_eq!(bed.progress().await, progress);
}

#[tokio::test]
async fn a_file_that_is_new_to_the_glob_is_all_that_is_loaded() {
    let bed = loaded_bed("resume_glob").await;
    let second = csv_of(300..800);
    bed.folder.write("in/b.csv", &second);
    let report = bed.etl(["--json"]).run().code(0).json();
    assert_eq!((&report["ending"], &report["rows"]["read"]), (&"done".into(), &500.into()));
    let mut all = expected(&csv(300));
    all.extend(expected(&second));
    all.sort();
    assert_same(&all, &loaded(&bed.client).await);
    assert_eq!(bed.is_finished().await, 800);
    // A finished file may be cleared away.
    fs::remove_file(bed.folder.path("in/a.csv")).unwrap();
    bed.run().code(0).says(&["was done before, nothing to load"]);
    assert_eq!(bed.number("SELECT count(*) FROM customers").await, 800);
}

#[tokio::test]
async fn an_unfinished_file_that_changed_grew_or_vanished_is_refused_by_name() {
    let bed = half_loaded_bed("resume_file").await;
    let path = bed.folder.path("in/a.csv");
    let file = fs::read(&path).unwrap();

    let mut changed = file.clone();
    let at = changed.len() - 10;
    changed[at] = if changed[at] == b'x' { b'y' } else { b'x' };
    fs::write(&path, &changed).unwrap();
    is_drift(&bed, &["in/a.csv changed since it was begun", "another content"]).await;

    let grown = [&file[..], &csv_of(6000..6001)[etl_tests::generate::HEADER.len()..]].concat();
    fs::write(&path, &grown).unwrap();
    let sizes = [format!("had {} bytes", file.len()), format!("has {} now", grown.len())];
    is_drift(&bed, &["in/a.csv changed", &sizes[0], &sizes[1]]).await;

    fs::remove_file(&path).unwrap();
    bed.folder.write("in/b.csv", csv_of(7000..7001));
    is_drift(&bed, &["in/a.csv was begun", "put it back"]).await;
    fs::remove_file(bed.folder.path("in/b.csv")).unwrap();

    // Back as it was, but for the time: that alone is no change.
    fs::write(&path, &file).unwrap();
    let handle = fs::File::options().write(true).open(&path).unwrap();
    handle.set_modified(SystemTime::UNIX_EPOCH).unwrap();
    bed.run().code(0);
    assert_same(&expected(&file), &loaded(&bed.client).await);
    assert_eq!(bed.is_finished().await, 6000);
}

#[tokio::test]
async fn a_finished_file_that_grew_is_refused_by_name_too() {
    let bed = loaded_bed("resume_grew").await;
    bed.folder.write("in/a.csv", csv(301));
    is_drift(&bed, &["in/a.csv changed", "give the new rows a file of their own"]).await;
}

#[tokio::test]
async fn other_settings_modules_or_tables_are_refused_with_the_difference() {
    let bed = bed("resume_drift", 300).await;
    let module = fs::read(guest("rust", "customers")).unwrap();
    bed.folder.write("customers.wasm", &module);
    let recipe = |module: &str, source: &str, transforms: &str| {
        bed.recipe(&format!(
            "{source}\n[[tables]]\nfrom = \"in/*.csv\"\ninto = \"public.customers\"\n\
             types = {{ id = \"uuid\", account = \"int64\", age = \"int32\", amount_cents = \"int64\" }}\n\
             transforms = [{transforms}{{ module = \"{module}\" }}]\n"
        ));
    };
    recipe("customers.wasm", "", "");
    bed.run().code(0);

    recipe("customers.wasm", "[source.csv]\nnull = [\"NA\"]", "");
    is_drift(&bed, &["source.csv.null", "NA"]).await;
    recipe("customers.wasm", "", "{ drop = [\"age\"] }, { constant = { age = 7 } }, ");
    is_drift(&bed, &["transforms[0]", "drop", "transforms[1]", "age"]).await;

    recipe("customers.wasm", "", "");
    // The same module with an empty custom section: the same rows, but who knows that?
    bed.folder.write("customers.wasm", [&module[..], &[0, 2, 1, b'x']].concat());
    is_drift(&bed, &["transforms[0].module changed", "sha256"]).await;
    bed.folder.write("customers.wasm", &module);
    bed.run().code(0).says(&["was done before"]);
    // The bytes count, not what the file is called.
    bed.folder.write("modules/renamed.wasm", &module);
    recipe("modules/renamed.wasm", "", "");
    bed.run().code(0).says(&["was done before"]);

    // No row is rewritten by that, so the table's file is the same.
    bed.sql("ALTER TABLE customers ALTER note TYPE varchar").await;
    is_drift(&bed, &["column `note` changed (text → varchar)"]).await;
    bed.sql("ALTER TABLE customers ALTER note TYPE text, ADD COLUMN later int DEFAULT 7").await;
    bed.run().code(0).says(&["was done before"]);

    bed.sql("TRUNCATE customers").await;
    is_drift(&bed, &["public.customers was truncated"]).await;
    bed.sql("DROP TABLE customers").await;
    bed.sql(customers::TABLE).await;
    is_drift(&bed, &["public.customers was dropped and made again"]).await;
}

#[tokio::test]
async fn what_shapes_no_row_may_change_in_the_middle_of_a_load() {
    let bed = half_loaded_bed("resume_other").await;
    bed.recipe(&format!(
        "# once more\n[run]\nstreams = 5\nmemory = \"16 MiB\"\nchunk_rows = 333\nsplit_bytes = \"10 KiB\"\n\
         max_rejects = 5\n{}",
        customers::recipe_table("./in/*.csv")
    ));
    let tiling = "SELECT source, ord, start, bound FROM etl.ledger ORDER BY source, ord";
    let before = customers::rows_of(&bed.client, tiling).await;
    bed.etl(["--streams", "3"]).run().code(0);
    assert_same(&expected(&csv(6000)), &loaded(&bed.client).await);
    assert_eq!(bed.is_finished().await, 6000);
    // What was cut stays cut: nobody computes the tiling again.
    let now = customers::rows_of(&bed.client, tiling).await;
    assert!(before.iter().all(|split| now.contains(split)), "{before:?}\n{now:?}");
}

#[tokio::test]
async fn who_connects_is_no_part_of_what_is_loaded() {
    let bed = half_loaded_bed("resume_user").await;
    bed.sql("DROP ROLE IF EXISTS etl_resume_other; CREATE ROLE etl_resume_other SUPERUSER LOGIN").await;
    let url =
        bed.url().replace("etl@", "etl_resume_other:another-password@").replace("127.0.0.1", "127.0.0.2");
    let rest = format!("[run]\nstreams = 2\nchunk_rows = 200\n{}", customers::recipe_table("in/*.csv"));
    bed.recipe_to("postgres://nobody@nowhere/none", &rest);
    let ran = bed.etl([""; 0]).env("ETL_TARGET__POSTGRES__URL", &url).run().code(0);
    ran.never_says("another-password");
    assert_same(&expected(&csv(6000)), &loaded(&bed.client).await);
    assert_eq!(bed.is_finished().await, 6000);
}

#[tokio::test]
async fn fresh_asks_first_and_then_loads_every_row_again() {
    let bed = loaded_bed("resume_fresh").await;
    let refused = bed.etl(["--fresh"]).run().code(2);
    refused.says(&["300 rows that `test` loaded stay", "there twice", "add --yes"]);
    assert_eq!(bed.number("SELECT count(*) FROM customers").await, 300);
    bed.run().code(0).says(&["was done before"]);

    bed.etl(["--fresh", "--yes"]).run().code(0);
    let mut twice = expected(&csv(300));
    twice.extend(twice.clone());
    twice.sort();
    assert_same(&twice, &loaded(&bed.client).await);
    assert_eq!(bed.is_finished().await, 300);
}
