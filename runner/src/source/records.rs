//! One record after the other from a stream, with what `csv-core` hides: where a record starts, which lines it
//! spans, whether a cell was quoted, blank lines, a quote that is never closed. Must not know columns or types.

mod ahead;
mod in_hand;

use std::sync::atomic::AtomicBool;

use memchr::memchr;

use super::Error;
use super::found::Found;
use super::parsed::Parsed;
use super::scan::Scanner;
use super::skipped::Skipped;
use super::stream::{Got, Stream};
use crate::dialect::Dialect;
use crate::position::Position;

const BOM: &[u8] = b"\xef\xbb\xbf";

/// So much of a record is read before somebody is told: one that a stray quote began may not end for hours.
const MAX_BYTES_AT_ONCE: usize = 1 << 20;

/// Reads records: one after the other, of which the one in hand stays until [`Records::consume`], or many at once
/// between two of those.
pub(super) struct Records {
    stream: Stream,
    ended: bool,
    limits: Limits,
    phase: Phase,
    /// Where the record in hand starts.
    byte: u64,
    line: u64,

    /// Bytes of the stream: those before `start` are done, those from `filled` on are room.
    buffer: Vec<u8>,
    start: usize,
    filled: usize,
    /// Whether a carriage return was ever seen: else line ends need no second look.
    has_cr: bool,
    /// The same for bytes that are not ASCII and the check of UTF-8.
    has_non_ascii: bool,

    /// Bytes of the buffer from `start` on that belong to the record in hand.
    taken: usize,
    /// Whether it ends with a line end, not with the file.
    has_line_end: bool,
    /// Newlines in it that `parsed` did not see.
    newlines: u64,
    parsed: Parsed,
    skipped: Option<Skipped>,

    /// The usual way to records, many at once, and what it found behind `start`.
    scanner: Option<Scanner>,
    ahead: Found,
}

/// What a reader may hold.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Bytes that are read at a time, and the longest record that is held without being asked to grow.
    pub(super) block_bytes: usize,
    /// The longest record.
    pub(super) max_row_bytes: usize,
    /// Cells that are kept of a record; further ones are counted.
    pub(super) cells: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Between two records.
    Start,
    /// Inside a record.
    Inside,
    /// Behind a carriage return that ended it: a newline still belongs to it.
    Return { blank: bool },
    /// A record is in hand.
    Whole { blank: bool },
}

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// A record is in hand.
    Record,
    /// A blank line is in hand.
    Blank,
    /// A record over the limit is in hand: its start and its length.
    TooLong,
    /// The record does not fit into a block: call again with `grow`, which takes memory.
    Large,
    /// No byte came for a second, or many without the record's end; call again.
    Idle,
    /// The end of the stream.
    End,
}

enum Filled {
    /// So many bytes.
    Some(usize),
    Full,
    Idle,
    End,
}

impl Records {
    /// Reads on where `stream` stands, which is `position`.
    pub(super) fn new(stream: Stream, dialect: Dialect, limits: Limits, position: Position) -> Records {
        Records {
            stream,
            ended: false,
            limits,
            phase: Phase::Start,
            byte: position.byte(),
            line: position.line(),
            buffer: vec![0; limits.block_bytes],
            start: 0,
            filled: 0,
            has_cr: false,
            has_non_ascii: false,
            taken: 0,
            has_line_end: true,
            newlines: 0,
            scanner: Scanner::new(&dialect, limits.cells, limits.max_row_bytes),
            parsed: Parsed::new(dialect, limits.cells, limits.block_bytes),
            skipped: None,
            ahead: Found::default(),
        }
    }

    /// Goes behind a byte order mark at the file's start and returns the first two bytes there are.
    pub(super) fn skip_bom(&mut self) -> Result<[Option<u8>; 2], Error> {
        while self.filled - self.start < BOM.len() {
            match self.fill(true, true)? {
                Filled::Some(_) => {}
                Filled::Full | Filled::Idle | Filled::End => break,
            }
        }
        let head = &self.buffer[self.start..self.filled];
        let first = [head.first().copied(), head.get(1).copied()];
        if head.starts_with(BOM) {
            self.start += BOM.len();
            self.byte += BOM.len() as u64;
        }
        Ok(first)
    }

    /// Where the record in hand starts, or else the next one.
    pub(super) fn position(&self) -> Position {
        Position::File { byte: self.byte, line: self.line }
    }

    /// The byte and the line of that position.
    pub(super) fn place(&self) -> (u64, u64) {
        (self.byte, self.line)
    }

    /// The error of a file that ends before `expected`.
    pub(super) fn shrunk(&self, expected: u64) -> Error {
        self.stream.shrunk(expected)
    }

    /// Goes to where it was opened, which may take its time: false when the run is being stopped meanwhile.
    pub(super) fn arrive(&mut self, stop: &AtomicBool) -> Result<bool, Error> {
        self.stream.arrive(stop)
    }

    /// Whether what was read so far is of the file that was found.
    pub(super) fn check(&mut self) -> Result<(), Error> {
        self.stream.check()
    }

    /// Gets a record in hand, if there is none yet. It may `grow` beyond a block, and `wait` for a stream.
    pub(super) fn next(&mut self, grow: bool, wait: bool) -> Result<Next, Error> {
        let mut came = 0;
        loop {
            match self.phase {
                Phase::Whole { blank: true } => return Ok(Next::Blank),
                Phase::Whole { blank: false } if self.is_too_long() => return Ok(Next::TooLong),
                Phase::Whole { blank: false } => return Ok(Next::Record),
                Phase::Start if self.start < self.filled => self.begin(),
                Phase::Inside if self.start + self.taken < self.filled => self.parse(),
                Phase::Inside if self.skipped.is_none() && self.is_too_long() => self.skip_what_was_taken(),
                Phase::Return { blank } if self.start + self.taken < self.filled => self.end_line(blank),
                Phase::Start | Phase::Inside | Phase::Return { .. } => match self.fill(grow, wait)? {
                    Filled::Some(bytes) => {
                        came += bytes;
                        if came >= MAX_BYTES_AT_ONCE && !wait {
                            return Ok(Next::Idle);
                        }
                    }
                    Filled::Full => return Ok(Next::Large),
                    Filled::Idle => return Ok(Next::Idle),
                    Filled::End => match self.phase {
                        Phase::Return { blank } => self.phase = Phase::Whole { blank },
                        Phase::Inside => self.end_of_file()?,
                        Phase::Start | Phase::Whole { .. } => return Ok(Next::End),
                    },
                },
            }
        }
    }

    fn begin(&mut self) {
        self.parsed.begin();
        (self.newlines, self.has_line_end) = (0, true);
        self.phase = match self.buffer[self.start] {
            b'\n' => {
                (self.taken, self.newlines) = (1, 1);
                Phase::Whole { blank: true }
            }
            b'\r' => {
                self.taken = 1;
                Phase::Return { blank: true }
            }
            _ => Phase::Inside,
        };
    }

    /// What follows the byte that ended the record.
    fn behind_line_end(&self) -> Phase {
        match self.buffer[self.start + self.taken - 1] {
            b'\r' => Phase::Return { blank: false },
            _ => Phase::Whole { blank: false },
        }
    }

    fn parse(&mut self) {
        let (read, is_end) = self.parsed.push(&self.buffer[self.start + self.taken..self.filled]);
        self.taken += read;
        if is_end {
            self.phase = self.behind_line_end();
        }
        if self.skipped.is_some() {
            self.skip_what_was_taken();
        }
    }

    /// A carriage return ended the record; takes the newline behind it.
    fn end_line(&mut self, blank: bool) {
        if self.buffer[self.start + self.taken] == b'\n' {
            self.taken += 1;
            self.newlines += 1;
            if self.skipped.is_some() {
                self.skip_what_was_taken();
            }
        }
        self.phase = Phase::Whole { blank };
    }

    fn end_of_file(&mut self) -> Result<(), Error> {
        if !self.parsed.finish() {
            return Err(Error::UnclosedQuote { file: self.stream.name().into(), line: self.line });
        }
        self.has_line_end = false;
        self.phase = Phase::Whole { blank: false };
        Ok(())
    }

    fn is_too_long(&self) -> bool {
        // A newline behind the carriage return that ended it does not count: whether it is there already must not
        // make a difference.
        let line_end = self.raw_with_line_end();
        let taken = if line_end.ends_with(b"\r\n") { self.taken - 1 } else { self.taken };
        self.skipped.is_some() || taken > self.limits.max_row_bytes
    }

    /// Whether the record in hand takes no memory, because it is over the limit.
    pub(super) fn is_skipping(&self) -> bool {
        self.skipped.is_some()
    }

    /// Lets go of the bytes of a record that is over the limit, keeping its start for the reject.
    fn skip_what_was_taken(&mut self) {
        let bytes = &self.buffer[self.start..self.start + self.taken];
        self.skipped.get_or_insert_default().add(bytes);
        self.start += self.taken;
        self.taken = 0;
        self.parsed.forget();
        self.shrink();
    }

    /// More bytes into the buffer, of which the done ones make room.
    fn fill(&mut self, grow: bool, wait: bool) -> Result<Filled, Error> {
        if self.ended {
            return Ok(Filled::End);
        }
        self.buffer.copy_within(self.start..self.filled, 0);
        self.filled -= self.start;
        self.start = 0;
        if self.filled == self.buffer.len() {
            if !grow {
                return Ok(Filled::Full);
            }
            let doubled = (2 * self.filled).min(self.limits.max_row_bytes.saturating_add(1));
            let length = doubled.max(self.filled + 1);
            self.buffer.resize(length, 0);
            self.parsed.resize(length);
        }
        // Never more than a block, so that what is left behind a large record fits into one.
        let room = (self.filled + self.limits.block_bytes).min(self.buffer.len());
        let room = &mut self.buffer[self.filled..room];
        Ok(match self.stream.read(room, wait)? {
            Got::Bytes(length) => {
                let bytes = &room[..length];
                self.has_cr = self.has_cr || memchr(b'\r', bytes).is_some();
                self.has_non_ascii = self.has_non_ascii || !bytes.is_ascii();
                self.filled += length;
                Filled::Some(length)
            }
            Got::Idle => Filled::Idle,
            Got::End => {
                self.ended = true;
                Filled::End
            }
        })
    }

    /// Done with what is in hand.
    pub(super) fn consume(&mut self) {
        self.byte += self.length();
        self.line += self.lines();
        self.start += self.taken;
        self.taken = 0;
        self.skipped = None;
        self.phase = Phase::Start;
        self.shrink();
    }

    /// Gives back what a large record took.
    fn shrink(&mut self) {
        let block = self.limits.block_bytes;
        if self.buffer.len() > block && self.filled - self.start <= block {
            self.buffer.copy_within(self.start..self.filled, 0);
            self.filled -= self.start;
            self.start = 0;
            self.buffer.truncate(block);
            self.buffer.shrink_to_fit();
            self.parsed.resize(block);
        }
    }
}

#[cfg(test)]
impl Records {
    /// What the buffers hold now.
    pub(super) fn held_bytes(&self) -> usize {
        self.buffer.capacity() + self.parsed.held_bytes()
    }
}
