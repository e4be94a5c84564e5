//! Modules that are none, do not fit, or trap, loop, grow or lie with every row: the module, the rows and the
//! functions named, and whole chunks alone in the target. `poison` has those that fail with some rows.

use etl_tests::harness::Ran;

use super::bed::{Bed, HUSH, Recipe, guest, rows};

/// Six rows through a module of `tests/evil`, in batches of two and chunks of four, into `public.m (made text)`.
async fn bed(database: &str) -> Bed {
    let bed = Bed::new(database).await;
    bed.client.batch_execute("CREATE TABLE public.m (made text)").await.unwrap();
    bed.folder.write("rows.csv", rows(6));
    bed
}

fn recipe(bed: &Bed, module: &str) {
    let table = format!(
        "transforms = [\n  {{ rename = {{ name = \"words\" }} }},\n  {{ module = \"{module}.wasm\" }},\n]"
    );
    let run = "streams = 1\nbatch_rows = 2\nchunk_rows = 4";
    bed.recipe(&Recipe { table: &table, run, into: "public.m", ..Recipe::default() });
}

#[track_caller]
fn run(bed: &Bed, module: &str) -> Ran {
    guest(&bed.folder, module);
    recipe(bed, module);
    bed.command(&["run"]).env("ETL_TRANSFORM__CALL_TIMEOUT", "300 ms").run().never_says(HUSH)
}

/// What was made of the rows that are in the target.
async fn made(bed: &Bed) -> Vec<String> {
    let rows = bed.client.query("SELECT made FROM public.m ORDER BY ctid", &[]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

#[tokio::test]
async fn a_file_that_is_no_module_is_named_with_the_recipes_line_and_what_it_is() {
    let bed = bed("bad_module_file").await;
    let whole = std::fs::read(guest(&bed.folder, "honest-two-rows")).unwrap();
    let cases: [(&str, Option<&[u8]>, &str); 6] = [
        ("missing", None, "cannot read module "),
        ("text", Some(b"fn main() {}\n"), "it is a text file; did you mean to compile it?"),
        ("wat", Some(b"(module)"), "it is WebAssembly in its text form"),
        ("noise", Some(b"\0\x01\x02\x03\xff\xfe"), "it is not WebAssembly"),
        ("empty", Some(b""), "the file is empty"),
        ("cut", Some(&whole[..whole.len() / 2]), "it is truncated"),
    ];
    for (name, content, says) in cases {
        if let Some(content) = content {
            bed.folder.write(&format!("{name}.wasm"), content);
        }
        recipe(&bed, name);
        let at = bed.line("{ module");
        bed.run().code(4).says(&[&format!("error: {at} "), &format!("/{name}.wasm"), says]);
        bed.command(&["check"]).run().code(11).says(&[&at, says]);
    }
    bed.is_untouched().await;
}

#[tokio::test]
async fn a_module_of_another_contract_or_with_foreign_imports_is_refused_by_name() {
    let bed = bed("bad_module_contract").await;
    let ran = run(&bed, "version-0-2").code(4);
    let says = "version-0-2.wasm cannot be used: it was built for etl:transform 0.2, this runner speaks 0.1";
    ran.says(&[&bed.line("{ module"), says]);
    let import =
        "(module (import \"env\" \"now\" (func (result i64))) (func (export \"etl_transform_0_1\")))";
    bed.folder.write("foreign.wasm", wat::parse_str(import).unwrap());
    recipe(&bed, "foreign");
    bed.run().code(4).says(&[&bed.line("{ module"), "it imports `now` from `env`"]);
    bed.is_untouched().await;
}

/// The module logs a hundred thousand lines of 30,000 bytes for each batch, escapes for terminals among them.
#[tokio::test]
async fn a_flood_of_log_lines_is_cut_and_reaches_no_terminal_as_it_is() {
    let bed = Bed::new("bad_module_flood").await;
    guest(&bed.folder, "log-flood");
    bed.folder.write("rows.csv", rows(2));
    let table = "transforms = [{ module = \"log-flood.wasm\" }]\ntypes = { id = \"int32\" }";
    bed.recipe(&Recipe { table, run: "streams = 1\nmax_rejects = 10", ..Recipe::default() });
    let ran = bed.command(&["run", "-vv"]).env("ETL_TRANSFORM__LOG_LINES", "50").run();
    let ran = ran.code(0).says(&["log_lines reached; what it logs from here on is dropped"]);
    let ran = ran.never_says("\u{1b}").never_says(HUSH);
    assert_eq!(ran.stderr.matches(" warn: ").count(), 50);
    assert!(ran.stderr.len() < 50 * 4096, "{} bytes", ran.stderr.len());
}

#[tokio::test]
async fn a_module_that_fails_in_plan_stops_the_run_before_a_row_moves() {
    let bed = bed("bad_module_plan").await;
    for (name, says) in [
        (
            "plan-trap",
            "was stopped in plan: it trapped: wasm `unreachable` instruction executed; in explode < ",
        ),
        ("plan-loop", "was stopped in plan: it took longer than 300 ms (call_timeout)"),
        ("start-loop", "was stopped in start-up: it took longer than 300 ms (call_timeout)"),
        ("plan-err", "was stopped in plan: it answered with an error: needs column `email`"),
        ("plan-reads-outside", "its answer breaks the contract: "),
        ("realloc-wild", "was stopped in plan: its answer breaks the contract: realloc return"),
        ("memory-start", "was stopped in start-up: it wanted 4 GiB of memory, more than 256 MiB (memory)"),
    ] {
        run(&bed, name).code(4).says(&[&bed.line("{ module"), &format!("{name}.wasm"), says]);
    }
    bed.is_untouched().await;
}

#[tokio::test]
async fn a_module_that_fails_on_every_row_is_named_with_its_functions_and_ends_the_run() {
    let bed = bed("bad_module_batch").await;
    for (name, says) in [
        ("transform-trap", "it trapped: integer divide by zero; rows 1 to 2 of the batch; in ratio < "),
        ("transform-loop", "it took longer than 300 ms (call_timeout)"),
        ("memory-grow", "of memory, more than 256 MiB (memory)"),
        ("recursion", "its calls nest deeper than 512 KiB of stack (stack)"),
        ("list-alias", "it answered more than 64 MiB (output)"),
    ] {
        let ran = run(&bed, name).code(7);
        let stopped = format!("{name}.wasm was stopped in transform: ");
        let reject = format!("allows\n  rows.csv line 2: transform: module {name}.wasm: ");
        ran.says(&[&stopped, says, "its rows are tried apart", &reject]);
        assert!(made(&bed).await.is_empty(), "{name}");
        bed.client.batch_execute("DROP SCHEMA etl CASCADE").await.unwrap();
    }
}

#[tokio::test]
async fn a_module_that_answers_with_an_error_stops_the_run_whatever_may_be_rejected() {
    let bed = bed("bad_module_err").await;
    guest(&bed.folder, "err");
    recipe(&bed, "err");
    let ran = bed.command(&["run", "--max-rejects", "100"]).run().never_says(HUSH).code(4);
    ran.says(&[
        "error: transform failed on rows.csv, lines 2-3\n  because module ",
        "err.wasm was stopped in transform: it answered with an error: bad \\u{1b}[31m row!",
    ]);
    assert!(made(&bed).await.is_empty());
}

#[tokio::test]
async fn every_lie_about_a_batch_is_caught_before_a_row_of_it_is_loaded() {
    let bed = bed("bad_module_lies").await;
    for (name, says) in [
        ("offsets-backwards", "column `made`: offset 2 is 3, less than 5"),
        ("offsets-outside", "last offset is 900, but there are 3 bytes of data"),
        ("offsets-negative", "offset 1 is -1, less than 0"),
        ("utf8-broken", "row 0 is not UTF-8"),
        ("offsets-short", "offsets of 8 bytes, where 12 belong"),
        ("validity-long", "validity of 2 bytes, where 1 belong"),
        ("columns-missing", "0 columns; its plan makes 1"),
        ("origin-outside", "origin 2 in a batch of 2 rows"),
        ("origin-long", "3 origins for 2 rows"),
        ("rows-missing", "1 rows without an origin"),
        ("emitted-and-rejected", "row 1 is both emitted and rejected"),
        ("list-4gib", "list pointer/length out of bounds"),
        ("rows-many", "4294967295 rows without an origin, but 2 rows of the batch were not rejected"),
    ] {
        let ran = run(&bed, name).code(7);
        ran.says(&["rows rejected, more than max_rejects = 0", &format!("{name}.wasm was stopped"), says]);
        assert!(made(&bed).await.is_empty(), "{name}");
        bed.client.batch_execute("DROP SCHEMA etl CASCADE").await.unwrap();
    }
}

#[tokio::test]
async fn a_trap_in_a_later_batch_leaves_the_chunks_before_it() {
    let bed = bed("bad_module_later").await;
    let ran = run(&bed, "trap-later").code(7);
    ran.says(&[
        "allows\n  rows.csv line 6: transform: module trap-later.wasm: ",
        "trap-later.wasm was stopped in transform",
        "in third < ",
    ]);
    assert_eq!(made(&bed).await, ["ab", "c", "ab", "c"]);
    assert_eq!(bed.ledger().await, (4, 0, 1));
    // The same command goes on behind them: the new instance is honest for the rest.
    bed.command(&["run"]).run().never_says(HUSH).code(0);
    assert_eq!(made(&bed).await, ["ab", "c", "ab", "c", "ab", "c"]);
}

#[tokio::test]
async fn what_a_module_says_is_bounded_and_cannot_write_over_the_terminal() {
    let bed = bed("bad_module_words").await;
    guest(&bed.folder, "reason-long");
    recipe(&bed, "reason-long");
    let ran =
        bed.command(&["run", "--max-rejects", "100", "-vv"]).run().never_says(HUSH).never_says("\u{1b}");
    assert!(ran.stderr.len() < 5000, "{} bytes", ran.stderr.len());
    let _ = ran.code(8).says(&["3 rejected"]);
    let rejects = bed.rejects().await;
    assert_eq!(rejects.len(), 3);
    assert!(rejects[0].contains("{\"id\":\"2\"}"), "{rejects:?}");
}
