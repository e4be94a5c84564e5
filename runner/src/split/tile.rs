//! From the summaries of a file's blocks to splits that tile it. Must not know bytes.

use super::scan::Summary;
use super::state::State;
use crate::position::Position;

/// A piece of a file that can be read on its own: from a record's start up to another record's start, or to the
/// end of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// Where its first record starts.
    pub start: Position,
    /// Where the next split starts, or the file ends. Records that start before it belong to this split.
    pub end: Position,
}

/// Takes the summaries of a file's blocks in order, and yields splits.
///
/// A split ends at the first record start at or behind each multiple of `split_bytes`, counted from the file's
/// start. So the cuts depend on the file, its dialect and `split_bytes` alone, not on the size of the blocks, and
/// a scan that goes on at the end of any split finds the same ones. A record longer than `split_bytes` makes a
/// longer split; no split is empty, so a file without a body has none.
#[derive(Clone, Debug)]
pub struct Tiler {
    split_bytes: u64,
    /// Start of the split in hand.
    start: Position,
    byte: u64,
    line: u64,
    /// At `byte`.
    state: State,
    /// The byte before `byte` is a `\r`, so the next one decides whether the line has ended.
    behind_cr: bool,
}

impl Tiler {
    /// Starts at a record's start: behind the header, or at the end of the last split of an earlier scan.
    /// `split_bytes` must be the scanner's.
    pub fn new(split_bytes: u64, from: Position) -> Tiler {
        let (byte, line) = (from.byte(), from.line());
        Tiler {
            split_bytes: split_bytes.max(1),
            start: from,
            byte,
            line,
            state: State::Start,
            behind_cr: false,
        }
    }

    /// Takes the next block, and returns the splits that end in it.
    ///
    /// # Panics
    /// If the block does not start where the last one ended.
    pub fn push(&mut self, block: &Summary) -> Vec<Split> {
        assert_eq!(block.offset, self.byte, "the blocks of a file come in order");
        let mut splits = Vec::new();
        if block.len == 0 {
            return splits;
        }
        if self.behind_cr && !block.starts_with_lf {
            self.line += 1;
            if self.state == State::Start {
                splits.extend(self.cut(self.byte, self.line));
            }
        }
        let state = self.state;
        for cut in block.cuts.iter().filter(|cut| cut.entries.has(state)) {
            splits.extend(self.cut(self.byte + cut.at as u64, self.line + cut.lines));
        }
        self.byte += block.len;
        self.line += block.lines;
        self.state = block.effect.on(self.state);
        self.behind_cr = block.ends_with_cr;
        splits
    }

    /// The last split, behind the last block. None if there was nothing behind the splits yielded so far.
    pub fn finish(self) -> Option<Split> {
        let line = self.line + u64::from(self.behind_cr);
        let end = Position::File { byte: self.byte, line };
        (self.byte > self.start.byte()).then_some(Split { start: self.start, end })
    }

    /// Up to where splits were yielded: what a resumed scan starts from.
    pub fn tiled_to(&self) -> Position {
        self.start.clone()
    }

    /// Whether the last block taken ends inside quotes. At the end of the file: a quote was never closed, and
    /// the rest of the file is one record.
    pub fn open_quote(&self) -> bool {
        self.state.in_quotes()
    }

    /// Ends the split in hand at a record's start, if that is the first one at or behind a multiple.
    fn cut(&mut self, byte: u64, line: u64) -> Option<Split> {
        let enough = byte / self.split_bytes > self.start.byte() / self.split_bytes;
        enough.then(|| {
            let start = std::mem::replace(&mut self.start, Position::File { byte, line });
            Split { start, end: self.start.clone() }
        })
    }
}
