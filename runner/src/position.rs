//! How far a split is done: a value of the source, never a count of rows and never an opaque cursor.

use std::fmt;
use std::str::FromStr;

/// A place in a source where a row starts, or where the last one ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Position {
    /// In a file (decompressed, where it is compressed), always at a record's boundary.
    File {
        /// Offset of the next record's first byte.
        byte: u64,
        /// Line of that byte, from 1: one more than the newlines (`\n`, or `\r` without `\n` behind it) before it.
        line: u64,
    },
}

impl Position {
    /// The start of a file.
    pub const FILE_START: Position = Position::File { byte: 0, line: 1 };

    /// The byte offset, for what is measured in bytes.
    pub fn byte(self) -> u64 {
        match self {
            Position::File { byte, .. } => byte,
        }
    }

    /// The line, from 1.
    pub fn line(self) -> u64 {
        match self {
            Position::File { line, .. } => line,
        }
    }
}

/// `byte:line`, as the ledger stores it.
impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Position::File { byte, line } => write!(f, "{byte}:{line}"),
        }
    }
}

/// A text that is no position.
#[derive(Debug, thiserror::Error)]
#[error("not a position: `{0}` (expected byte:line)")]
pub struct BadPosition(String);

impl FromStr for Position {
    type Err = BadPosition;

    fn from_str(text: &str) -> Result<Self, BadPosition> {
        let parse = || {
            let (byte, line) = text.split_once(':')?;
            Some(Position::File { byte: byte.parse().ok()?, line: line.parse().ok()? })
        };
        parse().ok_or_else(|| BadPosition(text.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_read_back_from_its_text() {
        let position = Position::File { byte: u64::MAX, line: 7 };
        assert_eq!(position.to_string().parse::<Position>().unwrap(), position);
        assert!("12".parse::<Position>().is_err());
        assert!("12:x".parse::<Position>().is_err());
    }
}
