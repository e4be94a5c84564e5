//! Columns in the Arrow layout, the batch that a module gets and the one that it gives back.
//!
//! Must not know: the structs of an author (rows), the calls of the runner (glue).

use std::borrow::Cow;
use std::str;

use crate::read::{FromColumn, Reader};
use crate::schema::Type;

/// One column's buffers: the Arrow columnar layout, little-endian.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Column {
    /// One bit a row, lowest bit first, 0 = NULL. Empty: no NULL.
    pub validity: Vec<u8>,
    /// `rows + 1` offsets (i32) into `data` or into the elements; empty for types of a fixed size.
    pub offsets: Vec<u8>,
    /// The values; bits for booleans. Empty for an array.
    pub data: Vec<u8>,
    /// An array's elements.
    pub elements: Option<Box<Column>>,
}

/// A row that must not be written, and why.
///
/// Reasons are grouped in the run's report, so let them be short and constant: `email has no @`, never the row's own values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reject(pub(crate) Cow<'static, str>);

impl Reject {
    /// Rejects a row for this reason.
    pub fn new(reason: impl Into<Cow<'static, str>>) -> Reject {
        Reject(reason.into())
    }

    /// Why.
    pub fn reason(&self) -> &str {
        &self.0
    }
}

impl From<&'static str> for Reject {
    fn from(reason: &'static str) -> Reject {
        Reject::new(reason)
    }
}

/// The rows that cross the sandbox in one call: only the columns that the plan reads, in its order.
#[derive(Debug)]
pub struct Batch<'t> {
    rows: usize,
    columns: Vec<Column>,
    types: &'t [Type],
}

impl<'t> Batch<'t> {
    /// A batch of columns of these types, checked: for tests of your own. The runner makes the ones that count.
    pub fn new(rows: usize, types: &'t [Type], columns: Vec<Column>) -> Result<Batch<'t>, String> {
        if types.len() != columns.len() {
            return Err(format!("{} columns for {} types", columns.len(), types.len()));
        }
        for (at, (column, ty)) in columns.iter().zip(types).enumerate() {
            check(column, *ty, rows).map_err(|what| format!("column {at} ({ty}): {what}"))?;
        }
        Ok(Batch { rows, columns, types })
    }

    /// # Safety
    /// The columns must be as [`Batch::new`] checks them: texts are read as UTF-8 without another look.
    pub(crate) unsafe fn trusted(rows: usize, types: &'t [Type], columns: Vec<Column>) -> Batch<'t> {
        Batch { rows, columns, types }
    }

    /// How many rows each column has.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The buffers of a column: its place is that in [`Plan::reads`](crate::Plan).
    pub fn column(&self, at: usize) -> &Column {
        &self.columns[at]
    }

    /// A column with its type, for [`FromColumn`].
    pub fn checked(&self, at: usize) -> Checked<'_> {
        Checked { column: &self.columns[at], ty: self.types[at] }
    }

    /// A column's values as `T`, e.g. `Option<&str>`; an error if it is of another type.
    pub fn reader<'a, T: FromColumn<'a>>(&'a self, at: usize) -> Result<Reader<'a, T>, String> {
        match self.types.get(at) {
            Some(ty) if *ty == T::TYPE => Ok(Reader::new(self.checked(at))),
            Some(ty) => Err(format!("column {at} of the batch is {ty}, not {}", T::TYPE)),
            None => Err(format!("the batch has {} columns, not {}", self.types.len(), at + 1)),
        }
    }
}

/// A column of a batch, whose buffers are as its type wants them.
#[derive(Clone, Copy, Debug)]
pub struct Checked<'a> {
    column: &'a Column,
    ty: Type,
}

impl<'a> Checked<'a> {
    /// Its buffers. Panics if it is of another type than `ty`.
    pub(crate) fn of(self, ty: Type) -> &'a Column {
        assert!(self.ty == ty, "a column of type {} cannot be read as {ty}", self.ty);
        self.column
    }

    /// The same of arrays, with their elements.
    pub(crate) fn of_arrays(self, ty: Type) -> (&'a Column, Checked<'a>) {
        let column = self.of(ty);
        let elements = column.elements.as_deref().expect("an array column comes with its elements");
        (column, Checked { column: elements, ty: Type::of(ty.scalar) })
    }
}

/// What a module makes of a batch.
#[derive(Debug, Default)]
pub struct Output {
    /// The rows of `columns` and, unless empty, of `origin`.
    pub rows: usize,
    /// The input row of every output row. Empty: the rows that are not rejected, once each, in order.
    pub origin: Vec<u32>,
    /// The `New` columns of the plan, in its order.
    pub columns: Vec<Column>,
    /// Input rows that must not be written.
    pub rejects: Vec<(u32, Reject)>,
}

fn check(column: &Column, ty: Type, rows: usize) -> Result<(), String> {
    let wanted = |what: &str, wanted: usize, found: usize| match wanted == found {
        true => Ok(()),
        false => Err(format!("{what} of {found} bytes, not {wanted}")),
    };
    if !column.validity.is_empty() {
        wanted("validity", rows.div_ceil(8), column.validity.len())?;
    }
    if ty.array {
        let end = check_offsets(column, rows)?;
        wanted("data", 0, column.data.len())?;
        let elements = column.elements.as_deref().ok_or("an array needs its elements")?;
        return check(elements, Type::of(ty.scalar), end).map_err(|what| format!("elements: {what}"));
    }
    if column.elements.is_some() {
        return Err("elements, but no array".into());
    }
    if let Some(width) = ty.scalar.width() {
        return wanted("data", rows * width, column.data.len());
    }
    if ty.scalar == crate::Scalar::Boolean {
        return wanted("data", rows.div_ceil(8), column.data.len());
    }
    wanted("data", check_offsets(column, rows)?, column.data.len())?;
    if ty.scalar.is_text() {
        check_text(column)?;
    }
    Ok(())
}

/// Gives the last offset.
fn check_offsets(column: &Column, rows: usize) -> Result<usize, String> {
    let (offsets, rest) = column.offsets.as_chunks::<4>();
    if offsets.len() != rows + 1 || !rest.is_empty() {
        return Err(format!("{} bytes of offsets for {rows} rows", column.offsets.len()));
    }
    let mut last = 0;
    for offset in offsets {
        let offset = i32::from_le_bytes(*offset);
        if offset < last {
            return Err("offsets that do not ascend from 0".into());
        }
        last = offset;
    }
    Ok(last as usize)
}

fn check_text(column: &Column) -> Result<(), String> {
    let text = str::from_utf8(&column.data).map_err(|_| "text that is not UTF-8")?;
    let cut = column
        .offsets
        .as_chunks::<4>()
        .0
        .iter()
        .any(|o| !text.is_char_boundary(i32::from_le_bytes(*o) as usize));
    if cut { Err("an offset within a character".into()) } else { Ok(()) }
}
