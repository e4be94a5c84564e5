//! What splits are made of, and who reads them: the sources are a closed set. Must not know how either is read.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::corrected::{self, Corrected};
use super::reader::Reader as FileReader;
use super::stream;
use super::{Error, Input, SourceFile, cassandra, csv};
use crate::batch::Batch;
use crate::memory::Memory;
use crate::position::Position;
use crate::schema::Field;

/// A file, or a table of a cluster: the ledger calls it a source.
#[derive(Clone, Debug)]
pub enum Unit {
    /// A file, and how it is written.
    File(Arc<SourceFile>, Arc<csv::Settings>),
    /// A table.
    Table(Arc<cassandra::Table>),
    /// Rows of a table that were rejected, and corrected.
    Corrected(Arc<Corrected>),
}

impl Unit {
    /// What it is known by in ledger and messages.
    pub fn key(&self) -> &str {
        match self {
            Unit::File(file, _) => &file.key,
            Unit::Table(table) => table.key(),
            Unit::Corrected(corrected) => &corrected.file.key,
        }
    }

    /// The file, if it is one.
    pub fn path(&self) -> Option<&Path> {
        let file = match self {
            Unit::File(file, _) => file,
            Unit::Corrected(corrected) => &corrected.file,
            Unit::Table(_) => return None,
        };
        match &file.input {
            Input::File(path) => Some(path),
            Input::Stdin => None,
        }
    }

    /// Whether it is standard input.
    pub fn is_stdin(&self) -> bool {
        matches!(self, Unit::File(file, _) if file.input == Input::Stdin)
    }

    /// Whether it can be read again from the last position that was told to [`Unit::committed`]. Of standard input no
    /// more than that is held, and not without end. Asked while nobody reads it.
    pub fn can_be_reopened(&self) -> bool {
        !self.is_stdin() || stream::stdin_can_be_reopened()
    }

    /// What is before `position` is in the target.
    pub fn committed(&self, position: &Position) {
        if self.is_stdin() {
            stream::stdin_is_safe(position.byte());
        }
    }
}

/// What is read of a [`Unit`].
#[derive(Clone, Copy, Debug)]
pub struct Extent<'a> {
    /// Where to begin.
    pub from: &'a Position,
    /// Where the next split starts; `None`: at the end of the source.
    pub end: Option<&'a Position>,
    /// Rows of the split that were read before.
    pub read: u64,
}

/// What a reader has next.
pub enum Next {
    /// The next rows.
    Batch(Batch),
    /// No row yet: none came for a second, a large one has to wait for memory, or is longer than what is read at once.
    Idle,
    /// The split's end.
    End,
    /// The run is being stopped, and the next rows are not there yet.
    Stopped,
}

/// Reads one split, batch by batch.
pub enum Reader {
    /// Of a file.
    File(Box<FileReader>),
    /// Of a table.
    Table(Box<cassandra::Reader>),
    /// Of corrected rows.
    Corrected(Box<corrected::Reader>),
}

impl Reader {
    /// Opens a part of `unit`. `fields` are all its columns, of which those at `wanted` are built, in that order.
    pub fn open(
        unit: &Unit,
        (fields, wanted): (&[Field], &[usize]),
        extent: Extent<'_>,
        memory: &Memory,
    ) -> Result<Reader, Error> {
        let Extent { from, end, read } = extent;
        match unit {
            Unit::File(file, settings) => {
                let end = end.map(Position::byte);
                let reader = FileReader::open(file, settings, fields, wanted, from.clone(), end, memory)?;
                Ok(Reader::File(Box::new(reader)))
            }
            Unit::Corrected(corrected) => {
                let reader = corrected::Reader::open(corrected, (fields, wanted), from, memory)?;
                Ok(Reader::Corrected(Box::new(reader)))
            }
            Unit::Table(table) => {
                let end = match end {
                    None => i64::MAX,
                    Some(Position::Token(token)) => *token,
                    Some(_) => {
                        return Err(Error::Internal("a split of a table ends in the middle of a token"));
                    }
                };
                let rows_left = table.limit().map(|limit| limit.saturating_sub(read));
                let reader = cassandra::Reader::open(table, wanted, (from, end), rows_left, memory)?;
                Ok(Reader::Table(Box::new(reader)))
            }
        }
    }

    /// The next rows: at most `max_rows`, rejects included, and about [`Memory::batch_bytes`] of source. A row that is
    /// larger than a batch comes alone and holds a loan of the pool. A cluster may be slow: it is not waited for any
    /// more once `stop` is set.
    pub fn next_batch(&mut self, max_rows: usize, stop: &AtomicBool) -> Result<Next, Error> {
        let next = match self {
            Reader::File(reader) => reader.next_batch(max_rows, stop),
            Reader::Table(reader) => reader.next_batch(max_rows, stop).map_err(Error::from),
            Reader::Corrected(reader) => reader.next_batch(max_rows),
        };
        match next {
            Err(error) => {
                // What is wrong with a file that somebody writes to is that.
                self.check()?;
                Err(error)
            }
            next => next,
        }
    }

    /// Whether the file that is read is still the one that was found: asked before what was read is kept.
    pub fn check(&mut self) -> Result<(), Error> {
        match self {
            Reader::File(reader) => reader.check(),
            Reader::Table(_) => Ok(()),
            Reader::Corrected(reader) => reader.check(),
        }
    }
}
