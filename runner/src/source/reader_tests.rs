use std::fs;
use std::io::{self, Write};

use arrow_array::cast::AsArray;
use proptest::prelude::*;

use super::*;
use crate::dialect::Dialect;
use crate::schema::Type;
use crate::source::reference::{self, Record};
use crate::source::stdin::Feed;
use crate::source::{Compression, Input, describe, inputs};
use crate::units::ByteSize;

const NO_LIMIT: usize = 1 << 20;

struct Folder(tempfile::TempDir);

impl Folder {
    fn with(content: &[u8]) -> (Folder, SourceFile) {
        let folder = Folder(tempfile::tempdir().unwrap());
        fs::write(folder.0.path().join("t.csv"), content).unwrap();
        let file = inputs("t.csv", folder.0.path()).unwrap().remove(0);
        (folder, file)
    }
}

/// Rows as text, NULL as `None`.
#[derive(Debug, Default, PartialEq)]
struct Seen {
    rows: Vec<(Position, Vec<Option<String>>)>,
    rejects: Vec<(Position, &'static str, Vec<u8>)>,
    blank: u64,
    ends: Vec<Position>,
}

impl Seen {
    fn add(&mut self, batch: &Batch) {
        for row in 0..batch.rows {
            let cell = |column: &arrow_array::ArrayRef| {
                let text =
                    arrow_array::Array::is_valid(column, row).then(|| column.as_string::<i32>().value(row));
                text.map(str::to_owned)
            };
            self.rows.push((batch.starts.at(row), batch.columns.iter().map(cell).collect()));
        }
        for reject in &batch.rejects {
            let Original::Bytes(bytes) = &reject.original else { panic!("{reject:?}") };
            self.rejects.push((reject.position, reject.code, bytes.clone()));
        }
        self.blank += batch.blank;
        self.ends.push(batch.end);
    }

    fn cells(&self) -> Vec<Vec<Option<&str>>> {
        self.rows.iter().map(|(_, row)| row.iter().map(Option::as_deref).collect()).collect()
    }

    fn codes(&self) -> Vec<(u64, &'static str)> {
        self.rejects.iter().map(|(position, code, _)| (position.line(), *code)).collect()
    }
}

fn drain(reader: &mut Reader, max_rows: usize) -> Result<Seen, (Seen, Error)> {
    let mut seen = Seen::default();
    loop {
        match reader.next_batch(max_rows) {
            Ok(Some(batch)) => seen.add(&batch),
            Ok(None) => return Ok(seen),
            Err(error) => return Err((seen, error)),
        }
    }
}

fn text_fields(width: usize) -> Vec<Field> {
    (0..width)
        .map(|column| Field::nullable(format!("c{column}"), Type::of(crate::schema::Scalar::Text)))
        .collect()
}

fn memory() -> Memory {
    Memory::new(64 << 20, 1)
}

/// All rows of a file with a header, its columns typed as given.
fn read_with(content: &[u8], settings: &Settings, types: &[(&str, &str)]) -> Result<Vec<Batch>, Error> {
    let (_folder, file) = Folder::with(content);
    let types = types.iter().map(|(name, ty)| ((*name).into(), ty.parse().unwrap())).collect();
    let described = describe(&file, settings, &types)?;
    let wanted: Vec<usize> = (0..described.fields.len()).collect();
    let mut reader =
        Reader::open(&file, settings, &described.fields, &wanted, described.body, None, &memory())?;
    std::iter::from_fn(|| reader.next_batch(1024).transpose()).collect()
}

fn read(content: &[u8]) -> Seen {
    let mut seen = Seen::default();
    read_with(content, &Settings::default(), &[]).unwrap().iter().for_each(|batch| seen.add(batch));
    seen
}

struct Way {
    width: usize,
    block_bytes: usize,
    batch_bytes: u64,
    max_rows: usize,
    max_row_bytes: usize,
}

fn way() -> impl Strategy<Value = Way> {
    let max_row_bytes = prop_oneof![Just(NO_LIMIT), 1usize..20];
    (1usize..4, prop_oneof![1usize..9, Just(4096)], 1u64..40, 1usize..6, max_row_bytes).prop_map(
        |(width, block_bytes, batch_bytes, max_rows, max_row_bytes)| Way {
            width,
            block_bytes,
            batch_bytes,
            max_rows,
            max_row_bytes,
        },
    )
}

impl std::fmt::Debug for Way {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Way { width, block_bytes, batch_bytes, max_rows, max_row_bytes } = self;
        write!(f, "width {width} block {block_bytes} batch {batch_bytes} rows {max_rows} row {max_row_bytes}")
    }
}

fn settings_of(dialect: &Dialect, way: &Way) -> Settings {
    let text = |byte: Option<u8>| byte.map(|byte| char::from(byte).to_string()).unwrap_or_default();
    Settings {
        delimiter: text(Some(dialect.delimiter)),
        quote: text(dialect.quote),
        escape: text(dialect.escape),
        null: vec!["NA".into(), "a".into()],
        max_row_bytes: ByteSize(way.max_row_bytes as u64),
        ..Settings::default()
    }
}

/// What the reader should see of these records.
fn expected(records: &[Record], way: &Way) -> Seen {
    let mut seen = Seen::default();
    for record in records {
        let blank = record.cells.is_empty();
        if blank && way.width > 1 {
            seen.blank += 1;
            continue;
        }
        let code = if !blank && record.length > way.max_row_bytes {
            Some("too_long")
        } else if !blank && record.cells.len() != way.width {
            Some("ragged")
        } else if record.cells.iter().any(|cell| str::from_utf8(&cell.value).is_err()) {
            Some("bad_utf8")
        } else {
            None
        };
        if let Some(code) = code {
            seen.rejects.push((record.start, code, record.raw.clone()));
            continue;
        }
        let null_words: [&[u8]; 3] = [b"", b"NA", b"a"];
        let mut row: Vec<Option<String>> = record
            .cells
            .iter()
            .map(|cell| (cell.quoted || !null_words.contains(&cell.value.as_slice()), &cell.value))
            .map(|(there, value)| there.then(|| String::from_utf8(value.clone()).unwrap()))
            .collect();
        row.resize(way.width, None);
        seen.rows.push((record.start, row));
    }
    seen
}

fn open(file: &SourceFile, dialect: &Dialect, way: &Way, from: Position, end: Option<u64>) -> Reader {
    let stream = Stream::over(file, None, from.byte(), end).unwrap();
    let fields = text_fields(way.width);
    let wanted: Vec<usize> = (0..way.width).collect();
    let settings = settings_of(dialect, way);
    let split = (from, end);
    let mut reader =
        Reader::over(stream, &settings, (&fields, &wanted), split, &memory(), way.block_bytes).unwrap();
    reader.batch_bytes = way.batch_bytes;
    reader
}

/// `seen` is right for the records from `from` on, whatever its batches are.
fn assert_seen(
    seen: &Seen,
    records: &[Record],
    (from, end): (Position, u64),
    way: &Way,
) -> Result<(), TestCaseError> {
    let inside: Vec<Record> =
        records.iter().filter(|r| r.start >= from && r.start.byte() < end).cloned().collect();
    let expected = expected(&inside, way);
    prop_assert_eq!(&seen.rows, &expected.rows);
    prop_assert_eq!(&seen.rejects, &expected.rejects);
    prop_assert_eq!(seen.blank, expected.blank);
    prop_assert!(seen.ends.is_sorted());
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn any_bytes_in_any_pieces_are_read_as_the_yardstick_says(
        content in reference::file(),
        dialect in reference::dialect(),
        way in way(),
    ) {
        let (_folder, file) = Folder::with(&content);
        let (records, unclosed) = reference::parse(&content, &dialect);
        let outcome = drain(&mut open(&file, &dialect, &way, Position::FILE_START, None), way.max_rows);
        let (seen, error) = match outcome {
            Ok(seen) => (seen, None),
            Err((seen, error)) => (seen, Some(error)),
        };
        if let Some(expected) = unclosed {
            let is_right = matches!(error, Some(Error::UnclosedQuote { line, .. }) if line == expected);
            prop_assert!(is_right, "{:?}", error);
            return Ok(());
        }
        prop_assert!(error.is_none(), "{:?}", error);
        assert_seen(&seen, &records, (Position::FILE_START, u64::MAX), &way)?;
        let size = content.len() as u64;
        prop_assert_eq!(seen.ends.last().map_or(0, |end| end.byte()), size);
        for from in seen.ends {
            let again = drain(&mut open(&file, &dialect, &way, from, None), way.max_rows);
            assert_seen(&again.unwrap(), &records, (from, u64::MAX), &way)?;
        }
    }

    #[test]
    fn splits_at_record_boundaries_hold_every_record_once_and_end_at_their_end(
        content in reference::file(),
        dialect in reference::dialect(),
        way in way(),
        cut in any::<prop::sample::Index>(),
    ) {
        let (_folder, file) = Folder::with(&content);
        let (records, unclosed) = reference::parse(&content, &dialect);
        prop_assume!(!records.is_empty() && unclosed.is_none());
        let cut = records[cut.index(records.len())].start;
        let size = content.len() as u64;
        for (from, end) in [(Position::FILE_START, cut.byte()), (cut, size)] {
            let mut reader = open(&file, &dialect, &way, from, Some(end));
            let seen = drain(&mut reader, way.max_rows).unwrap();
            assert_seen(&seen, &records, (from, end), &way)?;
            prop_assert_eq!(seen.ends.last().map_or(from.byte(), |last| last.byte()), end);
            prop_assert!(reader.next_batch(1).unwrap().is_none());
        }
    }
}

#[test]
fn an_empty_cell_is_null_and_a_quoted_empty_one_is_the_empty_string() {
    let seen = read(b"a,b,c\n,\"\",x\n\"\",,\n\"p,\"\"q\",,\"\"\n");
    let rows = [[None, Some(""), Some("x")], [Some(""), None, None], [Some("p,\"q"), None, Some("")]];
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
    assert_eq!((seen.blank, seen.ends.last().unwrap().to_string()), (3, "12:6".into()));
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
    assert_eq!(seen.rows[0].0.to_string(), "7:2");
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
    assert_eq!(batches[0].rejects[1].position.to_string(), "6:3");
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
    let mut reader = Reader::open(&file, &settings, &fields, &[2], start, None, &memory()).unwrap();
    let seen = drain(&mut reader, 10).unwrap();
    assert_eq!(seen.cells(), [[Some("x")], [Some("z")]]);
    let mut reader = Reader::open(&file, &settings, &fields, &[], start, None, &memory()).unwrap();
    let batch = reader.next_batch(10).unwrap().unwrap();
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

#[test]
fn a_row_larger_than_a_batch_comes_alone_and_holds_the_pool() {
    let long = "x".repeat(1_000_000);
    let (_folder, file) = Folder::with(format!("1,2\n{long},\"\"\n3,\n").as_bytes());
    let memory = memory();
    let (settings, fields) = (Settings::default(), text_fields(2));
    let mut reader =
        Reader::open(&file, &settings, &fields, &[0, 1], Position::FILE_START, None, &memory).unwrap();
    let small = reader.next_batch(100).unwrap().unwrap();
    assert_eq!((small.rows, small.loan.is_some()), (1, false));
    let large = reader.next_batch(100).unwrap().unwrap();
    assert_eq!((large.rows, large.loan.is_some()), (1, true));
    assert_eq!(large.columns[0].as_string::<i32>().value(0), long);
    assert!(reader.records.held_bytes() <= 2 * MAX_BLOCK_BYTES);
    drop(large);
    let last = reader.next_batch(100).unwrap().unwrap();
    assert_eq!((last.rows, last.loan.is_some(), last.starts.at(0).line()), (1, false, 3));
    assert!(reader.next_batch(100).unwrap().is_none());
}

#[test]
fn a_batch_is_bounded_in_rows_rejects_and_bytes() {
    let content = "1,2\nx\n".repeat(100_000);
    let (_folder, file) = Folder::with(content.as_bytes());
    let (settings, fields, memory) = (Settings::default(), text_fields(2), memory());
    let mut reader =
        Reader::open(&file, &settings, &fields, &[0], Position::FILE_START, None, &memory).unwrap();
    let batch = reader.next_batch(10).unwrap().unwrap();
    assert_eq!((batch.rows, batch.rejects.len(), batch.end.to_string()), (5, 5, "30:11".into()));
    let batch = reader.next_batch(usize::MAX).unwrap().unwrap();
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
        let (_, error) = drain(&mut reader, 100).unwrap_err();
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
    let error = reader.next_batch(100).unwrap_err();
    assert!(matches!(error, Error::UnclosedQuote { line: 2, .. }), "{error}");
    assert!(reader.records.held_bytes() <= 2 * MAX_BLOCK_BYTES);
}

fn compressed(content: &[u8], compression: Compression) -> Vec<u8> {
    match compression {
        Compression::None => content.to_vec(),
        Compression::Gzip => {
            let half = content.len() / 2;
            let member = |part: &[u8]| {
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                encoder.write_all(part).unwrap();
                encoder.finish().unwrap()
            };
            [member(&content[..half]), member(&content[half..])].concat()
        }
        Compression::Zstd => zstd::encode_all(content, 1).unwrap(),
    }
}

#[test]
fn a_compressed_file_is_read_like_the_plain_one_also_from_the_middle() {
    let content: String = (0..20_000).map(|row| format!("{row},\"text\nof {row}\"\n")).collect();
    let (_folder, plain) = Folder::with(content.as_bytes());
    let settings = Settings::default();
    let read = |file: &SourceFile, from| {
        let mut reader =
            Reader::open(file, &settings, &text_fields(2), &[0, 1], from, None, &memory()).unwrap();
        drain(&mut reader, 1000).unwrap()
    };
    let expected = read(&plain, Position::FILE_START);
    assert_eq!(expected.rows.len(), 20_000);
    for compression in [Compression::Gzip, Compression::Zstd] {
        let (_folder, file) = Folder::with(&compressed(content.as_bytes(), compression));
        assert_eq!(file.compression, compression);
        assert_eq!(read(&file, Position::FILE_START), expected);
        assert_eq!(read(&file, expected.ends[7]).rows, expected.rows[8000..]);
    }
}

#[test]
fn a_compressed_file_that_is_cut_off_is_an_error_that_says_so() {
    let content: String = (0..20_000).map(|row| format!("{row},x\n")).collect();
    for (compression, format) in [(Compression::Gzip, "gzip"), (Compression::Zstd, "zstd")] {
        let packed = compressed(content.as_bytes(), compression);
        let (_folder, file) = Folder::with(&packed[..packed.len() - 10]);
        let start = Position::FILE_START;
        let mut reader =
            Reader::open(&file, &Settings::default(), &text_fields(2), &[0], start, None, &memory()).unwrap();
        let (_, error) = drain(&mut reader, 1000).unwrap_err();
        let message = error.to_string();
        assert!(
            message.starts_with(&format!("`t.csv` cannot be decompressed ({format}): it is cut off")),
            "{message}"
        );
    }
}

#[test]
fn a_file_that_ends_before_the_position_or_the_splits_end_is_an_error() {
    let (_folder, file) = Folder::with(b"1\n2\n");
    let (settings, fields) = (Settings::default(), text_fields(1));
    let open = |from, end| {
        let from = Position::File { byte: from, line: 1 };
        Reader::open(&file, &settings, &fields, &[0], from, end, &memory())
    };
    assert!(matches!(open(5, None).err().unwrap(), Error::Shrunk { size: 4, expected: 5, .. }));
    let (seen, error) = drain(&mut open(0, Some(9)).unwrap(), 1).unwrap_err();
    assert_eq!(seen.rows.len(), 2);
    assert!(matches!(error, Error::Shrunk { size: 4, expected: 9, .. }));
    assert!(open(4, None).unwrap().next_batch(1).unwrap().is_none());
}

#[test]
fn rows_of_a_stream_that_falls_silent_are_handed_out() {
    let (input, mut writer) = io::pipe().unwrap();
    let file = SourceFile { input: Input::Stdin, key: "-".into(), compression: Compression::None };
    let stream = Stream::over(&file, Some(Feed::of(input)), 0, None).unwrap();
    let fields = text_fields(1);
    let split = (Position::FILE_START, None);
    let mut reader =
        Reader::over(stream, &Settings::default(), (&fields, &[0]), split, &memory(), 4096).unwrap();
    writer.write_all(b"1\n2\nha").unwrap();
    let batch = reader.next_batch(100).unwrap().unwrap();
    assert_eq!((batch.rows, batch.end.byte()), (2, 4));
    writer.write_all(b"lf\n").unwrap();
    drop(writer);
    assert_eq!(drain(&mut reader, 100).unwrap().cells(), [[Some("half")]]);
}
