//! Standard input as the source: another load each time, which takes nothing away unasked and promises nothing that it
//! cannot keep.

use std::fs;

use etl_tests::bed::{Bed, Process, until};
use etl_tests::harness::{Etl, Folder};

/// One row is good, two have no number.
const BAD: &str = "id,name\n1,one\nx,two\ny,three\n";

/// `etl run` from standard input into `public.t` with more words.
fn into_t(bed: &Bed, file: &str, more: &[&str]) -> Etl {
    let url = bed.url();
    let words = ["run", "--from", "-", "--to", &url, "--into", "public.t", "--max-rejects", "100"];
    bed.folder.etl(words.iter().chain(more)).stdin_from(&bed.folder.path(file))
}

async fn bed(database: &str) -> Bed {
    let bed = Bed::new(database).await;
    bed.sql("CREATE TABLE t (id text CHECK (id ~ '^[0-9]+$'), name text)").await;
    bed.folder.write("bad.csv", BAD);
    bed
}

#[tokio::test]
async fn rejects_of_one_load_stay_when_the_next_one_begins() {
    let bed = bed("commands_stdin_rejects").await;
    into_t(&bed, "bad.csv", &["--name", "n"]).run().code(8).says(&["1 loaded, 2 rejected"]);
    into_t(&bed, "bad.csv", &["--name", "n"]).run().code(8).says(&["1 loaded, 2 rejected"]);
    assert_eq!(bed.number("SELECT count(*) FROM etl.reject WHERE name = 'n'").await, 4);
    assert_eq!(bed.number("SELECT count(*) FROM t").await, 2);
    let url = bed.url();
    let look = ["rejects", "--from", "-", "--to", &url, "--into", "public.t", "--name", "n"];
    assert!(bed.folder.etl(look).run().code(0).stdout.starts_with("public.t: 4 rejects\n"));
    // Nobody asks for what nothing of goes away; what --fresh takes away is told, and the source answers nothing.
    let ran = into_t(&bed, "bad.csv", &["--name", "n", "--fresh"]).run().code(2);
    ran.says(&["4 rejects of `n` into \"public\".\"t\" go away", "--fresh asks", "add --yes"]);
    assert_eq!(bed.number("SELECT count(*) FROM etl.reject").await, 4);
    into_t(&bed, "bad.csv", &["--name", "n", "--fresh", "--yes"]).run().code(8);
    assert_eq!(bed.number("SELECT count(*) FROM etl.reject").await, 2);
}

#[tokio::test]
async fn what_the_ledger_knows_of_files_is_not_forgotten_for_standard_input_unasked() {
    let bed = bed("commands_stdin_files").await;
    bed.folder.write("rows.csv", "id,name\n1,one\n2,two\n");
    let url = bed.url();
    let files = ["run", "--from", "rows.csv", "--to", &url, "--into", "public.t", "--name", "n"];
    bed.folder.etl(files).run().code(0);
    let ran = into_t(&bed, "bad.csv", &["--name", "n"]).run().code(2);
    ran.says(&["the ledger forgets what `n` loaded of 1 source into \"public\".\"t\"", "add --yes"]);
    bed.folder.etl(files).run().code(0).says(&["was done before, nothing to load"]);
    assert_eq!(bed.number("SELECT count(*) FROM t").await, 2);
    into_t(&bed, "bad.csv", &["--name", "n", "--yes"]).run().code(8);
}

#[test]
fn finished_files_of_a_folder_do_not_go_away_unasked() {
    let folder = Folder::new();
    folder.write("bad.csv", BAD);
    let rows = folder.write("rows.csv", "id\n1\n");
    let run = |more: &[&str]| {
        let words = ["run", "--from", "-", "--to", "shared", "--into", "t"];
        folder.etl(words.iter().chain(more)).stdin_from(&rows).run()
    };
    run(&[]).code(0);
    let says = ["the files of the load before in ", "shared/t go away", "standard input asks", "add --yes"];
    run(&[]).code(2).says(&says);
    let text = || fs::read_to_string(folder.path("shared/t/000001.csv")).unwrap();
    assert_eq!(text(), "id\n1\n");
    fs::write(&rows, "id\n2\n").unwrap();
    run(&["--yes"]).code(0);
    assert_eq!(text(), "id\n2\n");
    // Those of another load are not its own to replace, whoever says yes.
    folder.etl(["run", "--from", "rows.csv", "--to", "files", "--into", "t"]).run().code(0);
    for more in [&["--yes"][..], &["--fresh", "--yes"]] {
        let words = ["run", "--from", "-", "--to", "files", "--into", "t"];
        let ran = folder.etl(words.iter().chain(more)).stdin_from(&folder.path("bad.csv")).run().code(5);
        ran.says(&["files/t holds the load `t-", "name another folder"]);
    }
    assert_eq!(fs::read_to_string(folder.path("files/t/000001.csv")).unwrap(), "id\n2\n");
}

#[tokio::test]
async fn a_load_that_ended_early_does_not_promise_to_continue() {
    let bed = bed("commands_stdin_stopped").await;
    let ran = into_t(&bed, "bad.csv", &["--max-rejects-percent", "0"]).run();
    ran.code(2).says(&["cannot be used with"]);
    let url = bed.url();
    let words = ["run", "--from", "-", "--to", &url, "--into", "public.t", "--max-rejects", "1"];
    let bad = bed.folder.path("bad.csv");
    let ran = bed.folder.etl(words).stdin_from(&bad).run().code(7);
    ran.says(&["standard input cannot be continued", "hint: raise max_rejects"])
        .never_says("command continues")
        .never_says("continue with");
    bed.slow_down_table("t", 200).await;
    let rows: String = (0..6000).map(|id| format!("{id},x\n")).collect();
    bed.folder.write("rows.csv", format!("id,name\n{rows}"));
    bed.recipe("[run]\nchunk_rows = 100\n[[tables]]\nfrom = \"-\"\ninto = \"public.t\"\n");
    let etl = Process::of(bed.etl([""; 0]).stdin_from(&bed.folder.path("rows.csv")));
    until("some chunks", async || (bed.progress().await.chunks >= 3).then_some(())).await;
    etl.signal(libc::SIGTERM);
    let ran = etl.finish().await.code(130);
    ran.says(&["stopped; what was committed stays", "standard input cannot be continued"])
        .never_says("command continues")
        .never_says("continue with");
}
