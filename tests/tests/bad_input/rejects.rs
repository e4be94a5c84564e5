//! Bad rows within what the recipe allows: exactly these end as rejects, each with its place, stage, code and
//! original, and all others are loaded.

use std::fmt::Write as _;

use super::bed::{Bed, HUSH, Recipe, row};

/// A file of `last` rows in which some lines are bad; the bad ones' ids are missing in the target.
struct Mixed {
    content: Vec<u8>,
    bad: Vec<i32>,
    /// As [`Bed::rejects`] shows them.
    expected: Vec<String>,
}

/// Bad rows of every kind at many places, among good ones.
fn mixed(last: i32) -> Mixed {
    let mut mixed = Mixed { content: b"id,name\n".to_vec(), bad: Vec::new(), expected: Vec::new() };
    for (line, id) in (2..).zip(1..=last) {
        let at = format!("{}:{line}", mixed.content.len());
        let long = "x".repeat(5000);
        let (bytes, expected): (Vec<u8>, String) = match id % 17 {
            3 => {
                let text = format!("{id},{HUSH},more");
                (text.clone().into(), format!("read/ragged 3 cells, 2 columns expected: {text}"))
            }
            5 => {
                let text = format!("{id}");
                (text.clone().into(), format!("read/ragged 1 cell, 2 columns expected: {text}"))
            }
            7 => {
                let text = format!("{id}x,{HUSH}");
                (text.clone().into(), format!("read/bad_cell column `id`: not of type int32: {text}"))
            }
            9 => {
                let bytes = [format!("{id},{HUSH}").as_bytes(), b"\xff"].concat();
                (bytes, format!("read/bad_utf8 column `name`: not UTF-8: {id},{HUSH}\\xff"))
            }
            11 => {
                let reason = "longer than `max_row_bytes` (4 KiB)";
                (format!("{id},{long}").into(), format!("read/too_long {reason}: {id},"))
            }
            13 => {
                let reason = "column `name`: text with a NUL character, which PostgreSQL cannot store";
                let original = format!("{{\"id\":{id},\"name\":\"a\\u0000{HUSH}\"}}");
                (format!("{id},a\0{HUSH}").into(), format!("encode/nul {reason}: {original}"))
            }
            _ => (row(id.unsigned_abs()).trim_end().into(), String::new()),
        };
        mixed.content.extend(bytes);
        mixed.content.push(b'\n');
        if !expected.is_empty() {
            mixed.bad.push(id);
            mixed.expected.push(format!("{at} {expected}"));
        }
    }
    mixed
}

/// Whether the reject is the only one of its chunk, one of many, or in the only chunk of its split.
#[tokio::test]
async fn exactly_the_bad_rows_become_rejects_and_the_others_are_loaded_in_chunks_of_any_size() {
    for chunk_rows in [1, 7, 50, 100_000] {
        let bed = Bed::new(&format!("bad_rejects_{chunk_rows}")).await;
        let Mixed { content, bad, expected } = mixed(500);
        let table = "types = { id = \"int32\" }";
        let csv = "max_row_bytes = \"4 KiB\"";
        let run =
            format!("streams = 3\nchunk_rows = {chunk_rows}\nsplit_bytes = \"8 KiB\"\nmax_rejects = 1000");
        let ran = bed.run_rows(content, &Recipe { table, csv, run: &run, ..Recipe::default() }).code(8);
        let count = bad.len();
        ran.says(&[
            "bad: done, with rejects",
            &format!("500 rows read: {} loaded, {count} rejected", 500 - count),
            "read/too_long: longer than `max_row_bytes` (4 KiB)",
        ]);
        bed.has_exactly((1..=500).filter(|id| !bad.contains(id))).await;
        let rejects = bed.rejects().await;
        assert_eq!(rejects.len(), expected.len(), "{rejects:#?}");
        for (reject, expected) in rejects.iter().zip(&expected) {
            let is_cut = expected.contains("/too_long ");
            let same = if is_cut { reject.starts_with(expected) } else { reject == expected };
            assert!(same, "found:    {reject}\nexpected: {expected}");
        }
        assert_eq!(bed.ledger().await, (500, i64::try_from(count).unwrap(), 0));
        assert_eq!(bed.rejects_elsewhere().await, 0);
        // Again: nothing is loaded or rejected twice, and the code still says that rows are missing.
        bed.run().code(8).says(&["was done before, nothing to load"]);
        assert_eq!(bed.rejects().await.len(), count);
        bed.has_exactly((1..=500).filter(|id| !bad.contains(id))).await;
    }
}

#[tokio::test]
async fn the_reject_over_the_limit_rolls_the_chunk_in_hand_back() {
    let bed = Bed::new("bad_rejects_limit").await;
    let mut content = "id,name\n".to_string();
    for id in 1..=20 {
        // Rows 3, 6, 11 and 14 are bad: the fourth chunk of four rows goes over two rejects… as the third does.
        if [3, 6, 11, 14].contains(&id) {
            let _ = writeln!(content, "{id}");
        } else {
            content.push_str(&row(id));
        }
    }
    let run = |max: &str| format!("streams = 1\nchunk_rows = 4\n{max}");
    let two = run("max_rejects = 2");
    bed.run_rows(content, &Recipe { run: &two, ..Recipe::default() }).code(7).says(&[
        "3 of 12 rows rejected, more than max_rejects = 2 allows\n  rows.csv line 12: read: 1 cell, 2 columns expected",
    ]);
    bed.has_exactly([1, 2, 4, 5, 7, 8]).await;
    assert_eq!((bed.ledger().await, bed.rejects().await.len()), ((8, 2, 1), 2));
    bed.recipe(&Recipe { run: &run("max_rejects = 4"), ..Recipe::default() });
    bed.run().code(8);
    bed.has_exactly((1..=20).filter(|id| ![3, 6, 11, 14].contains(id))).await;
    assert_eq!((bed.ledger().await, bed.rejects().await.len()), ((20, 4, 0), 4));
}

#[tokio::test]
async fn a_share_of_rejects_is_judged_at_the_end_with_its_last_ones() {
    let bed = Bed::new("bad_rejects_percent").await;
    let content: String = (1..=50).map(|id| if id % 10 == 0 { format!("{id}\n") } else { row(id) }).collect();
    let run = "streams = 1\nchunk_rows = 20\nmax_rejects_percent = 9.5";
    let ran = bed.run_rows(format!("id,name\n{content}"), &Recipe { run, ..Recipe::default() }).code(7);
    ran.says(&[
        "5 of 50 rows rejected, more than max_rejects_percent = 9.5 allows",
        "\n  rows.csv line 51: read: 1 cell, 2 columns expected",
    ]);
    bed.has_exactly((1..=50).filter(|id| id % 10 != 0)).await;
    let run = "streams = 1\nchunk_rows = 20\nmax_rejects_percent = 10";
    bed.recipe(&Recipe { run, ..Recipe::default() });
    bed.run().code(8);
    assert_eq!(bed.rejects().await.len(), 5);
}
