//! What splits are made of, and who reads them: the sources are a closed set. Must not know how either is read.

use std::sync::Arc;

use super::csv::Settings;
use super::reader::Reader as FileReader;
use super::{Error, SourceFile};
use crate::batch::Batch;
use crate::memory::Memory;
use crate::position::Position;
use crate::schema::Field;

/// A file, or a table of a cluster: the ledger calls it a source.
#[derive(Clone, Debug)]
pub enum Unit {
    /// A file.
    File(Arc<SourceFile>),
}

impl Unit {
    /// What it is known by in ledger and messages.
    pub fn key(&self) -> &str {
        match self {
            Unit::File(file) => &file.key,
        }
    }
}

/// Reads one split, batch by batch.
pub enum Reader {
    /// Of a file.
    File(Box<FileReader>),
}

impl Reader {
    /// Opens the split of `unit` from a position on, up to the next split's start. `fields` are all its columns, of
    /// which those at `wanted` are built, in that order.
    pub fn open(
        unit: &Unit,
        csv: &Settings,
        (fields, wanted): (&[Field], &[usize]),
        (from, end): (&Position, Option<&Position>),
        memory: &Memory,
    ) -> Result<Reader, Error> {
        match unit {
            Unit::File(file) => {
                let end = end.map(Position::byte);
                let reader = FileReader::open(file, csv, fields, wanted, from.clone(), end, memory)?;
                Ok(Reader::File(Box::new(reader)))
            }
        }
    }

    /// The next rows: at most `max_rows`, rejects included, and about [`Memory::batch_bytes`] of source; `None` at
    /// the end of the split. A row that is larger than a batch comes alone and holds a loan of the pool.
    pub fn next_batch(&mut self, max_rows: usize) -> Result<Option<Batch>, Error> {
        match self {
            Reader::File(reader) => reader.next_batch(max_rows),
        }
    }
}
