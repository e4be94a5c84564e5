//! A row that could not be loaded, kept with its original values, stage and reason.

use std::borrow::Cow;
use std::fmt;

use crate::position::Position;

/// Where a row failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stage {
    /// The source could not decode it.
    Read,
    /// A module rejected it.
    Transform,
    /// It has no text form that PostgreSQL accepts.
    Encode,
    /// The server refused it.
    Server,
}

impl Stage {
    /// The word in ledger, report and messages.
    pub fn name(self) -> &'static str {
        match self {
            Stage::Read => "read",
            Stage::Transform => "transform",
            Stage::Encode => "encode",
            Stage::Server => "server",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The row as it was in the source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Original {
    /// A JSON object of the columns that were read, in their order; numbers exact.
    Columns(String),
    /// The record's bytes, where they could not be decoded into columns.
    Bytes(Vec<u8>),
}

/// The most that is kept of one original row, in bytes; what is behind is cut, and said so.
pub const MAX_ORIGINAL_BYTES: usize = 64 * 1024;

/// A row that could not be loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reject {
    /// Where the row starts in its source.
    pub position: Position,
    /// Where it failed.
    pub stage: Stage,
    /// Short, from a closed set of each stage, for grouping: `ragged`, `bad_cell`, `module`, …
    pub code: &'static str,
    /// For people. Never a value of the row, except what a module wrote itself.
    pub reason: Cow<'static, str>,
    /// What was read.
    pub original: Original,
    /// Whether `original` was cut at [`MAX_ORIGINAL_BYTES`].
    pub cut: bool,
}
