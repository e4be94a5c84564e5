//! One record through `csv-core`, or through our own parser where there is an escape, piece by piece, and which of its
//! cells were quoted. Must not know where records start or where their bytes come from.

use csv_core::{ReadRecordResult, ReaderBuilder, Terminator};
use memchr::{memchr, memchr2};

use super::escaped::{Cells, Escaped};
use crate::dialect::Dialect;

/// Cells behind the expected ones are counted in steps of so many.
const SPARE_ENDS: usize = 16;

enum Parser {
    Core(Box<csv_core::Reader>),
    /// What an escape means is ours to say.
    Escaped(Escaped),
}

/// A record that is parsed.
pub(super) struct Parsed {
    parser: Parser,
    dialect: Dialect,
    /// The cells, unescaped, one behind the other. As long as what holds the record, so there is always room.
    decoded: Vec<u8>,
    decoded_len: usize,
    /// Where cells end in `decoded`; those behind the first `kept` only pass through the last entries.
    ends: Vec<usize>,
    kept: usize,
    cells: usize,
    /// The newline that closed the record is ours.
    added_newline: bool,
    /// How far the record was searched for the start of a cell: the cell and its place.
    searched: (usize, usize),
    has_quote: Option<bool>,
}

impl Parsed {
    /// Keeps the first `kept` cells of a record.
    pub(super) fn new(dialect: Dialect, kept: usize, length: usize) -> Parsed {
        let parser = match (dialect.quote, dialect.escape) {
            (Some(quote), Some(escape)) => Parser::Escaped(Escaped::new(dialect.delimiter, quote, escape)),
            (quote, _) => Parser::Core(Box::new(core(dialect.delimiter, quote))),
        };
        Parsed {
            parser,
            dialect,
            decoded: vec![0; length],
            decoded_len: 0,
            ends: vec![0; kept + SPARE_ENDS],
            kept,
            cells: 0,
            added_newline: false,
            searched: (0, 0),
            has_quote: None,
        }
    }

    /// The next bytes are those of another record.
    pub(super) fn begin(&mut self) {
        match &mut self.parser {
            Parser::Core(parser) => parser.set_line(0),
            Parser::Escaped(parser) => parser.begin(),
        }
        (self.decoded_len, self.cells, self.added_newline) = (0, 0, false);
        (self.searched, self.has_quote) = ((0, 0), None);
    }

    /// Takes bytes of the record, at least one: how many, and whether the record ends with them. All pieces together
    /// are not longer than [`Parsed::resize`] said.
    pub(super) fn push(&mut self, input: &[u8]) -> (usize, bool) {
        match &mut self.parser {
            Parser::Core(parser) => {
                let ends = &mut self.ends[self.cells.min(self.kept)..];
                let (result, read, written, cells) =
                    parser.read_record(input, &mut self.decoded[self.decoded_len..], ends);
                self.decoded_len += written;
                self.cells += cells;
                (read, result == ReadRecordResult::Record)
            }
            Parser::Escaped(parser) => parser.push(
                input,
                &mut Cells {
                    decoded: &mut self.decoded,
                    decoded_len: &mut self.decoded_len,
                    ends: &mut self.ends,
                    count: &mut self.cells,
                },
            ),
        }
    }

    /// Ends the record at the end of the file. Inside quotes a newline is a byte like any other, so one more tells
    /// whether the last quote was closed; false when not.
    pub(super) fn finish(&mut self) -> bool {
        match &mut self.parser {
            Parser::Core(parser) => {
                let ends = &mut self.ends[self.cells.min(self.kept)..];
                let (result, _, _, cells) = parser.read_record(b"\n", &mut [0], ends);
                self.cells += cells;
                self.added_newline = true;
                result == ReadRecordResult::Record
            }
            Parser::Escaped(parser) => parser.finish(&mut Cells {
                decoded: &mut self.decoded,
                decoded_len: &mut self.decoded_len,
                ends: &mut self.ends,
                count: &mut self.cells,
            }),
        }
    }

    /// Lets go of what was decoded; the cells are counted on.
    pub(super) fn forget(&mut self) {
        self.decoded_len = 0;
    }

    /// There will be records of up to `length` bytes.
    pub(super) fn resize(&mut self, length: usize) {
        self.decoded.resize(length, 0);
        self.decoded.shrink_to_fit();
    }

    /// Newlines in the record.
    pub(super) fn newlines(&self) -> u64 {
        match &self.parser {
            Parser::Core(parser) => parser.line() - u64::from(self.added_newline),
            Parser::Escaped(parser) => parser.newlines(),
        }
    }

    /// How many cells the record has.
    pub(super) fn cells(&self) -> usize {
        self.cells
    }

    /// Cell `index`, one of the kept ones.
    pub(super) fn cell(&self, index: usize) -> &[u8] {
        let (start, end) = self.bounds(index);
        &self.decoded[start..end]
    }

    fn bounds(&self, index: usize) -> (usize, usize) {
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        (start, self.ends[index])
    }

    /// Whether cell `index`, one of the kept ones, was written with quotes in the record `raw`. Asked for few cells
    /// (empty ones, null words), so the record is searched only then; it is cheap when they are asked in order.
    pub(super) fn is_quoted(&mut self, raw: &[u8], index: usize) -> bool {
        let Some(quote) = self.dialect.quote else { return false };
        if !*self.has_quote.get_or_insert_with(|| memchr(quote, raw).is_some()) {
            return false;
        }
        if index < self.searched.0 {
            self.searched = (0, 0);
        }
        let (mut cell, mut place) = self.searched;
        while cell < index {
            let (start, end) = self.bounds(cell);
            place = behind_cell(&self.dialect, quote, raw, place, end - start);
            cell += 1;
        }
        self.searched = (cell, place);
        raw.get(place) == Some(&quote)
    }

    #[cfg(test)]
    pub(super) fn held_bytes(&self) -> usize {
        self.decoded.capacity()
    }
}

fn core(delimiter: u8, quote: Option<u8>) -> csv_core::Reader {
    let mut builder = ReaderBuilder::new();
    builder.delimiter(delimiter).terminator(Terminator::CRLF);
    match quote {
        Some(quote) => builder.quote(quote),
        None => builder.quoting(false),
    };
    let mut parser = builder.build();
    // It strips a BOM from the first bytes it sees, and a split may start with one that is data.
    parser.read_record(b"\n", &mut [0], &mut [0]);
    parser
}

/// Where the next cell starts in `raw`, when one starts at `place` and has `length` bytes without its quoting.
fn behind_cell(dialect: &Dialect, quote: u8, raw: &[u8], mut place: usize, mut length: usize) -> usize {
    if raw.get(place) == Some(&quote) {
        place += 1;
        loop {
            let rest = raw.get(place..).unwrap_or_default();
            let Some(plain) = memchr2(quote, dialect.escape.unwrap_or(quote), rest) else { break };
            length -= plain.min(length);
            place += plain + 1;
            if rest[plain] == quote && raw.get(place) != Some(&quote) {
                break;
            }
            // A doubled quote, or an escape with the quote or the escape behind it; or an escape that is none.
            length = length.saturating_sub(1);
            let behind = raw.get(place).copied();
            place += usize::from(behind == Some(quote) || behind == Some(rest[plain]));
        }
    }
    // What is not quoted, also behind a closing quote, is as long as it was written.
    place + length + 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::reference;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn cells_and_their_quotes_are_those_of_the_yardstick(
            file in reference::file(),
            dialect in reference::dialect(),
            piece in 1usize..9,
            backwards: bool,
        ) {
            let (records, _) = reference::parse(&file, &dialect);
            let mut parsed = Parsed::new(dialect, 100, file.len() + 1);
            for record in records.iter().filter(|record| !record.cells.is_empty()) {
                parsed.begin();
                for bytes in record.raw.chunks(piece) {
                    prop_assert_eq!(parsed.push(bytes), (bytes.len(), false));
                }
                prop_assert!(parsed.finish());
                prop_assert_eq!(parsed.cells(), record.cells.len());
                let mut order: Vec<usize> = (0..record.cells.len()).collect();
                if backwards {
                    order.reverse();
                }
                for index in order {
                    prop_assert_eq!(parsed.cell(index), &record.cells[index].value);
                    prop_assert_eq!(parsed.is_quoted(&record.raw, index), record.cells[index].quoted);
                }
            }
        }
    }
}
