//! What a CSV file means, written down byte by byte and without any care for speed: the yardstick of tests and of
//! fuzzing. It holds the whole file in memory and shares nothing with the reader.

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
                    let behind = *file.get(at)?;
                    at += 1;
                    if Some(behind) == dialect.quote || Some(behind) == dialect.escape {
                        cell.value.push(behind);
                    } else {
                        cell.value.extend([byte, behind]);
                    }
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

#[cfg(test)]
#[path = "reference_tests.rs"]
mod tests;

#[cfg(test)]
pub(super) use tests::{dialect, file};
