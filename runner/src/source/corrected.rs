//! Rejects that a person has corrected: rows of one table from a file of JSON Lines as `etl rejects --export` writes
//! it. Must not know how rejects come to be.
//!
//! Of each line `table`, `cut` and `original` count: the columns as they were read, in the text forms in which
//! [`crate::original`] writes them; a number, `true` and `false` are understood as text, an array as the array's literal.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::sync::Arc;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::{Compression, Error, Input, Opened, SourceFile};

mod cell;
mod reader;

pub(super) use reader::Reader;

/// The longest line.
const MAX_LINE_BYTES: u64 = 1 << 20;

/// How many bad lines an error shows.
const SHOWN: usize = 10;

/// The rows of a file that go into one table.
#[derive(Clone, Debug)]
pub struct Corrected {
    /// The file.
    pub file: SourceFile,
    /// What its lines call the table.
    pub tables: Vec<String>,
}

/// The lines of one table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// How many.
    pub rows: u64,
    /// The first one.
    pub line: u64,
}

/// Lines that cannot be sent.
#[derive(Debug)]
pub struct BadLines {
    file: String,
    /// The first ones, with their numbers.
    shown: Vec<(u64, String)>,
    count: u64,
}

impl fmt::Display for BadLines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (line, problem)) in self.shown.iter().enumerate() {
            write!(f, "{}`{}` line {line}: {problem}", if index == 0 { "" } else { "\n  " }, self.file)?;
        }
        match self.count - self.shown.len() as u64 {
            0 => Ok(()),
            more => write!(f, "\n  and {more} lines more"),
        }
    }
}

/// Looks at every line of `file`: which tables there are. All lines that cannot be sent are told of at once.
pub fn tables(file: &SourceFile) -> Result<BTreeMap<String, Found>, Error> {
    let mut lines = Lines::open(file, 0, 1)?;
    let mut found: BTreeMap<String, Found> = BTreeMap::new();
    let mut bad = BadLines { file: file.key.clone(), shown: Vec::new(), count: 0 };
    while lines.next()? {
        match lines.row() {
            Ok(None) => {}
            Ok(Some(row)) => found.entry(row.table).or_insert(Found { rows: 0, line: lines.line }).rows += 1,
            Err(problem) => {
                bad.count += 1;
                if bad.shown.len() < SHOWN {
                    bad.shown.push((lines.line, problem.into()));
                }
            }
        }
    }
    if bad.count > 0 {
        return Err(Error::Corrected(Box::new(bad)));
    }
    Ok(found)
}

/// What a line says.
#[derive(serde::Deserialize)]
struct Said<'a> {
    table: Option<String>,
    cut: Option<bool>,
    #[serde(borrow)]
    original: Option<&'a RawValue>,
}

/// A row to be sent.
struct Row<'a> {
    table: String,
    original: &'a RawValue,
    /// Its columns by name.
    columns: BTreeMap<String, &'a RawValue>,
}

/// An object's values by name; `None` where two have the same one.
struct Columns<'a>(Option<BTreeMap<String, &'a RawValue>>);

impl<'de: 'a, 'a> Deserialize<'de> for Columns<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OfObject;
        impl<'de> Visitor<'de> for OfObject {
            type Value = Columns<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Self::Value, A::Error> {
                let (mut columns, mut is_right) = (BTreeMap::new(), true);
                while let Some((name, value)) = object.next_entry::<String, &RawValue>()? {
                    is_right &= columns.insert(name, value).is_none();
                }
                Ok(Columns(is_right.then_some(columns)))
            }
        }
        deserializer.deserialize_map(OfObject)
    }
}

/// The lines of a file, one after the other.
struct Lines {
    file: String,
    opened: Opened,
    reader: BufReader<Arc<File>>,
    /// The line in hand, with its end; one byte more than it may be, if it is too long.
    text: Vec<u8>,
    /// Where it starts.
    byte: u64,
    line: u64,
    /// How many bytes it has.
    length: u64,
}

impl Lines {
    /// Opens `file` at a line's start.
    fn open(file: &SourceFile, byte: u64, line: u64) -> Result<Lines, Error> {
        let (Input::File(_), Compression::None) = (&file.input, file.compression) else {
            return Err(Error::Packed { file: file.key.clone() });
        };
        let failed = |source: io::Error| Error::Read { file: file.key.clone(), source };
        let opened = Opened::open(file)?;
        let mut bytes = opened.file();
        let size = bytes.metadata().map_err(failed)?.len();
        if size < byte {
            return Err(Error::Shrunk { file: file.key.clone(), size, expected: byte });
        }
        bytes.seek(SeekFrom::Start(byte)).map_err(failed)?;
        let (reader, file) = (BufReader::new(bytes), file.key.clone());
        Ok(Lines { file, opened, reader, text: Vec::new(), byte, line: line.saturating_sub(1), length: 0 })
    }

    /// Takes the next line in hand; false at the end.
    fn next(&mut self) -> Result<bool, Error> {
        self.byte += self.length;
        self.line += 1;
        self.text.clear();
        let failed = |source| Error::Read { file: self.file.clone(), source };
        let mut limited = (&mut self.reader).take(MAX_LINE_BYTES + 1);
        self.length = limited.read_until(b'\n', &mut self.text).map_err(failed)? as u64;
        if self.text.len() as u64 > MAX_LINE_BYTES && !self.text.ends_with(b"\n") {
            // What is behind it is not kept.
            self.length += self.reader.skip_until(b'\n').map_err(failed)? as u64;
        }
        Ok(self.length > 0)
    }

    /// The row of the line in hand, none of a blank one, or why there is none.
    fn row(&self) -> Result<Option<Row<'_>>, &'static str> {
        if self.text.len() as u64 > MAX_LINE_BYTES {
            return Err("is longer than 1 MiB");
        }
        let text = std::str::from_utf8(&self.text).map_err(|_| "is not UTF-8")?;
        if text.trim().is_empty() {
            return Ok(None);
        }
        // A parser's own words may hold values.
        let said: Said<'_> =
            serde_json::from_str(text).map_err(|_| "is no reject as `etl rejects` exports it")?;
        let table = said.table.ok_or("says no `table`")?;
        if said.cut == Some(true) {
            return Err("holds a row that was cut: write the whole row, and \"cut\": false");
        }
        let original =
            said.original.ok_or("has no columns: write them as `original`, {\"column\": value}")?;
        let Columns(columns) =
            serde_json::from_str(original.get()).map_err(|_| "has an `original` that is no object")?;
        let columns = columns.ok_or("names a column twice: which value is right?")?;
        Ok(Some(Row { table, original, columns }))
    }
}

#[cfg(test)]
#[path = "corrected_tests.rs"]
mod tests;
