//! Facts about reading, one by one; `reader_properties.rs` compares everything with the yardstick.

use std::fs;

use arrow_array::cast::AsArray;

use super::yardstick::{Seen, drain, memory, text_fields};
use super::*;
use crate::schema::Type;
use crate::source::{describe, inputs};
use crate::units::ByteSize;

pub(super) struct Folder(tempfile::TempDir);

impl Folder {
    pub(super) fn with(content: &[u8]) -> (Folder, SourceFile) {
        let folder = Folder(tempfile::tempdir().unwrap());
        fs::write(folder.0.path().join("t.csv"), content).unwrap();
        let file = inputs("t.csv", folder.0.path()).unwrap().remove(0);
        (folder, file)
    }
}

impl Seen {
    pub(super) fn cells(&self) -> Vec<Vec<Option<&str>>> {
        self.rows.iter().map(|(_, row)| row.iter().map(Option::as_deref).collect()).collect()
    }

    pub(super) fn codes(&self) -> Vec<(u64, &'static str)> {
        self.rejects.iter().map(|(position, code, _)| (position.line(), *code)).collect()
    }
}

/// All rows of a file with a header, its columns typed as given.
fn read_with(content: &[u8], settings: &Settings, types: &[(&str, &str)]) -> Result<Vec<Batch>, Error> {
    let (_folder, file) = Folder::with(content);
    let types = types.iter().map(|(name, ty)| ((*name).into(), ty.parse().unwrap())).collect();
    let described = describe(&file, settings, &types)?;
    let wanted: Vec<usize> = (0..described.fields.len()).collect();
    let mut reader =
        Reader::open(&file, settings, &described.fields, &wanted, described.body, None, &memory())?;
    std::iter::from_fn(|| reader.batch(1024).transpose()).collect()
}

fn read(content: &[u8]) -> Seen {
    let mut seen = Seen::default();
    read_with(content, &Settings::default(), &[]).unwrap().iter().for_each(|batch| seen.add(batch));
    seen
}

#[test]
fn an_empty_cell_is_null_and_a_quoted_empty_one_is_the_empty_string() {
    let seen = read(b"a,b,c\n,\"\",x\n\"\",,\n\"p,\"\"q\",,\"\"\n");
    let rows = [[None, Some(""), Some("x")], [Some(""), None, None], [Some("p,\"q"), None, Some("")]];
    assert_eq!(seen.cells(), rows);
}

/// As PostgreSQL has it, and `an_escape_means_what_it_means_to_copy` compares with it.
#[test]
fn an_escape_is_one_only_in_front_of_a_quote_or_of_itself() {
    let settings = Settings { escape: "\\".into(), ..Settings::default() };
    let mut seen = Seen::default();
    let content = br#"a,b,c
"C:\temp\new","\"q\"",C:\temp
"\\","\\\"","a\
\,"
"#;
    read_with(content, &settings, &[]).unwrap().iter().for_each(|batch| seen.add(batch));
    let rows = [
        [Some("C:\\temp\\new"), Some("\"q\""), Some("C:\\temp")],
        [Some("\\"), Some("\\\""), Some("a\\\n\\,")],
    ];
    assert_eq!(seen.cells(), rows);
}

#[test]
fn null_words_count_only_without_quotes() {
    let settings = Settings { null: vec!["NA".into(), "\\N".into()], ..Settings::default() };
    let mut seen = Seen::default();
    let batches = read_with(b"a,b\nNA,\"NA\"\n\\N,NAN\n", &settings, &[]).unwrap();
    batches.iter().for_each(|batch| seen.add(batch));
    assert_eq!(seen.cells(), [[None, Some("NA")], [None, Some("NAN")]]);
}

#[test]
fn a_blank_line_is_a_row_in_a_file_of_one_column_and_else_passed_over() {
    assert_eq!(read(b"a\n1\n\n\r\n2").cells(), [[Some("1")], [None], [None], [Some("2")]]);
    let seen = read(b"a,b\n\n1,2\n\r\n\n");
    assert_eq!(seen.cells(), [[Some("1"), Some("2")]]);
    assert_eq!((seen.blank, seen.ends.last().unwrap().stored()), (3, "12:6".into()));
}

#[test]
fn quotes_inside_an_unquoted_cell_are_bytes_like_others() {
    assert_eq!(read(b"a,b\n5\" disk,\"x\"y\"\n").cells(), [[Some("5\" disk"), Some("xy\"")]]);
}

#[test]
fn lines_are_counted_inside_quotes_and_for_each_kind_of_line_end() {
    let seen = read(b"a,b\r\n\"x\r\ny\",1\r2,\"\n\r\"\n3,4");
    let lines: Vec<u64> = seen.rows.iter().map(|(start, _)| start.line()).collect();
    assert_eq!(lines, [2, 4, 7]);
}

#[test]
fn a_byte_order_mark_is_one_only_at_the_start_of_the_file() {
    let seen = read(b"\xef\xbb\xbfa,b\n\xef\xbb\xbf1,2\n");
    assert_eq!(seen.cells(), [[Some("\u{feff}1"), Some("2")]]);
    assert_eq!(seen.rows[0].0.stored(), "7:2");
}

#[test]
fn a_zero_byte_is_text() {
    assert_eq!(read(b"a,b\nx\0y,\0\n").cells(), [[Some("x\0y"), Some("\0")]]);
}

#[test]
fn a_ragged_record_is_rejected_with_both_numbers() {
    let batches = read_with(b"a,b\n1\n1,2,3\n1,2\n", &Settings::default(), &[]).unwrap();
    let reasons: Vec<&str> = batches[0].rejects.iter().map(|reject| &*reject.reason).collect();
    assert_eq!(reasons, ["1 cell, 2 columns expected", "3 cells, 2 columns expected"]);
    assert_eq!(batches[0].rejects[1].original, Original::Bytes(b"1,2,3".to_vec()));
    assert_eq!(batches[0].rejects[1].position.stored(), "6:3");
    assert_eq!(batches[0].rows, 1);
    let many = [b"a\n".to_vec(), vec![b','; 100_000]].concat();
    let batches = read_with(&many, &Settings::default(), &[]).unwrap();
    assert_eq!(batches[0].rejects[0].reason, "100001 cells, 1 column expected");
}

#[test]
fn invalid_utf8_is_rejected_with_its_column_also_across_a_cells_end() {
    let batches = read_with(b"a,b\nx,\xff\n\xc3,\xa9\n\xc3\xa9,x\n", &Settings::default(), &[]).unwrap();
    let reasons: Vec<&str> = batches[0].rejects.iter().map(|reject| &*reject.reason).collect();
    assert_eq!(reasons, ["column `b`: not UTF-8", "column `a`: not UTF-8"]);
    assert_eq!(batches[0].rows, 1);
}

#[test]
fn a_row_with_a_bad_cell_leaves_no_trace() {
    let types = [("a", "text"), ("b", "int32[]"), ("c", "boolean"), ("d", "int16"), ("e", "uuid")];
    let id = "123e4567-e89b-12d3-a456-426614174000";
    let rows = format!(
        "a,b,c,d,e\nx,{{1}},t,1,{id}\ny,\"{{2,3,x}}\",t,2,{id}\nz,{{4}},f,99999,{id}\n,,,,\nw,{{5}},f,3,x\nv,{{6}},f,3,{id}\n"
    );
    let batches = read_with(rows.as_bytes(), &Settings::default(), &types).unwrap();
    let batch = &batches[0];
    let rejects: Vec<_> = batch.rejects.iter().map(|r| (r.position.line(), r.code, &*r.reason)).collect();
    let expected = [
        (3, "bad_cell", "column `b`: not of type int32[]"),
        (4, "bad_cell", "column `d`: not of type int16"),
        (6, "bad_cell", "column `e`: not of type uuid"),
    ];
    assert_eq!(rejects, expected);
    let texts: Vec<_> = batch.columns[0].as_string::<i32>().iter().collect();
    assert_eq!(texts, [Some("x"), None, Some("v")]);
    let lists = batch.columns[1].as_list::<i32>();
    let items: Vec<_> = lists
        .iter()
        .map(|l| l.map(|l| l.as_primitive::<arrow_array::types::Int32Type>().values().to_vec()))
        .collect();
    assert_eq!(items, [Some(vec![1]), None, Some(vec![6])]);
    let flags: Vec<_> = batch.columns[2].as_boolean().iter().collect();
    assert_eq!(flags, [Some(true), None, Some(false)]);
    assert_eq!(batch.columns[4].len(), 3);
}

#[test]
fn each_type_is_built_as_its_arrow_type() {
    let cells = [
        ("boolean", "t"),
        ("int16", "1"),
        ("int32", "1"),
        ("int64", "1"),
        ("float32", "1"),
        ("float64", "1"),
        ("numeric", "1.0"),
        ("text", "x"),
        ("bytes", "\\x00"),
        ("uuid", "123e4567e89b12d3a456426614174000"),
        ("date", "2013-01-01"),
        ("time", "05:00"),
        ("timestamp", "2013-01-01 05:00:00"),
        ("interval", "1 day"),
        ("inet", "::1"),
        ("json", "{}"),
    ];
    for (name, cell) in cells {
        for (ty, cell) in [
            (name.to_owned(), cell.to_owned()),
            (format!("{name}[]"), format!("\"{{\"\"{}\"\",NULL}}\"", cell.replace('\\', "\\\\"))),
        ] {
            let content = format!("a,b\n{cell},1\n,2\n");
            let batches = read_with(content.as_bytes(), &Settings::default(), &[("a", &ty)]).unwrap();
            assert!(batches[0].rejects.is_empty(), "{ty}: {:?}", batches[0].rejects);
            assert_eq!(batches[0].columns[0].data_type(), &ty.parse::<Type>().unwrap().arrow());
            assert_eq!((batches[0].columns[0].len(), batches[0].columns[0].null_count()), (2, 1), "{ty}");
        }
    }
}

#[test]
fn only_wanted_columns_are_built_and_checked() {
    let (_folder, file) = Folder::with(b"1,\xff,x\n2,y,z\n");
    let mut fields = text_fields(3);
    fields[0].ty = "int32".parse().unwrap();
    let (settings, start) = (Settings::default(), Position::FILE_START);
    let mut reader = Reader::open(&file, &settings, &fields, &[2], start.clone(), None, &memory()).unwrap();
    let seen = drain(&mut reader, 10).unwrap();
    assert_eq!(seen.cells(), [[Some("x")], [Some("z")]]);
    let mut reader = Reader::open(&file, &settings, &fields, &[], start, None, &memory()).unwrap();
    let batch = reader.batch(10).unwrap().unwrap();
    assert_eq!((batch.rows, batch.columns.len()), (2, 0));
}

#[test]
fn a_record_over_the_limit_is_rejected_with_its_start_and_the_next_is_read() {
    let settings = Settings { max_row_bytes: ByteSize(200_000), ..Settings::default() };
    let long = vec![b'x'; 3_000_000];
    let content = [b"a,b\n1,\"2\n\"\n\"\n", &long[..], b"\",y\r\n3,4\n"].concat();
    let batches = read_with(&content, &settings, &[]).unwrap();
    let mut seen = Seen::default();
    batches.iter().for_each(|batch| seen.add(batch));
    assert_eq!(seen.cells(), [[Some("1"), Some("2\n")], [Some("3"), Some("4")]]);
    assert_eq!(seen.codes(), [(4, "too_long")]);
    assert_eq!(seen.rows[1].0, Position::File { byte: content.len() as u64 - 4, line: 6 });
    let reject = batches.iter().flat_map(|batch| &batch.rejects).next().unwrap();
    assert!(reject.cut);
    assert_eq!(reject.reason, "longer than `max_row_bytes` (200000 B)");
    let Original::Bytes(original) = &reject.original else { panic!("{reject:?}") };
    assert_eq!(original.len(), MAX_ORIGINAL_BYTES);
}

/// However its bytes come: whole, or with the block's end in it.
#[test]
fn what_a_reject_keeps_of_a_record_over_the_limit_does_not_depend_on_where_it_stands() {
    let settings = Settings { max_row_bytes: ByteSize(60 << 10), ..Settings::default() };
    let around = MAX_BLOCK_BYTES - MAX_ORIGINAL_BYTES;
    for length in MAX_ORIGINAL_BYTES - 3..MAX_ORIGINAL_BYTES + 3 {
        for line_end in ["\n", "\r\n", "\r", ""] {
            for before in [0].into_iter().chain(around - 4..around + 4) {
                let row = |length: usize| format!("{}\n", "1".repeat(length - 1));
                let rows = if before == 0 { String::new() } else { row(30_000) + &row(before - 30_000) };
                let content = format!("{rows}{}{line_end}", "x".repeat(length));
                let (_folder, file) = Folder::with(content.as_bytes());
                let (fields, start) = (text_fields(1), Position::FILE_START);
                let mut reader =
                    Reader::open(&file, &settings, &fields, &[0], start, None, &memory()).unwrap();
                let batches = std::iter::from_fn(|| reader.batch(100_000).unwrap());
                let reject = batches.flat_map(|batch| batch.rejects).next().unwrap();
                let kept = "x".repeat(length.min(MAX_ORIGINAL_BYTES)).into_bytes();
                assert!(reject.original == Original::Bytes(kept), "{length} {line_end:?} {before}");
                assert_eq!(reject.cut, length > MAX_ORIGINAL_BYTES, "{length} {line_end:?} {before}");
            }
        }
    }
}

#[test]
fn a_row_larger_than_a_batch_comes_alone_and_holds_the_pool() {
    let long = "x".repeat(1_000_000);
    let (_folder, file) = Folder::with(format!("1,2\n{long},\"\"\n3,\n").as_bytes());
    let memory = memory();
    let (settings, fields) = (Settings::default(), text_fields(2));
    let mut reader =
        Reader::open(&file, &settings, &fields, &[0, 1], Position::FILE_START, None, &memory).unwrap();
    let small = reader.batch(100).unwrap().unwrap();
    assert_eq!((small.rows, small.loan.is_some()), (1, false));
    let large = reader.batch(100).unwrap().unwrap();
    assert_eq!((large.rows, large.loan.is_some()), (1, true));
    assert_eq!(large.columns[0].as_string::<i32>().value(0), long);
    assert!(reader.records.held_bytes() <= 2 * MAX_BLOCK_BYTES);
    drop(large);
    let last = reader.batch(100).unwrap().unwrap();
    assert_eq!((last.rows, last.loan.is_some(), last.starts.at(0).line()), (1, false, 3));
    assert!(reader.batch(100).unwrap().is_none());
}

#[test]
fn a_row_larger_than_a_batch_waits_for_the_pool_but_not_without_end() {
    let (_folder, file) = Folder::with("x".repeat(1_000_000).as_bytes());
    let (settings, fields, memory, stop) =
        (Settings::default(), text_fields(1), memory(), AtomicBool::new(false));
    let mut reader =
        Reader::open(&file, &settings, &fields, &[0], Position::FILE_START, None, &memory).unwrap();
    let held = memory.borrow_pool();
    assert!(matches!(reader.next_batch(9, &stop).unwrap(), unit::Next::Idle));
    drop(held);
    let batch = reader.batch(9).unwrap().unwrap();
    assert_eq!((batch.rows, batch.loan.is_some()), (1, true));
}

/// So a chunk ends in time, a signal is heeded, and other streams have the pool.
#[test]
fn a_record_without_end_is_told_of_again_and_again_and_holds_the_pool_no_longer_than_it_is_held() {
    let (folder, _) = Folder::with(b"1\n\"");
    let file = {
        let path = folder.0.path().join("t.csv");
        fs::File::options().write(true).open(path).unwrap().set_len(64 << 20).unwrap();
        inputs("t.csv", folder.0.path()).unwrap().remove(0)
    };
    let settings = Settings { max_row_bytes: ByteSize(2 << 20), ..Settings::default() };
    let (fields, memory, stop) = (text_fields(1), memory(), AtomicBool::new(false));
    let mut reader =
        Reader::open(&file, &settings, &fields, &[0], Position::FILE_START, None, &memory).unwrap();
    assert_eq!(reader.batch(9).unwrap().unwrap().rows, 1);
    assert!(matches!(reader.next_batch(9, &stop).unwrap(), unit::Next::Idle));
    assert!(memory.is_lent());
    for _ in 0..10 {
        assert!(matches!(reader.next_batch(9, &stop).unwrap(), unit::Next::Idle));
    }
    assert!(!memory.is_lent());
    assert!(reader.records.held_bytes() <= 2 * MAX_BLOCK_BYTES);
    let error = reader.batch(9).unwrap_err();
    assert!(matches!(error, Error::UnclosedQuote { line: 2, .. }), "{error}");
}

#[test]
fn a_batch_is_bounded_in_rows_rejects_and_bytes() {
    let content = "1,2\nx\n".repeat(100_000);
    let (_folder, file) = Folder::with(content.as_bytes());
    let (settings, fields, memory) = (Settings::default(), text_fields(2), memory());
    let mut reader =
        Reader::open(&file, &settings, &fields, &[0], Position::FILE_START, None, &memory).unwrap();
    let batch = reader.batch(10).unwrap().unwrap();
    assert_eq!((batch.rows, batch.rejects.len(), batch.end.stored()), (5, 5, "30:11".into()));
    let batch = reader.batch(usize::MAX).unwrap().unwrap();
    assert!(batch.source_bytes <= memory.batch_bytes() as u64);
    assert!(batch.source_bytes > memory.batch_bytes() as u64 - 10);
}

#[test]
fn an_unclosed_quote_is_an_error_with_the_line_where_its_record_began() {
    for content in ["a,b\n1,2\n3,\"4\n5,6\n", "a\nx\n\"", "a,b\n\"1\"\"\n,2"] {
        let (_folder, file) = Folder::with(content.as_bytes());
        let width = content.split('\n').next().unwrap().split(',').count();
        let (settings, fields) = (Settings::default(), text_fields(width));
        let mut reader =
            Reader::open(&file, &settings, &fields, &[0], Position::FILE_START, None, &memory()).unwrap();
        let (_, error) = *drain(&mut reader, 100).unwrap_err();
        let line = if content.ends_with(",2") { 2 } else { 3 };
        assert!(error.to_string().starts_with(&format!("`t.csv` line {line}: ")), "{error}");
    }
}

#[test]
fn an_unclosed_quote_at_the_start_of_a_large_file_does_not_fill_the_memory() {
    let content = [b"a,b\n1,\"".to_vec(), b"some text\n".repeat(64 << 20 >> 3)].concat();
    let (_folder, file) = Folder::with(&content[..64 << 20]);
    let settings = Settings { max_row_bytes: ByteSize(1 << 20), ..Settings::default() };
    let body = Position::File { byte: 4, line: 2 };
    let mut reader = Reader::open(&file, &settings, &text_fields(2), &[0, 1], body, None, &memory()).unwrap();
    let error = reader.batch(100).unwrap_err();
    assert!(matches!(error, Error::UnclosedQuote { line: 2, .. }), "{error}");
    assert!(reader.records.held_bytes() <= 2 * MAX_BLOCK_BYTES);
}
