//! What the cuts must be, asked of `csv-core` itself, and what they are.

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};

use super::{Scanner, Split, Tiler};
use crate::dialect::Dialect;
use crate::position::Position;

mod oddities;
mod properties;

/// The reader that a dialect means, as written in the module's documentation. It has read (nothing), so that it
/// takes a byte order mark for data: the source strips the one at the file's start.
fn reader(dialect: Dialect) -> Reader {
    let mut builder = ReaderBuilder::new();
    builder.delimiter(dialect.delimiter).escape(dialect.escape).quoting(dialect.quote.is_some());
    if let Some(quote) = dialect.quote {
        builder.quote(quote);
    }
    let mut reader = builder.build();
    assert_eq!(feed(&mut reader, &[]), ReadRecordResult::End);
    reader
}

/// Reads all of `bytes`, and says how the last call ended.
fn feed(reader: &mut Reader, mut bytes: &[u8]) -> ReadRecordResult {
    loop {
        let (result, read, ..) = reader.read_record(bytes, &mut [0; 64], &mut [0; 64]);
        bytes = &bytes[read..];
        if bytes.is_empty() {
            return result;
        }
    }
}

/// All rows, with the reader told that the input ends.
fn rows(dialect: Dialect, mut input: &[u8]) -> Vec<Vec<Vec<u8>>> {
    let mut reader = reader(dialect);
    let (mut cells, mut ends) = (vec![0; input.len() + 1], vec![0; input.len() + 2]);
    let (mut cells_len, mut ends_len, mut rows) = (0, 0, Vec::new());
    loop {
        let (result, read, written, ended) =
            reader.read_record(input, &mut cells[cells_len..], &mut ends[ends_len..]);
        (input, cells_len, ends_len) = (&input[read..], cells_len + written, ends_len + ended);
        match result {
            ReadRecordResult::End => return rows,
            ReadRecordResult::Record => {
                let mut start = 0;
                let row =
                    ends[..ends_len].iter().map(|&end| cells[std::mem::replace(&mut start, end)..end].into());
                rows.push(row.collect());
                (cells_len, ends_len) = (0, 0);
            }
            ReadRecordResult::InputEmpty => {}
            full => panic!("{full:?} with room for every byte"),
        }
    }
}

fn line(file: &[u8], byte: usize) -> u64 {
    let ends = |&at: &usize| file[at] == b'\n' || file[at] == b'\r' && file.get(at + 1) != Some(&b'\n');
    1 + (0..byte).filter(ends).count() as u64
}

fn at(file: &[u8], byte: usize) -> Position {
    Position::File { byte: byte as u64, line: line(file, byte) }
}

/// What `csv-core` says behind these bytes when it is asked what `then` makes of them.
fn ask(dialect: Dialect, bytes: &[u8], then: &[u8]) -> ReadRecordResult {
    let mut reader = reader(dialect);
    if !bytes.is_empty() {
        feed(&mut reader, bytes);
    }
    feed(&mut reader, then)
}

/// Where `csv-core` has no record begun: told that the input ends, it has none to give.
fn record_starts(dialect: Dialect, file: &[u8], body: usize) -> Vec<usize> {
    let behind_line_end = |at: &usize| match file[at - 1] {
        b'\n' => true,
        b'\r' => file.get(*at) != Some(&b'\n'),
        _ => false,
    };
    let none_begun = |at: &usize| ask(dialect, &file[body..*at], &[]) == ReadRecordResult::End;
    (body + 1..=file.len()).filter(behind_line_end).filter(none_begun).collect()
}

/// Whether `csv-core` takes a line end behind these bytes for a part of a cell.
fn open_quote(dialect: Dialect, bytes: &[u8]) -> bool {
    let special = [dialect.quote, dialect.escape, Some(dialect.delimiter)];
    let plain = (b'a'..).find(|byte| !special.contains(&Some(*byte))).unwrap();
    ask(dialect, bytes, &[plain, b'\n']) != ReadRecordResult::Record
}

/// What the splits must be.
fn expected(dialect: Dialect, file: &[u8], body: usize, split_bytes: u64) -> Vec<Split> {
    let starts = record_starts(dialect, file, body);
    let mut bounds = vec![body];
    for multiple in (0..=file.len()).filter(|&at| at > body && (at as u64).is_multiple_of(split_bytes)) {
        bounds.extend(starts.iter().find(|&&start| start >= multiple && start < file.len()));
    }
    bounds.push(file.len());
    bounds.dedup();
    bounds.windows(2).map(|ends| Split { start: at(file, ends[0]), end: at(file, ends[1]) }).collect()
}

/// What the splits are, and whether a quote is open at the end. The sizes of the blocks are used in turn.
fn tile(
    dialect: Dialect,
    file: &[u8],
    body: Position,
    split_bytes: u64,
    blocks: &[usize],
) -> (Vec<Split>, bool) {
    let scanner = Scanner::new(dialect, split_bytes);
    let mut tiler = Tiler::new(split_bytes, body.clone());
    let (mut splits, mut byte) = (Vec::new(), body.byte() as usize);
    for size in blocks.iter().cycle() {
        let end = file.len().min(byte + size);
        splits.extend(tiler.push(&scanner.scan(byte as u64, &file[byte..end])));
        assert_eq!(tiler.tiled_to(), *splits.last().map_or(&body, |split| &split.end));
        byte = end;
        if byte == file.len() {
            break;
        }
    }
    let open_quote = tiler.open_quote();
    splits.extend(tiler.finish());
    (splits, open_quote)
}

fn bytes(splits: &[Split]) -> Vec<(u64, u64)> {
    splits.iter().map(|split| (split.start.byte(), split.end.byte())).collect()
}
