//! The rows that go through the path together: what the source yields and what is between two stages.

use arrow_array::ArrayRef;

use crate::memory::Loan;
use crate::position::Position;
use crate::reject::Reject;

/// Rows as the source read them: the wanted columns, in the order they were asked for.
#[derive(Debug)]
pub struct Batch {
    /// One array per wanted column, each `rows` long.
    pub columns: Vec<ArrayRef>,
    /// Rows in `columns`. May be 0 when all that was read was rejected or blank.
    pub rows: usize,
    /// Where each of `rows` starts.
    pub starts: RowStarts,
    /// Records that could not be decoded; they are not among `rows`.
    pub rejects: Vec<Reject>,
    /// Blank lines passed over; they are no rows.
    pub blank: u64,
    /// The first position behind this batch: what the ledger holds once all of it is accounted for.
    pub end: Position,
    /// Bytes of the source from the batch's start to `end`.
    pub source_bytes: u64,
    /// Held while a row larger than the stream's share is on its way.
    pub loan: Option<Loan>,
}

/// From a row of a batch to its position in the source, 8 bytes a row.
#[derive(Clone, Debug)]
pub struct RowStarts {
    base: Position,
    deltas: Vec<(u32, u32)>,
}

impl RowStarts {
    /// No rows yet; all that will be pushed start at or behind `base`.
    pub fn new(base: Position) -> Self {
        RowStarts { base, deltas: Vec::new() }
    }

    /// Adds the next row's start. Fails (false) when it is more than 4 GiB behind the base: end the batch then.
    #[must_use]
    pub fn push(&mut self, start: Position) -> bool {
        let byte = u32::try_from(start.byte() - self.base.byte());
        let line = u32::try_from(start.line() - self.base.line());
        let fits = byte.is_ok() && line.is_ok();
        if let (Ok(byte), Ok(line)) = (byte, line) {
            self.deltas.push((byte, line));
        }
        fits
    }

    /// Rows pushed so far.
    pub fn len(&self) -> usize {
        self.deltas.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.deltas.is_empty()
    }

    /// Where row `row` starts.
    pub fn at(&self, row: usize) -> Position {
        let (byte, line) = self.deltas[row];
        match self.base {
            Position::File { byte: base_byte, line: base_line } => {
                Position::File { byte: base_byte + u64::from(byte), line: base_line + u64::from(line) }
            }
        }
    }
}
