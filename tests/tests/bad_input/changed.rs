//! What a load was made from changed between two runs: exit code 9, each difference named with both sides, and the
//! target as it was.

use std::fs;
use std::time::{Duration, SystemTime};

use etl_tests::harness::Ran;

use super::bed::{Bed, HUSH, Recipe, guest, row, rows};

/// Ten rows, of which the ninth stops the first run: two chunks of four are committed.
async fn begun(database: &str, recipe: &Recipe<'_>) -> Bed {
    let bed = Bed::new(database).await;
    let content = [rows(8), "9\n".into(), row(10)].concat();
    let _ = bed.run_rows(content, recipe).code(7);
    bed.has_exactly(1..=8).await;
    bed
}

/// Changes nothing in the target and says what is different.
async fn refused(bed: &Bed, says: &[&str]) -> Ran {
    let before = (bed.ids().await, bed.ledger().await);
    let ran = bed.run().code(9).says(says);
    assert_eq!((bed.ids().await, bed.ledger().await), before);
    ran
}

const AGAIN: &str = "load everything again with --fresh";

#[tokio::test]
async fn a_file_that_grew_or_has_another_content_is_refused_and_another_time_alone_is_not() {
    let bed = begun("bad_changed_file", &Recipe::default()).await;
    let path = bed.folder.path("rows.csv");
    let content = fs::read_to_string(&path).unwrap();
    bed.folder.write("rows.csv", format!("{content}{}", row(11)));
    let (then, now) = (content.len(), content.len() + row(11).len());
    let says = format!("rows.csv changed since it was begun: it had {then} bytes and has {now} now");
    refused(&bed, &[&says, "put it back as it was, give the new rows a file of their own", AGAIN]).await;
    bed.folder.write("rows.csv", content.replace("9\n", "8\n"));
    refused(&bed, &["rows.csv changed since it was begun: it has another content now", AGAIN]).await;
    fs::remove_file(&path).unwrap();
    bed.run().code(3).says(&["there is no file `", "rows.csv`"]);
    bed.folder.write("rows.csv", &content);
    let file = fs::File::options().write(true).open(&path).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_secs(86_400)).unwrap();
    bed.command(&["run", "--max-rejects", "1"]).run().never_says(HUSH).code(8);
    bed.has_exactly((1..=8).chain([10])).await;
}

#[tokio::test]
async fn a_file_of_a_glob_that_vanished_unfinished_is_refused_and_a_new_one_is_loaded() {
    let recipe = Recipe { from: "rows*.csv", ..Recipe::default() };
    let bed = begun("bad_changed_glob", &recipe).await;
    bed.folder.write("rows2.csv", rows(1).replace(&row(1), &row(100)));
    fs::rename(bed.folder.path("rows.csv"), bed.folder.path("away.csv")).unwrap();
    refused(
        &bed,
        &["rows.csv was begun and is not among the files of `rows*.csv` any more: put it back", AGAIN],
    )
    .await;
    fs::rename(bed.folder.path("away.csv"), bed.folder.path("rows.csv")).unwrap();
    bed.command(&["run", "--max-rejects", "1"]).run().never_says(HUSH).code(8);
    bed.has_exactly((1..=8).chain([10, 100])).await;
    // All of it is loaded: it may go.
    fs::remove_file(bed.folder.path("rows.csv")).unwrap();
    bed.run().code(7);
    bed.command(&["run", "--max-rejects", "1"]).run().never_says(HUSH).code(8);
}

#[tokio::test]
async fn each_change_of_the_recipe_that_shapes_rows_is_named() {
    let bed = begun("bad_changed_recipe", &Recipe::default()).await;
    let head = "run `bad` into public.t cannot continue, it was started with something else:";
    let changes: [(Recipe<'_>, &str); 5] = [
        (Recipe { csv: "null = [\"NA\"]", ..Recipe::default() }, "null"),
        (Recipe { csv: "delimiter = \";\"\nheader = [\"id\", \"name\"]", ..Recipe::default() }, "delimiter"),
        (Recipe { table: "types = { id = \"int32\" }", ..Recipe::default() }, "types"),
        (
            Recipe { table: "transforms = [{ drop = [\"name\"] }]", ..Recipe::default() },
            "transforms[0] added (drop { \"name\" })",
        ),
        (Recipe { csv: "max_row_bytes = \"1 KiB\"", ..Recipe::default() }, "max_row_bytes"),
    ];
    for (recipe, part) in changes {
        bed.recipe(&recipe);
        refused(&bed, &[head, part, "go back to what it was, or ", AGAIN]).await;
    }
    // What does not shape rows may change.
    let run = "streams = 3\nchunk_rows = 5\nmemory = \"32 MiB\"\nmax_rejects = 1";
    bed.recipe(&Recipe { run, csv: "# a comment", target: "lock_timeout = \"2 min\"", ..Recipe::default() });
    bed.run().code(8);
    bed.has_exactly((1..=8).chain([10])).await;
}

#[tokio::test]
async fn another_module_or_other_options_are_named() {
    let bed = Bed::new("bad_changed_module").await;
    bed.client.batch_execute("CREATE TABLE public.m (made text)").await.unwrap();
    bed.folder.write("rows.csv", rows(6));
    let write = |options: &str| {
        let table = format!("transforms = [{{ module = \"m.wasm\"{options} }}]");
        let run = "streams = 1\nbatch_rows = 2\nchunk_rows = 4";
        bed.recipe(&Recipe { table: &table, run, into: "public.m", ..Recipe::default() });
    };
    let module = |name: &str| fs::copy(guest(&bed.folder, name), bed.folder.path("m.wasm")).unwrap();
    module("trap-later");
    write("");
    bed.run().code(7);
    let count = "SELECT count(*) FROM public.m WHERE made IN ('ab', 'c')";
    let four = || async { assert_eq!(bed.client.query_one(count, &[]).await.unwrap().get::<_, i64>(0), 4) };
    four().await;
    module("honest-two-rows");
    refused(
        &bed,
        &["run `bad` into public.m cannot continue", "transforms[0].module changed (", "sha256 ", AGAIN],
    )
    .await;
    module("trap-later");
    write(", options = { how = \"other\" }");
    refused(&bed, &["transforms[0] changed (module { } → module { \"how\" = \"other\" })", AGAIN]).await;
    four().await;
    // Back to what it was, and under another name: the content counts.
    write("");
    bed.run().code(0);
}

#[tokio::test]
async fn a_target_table_that_is_another_one_now_is_refused() {
    let bed = begun("bad_changed_table", &Recipe::default()).await;
    bed.client.batch_execute("TRUNCATE public.t").await.unwrap();
    refused(&bed, &["table public.t was truncated, restored or rewritten", AGAIN]).await;
    bed.client.batch_execute("DROP TABLE public.t; CREATE TABLE public.t (id int, name text)").await.unwrap();
    refused(&bed, &["run `bad` into public.t cannot continue", "public.t", AGAIN]).await;
    let ran = bed.command(&["run", "--fresh", "--max-rejects", "1"]).run().never_says(HUSH).code(2);
    ran.says(&[
        "8 rows that `bad` loaded stay in ",
        "--fresh asks, and there is no terminal to answer: add --yes",
    ]);
    assert!(bed.ids().await.is_empty());
    let fresh = ["run", "--fresh", "--yes", "--max-rejects", "1"];
    bed.command(&fresh).run().never_says(HUSH).code(8);
    bed.has_exactly((1..=8).chain([10])).await;
    assert_eq!(bed.rejects().await.len(), 1);
}

#[test]
fn files_that_were_begun_with_something_else_are_refused() {
    let folder = etl_tests::harness::Folder::new();
    let write = |csv: &str| {
        let text =
            format!("name = \"x\"\n[source.csv]\n{csv}\n[[tables]]\nfrom = \"rows.csv\"\ninto = \"t\"\n");
        folder.write("recipe.toml", text);
    };
    folder.write("rows.csv", rows(3));
    write("");
    let run = || folder.etl(["run", "recipe.toml"]).run().never_says(HUSH);
    run().code(0);
    let written = fs::read(folder.path("etl-out/x/t/000001.csv")).unwrap();
    write("null = [\"NA\"]");
    run().code(9).says(&["run `x` into t cannot continue", "null", AGAIN]);
    write("");
    folder.write("rows.csv", rows(4));
    run().code(9).says(&["rows.csv changed since it was begun: it had ", AGAIN]);
    assert_eq!(fs::read(folder.path("etl-out/x/t/000001.csv")).unwrap(), written);
    folder.etl(["run", "recipe.toml", "--fresh", "--yes"]).run().code(0);
    assert_eq!(fs::read_to_string(folder.path("etl-out/x/t/000001.csv")).unwrap(), rows(4));
}
