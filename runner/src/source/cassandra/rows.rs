//! The loops over cells of types without parts, one made for each type that is hot. Must not know where the cells
//! are from: a page's column or a collection's elements.

use std::io::Write;

use arrow_buffer::BooleanBufferBuilder;

use super::cql_type::Native;
use super::parts::Part;
use super::refuse::{MAX_VALUE_BYTES, Refused, Why};
use super::scalar::{self, fixed};
use super::values::{DurationNanoseconds, Empty, TimeNanoseconds, Values};
use super::{moment, number};
use crate::source::column::{self, Bytes, Marks};

/// What is done with values that do not fit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    pub(super) values: Values,
    pub(super) in_key: bool,
}

impl Rules {
    /// Whether a value of zero length is NULL, where its type has none.
    pub(super) fn empty_is_null(self) -> bool {
        self.values.empty == Empty::Null && !self.in_key
    }
}

/// The rows that are appended.
pub(super) struct Rows<'a> {
    pub(super) marks: Marks<'a>,
    pub(super) rules: Rules,
    pub(super) refused: &'a mut Vec<Refused>,
    /// Values of zero length that became NULL.
    pub(super) empties: &'a mut u64,
}

impl Rows<'_> {
    /// Marks a row whose value, which held so many of zero length, or whose placeholder is in the buffers.
    pub(super) fn end(&mut self, result: Option<Result<u64, Why>>) {
        match result {
            Some(Ok(empties)) => {
                *self.empties += empties;
                self.marks.value();
            }
            Some(Err(why)) => self.without(why),
            None => self.marks.null(),
        }
    }

    /// Marks a row without a value.
    #[cold]
    fn without(&mut self, why: Why) {
        if why == Why::Empty && self.rules.empty_is_null() {
            *self.empties += 1;
        } else {
            let row = u32::try_from(self.marks.rows()).unwrap_or(u32::MAX);
            self.refused.push(Refused { row, why });
        }
        self.marks.null();
    }
}

/// The loop over cells that all hot types have, made for each of them: `append` adds the value of a cell to the
/// buffer or leaves it as it was, `blank` adds a placeholder.
#[inline]
fn each<'a, B>(
    cells: impl Iterator<Item = Part<'a>>,
    buffer: &mut B,
    rows: &mut Rows<'_>,
    append: impl Fn(&mut B, &'a [u8]) -> Result<(), Why>,
    blank: impl Fn(&mut B),
) {
    for cell in cells {
        match cell.map(|cell| append(buffer, cell)) {
            Some(Ok(())) => rows.marks.value(),
            Some(Err(why)) => {
                blank(buffer);
                rows.without(why);
            }
            None => {
                blank(buffer);
                rows.marks.null();
            }
        }
    }
}

/// The loop over values that take the same room each.
#[inline]
fn plain<'a, T: Default>(
    cells: impl Iterator<Item = Part<'a>>,
    buffer: &mut Vec<T>,
    rows: &mut Rows<'_>,
    value: impl Fn(&'a [u8]) -> Result<T, Why>,
) {
    buffer.reserve(cells.size_hint().0);
    let append = |buffer: &mut Vec<T>, cell| {
        buffer.push(value(cell)?);
        Ok(())
    };
    each(cells, buffer, rows, append, |buffer| buffer.push(T::default()));
}

/// The loop over values that are written to the end of the others' bytes; `write` writes nothing in an error.
#[inline]
fn written<'a>(
    cells: impl Iterator<Item = Part<'a>>,
    buffer: &mut Bytes,
    rows: &mut Rows<'_>,
    write: impl Fn(&'a [u8], &mut Vec<u8>) -> Result<(), Why>,
) {
    let append = |buffer: &mut Bytes, cell: &'a [u8]| {
        check_room(buffer.data(), cell.len())?;
        write(cell, buffer.data())?;
        buffer.end();
        Ok(())
    };
    each(cells, buffer, rows, append, Bytes::end);
}

/// Appends a row for each of `cells`; false, and nothing appended, where `buffers` are of another type.
pub(super) fn extend_native<'a>(
    native: Native,
    cells: impl Iterator<Item = Part<'a>> + Clone,
    buffers: &mut column::Values,
    rows: &mut Rows<'_>,
) -> bool {
    use column::Values as To;
    let values = rows.rules.values;
    match (native, buffers) {
        (Native::Ascii | Native::Text, To::Text(to)) => extend_text(cells, to, rows),
        (Native::TinyInt, To::Int16(to)) => {
            plain(cells, to, rows, |cell| Ok(i8::from_be_bytes(fixed(cell)?).into()));
        }
        (Native::SmallInt, To::Int16(to)) => {
            plain(cells, to, rows, |cell| Ok(i16::from_be_bytes(fixed(cell)?)));
        }
        (Native::Int, To::Int32(to)) => plain(cells, to, rows, |cell| Ok(i32::from_be_bytes(fixed(cell)?))),
        (Native::BigInt | Native::Counter, To::Int64(to)) => {
            plain(cells, to, rows, |cell| Ok(i64::from_be_bytes(fixed(cell)?)));
        }
        (Native::BigInt, To::Timestamp(to)) => plain(cells, to, rows, moment::written),
        (Native::VarInt, To::Numeric(to)) => written(cells, to, rows, number::varint),
        (Native::Decimal, To::Numeric(to)) => written(cells, to, rows, number::decimal),
        (Native::Float, To::Float32(to)) => {
            plain(cells, to, rows, |cell| Ok(f32::from_be_bytes(fixed(cell)?)));
        }
        (Native::Double, To::Float64(to)) => {
            plain(cells, to, rows, |cell| Ok(f64::from_be_bytes(fixed(cell)?)));
        }
        (Native::Boolean, To::Boolean(to)) => {
            let append = |to: &mut BooleanBufferBuilder, cell| {
                to.append(scalar::boolean(cell)?);
                Ok(())
            };
            each(cells, to, rows, append, |to| to.append(false));
        }
        (Native::Uuid | Native::TimeUuid, To::Uuid(to)) => {
            let append = |to: &mut Vec<u8>, cell| {
                to.extend_from_slice(&fixed::<16>(cell)?);
                Ok(())
            };
            each(cells, to, rows, append, |to| to.extend_from_slice(&[0; 16]));
        }
        (Native::Inet, To::Inet(to)) => written(cells, to, rows, |cell, out| {
            // Writing to memory does not fail.
            write!(out, "{}", scalar::inet(cell)?).map_err(|_| Why::BadCell)
        }),
        (Native::Timestamp, To::Timestamp(to)) => plain(cells, to, rows, moment::timestamp),
        (Native::Date, To::Date(to)) => plain(cells, to, rows, moment::date),
        (Native::Time, To::Int64(to)) => plain(cells, to, rows, moment::time),
        (Native::Time, To::Time(to)) => {
            let truncate = values.time_nanoseconds == TimeNanoseconds::Truncate;
            plain(cells, to, rows, |cell| moment::micros(moment::time(cell)?, truncate));
        }
        (Native::Duration, To::Interval(to)) => {
            let truncate = values.duration_nanoseconds == DurationNanoseconds::Truncate;
            plain(cells, to, rows, |cell| {
                let mut span = moment::duration(cell)?;
                span.nanoseconds = moment::micros(span.nanoseconds, truncate)? * 1000;
                Ok(span)
            });
        }
        (Native::Blob, To::Bytes(to)) => written(cells, to, rows, |cell, out| {
            out.extend_from_slice(cell);
            Ok(())
        }),
        _ => return false,
    }
    true
}

/// Offsets are i32, and one value must fit into PostgreSQL's row.
#[inline]
pub(super) fn check_room(to: &[u8], more: usize) -> Result<(), Why> {
    // The digits of one number are longer than its bytes, by less than that.
    const MAX_DATA_BYTES: usize = i32::MAX as usize - 256 * 1024;
    let fits = more <= MAX_VALUE_BYTES && to.len() + more <= MAX_DATA_BYTES;
    if fits { Ok(()) } else { Err(Why::TooLong) }
}

/// Texts are appended unseen and looked at together; one by one only where there is something wrong with one.
fn extend_text<'a>(cells: impl Iterator<Item = Part<'a>> + Clone, to: &mut Bytes, rows: &mut Rows<'_>) {
    let (first, refused) = (rows.marks.rows(), rows.refused.len());
    written(cells.clone(), to, rows, |cell, out| {
        out.extend_from_slice(cell);
        Ok(())
    });
    if are_texts(to, first) {
        return;
    }
    to.truncate(first);
    rows.marks.truncate(first);
    rows.refused.truncate(refused);
    let nul = rows.rules.values.nul;
    written(cells, to, rows, |cell, out| {
        let (text, has_nul) = scalar::text(cell, nul)?;
        if !has_nul {
            out.extend_from_slice(cell);
            return Ok(());
        }
        let (pieces, instead) = scalar::without_nuls(text, nul);
        for (index, piece) in pieces.enumerate() {
            out.extend_from_slice(if index == 0 { b"" } else { instead.as_bytes() });
            out.extend_from_slice(piece.as_bytes());
        }
        Ok(())
    });
}

/// Whether all values from the row `first` on are UTF-8 without a NUL.
fn are_texts(values: &Bytes, first: usize) -> bool {
    let at = |offset: &i32| usize::try_from(*offset).unwrap_or(0);
    let (data, offsets) = values.all();
    let starts = &offsets[first..];
    let added = &data[starts.first().map_or(0, at)..];
    if memchr::memchr(0, added).is_some() {
        return false;
    }
    if added.is_ascii() {
        return true;
    }
    // Together they are UTF-8; each is, unless one ends inside a character.
    let begins = |start: &i32| data.get(at(start)).is_none_or(|byte| byte & 0xc0 != 0x80);
    simdutf8::basic::from_utf8(added).is_ok() && starts.iter().all(begins)
}
