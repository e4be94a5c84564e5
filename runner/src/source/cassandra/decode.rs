//! Cells of one CQL type, as they come from the server, into a column of ours. Pure: no driver, no I/O.
//!
//! Everything in a cell is checked against its length. The type is looked at once for many cells. Must not know
//! which cells make a row, and what becomes of a refused one.

use super::cql_parse::TypeError;
use super::cql_type::{CqlType, Native};
use super::json::Json;
use super::parts::{Elements, Part};
use super::refuse::{MAX_VALUE_BYTES, Refused, Why};
use super::rows::{Rows, Rules, check_room, extend_native};
use super::values::{TimeNanoseconds, Values};
use crate::schema::{Scalar, Type};
use crate::source::Error;
use crate::source::column::{self, Bytes, Column};

/// Decodes the cells of one column.
#[derive(Clone, Debug)]
pub struct Decoder {
    shape: Shape,
    ty: Type,
    rules: Rules,
}

/// How cells become values.
#[derive(Clone, Debug)]
enum Shape {
    Native(Native),
    /// A list or a set of values without parts.
    Array(Native),
    /// So many floats, one behind the other.
    Floats(u32),
    Json(CqlType),
}

impl Decoder {
    /// For a column of type `ty`; `in_key` where it is of the table's primary key, in which a value of zero length
    /// must not become NULL. An error for a type that holds a class of the server's own.
    pub fn new(ty: &CqlType, values: &Values, in_key: bool) -> Result<Decoder, TypeError> {
        if let Some(class) = ty.custom() {
            return Err(TypeError::Custom { class: class.into() });
        }
        let shape = match ty {
            CqlType::Native(native) => Shape::Native(*native),
            CqlType::List { element, .. } | CqlType::Set { element, .. } => match **element {
                CqlType::Native(native) => Shape::Array(native),
                _ => Shape::Json(ty.clone()),
            },
            CqlType::Vector { element, dimensions, .. } => match **element {
                CqlType::Native(Native::Float) => Shape::Floats(*dimensions),
                _ => Shape::Json(ty.clone()),
            },
            _ => Shape::Json(ty.clone()),
        };
        let ty = match shape {
            Shape::Native(native) => Type::of(scalar_of(native, values)),
            Shape::Array(native) => Type::array_of(scalar_of(native, values)),
            Shape::Floats(_) => Type::array_of(Scalar::Float32),
            Shape::Json(_) => Type::of(Scalar::Json),
        };
        Ok(Decoder { shape, ty, rules: Rules { values: *values, in_key } })
    }

    /// The same for a field that has another type than its column: a time of writing is a `bigint`.
    pub(super) fn for_field(mut self, field: Type) -> Decoder {
        if (self.ty, field) == (Type::of(Scalar::Int64), Type::of(Scalar::Timestamp)) {
            self.ty = field;
        }
        self
    }

    /// Of the column that it fills.
    pub fn ty(&self) -> Type {
        self.ty
    }

    /// Appends one row for each of `cells` to `column`, which is of [`Decoder::ty`]; `None` is NULL. A cell without
    /// a value is NULL in the column and one more in `refused`, in the order of the rows; `empties` counts the
    /// values of zero length that became NULL.
    pub fn extend<'a>(
        &self,
        column: &mut Column,
        cells: impl Iterator<Item = Part<'a>> + Clone,
        refused: &mut Vec<Refused>,
        empties: &mut u64,
    ) -> Result<(), Error> {
        let (buffers, marks) = column.parts();
        let mut rows = Rows { marks, rules: self.rules, refused, empties };
        let rows = &mut rows;
        match (&self.shape, buffers) {
            (Shape::Native(native), buffers) => {
                return if extend_native(*native, cells, buffers, rows) { Ok(()) } else { Err(OTHER_COLUMN) };
            }
            (Shape::Array(native), column::Values::List { items, offsets, .. }) => {
                for cell in cells {
                    let result = cell.map(|cell| append_list(*native, cell, items, self.rules));
                    rows.end(result);
                    offsets.push(column::offset(items.rows()));
                }
            }
            (Shape::Floats(dimensions), column::Values::List { items, offsets, .. }) => {
                for cell in cells {
                    let result = cell.map(|cell| append_floats(*dimensions, cell, items));
                    rows.end(result);
                    offsets.push(column::offset(items.rows()));
                }
            }
            (Shape::Json(ty), column::Values::Json(bytes)) => {
                for cell in cells {
                    let result = cell.map(|cell| append_json(ty, cell, bytes, self.rules));
                    rows.end(result);
                    bytes.end();
                }
            }
            _ => return Err(OTHER_COLUMN),
        }
        Ok(())
    }
}

const OTHER_COLUMN: Error = Error::Internal("cells were decoded into a column of another type");

/// Our type of values without parts.
fn scalar_of(native: Native, values: &Values) -> Scalar {
    match native {
        Native::Ascii | Native::Text => Scalar::Text,
        Native::TinyInt | Native::SmallInt => Scalar::Int16,
        Native::Int => Scalar::Int32,
        Native::BigInt | Native::Counter => Scalar::Int64,
        Native::VarInt | Native::Decimal => Scalar::Numeric,
        Native::Float => Scalar::Float32,
        Native::Double => Scalar::Float64,
        Native::Boolean => Scalar::Boolean,
        Native::Uuid | Native::TimeUuid => Scalar::Uuid,
        Native::Inet => Scalar::Inet,
        Native::Timestamp => Scalar::Timestamp,
        Native::Date => Scalar::Date,
        Native::Time if values.time_nanoseconds == TimeNanoseconds::Bigint => Scalar::Int64,
        Native::Time => Scalar::Time,
        Native::Duration => Scalar::Interval,
        Native::Blob => Scalar::Bytes,
    }
}

/// The elements of a list or a set; none is appended in an error.
fn append_list(native: Native, cell: &[u8], items: &mut Column, rules: Rules) -> Result<u64, Why> {
    let elements = Elements::of(cell)?;
    let before = items.rows();
    let (mut refused, mut empties) = (Vec::new(), 0);
    let (buffers, marks) = items.parts();
    let mut rows = Rows { marks, rules, refused: &mut refused, empties: &mut empties };
    let extended = extend_native(native, elements, buffers, &mut rows);
    match refused.first() {
        None if extended => Ok(empties),
        first => {
            let why = first.map_or(Why::BadCell, |first| first.why);
            items.truncate(before);
            Err(why)
        }
    }
}

/// The elements of a vector; none is appended in an error.
fn append_floats(dimensions: u32, cell: &[u8], items: &mut Column) -> Result<u64, Why> {
    let (floats, rest) = cell.as_chunks::<4>();
    if !rest.is_empty() || u32::try_from(floats.len()) != Ok(dimensions) {
        return Err(Why::of_length(cell));
    }
    let (column::Values::Float32(to), mut marks) = items.parts() else { return Err(Why::BadCell) };
    for float in floats {
        to.push(f32::from_be_bytes(*float));
        marks.value();
    }
    Ok(0)
}

/// A document; nothing is appended in an error.
fn append_json(ty: &CqlType, cell: &[u8], to: &mut Bytes, rules: Rules) -> Result<u64, Why> {
    check_room(to.data(), cell.len())?;
    let start = to.data().len();
    let limit = (i32::MAX as usize - start).min(MAX_VALUE_BYTES);
    let mut json = Json::new(to.data(), limit, rules);
    match json.cell(ty, cell) {
        Ok(()) => Ok(json.empties()),
        Err(why) => {
            to.data().truncate(start);
            Err(why)
        }
    }
}

#[cfg(test)]
#[path = "decode_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "decode_properties.rs"]
mod properties;
