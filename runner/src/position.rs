//! How far a split is done: a value of the source, never a count of rows and never an opaque cursor.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// A place in a source: where a row starts or the last one ended in a file, which row was the last in a table.
/// [`fmt::Display`] is for people and never holds a row's values; [`Position::stored`] is for the ledger.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Position {
    /// In a file (decompressed, where it is compressed), always at a record's boundary.
    File {
        /// Offset of the next record's first byte.
        byte: u64,
        /// Line of that byte, from 1: one more than the newlines (`\n`, or `\r` without `\n` behind it) before it.
        line: u64,
    },
    /// On a token ring: behind all rows whose token is not larger. `i64::MIN`, which no row has, is its beginning.
    Token(i64),
    /// On a token ring: behind the row with this primary key, in the order in which its table is read.
    Key {
        /// The token of its partition key.
        token: i64,
        /// The key's cells as they came, partition key first, each behind its length (big-endian `i32`, -1: null).
        cells: Arc<[u8]>,
    },
}

impl Position {
    /// The start of a file.
    pub const FILE_START: Position = Position::File { byte: 0, line: 1 };

    /// The beginning of a token ring.
    pub const RING_START: Position = Position::Token(i64::MIN);

    /// The byte offset in a file; 0 elsewhere.
    pub fn byte(&self) -> u64 {
        match self {
            Position::File { byte, .. } => *byte,
            Position::Token(_) | Position::Key { .. } => 0,
        }
    }

    /// The line in a file, from 1; 0 elsewhere.
    pub fn line(&self) -> u64 {
        match self {
            Position::File { line, .. } => *line,
            Position::Token(_) | Position::Key { .. } => 0,
        }
    }

    /// From one to another, for people: `lines 2-9`, `tokens -5 to 7`.
    pub fn span(first: &Position, last: &Position) -> String {
        match (first, last) {
            (Position::File { line: first, .. }, Position::File { line: last, .. }) => {
                format!("lines {first}-{last}")
            }
            (
                Position::Token(first) | Position::Key { token: first, .. },
                Position::Token(last) | Position::Key { token: last, .. },
            ) => format!("tokens {first} to {last}"),
            _ => format!("{first} to {last}"),
        }
    }

    /// The text that [`FromStr`] reads back: `byte:line` in a file, `t` and the token on a ring, `k`, token, `:` and
    /// the key's cells in hexadecimal behind a row.
    pub fn stored(&self) -> String {
        match self {
            Position::File { byte, line } => format!("{byte}:{line}"),
            Position::Token(token) => format!("t{token}"),
            Position::Key { token, cells } => {
                let mut text = format!("k{token}:");
                for byte in cells.iter() {
                    text.extend([byte >> 4, byte & 15].map(|nibble| char::from(DIGITS[usize::from(nibble)])));
                }
                text
            }
        }
    }
}

const DIGITS: &[u8; 16] = b"0123456789abcdef";

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Position::File { line, .. } => write!(f, "line {line}"),
            Position::Token(token) | Position::Key { token, .. } => write!(f, "token {token}"),
        }
    }
}

/// A text that is no position.
#[derive(Debug, thiserror::Error)]
#[error("a text that is no position")]
pub struct BadPosition;

impl FromStr for Position {
    type Err = BadPosition;

    fn from_str(text: &str) -> Result<Self, BadPosition> {
        let parse = || {
            if let Some(token) = text.strip_prefix('t') {
                return Some(Position::Token(token.parse().ok()?));
            }
            if let Some(rest) = text.strip_prefix('k') {
                let (token, cells) = rest.split_once(':')?;
                return Some(Position::Key { token: token.parse().ok()?, cells: bytes(cells)? });
            }
            let (byte, line) = text.split_once(':')?;
            Some(Position::File { byte: byte.parse().ok()?, line: line.parse().ok()? })
        };
        parse().ok_or(BadPosition)
    }
}

fn bytes(hexadecimal: &str) -> Option<Arc<[u8]>> {
    let (pairs, []) = hexadecimal.as_bytes().as_chunks::<2>() else { return None };
    let nibble = |digit: u8| char::from(digit).to_digit(16);
    let byte = |[high, low]: &[u8; 2]| u8::try_from(nibble(*high)? << 4 | nibble(*low)?).ok();
    pairs.iter().map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_read_back_from_its_stored_text() {
        for position in [
            Position::File { byte: u64::MAX, line: 7 },
            Position::Token(i64::MIN),
            Position::Token(17),
            Position::Key { token: -5, cells: Arc::from([0, 0, 0, 1, 0xff].as_slice()) },
            Position::Key { token: 0, cells: Arc::from([].as_slice()) },
        ] {
            assert_eq!(position.stored().parse::<Position>().unwrap(), position);
        }
        for text in ["12", "12:x", "t", "t1.5", "k1", "k1:0", "k1:0g", "k:00", ""] {
            assert!(text.parse::<Position>().is_err(), "{text}");
        }
    }

    #[test]
    fn people_are_shown_no_key() {
        let key = Position::Key { token: 3, cells: Arc::from(b"secret".as_slice()) };
        assert_eq!(key.to_string(), "token 3");
        assert_eq!(Position::FILE_START.to_string(), "line 1");
    }
}
