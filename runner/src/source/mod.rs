//! Stage `source`: opens a split at a position and yields batches of typed columns. Must not know what becomes
//! of them: transforms, encoding and targets are other stages.
//!
//! [`inputs`] finds the files of a table, [`describe()`] reads what columns one has and where its rows begin,
//! [`Opened`] tells whether it is still the same file, and a [`Reader`] yields the rows of one split. Reading
//! again from any [`Batch::end`](crate::batch::Batch::end) yields exactly the rest.
//!
//! # Cells
//!
//! A cell is text unless the recipe's `types` says otherwise. What is NULL, and how a value of each type may be written,
//! is in `docs/sources.md`.

pub mod cassandra;
mod cell;
mod column;
mod corrected;
pub mod csv;
mod describe;
mod error;
mod escaped;
mod fingerprint;
mod found;
#[cfg(fuzzing)]
pub mod fuzz;
mod gzip;
mod held;
mod input;
mod interval;
mod list;
mod opened;
mod parsed;
mod reader;
mod records;
mod scan;
mod skipped;
mod stdin;
mod stream;
mod time;
mod unit;

#[cfg(any(test, fuzzing))]
mod reference;

pub use column::Column;
pub use corrected::{BadLines, Corrected, tables as corrected_tables};
pub use describe::{Described, MAX_COLUMNS, describe};
pub use error::Error;
pub use fingerprint::Fingerprint;
pub use input::{Compression, Input, SourceFile, inputs};
pub use opened::{Known, Opened};
pub use unit::{Extent, Next, Reader, Unit};
