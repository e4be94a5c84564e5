//! What a worker thread hands to its stream's sender, through a channel with one slot.

use std::sync::Arc;

use bytes::Bytes;

use super::error::Suspects;
use crate::batch::RowStarts;
use crate::counters::{Asides, Counts};
use crate::position::Position;
use crate::reject::Reject;

/// The protocol of the channel: any number of `Rows`, then `End`, and again, until an `End` says `done` or the
/// worker stops. A worker that fails drops its end of the channel: the open chunk is rolled back.
#[derive(Debug)]
pub enum Message {
    /// Encoded rows of the chunk in hand, whole CSV records. Those of a large row hold its loan of the pool.
    Rows(Bytes),
    /// The chunk in hand ends here.
    End(Box<ChunkEnd>),
}

/// All that is committed with a chunk's rows.
#[derive(Debug)]
pub struct ChunkEnd {
    /// Where the split is done up to once this chunk is committed.
    pub end: Position,
    /// Rows of this chunk alone.
    pub counts: Counts,
    /// Rows that were read and could be decoded.
    pub rows: u64,
    /// Rows of this chunk that could not be loaded.
    pub rejects: Vec<Reject>,
    /// Which source row a line of the COPY came from.
    pub lines: LineMap,
    /// Bytes of the source that this chunk covers.
    pub source_bytes: u64,
    /// What was read besides rows.
    pub asides: Asides,
    /// The split ends with this chunk.
    pub done: bool,
}

impl ChunkEnd {
    /// A chunk in which nothing happened yet.
    pub fn starting_at(position: Position) -> Self {
        ChunkEnd {
            end: position,
            counts: Counts::default(),
            rows: 0,
            rejects: Vec::new(),
            lines: LineMap::default(),
            source_bytes: 0,
            asides: Asides::default(),
            done: false,
        }
    }
}

/// From a physical line of a chunk's CSV (as PostgreSQL counts them in a COPY error's CONTEXT, from 1) to the
/// source row that it came from.
#[derive(Debug, Default)]
pub struct LineMap {
    /// Last physical line, ascending; which of the batches; the row in it.
    rows: Vec<(u32, u32, u32)>,
    /// With how many rows of the chunk were read before each.
    batches: Vec<(Arc<RowStarts>, u64)>,
}

impl LineMap {
    /// Adds the next encoded row, which takes `lines` physical lines and came from row `row` of a batch, before which
    /// `before` rows of the chunk were read.
    pub fn push(&mut self, lines: u32, (starts, before): (&Arc<RowStarts>, u64), row: u32) {
        if !self.batches.last().is_some_and(|(last, _)| Arc::ptr_eq(last, starts)) {
            self.batches.push((Arc::clone(starts), before));
        }
        let last = self.rows.last().map_or(0, |row| row.0);
        // A chunk has fewer batches than rows, and those are counted in 32 bits.
        self.rows.push((last.saturating_add(lines), (self.batches.len() - 1) as u32, row));
    }

    /// Whether no row was added.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Bytes of memory that it holds, besides the places of rows in their batches.
    pub fn held_bytes(&self) -> usize {
        self.rows.capacity() * size_of::<(u32, u32, u32)>()
            + self.batches.capacity() * size_of::<(Arc<RowStarts>, u64)>()
    }

    /// The source position of the row that holds physical line `line`.
    pub fn position(&self, line: u64) -> Option<Position> {
        self.row(line).map(|row| self.at(row))
    }

    /// The first and the last source row of the chunk, if it has rows.
    pub fn range(&self) -> Option<(Position, Position)> {
        Some((self.at(self.rows.first()?), self.at(self.rows.last()?)))
    }

    /// Which rows of the chunk were sent, and which of them holds physical line `line`, as numbers from 0.
    pub fn suspects(&self, line: Option<u64>) -> Option<Suspects> {
        let numbers = self.rows.iter().map(|row| self.number(row));
        let (first, last) = numbers.fold(None, |range: Option<(u64, u64)>, number| {
            Some(range.map_or((number, number), |(first, last)| (first.min(number), last.max(number))))
        })?;
        let hint = line.and_then(|line| self.row(line)).map(|row| self.number(row));
        Some(Suspects { first, last, hint })
    }

    fn row(&self, line: u64) -> Option<&(u32, u32, u32)> {
        self.rows.get(self.rows.partition_point(|row| u64::from(row.0) < line))
    }

    fn number(&self, &(_, batch, row): &(u32, u32, u32)) -> u64 {
        self.batches[batch as usize].1 + u64::from(row)
    }

    /// For each row in order a number of the input row that it came from: equal numbers, same input row. Rows of one
    /// input row need not stand together.
    pub fn origins(&self) -> Vec<i32> {
        // Beyond 31 bits numbers wrap, where they are as different as before.
        self.rows.iter().map(|row| self.number(row) as i32).collect()
    }

    fn at(&self, &(_, batch, row): &(u32, u32, u32)) -> Position {
        self.batches[batch as usize].0.at(row as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_inside_a_row_with_newlines_finds_the_row() {
        let at = |line| Position::File { byte: line * 10, line };
        let batch = |lines: &[u64]| {
            let mut starts = RowStarts::in_file(10, 1);
            assert!(lines.iter().all(|line| starts.push_start(line * 10, *line)));
            Arc::new(starts)
        };
        let (one, other) = (batch(&[1, 2]), batch(&[4, 5]));
        let mut map = LineMap::default();
        map.push(1, (&one, 0), 0);
        map.push(3, (&one, 0), 1);
        map.push(1, (&other, 7), 1);
        assert_eq!(map.position(1), Some(at(1)));
        assert_eq!(map.position(2), Some(at(2)));
        assert_eq!(map.position(4), Some(at(2)));
        assert_eq!(map.position(5), Some(at(5)));
        assert_eq!(map.position(6), None);
        assert_eq!(map.range(), Some((at(1), at(5))));
        assert_eq!(map.suspects(Some(4)), Some(Suspects { first: 0, last: 8, hint: Some(1) }));
        assert_eq!(map.suspects(None), Some(Suspects { first: 0, last: 8, hint: None }));
        assert_eq!(LineMap::default().suspects(Some(1)), None);
    }

    #[test]
    fn rows_have_one_number_if_they_came_from_one_input_row() {
        let batch = || {
            let mut starts = RowStarts::in_file(0, 1);
            assert!((0..3).all(|row| starts.push_start(row, row + 1)));
            Arc::new(starts)
        };
        let (one, other) = (batch(), batch());
        let (one, other) = ((&one, 0), (&other, 3));
        let mut map = LineMap::default();
        for (batch, row) in [(one, 2), (one, 0), (one, 2), (other, 0), (other, 0), (other, 2)] {
            map.push(1, batch, row);
        }
        assert_eq!(map.origins(), [2, 0, 2, 3, 3, 5]);
    }
}
