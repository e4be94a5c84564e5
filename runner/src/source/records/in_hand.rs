//! The record in hand: its bytes, lines and cells. Must not know how it came there.

use super::Records;
use crate::source::found::means_null;
use crate::source::skipped::lone_returns;

impl Records {
    /// Bytes of what is in hand, its line end included.
    pub(in crate::source) fn length(&self) -> u64 {
        self.skipped.as_ref().map_or(self.taken as u64, |skipped| skipped.bytes)
    }

    pub(super) fn lines(&self) -> u64 {
        let returns = match &self.skipped {
            Some(skipped) => skipped.lone_returns(),
            None if self.has_cr => lone_returns(self.raw_with_line_end()),
            None => 0,
        };
        self.newlines + self.parsed.newlines() + returns
    }

    pub(super) fn raw_with_line_end(&self) -> &[u8] {
        &self.buffer[self.start..self.start + self.taken]
    }

    /// The bytes of the record in hand without its line end, or the start of one that is too long.
    pub(in crate::source) fn raw(&self) -> &[u8] {
        let mut raw = self.skipped.as_ref().map_or(self.raw_with_line_end(), |skipped| &skipped.head);
        if self.has_line_end && self.length() == raw.len() as u64 {
            raw = raw.strip_suffix(b"\n").unwrap_or(raw);
            raw = raw.strip_suffix(b"\r").unwrap_or(raw);
        }
        raw
    }

    /// Whether [`Records::raw`] is only a part of the record.
    pub(in crate::source) fn is_cut(&self) -> bool {
        self.skipped.as_ref().is_some_and(|skipped| skipped.bytes > skipped.head.len() as u64)
    }

    /// How many cells the record in hand has.
    pub(in crate::source) fn cells(&self) -> usize {
        self.parsed.cells()
    }

    /// Whether all cells are UTF-8 for sure.
    pub(in crate::source) fn is_ascii(&self) -> bool {
        !self.has_non_ascii
    }

    /// Cell `index`, one of the kept ones, of the record in hand, unescaped.
    pub(in crate::source) fn cell(&self, index: usize) -> &[u8] {
        self.parsed.cell(index)
    }

    /// The same, or `None` where it means NULL: without quotes, and empty or one of `null_words`.
    pub(in crate::source) fn value(&mut self, index: usize, null_words: &[Box<[u8]>]) -> Option<&[u8]> {
        let record = &self.buffer[self.start..self.start + self.taken];
        let cell = self.parsed.cell(index);
        let is_null = means_null(cell, null_words) && !self.parsed.is_quoted(record, index);
        if is_null { None } else { Some(self.parsed.cell(index)) }
    }
}
