//! What a CSV file means, written down byte by byte and without any care for speed: the tests' yardstick. It holds
//! the whole file in memory and shares nothing with the reader.

use proptest::prelude::*;

use crate::dialect::Dialect;
use crate::position::Position;

/// A record, or a blank line, which has no cells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) start: Position,
    pub(super) cells: Vec<Cell>,
    /// Its bytes without the line end.
    pub(super) raw: Vec<u8>,
    /// Its bytes with the line end's first byte.
    pub(super) length: usize,
}

#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(super) struct Cell {
    pub(super) value: Vec<u8>,
    pub(super) quoted: bool,
}

/// All records, and the line where one begins whose quote is not closed.
pub(super) fn parse(file: &[u8], dialect: &Dialect) -> (Vec<Record>, Option<u64>) {
    let mut records = Vec::new();
    let mut at = 0;
    while at < file.len() {
        let start = Position::File { byte: at as u64, line: line_at(file, at) };
        let Some((cells, end)) = record(file, at, dialect) else { return (records, Some(start.line())) };
        let line_end = match &file[end..] {
            [b'\r', b'\n', ..] => 2,
            [_, ..] => 1,
            [] => 0,
        };
        let cells = if end == at { Vec::new() } else { cells };
        let length = end - at + line_end.min(1);
        records.push(Record { start, cells, raw: file[at..end].to_vec(), length });
        at = end + line_end;
    }
    (records, None)
}

fn line_at(file: &[u8], end: usize) -> u64 {
    let ends_line = |at: &usize| match file[*at] {
        b'\n' => true,
        b'\r' => file.get(at + 1) != Some(&b'\n'),
        _ => false,
    };
    1 + (0..end).filter(ends_line).count() as u64
}

/// The cells of the record at `at` and where its line end is; `None` when the file ends inside quotes.
fn record(file: &[u8], mut at: usize, dialect: &Dialect) -> Option<(Vec<Cell>, usize)> {
    let mut cells = Vec::new();
    loop {
        let mut cell = Cell::default();
        if dialect.quote.is_some() && file.get(at).copied() == dialect.quote {
            cell.quoted = true;
            at += 1;
            loop {
                let byte = *file.get(at)?;
                at += 1;
                if Some(byte) == dialect.quote {
                    if file.get(at).copied() != dialect.quote {
                        break;
                    }
                    at += 1;
                    cell.value.push(byte);
                } else if Some(byte) == dialect.escape {
                    cell.value.push(*file.get(at)?);
                    at += 1;
                } else {
                    cell.value.push(byte);
                }
            }
        }
        while let Some(byte) = file.get(at).filter(|byte| !matches!(**byte, b'\n' | b'\r')) {
            if *byte == dialect.delimiter {
                break;
            }
            cell.value.push(*byte);
            at += 1;
        }
        cells.push(cell);
        if file.get(at) != Some(&dialect.delimiter) {
            return Some((cells, at));
        }
        at += 1;
    }
}

/// Files with all that is odd about CSV, and ways to read them.
pub(super) fn file() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop::sample::select(vec![
        &b"a"[..],
        b"NA",
        b"b c",
        b",",
        b",",
        b"\"",
        b"\"",
        b"\"\"",
        b"\n",
        b"\n",
        b"\r",
        b"\r\n",
        b"\\",
        b"'",
        "é".as_bytes(),
        b"\xff",
        b"\xc3",
        b"\xa9",
        b"\xef\xbb\xbf",
        b"\0",
        b"\"x\"",
        b",\"\",",
        b"\n\n",
    ]);
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

pub(super) fn dialect() -> impl Strategy<Value = Dialect> {
    prop::sample::select(vec![
        Dialect::default(),
        Dialect { escape: Some(b'\\'), ..Dialect::default() },
        Dialect { quote: Some(b'\''), ..Dialect::default() },
        Dialect { delimiter: b'a', quote: Some(b'b'), escape: Some(b'\\') },
        Dialect { quote: None, ..Dialect::default() },
    ])
}

proptest! {
    /// Blank lines and unclosed quotes apart, which it hides.
    #[test]
    fn the_yardstick_agrees_with_csv_core(file in file(), dialect in dialect()) {
        let (records, unclosed) = parse(&file, &dialect);
        let cells = |record: &Record| record.cells.iter().map(|cell| cell.value.clone()).collect::<Vec<_>>();
        let records: Vec<_> = records.iter().filter(|record| !record.cells.is_empty()).map(cells).collect();
        let mut plain = plain_csv_core(&file, &dialect);
        if unclosed.is_some() {
            plain.pop();
        }
        prop_assert_eq!(records, plain);
    }
}

fn plain_csv_core(file: &[u8], dialect: &Dialect) -> Vec<Vec<Vec<u8>>> {
    let mut builder = csv_core::ReaderBuilder::new();
    builder.delimiter(dialect.delimiter).escape(dialect.escape).quoting(dialect.quote.is_some());
    builder.quote(dialect.quote.unwrap_or(b'"'));
    let mut parser = builder.build();
    let _ = parser.read_field(b"\n", &mut [0]);
    let (mut records, mut record, mut cell) = (Vec::new(), Vec::new(), Vec::new());
    let mut at = 0;
    loop {
        let mut out = [0; 1024];
        let (result, read, written) = parser.read_field(&file[at..], &mut out);
        at += read;
        cell.extend_from_slice(&out[..written]);
        match result {
            csv_core::ReadFieldResult::Field { record_end } => {
                record.push(std::mem::take(&mut cell));
                if record_end {
                    records.push(std::mem::take(&mut record));
                }
            }
            csv_core::ReadFieldResult::End => return records,
            csv_core::ReadFieldResult::InputEmpty | csv_core::ReadFieldResult::OutputFull => {}
        }
    }
}
