//! Batches of rows from one split. Must not know how records are found (records) or cells understood (column).

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::column::Column;
use super::csv::Settings;
use super::records::{Limits, Next, Records};
use super::scan::Reach;
use super::stream::Stream;
use super::{Error, SourceFile, unit};
use crate::batch::{Batch, RowStarts};
use crate::counters::Asides;
use crate::memory::{Loan, Memory};
use crate::position::Position;
use crate::reject::{MAX_ORIGINAL_BYTES, Original, Reject, Stage};
use crate::schema::Field;
use crate::units::ByteSize;
use crate::untrusted;

/// Bytes read at a time: more gains nothing, and there is one such buffer per stream.
const MAX_BLOCK_BYTES: usize = 128 * 1024;

/// Rows taken at once; a scan finds fewer.
const MAX_STRIDE: usize = 1024;

/// Reads one split, batch by batch.
pub struct Reader {
    records: Records,
    /// Columns of the file: what a record must have.
    width: usize,
    wanted: Vec<Wanted>,
    null_words: Vec<Box<[u8]>>,
    max_row_bytes: ByteSize,
    end: Option<u64>,
    memory: Memory,
    batch_bytes: u64,
    /// How many records are taken at once at most: less after one that had to be left out.
    stride: usize,
    /// Of a large record whose rest is still to come.
    loan: Option<Loan>,
}

/// A column that is built.
struct Wanted {
    /// Its place in the file.
    index: usize,
    field: Field,
    column: Column,
}

/// A batch that is being made.
struct Draft {
    /// Its first byte.
    from: u64,
    starts: RowStarts,
    rejects: Vec<Reject>,
    rows_before: Vec<u32>,
    blank: u64,
    loan: Option<Loan>,
}

impl Reader {
    /// Opens the split of `file` from `from` (a record's start) to the byte `end`, or to the end of the file. Every
    /// record that starts before `end` belongs to it. `fields` are all columns of the file, of which those at
    /// `wanted` are built, in that order.
    pub fn open(
        file: &SourceFile,
        settings: &Settings,
        fields: &[Field],
        wanted: &[usize],
        from: Position,
        end: Option<u64>,
        memory: &Memory,
    ) -> Result<Reader, Error> {
        let stream = Stream::open(file, from.byte(), end)?;
        let block_bytes = memory.batch_bytes().min(MAX_BLOCK_BYTES);
        Reader::over(stream, settings, (fields, wanted), (from, end), memory, block_bytes)
    }

    pub(super) fn over(
        stream: Stream,
        settings: &Settings,
        (fields, wanted): (&[Field], &[usize]),
        (from, end): (Position, Option<u64>),
        memory: &Memory,
        block_bytes: usize,
    ) -> Result<Reader, Error> {
        let dialect = settings.dialect()?;
        let mut columns = Vec::new();
        for &index in wanted {
            let field = fields.get(index).ok_or(Error::Internal("a wanted column is not in the file"))?;
            columns.push(Wanted { index, field: field.clone(), column: Column::new(field.ty) });
        }
        let max_row_bytes = settings.max_row_bytes;
        let limits = Limits {
            block_bytes,
            max_row_bytes: usize::try_from(max_row_bytes.0).unwrap_or(usize::MAX),
            cells: fields.len(),
        };
        Ok(Reader {
            records: Records::new(stream, dialect, limits, from),
            width: fields.len(),
            wanted: columns,
            null_words: settings.null.iter().map(|word| word.as_bytes().into()).collect(),
            max_row_bytes,
            end,
            memory: memory.clone(),
            batch_bytes: memory.batch_bytes() as u64,
            stride: MAX_STRIDE,
            loan: None,
        })
    }

    /// The next rows: at most `max_rows`, rejects included, and about [`Memory::batch_bytes`] of source. A row that is
    /// larger than a batch comes alone and holds a loan of the pool.
    pub fn next_batch(&mut self, max_rows: usize, stop: &AtomicBool) -> Result<unit::Next, Error> {
        if !self.records.arrive(stop)? {
            return Ok(unit::Next::Stopped);
        }
        let (from, line) = self.records.place();
        let starts = RowStarts::in_file(from, line);
        let (rejects, rows_before) = (Vec::new(), Vec::new());
        let mut draft = Draft { from, starts, rejects, rows_before, blank: 0, loan: self.loan.take() };
        let mut is_idle = false;
        loop {
            let left = max_rows.max(1).saturating_sub(draft.starts.len() + draft.rejects.len());
            if left == 0 {
                break;
            }
            if draft.loan.is_none() && self.take_ahead(left, &mut draft) {
                continue;
            }
            let (byte, _) = self.records.place();
            let empty = byte == from;
            if self.end.is_some_and(|end| byte >= end) {
                break;
            }
            match self.records.next(draft.loan.is_some(), false)? {
                Next::End => match self.end.filter(|end| byte < *end) {
                    Some(end) => return Err(self.records.shrunk(end)),
                    None => break,
                },
                Next::Idle => {
                    is_idle = true;
                    break;
                }
                Next::Large if empty => {
                    draft.loan = self.memory.borrow_pool();
                    if draft.loan.is_none() {
                        is_idle = true;
                        break;
                    }
                }
                Next::Large => break,
                _ if !empty && self.bytes_with_next(from) > self.batch_bytes => break,
                next => {
                    if !self.take(next, &mut draft) {
                        break;
                    }
                    self.records.consume();
                    if draft.loan.is_some() {
                        break;
                    }
                }
            }
        }
        if is_idle && self.records.place().0 == from {
            self.loan = draft.loan.filter(|_| !self.records.is_skipping());
            return Ok(unit::Next::Idle);
        }
        Ok(self.finish(draft)?.map_or(unit::Next::End, unit::Next::Batch))
    }

    /// Whether what was read so far is of the file that was found.
    pub fn check(&mut self) -> Result<(), Error> {
        self.records.check()
    }

    /// Adds rows that are nothing special, column by column, and stops in front of the first that is no row; what it
    /// does not add is for [`Reader::take`]. False when there was none.
    fn take_ahead(&mut self, left: usize, draft: &mut Draft) -> bool {
        let byte = self.records.place().0;
        let found = self.records.look_ahead(Reach {
            records: left.min(self.stride),
            starts_before: self.end.map_or(u64::MAX, |end| end.saturating_sub(byte)),
            ends_by: self.batch_bytes.saturating_sub(byte - draft.from),
        });
        if found == 0 {
            return false;
        }
        let before = draft.starts.len();
        let mut rows = self.records.utf8_ahead();
        for Wanted { index, column, .. } in &mut self.wanted {
            let cells = self.records.column_ahead(*index, &self.null_words);
            rows = column.push_all(cells.take(rows));
        }
        let rows = self.records.consume_ahead(rows, &mut draft.starts);
        self.roll_back(before + rows);
        self.stride = if rows == found { MAX_STRIDE.min(2 * self.stride) } else { rows.max(1) };
        rows > 0
    }

    fn bytes_with_next(&self, from: u64) -> u64 {
        self.records.place().0 - from + self.records.length()
    }

    /// Adds what is in hand to the batch; false when the batch is too long to hold its start.
    fn take(&mut self, next: Next, draft: &mut Draft) -> bool {
        let (byte, line) = self.records.place();
        if next == Next::Blank && self.width != 1 {
            draft.blank += 1;
            return true;
        }
        let rows = draft.starts.len();
        let rejected = match next {
            Next::TooLong => Some(self.too_long()),
            Next::Blank => {
                self.wanted.iter_mut().for_each(|wanted| wanted.column.push_null());
                None
            }
            _ => self.push_row(rows).err(),
        };
        if let Some((code, reason)) = rejected {
            draft.rejects.push(self.reject(code, reason));
            draft.rows_before.push(u32::try_from(rows).unwrap_or(u32::MAX));
            return true;
        }
        let fits = draft.starts.push_start(byte, line);
        if !fits {
            self.roll_back(rows);
        }
        fits
    }

    /// Builds the record in hand as row number `row`, or tells why it is none, leaving no trace of it.
    fn push_row(&mut self, row: usize) -> Result<(), (&'static str, String)> {
        let cells = self.records.cells();
        if cells != self.width {
            let noun = |count| if count == 1 { "cell" } else { "cells" };
            let columns = if self.width == 1 { "column" } else { "columns" };
            let reason = format!("{cells} {}, {} {columns} expected", noun(cells), self.width);
            return Err(("ragged", reason));
        }
        self.check_utf8()?;
        for at in 0..self.wanted.len() {
            let Wanted { index, field, column } = &mut self.wanted[at];
            match self.records.value(*index, &self.null_words) {
                None => column.push_null(),
                Some(cell) if column.push(cell) => {}
                Some(_) => {
                    let reason =
                        format!("column `{}`: not of type {}", untrusted::name(&field.name), field.ty);
                    self.roll_back(row);
                    return Err(("bad_cell", reason));
                }
            }
        }
        Ok(())
    }

    /// Whether the wanted cells are UTF-8, each on its own.
    fn check_utf8(&mut self) -> Result<(), (&'static str, String)> {
        if self.records.is_ascii() {
            return Ok(());
        }
        for wanted in &self.wanted {
            if simdutf8::basic::from_utf8(self.records.cell(wanted.index)).is_err() {
                return Err((
                    "bad_utf8",
                    format!("column `{}`: not UTF-8", untrusted::name(&wanted.field.name)),
                ));
            }
        }
        Ok(())
    }

    fn too_long(&self) -> (&'static str, String) {
        ("too_long", format!("longer than `max_row_bytes` ({})", self.max_row_bytes))
    }

    fn roll_back(&mut self, rows: usize) {
        self.wanted.iter_mut().for_each(|wanted| wanted.column.truncate(rows));
    }

    fn reject(&self, code: &'static str, reason: String) -> Reject {
        let raw = self.records.raw();
        let kept = &raw[..raw.len().min(MAX_ORIGINAL_BYTES)];
        Reject {
            position: self.records.position(),
            stage: Stage::Read,
            code,
            reason: Cow::Owned(reason),
            original: Original::Bytes(kept.to_vec()),
            cut: raw.len() > kept.len() || self.records.is_cut(),
        }
    }

    fn finish(&mut self, draft: Draft) -> Result<Option<Batch>, Error> {
        let end = self.records.position();
        let source_bytes = end.byte() - draft.from;
        if source_bytes == 0 {
            return Ok(None);
        }
        let mut columns = Vec::with_capacity(self.wanted.len());
        for wanted in &mut self.wanted {
            let built = wanted.column.finish();
            columns.push(built.map_err(|_| Error::Internal("a column was built wrong"))?);
        }
        Ok(Some(Batch {
            columns,
            rows: draft.starts.len(),
            starts: Arc::new(draft.starts),
            rejects: draft.rejects,
            rows_before: draft.rows_before,
            asides: Asides { blank_lines: draft.blank, ..Asides::default() },
            end,
            source_bytes,
            loan: draft.loan,
        }))
    }
}

#[cfg(any(test, fuzzing))]
impl Reader {
    /// The next rows, waited for; `None` at the end.
    pub(super) fn batch(&mut self, max_rows: usize) -> Result<Option<Batch>, Error> {
        loop {
            match self.next_batch(max_rows, &AtomicBool::new(false))? {
                unit::Next::Batch(batch) => return Ok(Some(batch)),
                unit::Next::End => return Ok(None),
                unit::Next::Idle | unit::Next::Stopped => {}
            }
        }
    }
}

#[cfg(any(test, fuzzing))]
#[path = "reader_yardstick.rs"]
pub(super) mod yardstick;

#[cfg(test)]
#[path = "reader_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "reader_properties.rs"]
mod properties;

#[cfg(test)]
#[path = "stream_tests.rs"]
mod stream_tests;
