//! Stage `encode`: Arrow columns become the CSV that `COPY … FROM STDIN (FORMAT csv)` reads. Pure: no I/O, no
//! clock, no settings. A cell is quoted only where it must be, so the bytes are those that PostgreSQL's own
//! `COPY … TO` writes (floats and booleans apart). `docs/types.md` has the text form of each type.
//!
//! Must not know: where rows come from, and who reads the bytes.

mod cell;
mod error;
mod list;
mod numeric;
mod quote;
mod refuse;

use arrow_array::{Array, ArrayRef};

pub use self::error::Error;
pub use self::refuse::{Refused, Why};
use crate::schema::{Field, Type};
use crate::values::{Cells, Nulls};

/// The types of the columns, for a whole run.
#[derive(Clone, Debug)]
pub struct Encoder {
    fields: Vec<(String, Type)>,
    /// Columns whose arrays are pgvector's.
    vectors: Vec<usize>,
}

impl Encoder {
    /// For rows of these columns, in the order of the `COPY`'s column list.
    pub fn new(fields: &[Field]) -> Encoder {
        let fields = fields.iter().map(|field| (field.name.clone(), field.ty)).collect();
        Encoder { fields, vectors: Vec::new() }
    }

    /// The same, where the arrays of these columns go into pgvector's types: `[1,2]` instead of `{1,2}`.
    pub fn with_vectors(self, vectors: &[usize]) -> Encoder {
        Encoder { vectors: vectors.to_vec(), ..self }
    }

    /// Typed views of a batch's columns: once a batch, so that a row costs no look at a data type.
    pub fn bind<'a>(&self, columns: &'a [ArrayRef]) -> Result<Rows<'a>, Error> {
        if columns.len() != self.fields.len() {
            return Err(Error::Columns { expected: self.fields.len(), got: columns.len() });
        }
        let rows = columns.first().map_or(0, |column| column.len());
        let bind = |(index, ((name, ty), array)): (usize, (&(String, Type), &'a ArrayRef))| {
            if array.len() != rows {
                return Err(Error::Length { column: name.clone(), expected: rows, got: array.len() });
            }
            let vector = self.vectors.contains(&index);
            Column::of(*ty, array.as_ref(), vector).ok_or_else(|| Error::Type {
                column: name.clone(),
                expected: *ty,
                got: array.data_type().clone(),
            })
        };
        let columns = self.fields.iter().zip(columns).enumerate().map(bind);
        Ok(Rows { columns: columns.collect::<Result<_, _>>()? })
    }
}

/// A batch, ready to be encoded row by row.
#[derive(Debug)]
pub struct Rows<'a> {
    columns: Vec<Column<'a>>,
}

#[derive(Debug)]
struct Column<'a> {
    nulls: Nulls<'a>,
    cells: Cells<'a>,
    form: Form,
}

/// How the cells of a column are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// As their type has it.
    Usual,
    /// Texts in which no byte can make a cell need quotes, except that a cell is empty or starts with `\`.
    Plain,
    /// Arrays in pgvector's brackets.
    Vector,
}

impl<'a> Column<'a> {
    fn of(ty: Type, array: &'a dyn Array, vector: bool) -> Option<Self> {
        let cells = Cells::of(ty, array)?;
        let form = match vector {
            true => Form::Vector,
            false if cell::is_plain(&cells) => Form::Plain,
            false => Form::Usual,
        };
        Some(Column { nulls: Nulls::of(array), form, cells })
    }
}

impl Rows<'_> {
    /// The rows that have no text form which PostgreSQL accepts, ascending, each once with its first such
    /// column. Columnwise, and cheap where there is none.
    pub fn refused(&self) -> Vec<Refused> {
        let mut refused = Vec::new();
        for (column, index) in self.columns.iter().zip(0..) {
            refuse::column(column.nulls, &column.cells, index, &mut refused);
            if column.form == Form::Vector {
                refuse::vectors(column.nulls, &column.cells, index, &mut refused);
            }
        }
        // Stable: of two columns the left one stays.
        refused.sort_by_key(|refused| refused.row);
        refused.dedup_by_key(|refused| refused.row);
        refused
    }

    /// Appends row `row` as one CSV record with its `\n`, and answers how many physical lines it takes, as
    /// PostgreSQL counts them in the CONTEXT of a COPY error: 1 and one for each `\n` inside quotes; a `\r` is
    /// none. The first record of a COPY is counted otherwise: see [`first_record_lines`].
    ///
    /// Not for rows that [`Rows::refused`] names. Panics where there is no such row.
    pub fn encode_row(&self, row: usize, out: &mut Vec<u8>) -> u32 {
        let mut lines = 1;
        for (index, column) in self.columns.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            // NULL is the unquoted empty cell; a record of one NULL is an empty line, which COPY reads so.
            if !column.nulls.is_null(row) {
                lines += cell::encode(&column.cells, column.form, row, out);
            }
        }
        out.push(b'\n');
        lines
    }
}

/// The physical lines of a record that is the first of its COPY. PostgreSQL learns what a line end is from the
/// end of that record; until then it takes a `\r` inside quotes for one, and a `\n` for none.
pub fn first_record_lines(record: &[u8]) -> u32 {
    quote::count(b'\r', record) + 1
}

#[cfg(test)]
mod tests;
