//! What columns a file has and where its rows begin. Must not know rows.

use std::collections::{BTreeMap, HashSet};

use super::csv::{Header, Settings};
use super::records::{Limits, Next, Records};
use super::stream::Stream;
use super::{Error, SourceFile};
use crate::position::Position;
use crate::schema::{Field, Scalar, Type};
use crate::untrusted;

/// PostgreSQL's tables have no more columns.
pub const MAX_COLUMNS: usize = 1600;

/// Bytes of a file that are read for its header, unless it is longer.
const BLOCK_BYTES: usize = 16 * 1024;

/// What a file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Described {
    /// All its columns, in its order.
    pub fields: Vec<Field>,
    /// Where its rows begin, behind byte order mark and header.
    pub body: Position,
}

/// Reads the header of `file`, or takes the names that `settings` give. Columns that `types` does not name are text.
pub fn describe(
    file: &SourceFile,
    settings: &Settings,
    types: &BTreeMap<String, Type>,
) -> Result<Described, Error> {
    over(Stream::look(file)?, &file.key, settings, types)
}

fn over(
    stream: Stream,
    file: &str,
    settings: &Settings,
    types: &BTreeMap<String, Type>,
) -> Result<Described, Error> {
    let limits = Limits {
        block_bytes: BLOCK_BYTES,
        max_row_bytes: usize::try_from(settings.max_row_bytes.0).unwrap_or(usize::MAX),
        cells: MAX_COLUMNS,
    };
    let mut records = Records::new(stream, settings.dialect()?, limits, Position::FILE_START);
    if let [Some(0xff), Some(0xfe)] | [Some(0xfe), Some(0xff)] = records.skip_bom()? {
        return Err(in_header(file, 1, "it is UTF-16: convert it to UTF-8, for example with iconv".into()));
    }
    let start = records.position();
    let (names, line) = match &settings.header {
        Header::Names(names) => (names.clone(), records.place().1),
        Header::InFile(named) => {
            let line = first_record(&mut records, file)?;
            let names = if *named { cells(&mut records, file, line)? } else { numbered(records.cells()) };
            if *named {
                records.consume();
            }
            (names, line)
        }
    };
    let body = if settings.header == Header::InFile(true) { records.position() } else { start };
    check(&names, file, line)?;
    Ok(Described { fields: typed(names, types, file, line)?, body })
}

/// Gets the first record that is no blank line in hand and tells its line.
fn first_record(records: &mut Records, file: &str) -> Result<u64, Error> {
    loop {
        let (_, line) = records.place();
        match records.next(true, true)? {
            Next::Blank => records.consume(),
            Next::Record => return Ok(line),
            Next::TooLong => {
                let problem = "the header is longer than `source.csv.max_row_bytes` (an unclosed quote?)";
                return Err(in_header(file, line, problem.into()));
            }
            Next::End => return Err(Error::Empty { file: file.into() }),
            // Neither is answered to one who lets it grow and wait.
            Next::Large | Next::Idle => return Err(Error::Internal("a header was not waited for")),
        }
    }
}

fn cells(records: &mut Records, file: &str, line: u64) -> Result<Vec<String>, Error> {
    if records.cells() > MAX_COLUMNS {
        return Err(too_many(records.cells(), file, line));
    }
    let count = records.cells();
    let name = |index: usize| {
        let name = str::from_utf8(records.cell(index)).map(str::to_owned);
        let problem = || format!("the header's cell {} is not UTF-8: convert the file", index + 1);
        name.map_err(|_| in_header(file, line, problem()))
    };
    (0..count).map(name).collect()
}

fn too_many(count: usize, file: &str, line: u64) -> Error {
    in_header(
        file,
        line,
        format!("{count} columns, but a table has at most {MAX_COLUMNS}: cut the file into narrower ones"),
    )
}

fn numbered(count: usize) -> Vec<String> {
    // One more than allowed says enough.
    (1..=count.min(MAX_COLUMNS + 1)).map(|number| format!("column{number}")).collect()
}

fn check(names: &[String], file: &str, line: u64) -> Result<(), Error> {
    if names.is_empty() {
        return Err(Error::Setting { key: "header", problem: "is an empty list: name the columns" });
    }
    if names.len() > MAX_COLUMNS {
        return Err(too_many(names.len(), file, line));
    }
    let mut seen = HashSet::new();
    for (index, name) in names.iter().enumerate() {
        if name.is_empty() {
            let problem = "has no name: name it, or give all names in `source.csv.header`";
            return Err(in_header(file, line, format!("column {} {problem}", index + 1)));
        }
        if !seen.insert(name) {
            let problem = "twice: rename one of them, or give all names in `source.csv.header`";
            return Err(in_header(file, line, format!("there is a column {} {problem}", shown(name))));
        }
    }
    Ok(())
}

fn typed(
    names: Vec<String>,
    types: &BTreeMap<String, Type>,
    file: &str,
    line: u64,
) -> Result<Vec<Field>, Error> {
    if let Some(column) = types.keys().find(|column| !names.contains(column)) {
        let (file, column) = (file.into(), column.clone());
        return Err(Error::NoColumn { file, line, column, columns: listed(&names) });
    }
    let typed = |name: String| {
        let ty = types.get(&name).copied().unwrap_or(Type::of(Scalar::Text));
        Field::nullable(name, ty)
    };
    Ok(names.into_iter().map(typed).collect())
}

fn in_header(file: &str, line: u64, problem: String) -> Error {
    Error::Header { file: file.into(), line, problem }
}

fn listed(names: &[String]) -> String {
    const MOST: usize = 30;
    let mut list = names.iter().take(MOST).map(|name| shown(name)).collect::<Vec<_>>().join(", ");
    if names.len() > MOST {
        list += &format!(" and {} more", names.len() - MOST);
    }
    list
}

/// A name for a message.
fn shown(name: &str) -> String {
    format!("`{}`", untrusted::name(name))
}

#[cfg(test)]
#[path = "describe_tests.rs"]
mod tests;
