//! One record through `csv-core`, piece by piece, and which of its cells were quoted. Must not know where records
//! start or where their bytes come from.

use csv_core::{ReadRecordResult, ReaderBuilder, Terminator};
use memchr::{memchr, memchr2};

use crate::dialect::Dialect;

/// Cells behind the expected ones are counted in steps of so many.
const SPARE_ENDS: usize = 16;

/// A record that is parsed.
pub(super) struct Parsed {
    parser: csv_core::Reader,
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
        let mut builder = ReaderBuilder::new();
        builder.delimiter(dialect.delimiter).terminator(Terminator::CRLF).escape(dialect.escape);
        match dialect.quote {
            Some(quote) => builder.quote(quote),
            None => builder.quoting(false),
        };
        let mut parser = builder.build();
        // It strips a BOM from the first bytes it sees, and a split may start with one that is data.
        parser.read_record(b"\n", &mut [0], &mut [0]);
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
        self.parser.set_line(0);
        (self.decoded_len, self.cells, self.added_newline) = (0, 0, false);
        (self.searched, self.has_quote) = ((0, 0), None);
    }

    /// Takes bytes of the record, at least one: how many, and whether the record ends with them. All pieces together
    /// are not longer than [`Parsed::resize`] said.
    pub(super) fn push(&mut self, input: &[u8]) -> (usize, bool) {
        let ends = &mut self.ends[self.cells.min(self.kept)..];
        let (result, read, written, cells) =
            self.parser.read_record(input, &mut self.decoded[self.decoded_len..], ends);
        self.decoded_len += written;
        self.cells += cells;
        (read, result == ReadRecordResult::Record)
    }

    /// Ends the record at the end of the file. Inside quotes a newline is a byte like any other, so one more tells
    /// whether the last quote was closed; false when not.
    pub(super) fn finish(&mut self) -> bool {
        let ends = &mut self.ends[self.cells.min(self.kept)..];
        let (result, _, _, cells) = self.parser.read_record(b"\n", &mut [0], ends);
        self.cells += cells;
        self.added_newline = true;
        result == ReadRecordResult::Record
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
        self.parser.line() - u64::from(self.added_newline)
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
            // A doubled quote, or a byte behind an escape.
            length = length.saturating_sub(1);
            place += 1;
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
