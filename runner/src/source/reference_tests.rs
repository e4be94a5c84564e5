//! The yardstick itself against `csv-core`, and the files and dialects that properties are tried with.

use proptest::prelude::*;

use super::{Record, parse};
use crate::dialect::Dialect;

/// Files with all that is odd about CSV, and ways to read them.
pub(in crate::source) fn file() -> impl Strategy<Value = Vec<u8>> {
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

pub(in crate::source) fn dialect() -> impl Strategy<Value = Dialect> {
    prop::sample::select(vec![
        Dialect::default(),
        Dialect { escape: Some(b'\\'), ..Dialect::default() },
        Dialect { quote: Some(b'\''), ..Dialect::default() },
        Dialect { delimiter: b'a', quote: Some(b'b'), escape: Some(b'\\') },
        Dialect { quote: None, ..Dialect::default() },
    ])
}

proptest! {
    /// Blank lines and unclosed quotes apart, which it hides, and escapes, which it drops in front of anything.
    #[test]
    fn the_yardstick_agrees_with_csv_core(
        file in file(),
        dialect in dialect().prop_filter("escape", |dialect| dialect.escape.is_none()),
    ) {
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
    builder.delimiter(dialect.delimiter).quoting(dialect.quote.is_some());
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
