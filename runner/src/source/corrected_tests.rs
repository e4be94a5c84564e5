//! Corrected rejects read back: rows, rejects, and lines that cannot be sent.

use std::io::Write;

use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;

use super::*;
use crate::batch::Batch;
use crate::memory::Memory;
use crate::position::Position;
use crate::reject::Original;
use crate::schema::{Field, Scalar, Type};
use crate::source::{Next, inputs};

fn file(text: impl AsRef<[u8]>) -> (tempfile::TempDir, SourceFile) {
    let folder = tempfile::tempdir().unwrap();
    File::create(folder.path().join("c.jsonl")).unwrap().write_all(text.as_ref()).unwrap();
    let file = inputs("c.jsonl", folder.path()).unwrap().remove(0);
    (folder, file)
}

fn fields() -> Vec<Field> {
    let key = Field { nullable: false, ..Field::nullable("id", Type::of(Scalar::Int32)) };
    vec![
        key,
        Field::nullable("unread", Type::of(Scalar::Text)),
        Field::nullable("name", Type::of(Scalar::Text)),
    ]
}

/// All rows `id name @line` and rejects `code @line` of `t`, in batches of at most `rows`, opened anew for each.
fn read(file: &SourceFile, rows: usize) -> (Vec<String>, Vec<String>) {
    let corrected = Corrected { file: file.clone(), tables: vec!["t".into()] };
    let (mut taken, mut rejects, mut from) = (Vec::new(), Vec::new(), Position::FILE_START);
    loop {
        let memory = Memory::new(1, 1);
        let mut reader = Reader::open(&corrected, (&fields(), &[0, 2]), &from, &memory).unwrap();
        let Next::Batch(batch) = reader.next_batch(rows).unwrap() else { return (taken, rejects) };
        assert!(batch.rows + batch.rejects.len() <= rows && batch.source_bytes > 0);
        let Batch { columns, starts, end, .. } = batch;
        for row in 0..batch.rows {
            let id = columns[0].as_primitive::<Int32Type>().value(row);
            taken.push(format!(
                "{id} {} @{}",
                columns[1].as_string::<i32>().value(row),
                starts.at(row).line()
            ));
        }
        rejects.extend(
            batch.rejects.iter().map(|reject| format!("{} @{}", reject.code, reject.position.line())),
        );
        from = end;
    }
}

const MIXED: &str = r#"{"table":"t","cut":false,"original":{"id":1,"name":"one"}}

{"table":"other","original":{"x":1}}
{"table":"t","original":{"name":"two","id":"2","unread":[1]}}
{"table":"t","original":{"id":"two","name":""}}
{"table":"t","original":{"id":3}}
{"table":"t","original":{"id":4,"name":"","names":1}}
{"table":"t","original":{"id":null,"name":""}}
{"table":"t","original":{"id":5,"name":"fünf"}}"#;

#[test]
fn the_rows_of_a_table_are_read_from_any_position_on() {
    let (_folder, file) = file(MIXED);
    let rows = ["1 one @1", "2 two @4", "5 fünf @9"];
    let rejects = ["bad_cell @5", "missing_column @6", "unknown_column @7", "bad_cell @8"];
    for most in [1, 2, 3, 100] {
        let read = read(&file, most);
        assert_eq!(
            (read.0.as_slice(), read.1.as_slice()),
            (&rows.map(String::from)[..], &rejects.map(String::from)[..])
        );
    }
}

#[test]
fn a_reject_of_a_corrected_row_keeps_it_as_it_stands_in_the_file() {
    let (_folder, file) = file(r#"{"table":"t","original":{"id":"two", "name":1.50}}"#);
    let corrected = Corrected { file, tables: vec!["t".into()] };
    let memory = Memory::new(1, 1);
    let mut reader = Reader::open(&corrected, (&fields(), &[0, 2]), &Position::FILE_START, &memory).unwrap();
    let Next::Batch(batch) = reader.next_batch(10).unwrap() else { panic!("there is a row") };
    assert_eq!(batch.rejects[0].original, Original::Columns(r#"{"id":"two", "name":1.50}"#.into()));
    assert_eq!(batch.rejects[0].reason, "column `id`: not of type int32");
}

#[test]
fn a_row_larger_than_a_batch_comes_alone_with_a_loan() {
    let line = |id: u32, length: usize| {
        format!("{{\"table\":\"t\",\"original\":{{\"id\":{id},\"name\":\"{}\"}}}}\n", "x".repeat(length))
    };
    let (_folder, file) = file(line(1, 10) + &line(2, 100_000) + &line(3, 10));
    let corrected = Corrected { file, tables: vec!["t".into()] };
    let memory = Memory::new(1, 1);
    let mut reader = Reader::open(&corrected, (&fields(), &[0, 2]), &Position::FILE_START, &memory).unwrap();
    let mut shapes = Vec::new();
    let held = memory.borrow_pool();
    while let Next::Batch(batch) = reader.next_batch(10).unwrap() {
        shapes.push((batch.rows, batch.loan.is_some()));
    }
    // Another stream has the pool: nobody waits for it without end.
    assert_eq!(shapes, [(1, false)]);
    drop(held);
    while let Next::Batch(batch) = reader.next_batch(10).unwrap() {
        shapes.push((batch.rows, batch.loan.is_some()));
    }
    assert_eq!(shapes, [(1, false), (1, true), (1, false)]);
}

#[test]
fn the_tables_of_a_file_are_told_with_their_first_lines() {
    let (_folder, file) = file(MIXED);
    let found: Vec<_> = tables(&file).unwrap().into_iter().collect();
    let of = |rows, line| Found { rows, line };
    assert_eq!(found, [("other".into(), of(1, 3)), ("t".into(), of(7, 1))]);
}

#[test]
fn every_line_that_cannot_be_sent_is_told_without_its_values() {
    let long = format!("{{\"table\":\"t\",\"original\":{{\"a\":\"{}\"}}}}", "x".repeat(2 << 20));
    let lines = [
        r#"{"table":"t","original":{"a":1}}"#,
        r#"{"table":"t","cut":true,"original":{"a":1}}"#,
        r#"{"table":"t","original":null,"original_text":"secret"}"#,
        r#"{"table":"t","original":["secret"]}"#,
        r#"{"original":{}}"#,
        r#"["secret"]"#,
        r#"{"table":"secret"#,
        &long,
        r#"{"table":7,"original":{}}"#,
        r#"{"table":"t","original":{"name":"right","id":2,"n\u0061me":"secret"}}"#,
    ];
    let (_folder, file) = file(lines.join("\n"));
    let text = tables(&file).unwrap_err().to_string();
    assert!(!text.contains("secret") && !text.contains("line 1:"), "{text}");
    let told: Vec<&str> =
        text.lines().map(|line| line.trim_start().trim_start_matches("`c.jsonl` ")).collect();
    let expected = [
        "line 2: holds a row that was cut",
        "line 3: has no columns",
        "line 4: has an `original` that is no object",
        "line 5: says no `table`",
        "line 6: is no reject",
        "line 7: is no reject",
        "line 8: is longer than 1 MiB",
        "line 9: is no reject",
        "line 10: names a column twice",
    ];
    assert_eq!(told.len(), expected.len(), "{text}");
    assert!(told.iter().zip(expected).all(|(told, expected)| told.starts_with(expected)), "{text}");
    let many = "x\n".repeat(30);
    let (_folder, file) = self::file(many);
    assert!(tables(&file).unwrap_err().to_string().ends_with("and 20 lines more"));
}
