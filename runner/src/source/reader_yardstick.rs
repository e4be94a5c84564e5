//! What the reader must see of any bytes, in any pieces and from any position, says the yardstick. For tests and for
//! fuzzing: everything in here panics when it is not so.

use arrow_array::cast::AsArray;

use super::{Error, Reader, Settings, SourceFile, Stream};
use crate::batch::Batch;
use crate::dialect::Dialect;
use crate::memory::Memory;
use crate::position::Position;
use crate::reject::Original;
use crate::schema::{Field, Scalar, Type};
use crate::source::reference::{self, Record};
use crate::units::ByteSize;

/// How a file is read.
#[derive(Clone, Debug)]
pub(in crate::source) struct Way {
    /// Columns.
    pub(in crate::source) width: usize,
    /// Bytes that are read at once.
    pub(in crate::source) block_bytes: usize,
    /// Bytes of a batch.
    pub(in crate::source) batch_bytes: u64,
    /// Rows of a batch.
    pub(in crate::source) max_rows: usize,
    /// The longest row that is one.
    pub(in crate::source) max_row_bytes: usize,
}

/// Reads the whole file, and then again from the end of each batch.
pub(in crate::source) fn agrees_from_everywhere(
    file: &SourceFile,
    content: &[u8],
    dialect: &Dialect,
    way: &Way,
) {
    let (records, unclosed) = reference::parse(content, dialect);
    let outcome = drain(&mut open(file, dialect, way, Position::FILE_START, None), way.max_rows);
    let (seen, error) = match outcome {
        Ok(seen) => (seen, None),
        Err(stopped) => (stopped.0, Some(stopped.1)),
    };
    if let Some(expected) = unclosed {
        let is_right = matches!(error, Some(Error::UnclosedQuote { line, .. }) if line == expected);
        assert!(is_right, "{error:?}");
        return;
    }
    assert!(error.is_none(), "{error:?}");
    assert_seen(&seen, &records, (&Position::FILE_START, u64::MAX), way);
    assert_eq!(seen.ends.last().map_or(0, |end| end.byte()), content.len() as u64);
    for from in seen.ends {
        let again = drain(&mut open(file, dialect, way, from.clone(), None), way.max_rows);
        let again = again.unwrap_or_else(|stopped| panic!("from {from:?}: {}", stopped.1));
        assert_seen(&again, &records, (&from, u64::MAX), way);
    }
}

/// Reads the file in two splits; `cut` chooses among so many records the one that the second begins with.
pub(in crate::source) fn agrees_on_both_sides_of_a_cut(
    file: &SourceFile,
    content: &[u8],
    dialect: &Dialect,
    way: &Way,
    cut: impl FnOnce(usize) -> usize,
) {
    let (records, unclosed) = reference::parse(content, dialect);
    if records.is_empty() || unclosed.is_some() {
        return;
    }
    let cut = records[cut(records.len())].start.clone();
    let (size, middle) = (content.len() as u64, cut.byte());
    for (from, end) in [(Position::FILE_START, middle), (cut, size)] {
        let mut reader = open(file, dialect, way, from.clone(), Some(end));
        let seen = drain(&mut reader, way.max_rows);
        let seen = seen.unwrap_or_else(|stopped| panic!("{from:?} to {end}: {}", stopped.1));
        assert_seen(&seen, &records, (&from, end), way);
        assert_eq!(seen.ends.last().map_or(from.byte(), |last| last.byte()), end);
        assert!(matches!(reader.batch(1), Ok(None)), "there is something behind the end");
    }
}

/// Rows as text, NULL as `None`.
#[derive(Debug, Default, PartialEq)]
pub(in crate::source) struct Seen {
    pub(in crate::source) rows: Vec<(Position, Vec<Option<String>>)>,
    pub(in crate::source) rejects: Vec<(Position, &'static str, Vec<u8>)>,
    pub(in crate::source) blank: u64,
    pub(in crate::source) ends: Vec<Position>,
}

impl Seen {
    pub(in crate::source) fn add(&mut self, batch: &Batch) {
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
            self.rejects.push((reject.position.clone(), reject.code, bytes.clone()));
        }
        self.blank += batch.asides.blank_lines;
        self.ends.push(batch.end.clone());
    }
}

pub(in crate::source) fn drain(reader: &mut Reader, max_rows: usize) -> Result<Seen, Box<(Seen, Error)>> {
    let mut seen = Seen::default();
    loop {
        match reader.batch(max_rows) {
            Ok(Some(batch)) => seen.add(&batch),
            Ok(None) => return Ok(seen),
            Err(error) => return Err(Box::new((seen, error))),
        }
    }
}

pub(in crate::source) fn text_fields(width: usize) -> Vec<Field> {
    (0..width).map(|column| Field::nullable(format!("c{column}"), Type::of(Scalar::Text))).collect()
}

pub(in crate::source) fn memory() -> Memory {
    Memory::new(64 << 20, 1)
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
            .map(|(there, value)| there.then(|| String::from_utf8_lossy(value).into_owned()))
            .collect();
        row.resize(way.width, None);
        seen.rows.push((record.start.clone(), row));
    }
    seen
}

fn open(file: &SourceFile, dialect: &Dialect, way: &Way, from: Position, end: Option<u64>) -> Reader {
    let stream = Stream::over(file, None, from.byte(), end).expect("it opens");
    let fields = text_fields(way.width);
    let wanted: Vec<usize> = (0..way.width).collect();
    let settings = settings_of(dialect, way);
    let split = (from, end);
    let mut reader = Reader::over(stream, &settings, (&fields, &wanted), split, &memory(), way.block_bytes)
        .expect("it is read");
    reader.batch_bytes = way.batch_bytes;
    reader
}

/// `seen` is right for the records from `from` on, whatever its batches are.
fn assert_seen(seen: &Seen, records: &[Record], (from, end): (&Position, u64), way: &Way) {
    let inside: Vec<Record> =
        records.iter().filter(|r| r.start >= *from && r.start.byte() < end).cloned().collect();
    let expected = expected(&inside, way);
    assert_eq!(seen.rows, expected.rows);
    assert_eq!(seen.rejects, expected.rejects);
    assert_eq!(seen.blank, expected.blank);
    assert!(seen.ends.is_sorted());
}
