//! Any bytes, in any pieces, from any position: what the yardstick says.

use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use proptest::prelude::*;

use super::tests::{Folder, Seen, drain, memory, text_fields};
use super::*;
use crate::dialect::Dialect;
use crate::schema::{Scalar, Type};
use crate::source::reference::{self, Record};

const NO_LIMIT: usize = 1 << 20;

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
            seen.rejects.push((record.start.clone(), code, record.raw.clone()));
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
        seen.rows.push((record.start.clone(), row));
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
    (from, end): (&Position, u64),
    way: &Way,
) -> Result<(), TestCaseError> {
    let inside: Vec<Record> =
        records.iter().filter(|r| r.start >= *from && r.start.byte() < end).cloned().collect();
    let expected = expected(&inside, way);
    prop_assert_eq!(&seen.rows, &expected.rows);
    prop_assert_eq!(&seen.rejects, &expected.rejects);
    prop_assert_eq!(seen.blank, expected.blank);
    prop_assert!(seen.ends.is_sorted());
    Ok(())
}

/// A row of an integer and a text, as it is written, and what it is: its values, or why it is none.
type Typed = (&'static [u8], Result<(Option<i32>, Option<&'static str>), &'static str>);

fn typed_row() -> impl Strategy<Value = Typed> {
    let good: [Typed; 5] = [
        (b"1,x\n", Ok((Some(1), Some("x")))),
        (b",\n", Ok((None, None))),
        (b"\"-20\",\"\"\n", Ok((Some(-20), Some("")))),
        (
            b" 3,\"a \"\"b\"\", and some words more than thirty-two bytes\"\n",
            Ok((Some(3), Some("a \"b\", and some words more than thirty-two bytes"))),
        ),
        ("4,é\r\n".as_bytes(), Ok((Some(4), Some("é")))),
    ];
    let bad: [Typed; 5] = [
        (b"x,1\n", Err("bad_cell")),
        (b"\"\",1\n", Err("bad_cell")),
        (b"5,\xff\n", Err("bad_utf8")),
        (b"x,\xc3\n", Err("bad_utf8")),
        (b"6\n", Err("ragged")),
    ];
    prop_oneof![9 => prop::sample::select(good.to_vec()), 1 => prop::sample::select(bad.to_vec())]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn rows_that_are_none_leave_no_trace_among_many(
        rows in prop::collection::vec(typed_row(), 0..300),
        max_rows in 1usize..400,
        block_bytes in prop_oneof![Just(4096usize), 30usize..200],
    ) {
        let (_folder, file) = Folder::with(&rows.iter().flat_map(|(text, _)| *text).copied().collect::<Vec<u8>>());
        let mut fields = text_fields(2);
        fields[0].ty = Type::of(Scalar::Int32);
        let stream = Stream::over(&file, None, 0, None).unwrap();
        let split = (Position::FILE_START, None);
        let settings = Settings::default();
        let mut reader =
            Reader::over(stream, &settings, (&fields, &[0, 1]), split, &memory(), block_bytes).unwrap();
        let mut rows = rows.into_iter().zip(1u64..).peekable();
        while let Some(batch) = reader.next_batch(max_rows).unwrap() {
            let (numbers, texts) = (batch.columns[0].as_primitive::<Int32Type>(), batch.columns[1].as_string::<i32>());
            let (mut row, mut rejects) = (0, batch.rejects.iter());
            while let Some(((_, expected), line)) = rows.next_if(|(_, line)| *line < batch.end.line()) {
                match expected {
                    Err(code) => {
                        let reject = rejects.next().unwrap();
                        prop_assert_eq!((reject.code, reject.position.line()), (code, line));
                    }
                    Ok((number, text)) => {
                        prop_assert_eq!(batch.starts.at(row).line(), line);
                        prop_assert_eq!(numbers.is_valid(row).then(|| numbers.value(row)), number);
                        prop_assert_eq!(texts.is_valid(row).then(|| texts.value(row)), text);
                        row += 1;
                    }
                }
            }
            prop_assert_eq!((row, rejects.next().is_none()), (batch.rows, true));
        }
        prop_assert!(rows.next().is_none());
    }

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
            Err(stopped) => (stopped.0, Some(stopped.1)),
        };
        if let Some(expected) = unclosed {
            let is_right = matches!(error, Some(Error::UnclosedQuote { line, .. }) if line == expected);
            prop_assert!(is_right, "{:?}", error);
            return Ok(());
        }
        prop_assert!(error.is_none(), "{:?}", error);
        assert_seen(&seen, &records, (&Position::FILE_START, u64::MAX), &way)?;
        let size = content.len() as u64;
        prop_assert_eq!(seen.ends.last().map_or(0, |end| end.byte()), size);
        for from in seen.ends {
            let again = drain(&mut open(&file, &dialect, &way, from.clone(), None), way.max_rows);
            assert_seen(&again.unwrap(), &records, (&from, u64::MAX), &way)?;
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
        let cut = records[cut.index(records.len())].start.clone();
        let size = content.len() as u64;
        let middle = cut.byte();
        for (from, end) in [(Position::FILE_START, middle), (cut, size)] {
            let mut reader = open(&file, &dialect, &way, from.clone(), Some(end));
            let seen = drain(&mut reader, way.max_rows).unwrap();
            assert_seen(&seen, &records, (&from, end), &way)?;
            prop_assert_eq!(seen.ends.last().map_or(from.byte(), |last| last.byte()), end);
            prop_assert!(reader.next_batch(1).unwrap().is_none());
        }
    }
}
