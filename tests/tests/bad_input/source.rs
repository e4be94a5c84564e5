//! Files that are missing, malformed as a whole, or hold rows that cannot be read.

use std::fs;
use std::io::Write as _;
use std::process::Child;
use std::time::Duration;

use etl_tests::harness::Ran;

use super::bed::{Bed, HUSH, Recipe, row, rows};

/// What goes wrong before a row moves: exit code 3, at the recipe's line, the target untouched.
async fn refused(database: &str, content: &[u8], says: &str) {
    let bed = Bed::new(database).await;
    let ran = bed.run_rows(content, &Recipe::default());
    ran.code(3).says(&[&format!("{} `rows.csv`", bed.line("from =")), says]);
    bed.is_untouched().await;
}

#[tokio::test]
async fn a_missing_file_a_folder_and_a_glob_of_nothing_are_named_with_the_recipes_line() {
    let bed = Bed::new("bad_source_missing").await;
    fs::create_dir(bed.folder.path("d")).unwrap();
    for (from, says) in [
        ("nix.csv", "there is no file `"),
        ("nix*.csv", "no file matches `nix*.csv`"),
        ("d", "d` is a directory: name the files in it, for example `"),
        ("[.csv", "`[.csv` is no pattern of file names"),
    ] {
        bed.recipe(&Recipe { from, ..Recipe::default() });
        bed.run().code(3).says(&[&bed.line("from ="), from, says]);
    }
    bed.is_untouched().await;
}

#[tokio::test]
async fn an_empty_file_has_no_header() {
    let says = "is empty: it has no header (if it is right that there are no rows, name the columns in `source.csv.header`)";
    refused("bad_source_empty", b"", says).await;
    refused("bad_source_blank", b"\n\n\r\n", says).await;
}

#[tokio::test]
async fn a_file_with_a_header_alone_is_loaded_as_no_rows() {
    let bed = Bed::new("bad_source_header").await;
    bed.run_rows("id,name\n", &Recipe::default())
        .code(0)
        .says(&["rows.csv -> public.t", "0 rows read: 0 loaded"]);
    bed.has_exactly([]).await;
}

#[tokio::test]
async fn a_column_name_twice_is_refused_with_its_line() {
    let text = format!("\nid,name,id\n1,{HUSH},2\n");
    let says =
        "line 2: there is a column `id` twice: rename one of them, or give all names in `source.csv.header`";
    refused("bad_source_twice", text.as_bytes(), says).await;
    refused("bad_source_unnamed", b"id,\n", "line 1: column 2 has no name: name it").await;
}

#[tokio::test]
async fn another_encoding_is_refused() {
    refused("bad_source_utf16", b"\xff\xfei\0d\0\n\0", "line 1: it is UTF-16: convert it to UTF-8").await;
    refused("bad_source_latin1", b"id,n\xe4me\n1,2\n", "line 1: the header's cell 2 is not UTF-8: convert")
        .await;
}

#[tokio::test]
async fn sixteen_hundred_columns_are_loaded_and_one_more_is_refused() {
    let bed = Bed::new("bad_source_wide").await;
    let list =
        |text: &dyn Fn(usize) -> String, count: usize| (1..=count).map(text).collect::<Vec<_>>().join(",");
    // Booleans, because a row of 1,600 longer values does not fit into a page.
    let ddl = format!("CREATE TABLE public.w ({})", list(&|n| format!("c{n} boolean"), 1600));
    bed.client.batch_execute(&ddl).await.unwrap();
    let file = |count: usize| {
        format!("{}\n{}\n", list(&|n| format!("c{n}"), count), list(&|n| (n % 2 == 0).to_string(), count))
    };
    let recipe = Recipe { into: "public.w", ..Recipe::default() };
    bed.run_rows(file(1601), &recipe).code(3).says(&[
        "`rows.csv` line 1: 1601 columns, but a table has at most 1600: cut the file into narrower ones",
    ]);
    bed.run_rows(file(1600), &recipe).code(0);
    let sql = "SELECT c1, c2, c1599, c1600, to_jsonb(w)::text FROM public.w w";
    let row = bed.client.query_one(sql, &[]).await.unwrap();
    assert_eq!([0, 1, 2, 3].map(|n| row.get::<_, bool>(n)), [false, true, false, true]);
    assert_eq!(row.get::<_, String>(4).matches("true").count(), 800);
}

#[tokio::test]
async fn a_type_of_a_column_that_is_not_there_is_named_with_its_line() {
    let bed = Bed::new("bad_source_types").await;
    let recipe = Recipe { table: "types = {\n  idd = \"int32\",\n}", ..Recipe::default() };
    let ran = bed.run_rows(rows(1), &recipe).code(3);
    let says =
        "`types` names the column `idd`, which `rows.csv` line 1 does not have: its columns are `id`, `name`";
    ran.says(&[&bed.line("idd"), says]);
    bed.is_untouched().await;
}

/// Nine good rows, the bad one, and three more: two chunks of four rows are whole, the third is rolled back.
async fn bad_row(database: &str, bad: &[u8], recipe: &Recipe<'_>, says: &str) -> Bed {
    let bed = Bed::new(database).await;
    let content = [rows(9).as_bytes(), bad, (11..14).map(row).collect::<String>().as_bytes()].concat();
    let ran = bed.run_rows(content, recipe).code(7);
    let _ = ran.says(&[
        "1 of 12 rows rejected, more than max_rejects = 0 allows",
        &format!("\n  rows.csv line 11: {says}"),
        "hint: raise max_rejects",
        "continue with: ",
    ]);
    bed.has_exactly(1..=8).await;
    assert_eq!((bed.ledger().await, bed.rejects().await.len()), ((8, 0, 1), 0));
    bed
}

#[tokio::test]
async fn a_ragged_row_is_named_and_the_chunk_in_hand_is_rolled_back() {
    let bad = format!("10,{HUSH},{HUSH}\n");
    let says = "read: 3 cells, 2 columns expected";
    let bed = bad_row("bad_source_ragged", bad.as_bytes(), &Recipe::default(), says).await;
    // The hint says how to go on, and it is so.
    let more = bed.command(&["run", "--max-rejects", "1"]).run().never_says(HUSH);
    more.code(8).says(&["done, with rejects", "rejects   1 read/ragged: 3 cells, 2 columns expected"]);
    bed.has_exactly((1..=9).chain(11..=13)).await;
    bed.run().code(7).says(&["1 of 13 rows rejected"]);
}

#[tokio::test]
async fn a_nul_character_is_named_with_its_column() {
    let bad = format!("10,{HUSH}\0{HUSH}\n");
    let says = "encode: column `name`: text with a NUL character, which PostgreSQL cannot store";
    bad_row("bad_source_nul", bad.as_bytes(), &Recipe::default(), says).await;
}

#[tokio::test]
async fn bytes_that_are_not_utf8_are_named_with_their_column() {
    let bad = [b"10,", HUSH.as_bytes(), b"\xff\xfe\n"].concat();
    bad_row("bad_source_utf8", &bad, &Recipe::default(), "read: column `name`: not UTF-8").await;
}

#[tokio::test]
async fn a_cell_over_the_limit_is_named_with_the_limit() {
    let bad = format!("10,{}\n", HUSH.repeat(300));
    let recipe = Recipe { csv: "max_row_bytes = \"1 KiB\"", ..Recipe::default() };
    let says = "read: longer than `max_row_bytes` (1 KiB)";
    bad_row("bad_source_long", bad.as_bytes(), &recipe, says).await;
}

#[tokio::test]
async fn a_cell_of_another_type_is_named_with_its_column() {
    let bad = format!("{HUSH},ten\n");
    let recipe = Recipe { table: "types = { id = \"int32\" }", ..Recipe::default() };
    bad_row("bad_source_cell", bad.as_bytes(), &recipe, "read: column `id`: not of type int32").await;
}

#[tokio::test]
async fn a_row_that_the_server_refuses_stops_the_run_with_its_line() {
    let bed = Bed::new("bad_source_server").await;
    let content = [rows(9), format!("{HUSH},ten\n"), row(11)].concat();
    let ran = bed.run_rows(content, &Recipe::default()).code(7);
    ran.says(&[
        "1 of 11 rows rejected, more than max_rejects = 0 allows",
        "rows.csv line 11: server: SQLSTATE 22P02 (invalid_text_representation), column `id`",
        "hint: raise max_rejects to keep such rows as rejects",
    ]);
    bed.has_exactly(1..=9).await;
    assert_eq!(bed.ledger().await, (9, 0, 1));
}

#[tokio::test]
async fn an_unclosed_quote_is_named_with_the_line_where_it_begins() {
    let bed = Bed::new("bad_source_quote").await;
    let content = [rows(9), format!("10,\"{HUSH}\n"), (11..14).map(row).collect()].concat();
    let ran = bed.run_rows(content, &Recipe::default()).code(3);
    ran.says(&[
        "`rows.csv` line 11: the record that begins here has a quote that is never closed",
        "set `source.csv.quote = \"\"`",
    ]);
    bed.has_exactly(1..=8).await;
    assert_eq!((bed.ledger().await, bed.rejects().await.len()), ((8, 0, 1), 0));
}

#[tokio::test]
async fn an_unclosed_quote_in_front_of_64_mebibytes_takes_bounded_memory() {
    let bed = Bed::new("bad_source_quote_64").await;
    let line = format!("{HUSH},{}\n", "x".repeat(100));
    let rest = line.repeat((64 << 20) / line.len() + 1);
    bed.folder.write("rows.csv", [rows(8), "9,\"".into(), rest].concat());
    // As many rejects as there are rows: none of them may hide the quote.
    let run = "streams = 4\nchunk_rows = 4\nmax_rejects = 1000000";
    bed.recipe(&Recipe { run, ..Recipe::default() });
    let (ran, peak_bytes) = peak(bed.command(&["run", "--quiet"]).start());
    ran.code(3).never_says(HUSH).says(&["`rows.csv` line 10: the record that begins here has a quote"]);
    assert!(peak_bytes < 128 << 20, "{peak_bytes} bytes at the peak");
    assert!(peak_bytes > 1 << 20, "no peak was seen");
    bed.has_exactly(1..=8).await;
}

#[tokio::test]
async fn a_gzip_file_that_is_cut_off_keeps_its_whole_chunks() {
    let bed = Bed::new("bad_source_gzip").await;
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
    gzip.write_all(rows(1000).as_bytes()).unwrap();
    let whole = gzip.finish().unwrap();
    let run = "streams = 1\nchunk_rows = 100";
    let ran = bed.run_rows(&whole[..whole.len() / 2], &Recipe { run, ..Recipe::default() }).code(3);
    ran.says(&["`rows.csv` cannot be decompressed (gzip): it is cut off or damaged behind byte "]);
    let ids = bed.ids().await;
    assert!(ids.len() % 100 == 0 && ids.len() < 1000, "{} rows", ids.len());
    bed.has_exactly(1..=i32::try_from(ids.len()).unwrap()).await;
}

/// Waits for a process, and the most memory that it was seen to have: `VmHWM` never falls.
fn peak(mut child: Child) -> (Ran, u64) {
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    while child.try_wait().unwrap().is_none() {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
        peak = peak.max(kib.unwrap_or_default() << 10);
        std::thread::sleep(Duration::from_millis(1));
    }
    (Ran::of(&child.wait_with_output().unwrap()), peak)
}
