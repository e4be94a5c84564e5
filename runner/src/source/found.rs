//! The records that a scan found: where their cells are in the bytes that were scanned, and what they mean. Pure. Must
//! not know how they were found.

use crate::append::append;

/// Usual records, one behind the other.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) width: usize,
    pub(super) records: Vec<Record>,
    /// `width` for each record.
    pub(super) spans: Vec<Span>,
    /// Where the second quote of each doubled one is.
    pub(super) doubles: Vec<u32>,
}

/// One of them. Offsets are counted from the first one's first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record {
    /// Behind its line end.
    pub(super) end: usize,
    /// Line ends in it, its own included.
    pub(super) lines: u64,
}

/// Where a cell is, without its quotes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub(super) start: u32,
    pub(super) end: u32,
    pub(super) written: Written,
}

/// How a cell is written.
#[derive(Clone, Copy, Debug)]
pub(super) enum Written {
    Bare,
    Quoted,
    /// Quoted, with doubled quotes inside, of which the first has this number.
    Doubled(u32),
}

/// The bytes of a cell that is not NULL.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cell<'a> {
    /// All that follows its first byte too.
    bytes: &'a [u8],
    length: usize,
    /// Where it begins, and the second quotes of doubled ones from it on, by the same measure.
    start: usize,
    doubles: &'a [u32],
}

/// Whether a cell without quotes means NULL.
#[inline]
pub(super) fn means_null(cell: &[u8], null_words: &[Box<[u8]>]) -> bool {
    cell.is_empty() || null_words.iter().any(|word| **word == *cell)
}

impl Found {
    /// Forgets all.
    pub(super) fn clear(&mut self) {
        self.records.clear();
        self.spans.clear();
        self.doubles.clear();
    }

    /// How many there are.
    pub(super) fn records(&self) -> usize {
        self.records.len()
    }

    /// Bytes of all of them.
    pub(super) fn length(&self) -> usize {
        self.records.last().map_or(0, |record| record.end)
    }

    /// How many of them end within the first `length` bytes.
    pub(super) fn records_within(&self, length: usize) -> usize {
        self.records.partition_point(|record| record.end <= length)
    }

    /// Each record.
    pub(super) fn ends(&self) -> impl Iterator<Item = Record> {
        self.records.iter().copied()
    }

    /// Cell `index` of each record in `bytes`, the ones that were scanned; `None` where it means NULL: without
    /// quotes, and empty or one of `null_words`.
    pub(super) fn column<'a>(
        &'a self,
        bytes: &'a [u8],
        index: usize,
        null_words: &'a [Box<[u8]>],
    ) -> impl Iterator<Item = Option<Cell<'a>>> {
        self.spans.chunks_exact(self.width.max(1)).map(move |record| {
            let Span { start, end, written } = record[index];
            let (start, end) = (start as usize, end as usize);
            let doubles = match written {
                Written::Bare if means_null(&bytes[start..end], null_words) => return None,
                Written::Bare | Written::Quoted => &[],
                Written::Doubled(first) => &self.doubles[first as usize..],
            };
            Some(Cell { bytes: &bytes[start..], length: end - start, start, doubles })
        })
    }
}

impl<'a> Cell<'a> {
    /// Appends what it means: doubled quotes are one.
    #[inline]
    pub(super) fn append_to(&self, out: &mut Vec<u8>) {
        let mut from = 0;
        for double in self.doubles {
            let double = *double as usize - self.start;
            if double >= self.length {
                break;
            }
            append(&self.bytes[from..], double - from, out);
            from = double + 1;
        }
        append(&self.bytes[from..], self.length - from, out);
    }

    /// The bytes that it means; `scratch` is used where quotes are doubled.
    #[inline]
    pub(super) fn meant(&self, scratch: &'a mut Vec<u8>) -> &'a [u8] {
        if self.doubles.is_empty() {
            return &self.bytes[..self.length];
        }
        scratch.clear();
        self.append_to(scratch);
        scratch
    }
}
