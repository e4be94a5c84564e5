//! Batches of corrected rows from a position in their file on. Must not know what other tables there are.

use std::borrow::Cow;
use std::sync::Arc;

use super::{Corrected, Lines, Row, cell};
use crate::batch::{Batch, RowStarts};
use crate::counters::Asides;
use crate::memory::Memory;
use crate::position::Position;
use crate::reject::{MAX_ORIGINAL_BYTES, Original, Reject, Stage};
use crate::schema::Field;
use crate::source::column::Column;
use crate::source::{Error, Next};

/// So much of other tables is passed over in one batch at most.
const MAX_PASSED_BYTES: u64 = 64 << 20;

/// Reads the rows of one table.
pub struct Reader {
    lines: Lines,
    /// Whether a line is in hand that no batch has yet.
    in_hand: bool,
    tables: Vec<String>,
    /// All columns of the table.
    names: Vec<String>,
    wanted: Vec<(Field, Column)>,
    memory: Memory,
}

/// A batch that is being made.
struct Draft {
    starts: RowStarts,
    rejects: Vec<Reject>,
    rows_before: Vec<u32>,
}

/// Why a row is none: code and reason.
type Refused = (&'static str, String);

impl Reader {
    /// Opens the file at `from`, a line's start. `fields` are all columns of the table, of which those at `wanted`
    /// are built, in that order.
    pub fn open(
        corrected: &Corrected,
        (fields, wanted): (&[Field], &[usize]),
        from: &Position,
        memory: &Memory,
    ) -> Result<Reader, Error> {
        let mut lines = Lines::open(&corrected.file, from.byte(), from.line().max(1))?;
        let in_hand = lines.next()?;
        let mut columns = Vec::with_capacity(wanted.len());
        for index in wanted {
            let field = fields.get(*index).ok_or(Error::Internal("a wanted column is not in the table"))?;
            columns.push((field.clone(), Column::new(field.ty)));
        }
        Ok(Reader {
            lines,
            in_hand,
            tables: corrected.tables.clone(),
            names: fields.iter().map(|field| field.name.clone()).collect(),
            wanted: columns,
            memory: memory.clone(),
        })
    }

    /// Whether what was read so far is of the file that was found.
    pub fn check(&mut self) -> Result<(), Error> {
        self.lines.opened.check()
    }

    /// The next rows: at most `max_rows`, rejects included, and about [`Memory::batch_bytes`] of the file. A row that is
    /// larger than a batch comes alone and holds a loan of the pool.
    pub fn next_batch(&mut self, max_rows: usize) -> Result<Next, Error> {
        let (from, line) = (self.lines.byte, self.lines.line);
        let mut draft =
            Draft { starts: RowStarts::in_file(from, line), rejects: Vec::new(), rows_before: Vec::new() };
        let (mut taken, mut loan) = (0, None);
        while self.in_hand && draft.starts.len() + draft.rejects.len() < max_rows.max(1) {
            let length = self.lines.length;
            let is_large = length > self.memory.batch_bytes() as u64;
            let full = taken > 0 && taken + length > self.memory.batch_bytes() as u64;
            if full || self.lines.byte - from > MAX_PASSED_BYTES {
                break;
            }
            if is_large && loan.is_none() {
                loan = self.memory.borrow_pool();
                if loan.is_none() {
                    break;
                }
            }
            if self.take(&mut draft)? {
                taken += length;
            } else if is_large {
                loan = None;
            }
            self.in_hand = self.lines.next()?;
        }
        let source_bytes = self.lines.byte - from;
        if source_bytes == 0 {
            return Ok(if self.in_hand { Next::Idle } else { Next::End });
        }
        let mut columns = Vec::with_capacity(self.wanted.len());
        for (_, column) in &mut self.wanted {
            columns.push(column.finish().map_err(|_| Error::Internal("a column was built wrong"))?);
        }
        Ok(Next::Batch(Batch {
            columns,
            rows: draft.starts.len(),
            starts: Arc::new(draft.starts),
            rejects: draft.rejects,
            rows_before: draft.rows_before,
            asides: Asides::default(),
            end: Position::File { byte: self.lines.byte, line: self.lines.line },
            source_bytes,
            loan,
        }))
    }

    /// Adds the line in hand to the batch; false when it is none of the table's.
    fn take(&mut self, draft: &mut Draft) -> Result<bool, Error> {
        let row = match self.lines.row() {
            Ok(Some(row)) => row,
            // Of no table, so that nobody counts it: every table's reader comes by.
            Ok(None) => return Ok(false),
            // All lines were looked at before.
            Err(problem) => {
                let (file, line) = (self.lines.file.clone(), self.lines.line);
                return Err(Error::CorrectedSince { file, line, problem });
            }
        };
        if !self.tables.contains(&row.table) {
            return Ok(false);
        }
        let rows = draft.starts.len();
        let pushed = push(&mut self.wanted, &self.names, &row);
        if let Err((code, reason)) = pushed {
            self.wanted.iter_mut().for_each(|(_, column)| column.truncate(rows));
            let position = Position::File { byte: self.lines.byte, line: self.lines.line };
            let (original, cut) = original(row.original.get());
            let reason = Cow::Owned(reason);
            draft.rejects.push(Reject { position, stage: Stage::Read, code, reason, original, cut });
            draft.rows_before.push(u32::try_from(rows).unwrap_or(u32::MAX));
            return Ok(true);
        }
        if !draft.starts.push_start(self.lines.byte, self.lines.line) {
            return Err(Error::Internal("a batch spans more than 4 GiB"));
        }
        Ok(true)
    }
}

/// Builds a row, or tells why it is none; then a part of it may be in the columns.
fn push(wanted: &mut [(Field, Column)], names: &[String], row: &Row<'_>) -> Result<(), Refused> {
    if let Some(unknown) = row.columns.keys().find(|name| !names.contains(name)) {
        let shown: String = unknown.chars().take(100).collect();
        return Err(("unknown_column", format!("the source has no column `{}`", shown.escape_debug())));
    }
    for (field, column) in wanted {
        let Some(value) = row.columns.get(&field.name) else {
            return Err(("missing_column", format!("column `{}`: missing; write null for NULL", field.name)));
        };
        let bad = || ("bad_cell", format!("column `{}`: not of type {}", field.name, field.ty));
        match cell::text(value, field.ty).map_err(|()| bad())? {
            None if !field.nullable => {
                return Err(("bad_cell", format!("column `{}`: NULL, which it never is", field.name)));
            }
            None => column.push_null(),
            Some(text) if column.push(text.as_bytes()) => {}
            Some(_) => return Err(bad()),
        }
    }
    Ok(())
}

/// The row as it stands in the file, and whether it was cut.
fn original(json: &str) -> (Original, bool) {
    if json.len() <= MAX_ORIGINAL_BYTES {
        return (Original::Columns(json.into()), false);
    }
    (Original::Bytes(json.as_bytes()[..MAX_ORIGINAL_BYTES].to_vec()), true)
}
