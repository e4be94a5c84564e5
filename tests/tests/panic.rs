//! Mistakes of `etl` itself: exit code 1, and where it happened, but no word that may hold a row.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use etl_tests::harness::{Folder, Ran};

/// A load of a folder that panics at a step: what it says holds `hush-4711`.
fn panics_at(step: &str, more: &[&str]) -> Ran {
    let folder = Folder::new();
    folder.write("rows.csv", "id\n1\n");
    let words = [&["run", "--from", "rows.csv", "--to", "out", "--into", "t"], more].concat();
    if more.contains(&"--fresh") {
        folder.etl(&words[..7]).run().code(0);
    }
    let ran = folder.etl(&words).env("ETL_FAILPOINT", step).run();
    assert_eq!(ran.code, Some(1), "{ran:?}");
    ran.says(&["error: internal error: etl panicked at runner/src/failpoint.rs:", "please report it"])
        .never_says("hush")
}

#[test]
fn a_panic_of_the_command_itself_is_exit_code_1_and_tells_its_place_alone() {
    panics_at("file-removed:1:panic", &["--fresh", "--yes"]);
}

#[test]
fn a_panic_of_a_stream_ends_the_load_with_exit_code_1_and_a_report() {
    let ran = panics_at("files-naming:1:panic", &["--json"]);
    assert_eq!(ran.json()["ending"], "failed");
    ran.says(&["internal error: a stream ended unexpectedly"]);
}
