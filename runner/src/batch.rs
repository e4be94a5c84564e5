//! The rows that go through the path together: what the source yields and what is between two stages.

use std::sync::Arc;

use arrow_array::ArrayRef;

use crate::counters::Asides;
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
    /// Where each of `rows` is in its source. Shared with the map from lines of a COPY to rows.
    pub starts: Arc<RowStarts>,
    /// Records that could not be decoded; they are not among `rows`.
    pub rejects: Vec<Reject>,
    /// What was read besides rows.
    pub asides: Asides,
    /// The first position behind this batch: what the ledger holds once all of it is accounted for.
    pub end: Position,
    /// Bytes of the source from the batch's start to `end`.
    pub source_bytes: u64,
    /// Held while a row larger than the stream's share is on its way.
    pub loan: Option<Loan>,
}

/// From a row of a batch to its position in the source.
#[derive(Clone, Debug)]
pub enum RowStarts {
    /// Rows of a file, 8 bytes a row.
    File {
        /// Where the batch starts.
        byte: u64,
        /// The line of that byte.
        line: u64,
        /// Bytes and lines from there to each row.
        deltas: Vec<(u32, u32)>,
    },
    /// Rows of a table, each with the token and the cells of its key, as in [`Position::Key`].
    Keys {
        /// The token of each row.
        tokens: Vec<i64>,
        /// Where the key of each row ends in `cells`.
        ends: Vec<u32>,
        /// All keys, one behind the other.
        cells: Vec<u8>,
    },
}

impl RowStarts {
    /// No rows of a file yet; all that will be pushed start at or behind this place.
    pub fn in_file(byte: u64, line: u64) -> Self {
        RowStarts::File { byte, line, deltas: Vec::new() }
    }

    /// No rows of a table yet.
    pub fn of_keys() -> Self {
        RowStarts::Keys { tokens: Vec::new(), ends: Vec::new(), cells: Vec::new() }
    }

    /// Adds the next row's start in a file. Fails (false) when it is more than 4 GiB behind the first: end the batch
    /// then.
    #[must_use]
    pub fn push_start(&mut self, byte: u64, line: u64) -> bool {
        let RowStarts::File { byte: base_byte, line: base_line, deltas } = self else { return false };
        let delta = |at: u64, base: u64| at.checked_sub(base).and_then(|delta| u32::try_from(delta).ok());
        let both = delta(byte, *base_byte).zip(delta(line, *base_line));
        deltas.extend(both);
        both.is_some()
    }

    /// Adds the next row's key. Fails (false) when all keys together exceed 4 GiB: end the batch before.
    #[must_use]
    pub fn push_key(&mut self, token: i64, key: &[u8]) -> bool {
        let RowStarts::Keys { tokens, ends, cells } = self else { return false };
        let Ok(end) = u32::try_from(cells.len() + key.len()) else { return false };
        tokens.push(token);
        cells.extend_from_slice(key);
        ends.push(end);
        true
    }

    /// Rows pushed so far.
    pub fn len(&self) -> usize {
        match self {
            RowStarts::File { deltas, .. } => deltas.len(),
            RowStarts::Keys { tokens, .. } => tokens.len(),
        }
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The position of row `row`: where it starts in a file, its key in a table.
    pub fn at(&self, row: usize) -> Position {
        match self {
            RowStarts::File { byte, line, deltas } => {
                let (bytes, lines) = deltas[row];
                Position::File { byte: byte + u64::from(bytes), line: line + u64::from(lines) }
            }
            RowStarts::Keys { tokens, ends, cells } => {
                let start = if row == 0 { 0 } else { ends[row - 1] as usize };
                Position::Key { token: tokens[row], cells: Arc::from(&cells[start..ends[row] as usize]) }
            }
        }
    }

    /// Bytes that are held, about.
    pub fn held_bytes(&self) -> usize {
        match self {
            RowStarts::File { deltas, .. } => 8 * deltas.len(),
            RowStarts::Keys { tokens, cells, .. } => 12 * tokens.len() + cells.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_of_a_file_is_found_by_its_start() {
        let mut starts = RowStarts::in_file(10, 2);
        assert!(starts.push_start(10, 2) && starts.push_start(25, 4));
        assert!(!starts.push_start(10 + (1 << 32), 5), "4 GiB behind");
        assert!(!starts.push_key(1, b"k"));
        assert_eq!((starts.len(), starts.at(1)), (2, Position::File { byte: 25, line: 4 }));
    }

    #[test]
    fn a_row_of_a_table_is_found_by_its_key() {
        let mut starts = RowStarts::of_keys();
        assert!(starts.push_key(7, b"one") && starts.push_key(-7, b"") && starts.push_key(9, b"two"));
        let key = |token, cells: &[u8]| Position::Key { token, cells: Arc::from(cells) };
        assert_eq!([0, 1, 2].map(|row| starts.at(row)), [key(7, b"one"), key(-7, b""), key(9, b"two")]);
        assert!(!starts.push_start(0, 1));
    }
}
