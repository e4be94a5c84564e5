//! Batches of rows from one token range: the half that runs on a stream's own thread, behind the channel through
//! which pages come. Must not know how pages are had.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use arrow_array::{ArrayRef, BooleanArray};
use arrow_select::filter::filter;

use super::Error;
use super::fetch::{Came, Pages};
use super::key::{self, Tokens};
use super::original::raw_json;
use super::page::Page;
use super::refuse::Refused;
use super::settings::StaticOnly;
use super::step::Step;
use super::table::{Selection, Table};
use crate::batch::{Batch, RowStarts};
use crate::counters::Asides;
use crate::memory::{Loan, Memory};
use crate::position::Position;
use crate::reject::{Original, Reject, Stage};
use crate::source::Next;
use crate::source::column::Column;

/// Reads one split, batch by batch.
pub struct Reader {
    pages: Pages,
    page: Page,
    /// The next row of the page.
    next: usize,
    table: Arc<Table>,
    selection: Arc<Selection>,
    columns: Vec<Column>,
    /// The last partition key, as it came, and its token: rows of a partition have one.
    partition: Option<(Box<[u8]>, i64)>,
    tokens: Tokens,
    memory: Memory,
    batch_bytes: usize,
}

/// Why a row of the rows in hand is none of the batch.
struct Out {
    row: usize,
    /// `None`: it is passed over.
    why: Option<(&'static str, Cow<'static, str>)>,
}

/// What the columns are filled with.
struct Built {
    rows: Range<usize>,
    outs: Vec<Out>,
    /// Values of zero length that became NULL.
    empties: u64,
    /// In the columns.
    bytes: usize,
    /// A row of them is larger than a batch.
    is_large: bool,
}

impl Reader {
    /// Opens the tokens of `table` behind `from` up to `end`; the fields at `wanted` are built, in that order.
    /// `rows_left` of them at most.
    pub fn open(
        table: &Arc<Table>,
        wanted: &[usize],
        (from, end): (&Position, i64),
        rows_left: Option<u64>,
        memory: &Memory,
    ) -> Result<Reader, Error> {
        let selection = Arc::new(table.select(wanted)?);
        Ok(Reader {
            pages: Pages::start(Arc::clone(table), Arc::clone(&selection), (from, end), rows_left)?,
            page: Page::empty(selection.width),
            next: 0,
            table: Arc::clone(table),
            columns: columns(&selection),
            partition: None,
            tokens: Tokens::new(from, end),
            selection,
            memory: memory.clone(),
            batch_bytes: memory.batch_bytes(),
        })
    }

    /// The next rows: at most `max_rows`, rejects included, and about [`Memory::batch_bytes`] of source, and of what is
    /// built of it. A row that is larger than a batch comes alone and holds a loan of the pool. Does not wait for a page
    /// once `stop` is set.
    pub fn next_batch(&mut self, max_rows: usize, stop: &AtomicBool) -> Result<Next, Error> {
        while self.next >= self.page.rows() {
            // The page's memory is free before the next one is waited for.
            self.page = Page::empty(self.selection.width);
            match self.pages.next(stop)? {
                Came::Page(page) => (self.page, self.next) = (page, 0),
                Came::End => return Ok(Next::End),
                Came::Stopped => return Ok(Next::Stopped),
                Came::Idle => return Ok(Next::Idle),
            }
        }
        let rows = self.rows_of_batch(max_rows.max(1));
        let is_large = self.page.bytes_of(rows.start, rows.end) > self.batch_bytes;
        let mut loan = None;
        if is_large && !self.borrow(&mut loan) {
            return Ok(Next::Idle);
        }
        let Built { rows, outs, empties, is_large, .. } = self.decode(rows)?;
        if is_large && !self.borrow(&mut loan) {
            // It is built again once it may be held.
            self.columns = columns(&self.selection);
            return Ok(Next::Idle);
        }
        self.next = rows.end;
        let source_bytes = self.page.bytes_of(rows.start, rows.end) as u64;
        let mut batch = self.build(rows, outs, empties)?;
        batch.source_bytes = source_bytes;
        batch.loan = loan;
        Ok(Next::Batch(batch))
    }

    /// Whether there is a loan of the pool now.
    fn borrow(&self, loan: &mut Option<Loan>) -> bool {
        *loan = loan.take().or_else(|| self.memory.borrow_pool());
        loan.is_some()
    }

    /// As many rows as fit into a batch as they came, one at least.
    fn rows_of_batch(&self, max_rows: usize) -> Range<usize> {
        let start = self.next;
        let most = self.page.rows().min(start + max_rows);
        let fits = |end| self.page.bytes_of(start, end) <= self.batch_bytes;
        let (mut low, mut high) = (start + 1, most);
        while low < high {
            let middle = low + (high - low).div_ceil(2);
            if fits(middle) { low = middle } else { high = middle - 1 }
        }
        start..low
    }

    /// Fills the columns with as many of `rows` as a batch holds, one at least. A cell may be small and what is built of
    /// it large (a document of a type with many fields, most without a value), so it is looked at after every few rows.
    fn decode(&mut self, rows: Range<usize>) -> Result<Built, Error> {
        let (rows_built, outs) = (rows.start..rows.start, Vec::new());
        let mut built = Built { rows: rows_built, outs, empties: 0, bytes: 0, is_large: false };
        let mut step = Step::default();
        while built.rows.end < rows.end && built.bytes <= self.batch_bytes {
            let some = step.next(built.rows.len(), built.bytes, self.batch_bytes);
            let part = built.rows.end..rows.end.min(built.rows.end + some);
            self.decode_part(part, &mut built)?;
            built.bytes = self.columns.iter().map(Column::held_bytes).sum();
        }
        built.is_large = step.is_large(built.bytes, self.batch_bytes);
        Ok(built)
    }

    fn decode_part(&mut self, part: Range<usize>, built: &mut Built) -> Result<(), Error> {
        built.outs.append(&mut self.static_only(&part));
        let mut refused: Vec<Refused> = Vec::new();
        for (column, wanted) in self.columns.iter_mut().zip(&self.selection.wanted) {
            let cells = self.page.column(wanted.cell, part.clone());
            let extended = wanted.decoder.extend(column, cells, &mut refused, &mut built.empties);
            extended.map_err(|_| Error::Internal("cells were decoded into a column of another type"))?;
            built.outs.extend(refused.drain(..).map(|Refused { row, why }| {
                let reason = Cow::Owned(format!("column `{}`: {}", wanted.field.name, why.reason()));
                Out { row: built.rows.start + row as usize, why: Some((why.code(), reason)) }
            }));
        }
        built.rows.end = part.end;
        Ok(())
    }

    fn build(&mut self, rows: Range<usize>, mut outs: Vec<Out>, empties: u64) -> Result<Batch, Error> {
        let mut columns = Vec::with_capacity(self.columns.len());
        for column in &mut self.columns {
            columns.push(column.finish().map_err(|_| Error::Internal("a column was built wrong"))?);
        }
        // The first reason of each row counts; one that is passed over is no reject.
        outs.sort_by_key(|out| (out.row, out.why.is_some()));
        outs.dedup_by_key(|out| out.row);
        if !outs.is_empty() {
            columns = keep(columns, &rows, &outs)?;
        }
        let static_only = outs.iter().filter(|out| out.why.is_none()).count() as u64;
        let mut batch = self.batch(rows, columns, outs)?;
        batch.asides = Asides { static_only, empty_values: empties, ..Asides::default() };
        Ok(batch)
    }

    fn batch(&mut self, rows: Range<usize>, columns: Vec<ArrayRef>, outs: Vec<Out>) -> Result<Batch, Error> {
        let mut starts = RowStarts::of_keys();
        let (mut rejects, mut rows_before) = (Vec::new(), Vec::new());
        let mut outs = outs.into_iter().peekable();
        let mut last = None;
        for row in rows {
            let token = self.token(row)?;
            let cells = self.page.head(row, self.selection.key);
            last = Some((token, row));
            match outs.next_if(|out| out.row == row) {
                None if starts.push_key(token, cells) => {}
                None => return Err(Error::Internal("the keys of a batch are too long")),
                Some(Out { why: None, .. }) => {}
                Some(Out { why: Some((code, reason)), .. }) => {
                    let position = Position::Key { token, cells: cells.into() };
                    rejects.push(self.reject(row, position, code, reason));
                    rows_before.push(u32::try_from(starts.len()).unwrap_or(u32::MAX));
                }
            }
        }
        let (token, row) = last.ok_or(Error::Internal("a batch without rows"))?;
        let end = Position::Key { token, cells: self.page.head(row, self.selection.key).into() };
        Ok(Batch {
            columns,
            rows: starts.len(),
            starts: Arc::new(starts),
            rejects,
            rows_before,
            asides: Asides::default(),
            end,
            source_bytes: 0,
            loan: None,
        })
    }

    /// Rows that stand for a partition without rows: their clustering columns are null.
    fn static_only(&self, rows: &Range<usize>) -> Vec<Out> {
        let Selection { partition, key, .. } = *self.selection;
        if partition == key {
            return Vec::new();
        }
        let why = match self.table.cluster.settings.static_only {
            StaticOnly::Skip => None,
            StaticOnly::Reject => Some(("static_only", "a partition with static columns and no row".into())),
        };
        let empty = rows.clone().filter(|row| self.page.cell(*row, partition).is_none());
        empty.map(|row| Out { row, why: why.clone() }).collect()
    }

    /// The token of a row's partition.
    fn token(&mut self, row: usize) -> Result<i64, Error> {
        let cells = self.page.head(row, self.selection.partition);
        if let Some((of, token)) = &self.partition
            && **of == *cells
        {
            return Ok(*token);
        }
        let token = key::token(cells, self.selection.partition).map_err(Error::key)?;
        self.tokens.take(token).map_err(Error::key)?;
        self.partition = Some((cells.into(), token));
        Ok(token)
    }

    fn reject(
        &self,
        row: usize,
        position: Position,
        code: &'static str,
        reason: Cow<'static, str>,
    ) -> Reject {
        let wanted = &self.selection.wanted;
        let columns: Vec<_> = wanted.iter().map(|wanted| (&wanted.field, &wanted.ty)).collect();
        let cells: Vec<_> = wanted.iter().map(|wanted| self.page.cell(row, wanted.cell)).collect();
        let (json, cut) = raw_json(&columns, &cells, &self.table.cluster.settings.values);
        Reject { position, stage: Stage::Read, code, reason, original: Original::Columns(json), cut }
    }
}

/// Empty columns for what is selected.
fn columns(selection: &Selection) -> Vec<Column> {
    selection.wanted.iter().map(|wanted| Column::new(wanted.decoder.ty())).collect()
}

/// The rows that stay, of each column.
fn keep(columns: Vec<ArrayRef>, rows: &Range<usize>, outs: &[Out]) -> Result<Vec<ArrayRef>, Error> {
    let mut stays = vec![true; rows.len()];
    outs.iter().for_each(|out| stays[out.row - rows.start] = false);
    let stays = BooleanArray::from(stays);
    let kept = columns.iter().map(|column| filter(column, &stays)).collect::<Result<_, _>>();
    kept.map_err(|_| Error::Internal("rows could not be left out"))
}
