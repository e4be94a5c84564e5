//! Many records at once: those behind the last one that lie whole in the buffer and are nothing special. What is
//! left of them is for [`Records::next`]. Must not know columns or types.

use std::str;

use super::{Phase, Records};
use crate::batch::RowStarts;
use crate::source::found::Cell;
use crate::source::scan::Reach;

impl Records {
    /// Finds such records: how many. They stay until [`Records::consume_ahead`].
    pub(in crate::source) fn look_ahead(&mut self, reach: Reach) -> usize {
        let bytes = &self.buffer[self.start..self.filled];
        match &self.scanner {
            Some(scanner) if self.phase == Phase::Start => scanner.records(bytes, reach, &mut self.ahead),
            _ => self.ahead.clear(),
        }
        self.ahead.records()
    }

    /// How many of them are UTF-8, up to the first that is not.
    pub(in crate::source) fn utf8_ahead(&self) -> usize {
        let bytes = &self.buffer[self.start..self.start + self.ahead.length()];
        if !self.has_non_ascii || simdutf8::basic::from_utf8(bytes).is_ok() {
            return self.ahead.records();
        }
        let valid = str::from_utf8(bytes).map_or_else(|error| error.valid_up_to(), str::len);
        self.ahead.records_within(valid)
    }

    /// Column `index` of what was found.
    pub(in crate::source) fn column_ahead<'a>(
        &'a self,
        index: usize,
        null_words: &'a [Box<[u8]>],
    ) -> impl Iterator<Item = Option<Cell<'a>>> {
        self.ahead.column(&self.buffer[self.start..self.filled], index, null_words)
    }

    /// Done with the first `records` of them: adds their starts to `starts` as long as they fit, and answers how many
    /// did.
    pub(in crate::source) fn consume_ahead(&mut self, records: usize, starts: &mut RowStarts) -> usize {
        let mut consumed = 0;
        let mut done = 0;
        for record in self.ahead.ends().take(records) {
            if !starts.push_start(self.byte, self.line) {
                break;
            }
            self.byte += (record.end - done) as u64;
            self.line += record.lines;
            done = record.end;
            consumed += 1;
        }
        self.start += done;
        self.ahead.clear();
        consumed
    }
}
