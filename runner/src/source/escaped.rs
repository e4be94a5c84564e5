//! One record of a dialect with an escape, piece by piece. `csv-core` drops an escape in front of anything; here, as in
//! PostgreSQL, it is one only in front of a quote or of itself, and else a byte like any other. Pure. Must not know where
//! records start.

use memchr::{memchr_iter, memchr2};

/// Where the parser stands between two bytes of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// At the start of a cell.
    Start,
    Unquoted,
    Quoted,
    /// Inside quotes, behind an escape.
    Escaped,
    /// Behind a quote that closed the cell, or is the first one of a doubled one.
    Closed,
}

/// Parses records, one after the other.
#[derive(Debug)]
pub(super) struct Escaped {
    delimiter: u8,
    quote: u8,
    escape: u8,
    state: State,
    /// Newlines in the record.
    newlines: u64,
}

/// Where the cells of a record go.
pub(super) struct Cells<'a> {
    /// Unescaped, one behind the other; there is room for all.
    pub(super) decoded: &'a mut [u8],
    pub(super) decoded_len: &'a mut usize,
    /// Where cells end in `decoded`; for further ones there need not be room.
    pub(super) ends: &'a mut [usize],
    /// How many ended.
    pub(super) count: &'a mut usize,
}

impl Escaped {
    pub(super) fn new(delimiter: u8, quote: u8, escape: u8) -> Escaped {
        Escaped { delimiter, quote, escape, state: State::Start, newlines: 0 }
    }

    /// The next bytes are those of another record.
    pub(super) fn begin(&mut self) {
        (self.state, self.newlines) = (State::Start, 0);
    }

    /// Newlines in the record.
    pub(super) fn newlines(&self) -> u64 {
        self.newlines
    }

    /// Takes bytes of the record: how many, and whether it ends with them.
    pub(super) fn push(&mut self, input: &[u8], cells: &mut Cells<'_>) -> (usize, bool) {
        let mut at = 0;
        while at < input.len() {
            if self.state == State::Quoted {
                // Most of a quoted cell is nothing special.
                let rest = &input[at..];
                let plain = memchr2(self.quote, self.escape, rest).unwrap_or(rest.len());
                self.newlines += memchr_iter(b'\n', &rest[..plain]).count() as u64;
                cells.add(&rest[..plain]);
                at += plain;
                if at == input.len() {
                    break;
                }
            }
            let byte = input[at];
            at += 1;
            self.newlines += u64::from(byte == b'\n');
            if self.step(byte, cells) {
                return (at, true);
            }
        }
        (at, false)
    }

    /// Takes one byte; true when it ends the record.
    fn step(&mut self, byte: u8, cells: &mut Cells<'_>) -> bool {
        let is_quote = byte == self.quote;
        self.state = match self.state {
            State::Start if is_quote => State::Quoted,
            State::Quoted if is_quote => State::Closed,
            State::Quoted if byte == self.escape => State::Escaped,
            State::Quoted => cells.keep(byte, State::Quoted),
            State::Escaped => {
                if !is_quote && byte != self.escape {
                    cells.add(&[self.escape]);
                }
                cells.keep(byte, State::Quoted)
            }
            State::Closed if is_quote => cells.keep(byte, State::Quoted),
            State::Start | State::Unquoted | State::Closed => {
                if byte == self.delimiter {
                    cells.end();
                    State::Start
                } else if byte == b'\n' || byte == b'\r' {
                    cells.end();
                    return true;
                } else {
                    cells.keep(byte, State::Unquoted)
                }
            }
        };
        false
    }

    /// Ends the record at the end of the file; false when that is inside quotes.
    pub(super) fn finish(&mut self, cells: &mut Cells<'_>) -> bool {
        if matches!(self.state, State::Quoted | State::Escaped) {
            return false;
        }
        cells.end();
        true
    }
}

impl Cells<'_> {
    /// Of a record that is let go of piece by piece there may be a byte too many.
    fn add(&mut self, bytes: &[u8]) {
        let room = &mut self.decoded[*self.decoded_len..];
        let length = bytes.len().min(room.len());
        room[..length].copy_from_slice(&bytes[..length]);
        *self.decoded_len += length;
    }

    fn keep(&mut self, byte: u8, behind: State) -> State {
        self.add(&[byte]);
        behind
    }

    fn end(&mut self) {
        if let Some(end) = self.ends.get_mut(*self.count) {
            *end = *self.decoded_len;
        }
        *self.count += 1;
    }
}
