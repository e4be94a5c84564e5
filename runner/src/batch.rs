//! The rows that go through the path together: what the source yields and what is between two stages.

use std::ops::Range;
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
    /// For each of `rejects`, how many of `rows` were read before it.
    pub rows_before: Vec<u32>,
    /// What was read besides rows.
    pub asides: Asides,
    /// The first position behind this batch: what the ledger holds once all of it is accounted for.
    pub end: Position,
    /// Bytes of the source from the batch's start to `end`.
    pub source_bytes: u64,
    /// Held while a row larger than the stream's share is on its way.
    pub loan: Option<Loan>,
}

impl Batch {
    /// Two batches, as if reading had paused in front of row `at`: each is all that was read up to its end. `at` is
    /// neither 0 nor behind the last row.
    pub fn cut(self, at: usize) -> (Batch, Batch) {
        let Batch { columns, rows, starts, rejects, rows_before, asides, end, source_bytes, loan } = self;
        let (first_starts, last_starts) = starts.cut(at);
        // A file goes on where the row starts, a table behind the row before it: what lies between them is in the
        // first part of a file, and in the last of a table.
        let (middle, last_before) = match &*starts {
            RowStarts::File { .. } => (starts.at(at), at),
            RowStarts::Keys { .. } => (starts.at(at - 1), at - 1),
        };
        let before = |index: usize| rows_before.get(index).copied().unwrap_or(0);
        let count = (0..rejects.len()).take_while(|index| before(*index) as usize <= last_before).count();
        let (mut first_rejects, mut first_before) = (rejects, rows_before);
        let last_rejects = first_rejects.split_off(count);
        let last_before = first_before.split_off(count.min(first_before.len()));
        // How the bytes spread over the rows is for the progress alone.
        let first_bytes = source_bytes / rows.max(1) as u64 * at as u64;
        let part = |from: usize, rows: usize| columns.iter().map(|c| c.slice(from, rows)).collect();
        let first = Batch {
            columns: part(0, at),
            rows: at,
            starts: Arc::new(first_starts),
            rejects: first_rejects,
            rows_before: first_before,
            asides: Asides::default(),
            end: middle,
            source_bytes: first_bytes,
            loan: None,
        };
        let last = Batch {
            columns: part(at, rows - at),
            rows: rows - at,
            starts: Arc::new(last_starts),
            rejects: last_rejects,
            rows_before: last_before.into_iter().map(|b| b.saturating_sub(at as u32)).collect(),
            asides,
            end,
            source_bytes: source_bytes - first_bytes,
            loan,
        };
        (first, last)
    }
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

    /// The rows before row `at`, and the others.
    fn cut(&self, at: usize) -> (RowStarts, RowStarts) {
        match self {
            RowStarts::File { byte, line, deltas } => {
                let part = |deltas: &[(u32, u32)]| RowStarts::File {
                    byte: *byte,
                    line: *line,
                    deltas: deltas.to_vec(),
                };
                (part(&deltas[..at]), part(&deltas[at..]))
            }
            RowStarts::Keys { tokens, ends, cells } => {
                let middle = if at == 0 { 0 } else { ends[at - 1] };
                let part = |rows: Range<usize>, cells: &[u8], from: u32| RowStarts::Keys {
                    tokens: tokens[rows.clone()].to_vec(),
                    ends: ends[rows].iter().map(|end| end - from).collect(),
                    cells: cells.to_vec(),
                };
                let (before, behind) = cells.split_at(middle as usize);
                (part(0..at, before, 0), part(at..tokens.len(), behind, middle))
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
    use arrow_array::Int32Array;
    use arrow_array::cast::AsArray;
    use arrow_array::types::Int32Type;

    use super::*;
    use crate::reject::{Original, Stage};

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

    fn reject(position: Position) -> Reject {
        Reject {
            position,
            stage: Stage::Read,
            code: "ragged",
            reason: "".into(),
            original: Original::Bytes(Vec::new()),
            cut: false,
        }
    }

    fn batch(starts: RowStarts, rejects: Vec<(u32, Position)>, end: Position) -> Batch {
        let rows = starts.len();
        let (rows_before, rejects) = rejects.into_iter().map(|(row, at)| (row, reject(at))).unzip();
        Batch {
            columns: vec![Arc::new(Int32Array::from_iter_values(0..rows as i32))],
            rows,
            starts: Arc::new(starts),
            rejects,
            rows_before,
            asides: Asides { blank_lines: 3, ..Asides::default() },
            end,
            source_bytes: 103,
            loan: None,
        }
    }

    /// Values, positions of rows, positions of rejects, end.
    fn seen(batch: &Batch) -> (Vec<i32>, Vec<Position>, Vec<Position>, Position) {
        let values = batch.columns[0].as_primitive::<Int32Type>().values().to_vec();
        assert_eq!((values.len(), batch.starts.len()), (batch.rows, batch.rows));
        let rejects = batch.rejects.iter().map(|reject| reject.position.clone()).collect();
        (values, (0..batch.rows).map(|row| batch.starts.at(row)).collect(), rejects, batch.end.clone())
    }

    #[test]
    fn a_batch_of_a_file_is_cut_where_a_row_starts() {
        let at = |byte: u64| Position::File { byte, line: byte / 10 };
        let mut starts = RowStarts::in_file(100, 10);
        assert!([100, 120, 140, 150].into_iter().all(|byte| starts.push_start(byte, byte / 10)));
        let rejects = vec![(1, at(110)), (2, at(130)), (4, at(160))];
        let (first, last) = batch(starts, rejects, at(170)).cut(2);
        assert_eq!(seen(&first), (vec![0, 1], vec![at(100), at(120)], vec![at(110), at(130)], at(140)));
        assert_eq!(seen(&last), (vec![2, 3], vec![at(140), at(150)], vec![at(160)], at(170)));
        assert_eq!(first.source_bytes + last.source_bytes, 103);
        assert_eq!((first.asides.blank_lines, last.asides.blank_lines), (0, 3));
        let (third, fourth) = last.cut(1);
        assert_eq!(seen(&third), (vec![2], vec![at(140)], vec![], at(150)));
        assert_eq!(seen(&fourth), (vec![3], vec![at(150)], vec![at(160)], at(170)));
    }

    #[test]
    fn a_batch_of_a_table_is_cut_behind_a_row() {
        let key = |name: &str| Position::Key { token: 7, cells: Arc::from(name.as_bytes()) };
        let mut starts = RowStarts::of_keys();
        assert!(["one", "", "three"].into_iter().all(|name| starts.push_key(7, name.as_bytes())));
        // The keys are in the table's order, which is not that of their bytes.
        let rejects = vec![(0, key("z")), (1, key("y")), (2, key("x"))];
        let (first, last) = batch(starts, rejects, key("end")).cut(1);
        assert_eq!(seen(&first), (vec![0], vec![key("one")], vec![key("z")], key("one")));
        assert_eq!(
            seen(&last),
            (vec![1, 2], vec![key(""), key("three")], vec![key("y"), key("x")], key("end"))
        );
        let (second, third) = last.cut(1);
        assert_eq!(seen(&second), (vec![1], vec![key("")], vec![key("y")], key("")));
        assert_eq!(seen(&third), (vec![2], vec![key("three")], vec![key("x")], key("end")));
    }
}
