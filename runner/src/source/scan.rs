//! The short way through records: where the cells of many of them are, while they lie whole in memory and there is no
//! escape in the dialect. It looks at 64 bytes at a time and copies none, and ends at everything unusual, which is
//! then left to `csv-core`. Pure.

use super::found::{Found, Record, Span, Written};
use crate::dialect::Dialect;

/// Cells that are found at once, so that they stay in the processor's cache until their columns are built.
const MAX_CELLS: usize = 1024;

/// Finds cells.
#[derive(Debug)]
pub(super) struct Scanner {
    delimiter: u8,
    quote: Option<u8>,
    /// Cells of a usual record, and the most bytes that it has with its line end.
    width: usize,
    max_row_bytes: usize,
}

/// How far a scan may go.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reach {
    pub(super) records: usize,
    /// Bytes, counted from the first record, before which each must start.
    pub(super) starts_before: u64,
    /// Bytes within which each must end.
    pub(super) ends_by: u64,
}

impl Scanner {
    /// For records of `width` cells and at most `max_row_bytes`; `None` for a dialect that is not so simple.
    pub(super) fn new(dialect: &Dialect, width: usize, max_row_bytes: usize) -> Option<Scanner> {
        let Dialect { delimiter, quote, escape: None } = *dialect else { return None };
        Some(Scanner { delimiter, quote, width, max_row_bytes })
    }

    /// Finds records from the start of `bytes` on, up to the first that is blank or unusual or not there to its end.
    pub(super) fn records(&self, bytes: &[u8], reach: Reach, found: &mut Found) {
        found.clear();
        found.width = self.width;
        // Spans are 32 bits wide.
        if u32::try_from(bytes.len()).is_err() {
            return;
        }
        let most = reach.records.min((MAX_CELLS / self.width.max(1)).max(1));
        let mut special = Special::new(self, bytes);
        let mut start = 0;
        while found.records.len() < most && (start as u64) < reach.starts_before {
            let Some(record) = self.record(&mut special, start, found) else { break };
            let complete = found.spans.len() == (found.records.len() + 1) * self.width;
            let small = record.end - start <= self.max_row_bytes && record.end as u64 <= reach.ends_by;
            if !complete || !small {
                break;
            }
            found.records.push(record);
            start = record.end;
        }
        found.spans.truncate(found.records.len() * self.width);
    }

    /// The record at `start`. Leaves spans behind when it finds none.
    #[inline(always)]
    fn record(&self, special: &mut Special<'_>, mut start: usize, found: &mut Found) -> Option<Record> {
        let bytes = special.bytes;
        if matches!(bytes.get(start)?, b'\n' | b'\r') {
            return None;
        }
        let mut lines = 0;
        for _ in 0..self.width {
            let mut written = Written::Bare;
            let mut at = special.next()?;
            let mut end = at;
            if at == start && Some(bytes[at]) == self.quote {
                start += 1;
                let doubles = found.doubles.len();
                end = self.closing_quote(special, &mut lines, &mut found.doubles)?;
                let doubled = found.doubles.len() > doubles;
                written = if doubled { Written::Doubled(doubles as u32) } else { Written::Quoted };
                at = special.next()?;
                if at != end + 1 {
                    return None;
                }
            } else {
                // Inside an unquoted cell a quote is a byte like any other.
                while Some(bytes[at]) == self.quote {
                    at = special.next()?;
                    end = at;
                }
            }
            found.spans.push(Span { start: start as u32, end: end as u32, written });
            start = at + 1;
            if bytes[at] == self.delimiter {
                continue;
            }
            if bytes[at] == b'\r' && *bytes.get(start)? == b'\n' {
                special.next();
                start += 1;
            }
            return Some(Record { end: start, lines: lines + 1 });
        }
        None
    }

    /// Where the quote is that closes a cell.
    #[inline(always)]
    fn closing_quote(
        &self,
        special: &mut Special<'_>,
        lines: &mut u64,
        doubles: &mut Vec<u32>,
    ) -> Option<usize> {
        loop {
            let at = special.next()?;
            let byte = special.bytes[at];
            if Some(byte) == self.quote {
                if Some(*special.bytes.get(at + 1)?) != self.quote {
                    return Some(at);
                }
                doubles.push(special.next()? as u32);
            } else if byte == b'\n' || byte == b'\r' && *special.bytes.get(at + 1)? != b'\n' {
                *lines += 1;
            }
        }
    }
}

/// Bytes that are looked at together.
const BLOCK: usize = 64;

/// The places of the bytes with a meaning, in their order.
struct Special<'a> {
    delimiter: u8,
    quote: u8,
    bytes: &'a [u8],
    /// Where the block in hand begins.
    block: usize,
    /// A bit for each of its bytes that is special and was not answered yet.
    found: u64,
}

impl<'a> Special<'a> {
    fn new(scanner: &Scanner, bytes: &'a [u8]) -> Special<'a> {
        let Scanner { delimiter, quote, .. } = *scanner;
        let mut special = Special { delimiter, quote: quote.unwrap_or(delimiter), bytes, block: 0, found: 0 };
        special.find();
        special
    }

    #[inline(always)]
    fn next(&mut self) -> Option<usize> {
        while self.found == 0 {
            self.block += BLOCK;
            if self.block >= self.bytes.len() {
                return None;
            }
            self.find();
        }
        let at = self.block + self.found.trailing_zeros() as usize;
        self.found &= self.found - 1;
        Some(at)
    }

    /// Looks at the block in hand.
    #[inline(never)]
    fn find(&mut self) {
        let rest = self.bytes.get(self.block..).unwrap_or_default();
        self.found = match rest.first_chunk() {
            Some(block) => self.matches(block),
            None => {
                let mut block = [0; BLOCK];
                block[..rest.len()].copy_from_slice(rest);
                // What is behind the end matches nothing.
                self.matches(&block) & ((1 << rest.len()) - 1)
            }
        };
    }

    /// A bit for each special byte. In this form the compiler makes it a few vector instructions.
    #[inline(always)]
    fn matches(&self, block: &[u8; BLOCK]) -> u64 {
        let (delimiter, quote) = (self.delimiter, self.quote);
        let is_special = |b: u8| (b == delimiter) | (b == quote) | (b == b'\n') | (b == b'\r');
        let flags = block.map(|byte| u8::from(is_special(byte)));
        // Eight bytes that are 0 or 1 become the eight bits of the product's highest byte.
        let bits = |eight: &[u8; 8]| u64::from_le_bytes(*eight).wrapping_mul(0x0102_0408_1020_4080) >> 56;
        let (words, _) = flags.as_chunks();
        words.iter().rev().fold(0, |found, eight| found << 8 | bits(eight))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::reference;
    use proptest::prelude::*;

    const ALL: Reach = Reach { records: usize::MAX, starts_before: u64::MAX, ends_by: u64::MAX };

    fn scan(bytes: &[u8], dialect: &Dialect, width: usize) -> Option<Found> {
        let mut found = Found::default();
        Scanner::new(dialect, width, usize::MAX)?.records(bytes, ALL, &mut found);
        Some(found)
    }

    proptest! {
        /// That it is right as far as it goes; that it seldom stops is the next test.
        #[test]
        fn what_it_finds_is_what_the_yardstick_finds(
            file in reference::file(),
            dialect in reference::dialect(),
            width in 1usize..4,
            repeat in 1usize..4,
        ) {
            let file = file.repeat(repeat);
            let Some(found) = scan(&file, &dialect, width) else { return Ok(()) };
            let (records, unclosed) = reference::parse(&file, &dialect);
            prop_assert!(found.records() <= records.len());
            for (row, (end, record)) in found.ends().zip(&records).enumerate() {
                prop_assert_eq!(record.cells.len(), width);
                if let Some(next) = records.get(row + 1).map(|next| next.start.clone()) {
                    prop_assert_eq!((end.end as u64, end.lines), (next.byte(), next.line() - record.start.line()));
                } else if unclosed.is_none() {
                    prop_assert_eq!(end.end, file.len());
                }
                for (index, cell) in record.cells.iter().enumerate() {
                    let read = found.column(&file, index, &[]).nth(row).unwrap();
                    prop_assert_eq!(read.is_none(), !cell.quoted && cell.value.is_empty());
                    let (mut appended, mut scratch) = (b"x".to_vec(), Vec::new());
                    if let Some(read) = read {
                        read.append_to(&mut appended);
                        prop_assert_eq!(read.meant(&mut scratch), &cell.value);
                    }
                    prop_assert_eq!(&appended[1..], &cell.value);
                }
            }
        }

        #[test]
        fn a_special_byte_is_found_wherever_it_is(
            mut bytes in prop::collection::vec(any::<u8>().prop_filter("plain", |b| !b",\"\n\r".contains(b)), 0..200),
            places in prop::collection::btree_map(0usize..200, prop::sample::select(b",\"\n\r".to_vec()), 0..9),
        ) {
            let places: Vec<_> = places.into_iter().filter(|(place, _)| *place < bytes.len()).collect();
            places.iter().for_each(|(place, byte)| bytes[*place] = *byte);
            let scanner = Scanner::new(&Dialect::default(), 1, 1).unwrap();
            let mut special = Special::new(&scanner, &bytes);
            let found: Vec<usize> = std::iter::from_fn(|| special.next()).collect();
            prop_assert_eq!(found, places.into_iter().map(|(place, _)| place).collect::<Vec<_>>());
        }
    }

    #[test]
    fn it_stops_only_at_the_unusual() {
        let found = |text: &str, width| scan(text.as_bytes(), &Dialect::default(), width).unwrap().records();
        assert_eq!(found("a,5\" disk,\"b\n\"\"c\"\"\",,\"\"\n1,2,3,4,5\r\n1,2,3,4,\"\r\"\rnext", 5), 3);
        for text in ["", "\na\n", "\r\n", "a,b\n", "a", "\"a", "\"a\"", "\"a\"b\n", "\"\"\"\n", "a\r"] {
            assert_eq!(found(text, 1), 0, "{text:?}");
        }
        assert!(scan(b"a\n", &Dialect { escape: Some(b'\\'), ..Dialect::default() }, 1).is_none());
    }

    #[test]
    fn it_stops_where_it_is_told_to() {
        let text = b"aaaa\nbb\ncccc\n";
        let found = |reach, max_row_bytes| {
            let mut found = Found::default();
            let scanner = Scanner::new(&Dialect::default(), 1, max_row_bytes).unwrap();
            scanner.records(text, reach, &mut found);
            found.records()
        };
        assert_eq!(found(ALL, 5), 3);
        assert_eq!(found(ALL, 4), 0);
        assert_eq!(found(Reach { records: 2, ..ALL }, 5), 2);
        assert_eq!(found(Reach { starts_before: 8, ..ALL }, 5), 2);
        assert_eq!(found(Reach { starts_before: 9, ..ALL }, 5), 3);
        assert_eq!(found(Reach { ends_by: 12, ..ALL }, 5), 2);
    }
}
