//! What a worker thread hands to its stream's sender, through a channel with one slot.

use bytes::Bytes;

use crate::counters::Counts;
use crate::memory::Loan;
use crate::position::Position;
use crate::reject::Reject;

/// The protocol of the channel: any number of `Rows`, then `End`, and again, until an `End` says `done` or the
/// worker stops. A worker that fails drops its end of the channel: the open chunk is rolled back.
#[derive(Debug)]
pub enum Message {
    /// Encoded rows of the chunk in hand, whole CSV records.
    Rows(Bytes, Option<Loan>),
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
    /// Rows of this chunk that could not be loaded.
    pub rejects: Vec<Reject>,
    /// Which source row a line of the COPY came from.
    pub lines: LineMap,
    /// Bytes of the source that this chunk covers.
    pub source_bytes: u64,
    /// Blank lines of the source passed over; they are no rows.
    pub blank: u64,
    /// The split ends with this chunk.
    pub done: bool,
}

impl ChunkEnd {
    /// A chunk in which nothing happened yet.
    pub fn starting_at(position: Position) -> Self {
        ChunkEnd {
            end: position,
            counts: Counts::default(),
            rejects: Vec::new(),
            lines: LineMap::default(),
            source_bytes: 0,
            blank: 0,
            done: false,
        }
    }
}

/// From a physical line of a chunk's CSV (as PostgreSQL counts them in a COPY error's CONTEXT, from 1) to the
/// source row that it came from.
#[derive(Debug, Default)]
pub struct LineMap {
    /// (last physical line, source row's position), ascending.
    rows: Vec<(u32, Position)>,
}

impl LineMap {
    /// Adds the next encoded row, which takes `lines` physical lines.
    pub fn push(&mut self, lines: u32, position: Position) {
        let last = self.rows.last().map_or(0, |row| row.0);
        self.rows.push((last.saturating_add(lines), position));
    }

    /// Whether no row was added.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The source position of the row that holds physical line `line`.
    pub fn position(&self, line: u64) -> Option<Position> {
        let index = self.rows.partition_point(|row| u64::from(row.0) < line);
        self.rows.get(index).map(|row| row.1)
    }

    /// The first and the last source row of the chunk, if it has rows.
    pub fn range(&self) -> Option<(Position, Position)> {
        Some((self.rows.first()?.1, self.rows.last()?.1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_inside_a_row_with_newlines_finds_the_row() {
        let at = |line| Position::File { byte: line * 10, line };
        let mut map = LineMap::default();
        map.push(1, at(1));
        map.push(3, at(2));
        map.push(1, at(5));
        assert_eq!(map.position(1), Some(at(1)));
        assert_eq!(map.position(2), Some(at(2)));
        assert_eq!(map.position(4), Some(at(2)));
        assert_eq!(map.position(5), Some(at(5)));
        assert_eq!(map.position(6), None);
        assert_eq!(map.range(), Some((at(1), at(5))));
    }
}
