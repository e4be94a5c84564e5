//! What a guest answered → Arrow. Every rule of the contract is checked before a byte is used; what is taken over
//! is taken over without a copy. Pure. Must not know: wasmtime.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Float32Type, Float64Type, Int16Type, Int32Type, Int64Type,
    IntervalMonthDayNanoType, Time64MicrosecondType, TimestampMicrosecondType,
};
use arrow_array::{
    ArrayRef, BinaryArray, BooleanArray, FixedSizeBinaryArray, ListArray, PrimitiveArray, StringArray,
    UInt32Array,
};
use arrow_buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::{DataType, Field as ArrowField};

use super::contract::{ColumnOut, Output, RejectOut};
use super::error::Why;
use crate::schema::{Field, Scalar};
use crate::units::ByteSize;
use crate::untrusted;

/// The longest reason of a reject.
const MAX_REASON_BYTES: usize = 200;

/// An answer that can be used.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) rows: usize,
    /// The input row of each output row; `None`: the same rows.
    pub(super) origin: Option<UInt32Array>,
    /// Whether an input row occurs more than once in `origin`.
    pub(super) repeats: bool,
    /// The columns that the module makes.
    pub(super) columns: Vec<ArrayRef>,
    /// Rows with their reasons, ascending.
    pub(super) rejects: Vec<(u32, String)>,
}

/// Checks an answer to a batch of `rows` rows, of at most `limit` bytes. How many rows there may be is for those to say
/// who know what a row was at first.
pub(super) fn check(output: Output, makes: &[Field], rows: u32, limit: ByteSize) -> Result<Answer, Why> {
    let (rejects, rejected) = rejects(output.rejects, rows).map_err(Why::Lie)?;
    let (origin, repeats) =
        origin(output.origin, output.rows, rows, &rejected, rejects.len()).map_err(Why::Lie)?;
    let made = columns(output.columns, makes, output.rows as usize).map_err(Why::Lie)?;
    if booleans(&made) > limit.0 {
        return Err(Why::Output(format!(
            "it answered more than {limit} (output), where a boolean in an array counts as a byte"
        )));
    }
    Ok(Answer { rows: output.rows as usize, origin, repeats, columns: made, rejects })
}

/// Booleans in arrays. Eight of them are one byte here, and 48 in CSV, all in one row: nothing else grows like that.
fn booleans(made: &[ArrayRef]) -> u64 {
    let lists = made.iter().filter_map(|array| array.as_list_opt::<i32>());
    let booleans = lists.filter(|list| list.value_type() == DataType::Boolean);
    booleans.map(|list| list.values().len() as u64).sum()
}

type Rejects = (Vec<(u32, String)>, Vec<bool>);

/// The rejects in the order of their rows, and a flag for each row.
fn rejects(rejects: Vec<RejectOut>, rows: u32) -> Result<Rejects, String> {
    let mut rejected = Vec::new();
    if rejects.is_empty() {
        return Ok((Vec::new(), rejected));
    }
    rejected.resize(rows as usize, false);
    let mut checked = Vec::with_capacity(rejects.len().min(rows as usize));
    for reject in rejects {
        let row = reject.row;
        match rejected.get_mut(row as usize) {
            None => return Err(format!("it rejects row {row} of a batch of {rows} rows (counted from 0)")),
            Some(true) => return Err(format!("it rejects row {row} twice")),
            Some(seen) => *seen = true,
        }
        checked.push((row, reason(reject.reason)));
    }
    checked.sort_unstable_by_key(|(row, _)| *row);
    Ok((checked, rejected))
}

/// A reason for the report. Most are short and plain: they are kept as they are.
fn reason(text: String) -> String {
    let plain = text.len() <= MAX_REASON_BYTES && text.bytes().all(|b| matches!(b, b' '..=b'~'));
    if plain { text } else { untrusted::escaped(&text, MAX_REASON_BYTES).0 }
}

type Origin = (Option<UInt32Array>, bool);

/// Where each output row comes from. Rows that are neither in here nor rejected were filtered.
fn origin(
    origin: Vec<u32>,
    out: u32,
    rows: u32,
    rejected: &[bool],
    rejects: usize,
) -> Result<Origin, String> {
    if origin.is_empty() {
        let left = rows as usize - rejects;
        return match out as usize {
            // An empty origin alone cannot say "all filtered out": `rows` does.
            0 => Ok((Some(UInt32Array::from(Vec::<u32>::new())), false)),
            out if out == left && rejects == 0 => Ok((None, false)),
            out if out == left => {
                let kept = (0..rows).filter(|row| !rejected[*row as usize]);
                Ok((Some(UInt32Array::from_iter_values(kept)), false))
            }
            out => {
                Err(format!("{out} rows without an origin, but {left} rows of the batch were not rejected"))
            }
        };
    }
    if origin.len() != out as usize {
        return Err(format!("{} origins for {out} rows", origin.len()));
    }
    let mut emitted = vec![false; rows as usize];
    let mut repeats = false;
    for row in &origin {
        match emitted.get_mut(*row as usize) {
            None => return Err(format!("origin {row} in a batch of {rows} rows (counted from 0)")),
            Some(seen) => repeats |= std::mem::replace(seen, true),
        }
    }
    if let Some(row) = emitted.iter().zip(rejected).position(|(emitted, rejected)| *emitted && *rejected) {
        return Err(format!("row {row} is both emitted and rejected"));
    }
    let same = out == rows && origin.iter().zip(0..).all(|(row, place)| *row == place);
    Ok((if same { None } else { Some(UInt32Array::from(origin)) }, repeats))
}

fn columns(columns: Vec<ColumnOut>, makes: &[Field], rows: usize) -> Result<Vec<ArrayRef>, String> {
    let wanted: usize = makes.iter().map(|f| if f.ty.array { 2 } else { 1 }).sum();
    if columns.len() != wanted {
        let found = columns.len();
        return Err(format!("{found} columns; its plan makes {wanted} (an array and its elements are two)"));
    }
    let mut columns = columns.into_iter();
    let mut next = || columns.next().unwrap_or_default();
    let mut made = Vec::with_capacity(makes.len());
    for field in makes {
        let blame = |problem: String| format!("column `{}`: {problem}", untrusted::name(&field.name));
        let array = if field.ty.array {
            let (outer, elements) = (next(), next());
            list(field, outer, elements, rows)
        } else {
            scalars(field.ty.scalar, next(), rows, field.nullable)
        };
        made.push(array.map_err(blame)?);
    }
    Ok(made)
}

fn list(field: &Field, outer: ColumnOut, elements: ColumnOut, rows: usize) -> Result<ArrayRef, String> {
    exact("data", outer.data.len(), 0)?;
    let nulls = nulls(outer.validity, rows, field.nullable)?;
    let count = last_offset(&outer.offsets);
    let offsets = offsets(outer.offsets, rows, count)?;
    let values =
        scalars(field.ty.scalar, elements, count, true).map_err(|problem| format!("elements: {problem}"))?;
    let item = Arc::new(ArrowField::new_list_field(field.ty.scalar.arrow(), true));
    let array = ListArray::try_new(item, offsets, values, nulls).map_err(|e| e.to_string())?;
    Ok(Arc::new(array))
}

fn scalars(scalar: Scalar, column: ColumnOut, rows: usize, nullable: bool) -> Result<ArrayRef, String> {
    let nulls = nulls(column.validity, rows, nullable)?;
    let (offsets, data) = (column.offsets, column.data);
    if !matches!(scalar, Scalar::Numeric | Scalar::Text | Scalar::Inet | Scalar::Json | Scalar::Bytes) {
        exact("offsets", offsets.len(), 0)?;
    }
    match scalar {
        Scalar::Boolean => {
            exact("data", data.len(), rows.div_ceil(8))?;
            let values = BooleanBuffer::new(Buffer::from_vec(data), 0, rows);
            Ok(Arc::new(BooleanArray::new(values, nulls)))
        }
        Scalar::Int16 => primitive::<Int16Type>(data, rows, nulls),
        Scalar::Int32 => primitive::<Int32Type>(data, rows, nulls),
        Scalar::Int64 => primitive::<Int64Type>(data, rows, nulls),
        Scalar::Float32 => primitive::<Float32Type>(data, rows, nulls),
        Scalar::Float64 => primitive::<Float64Type>(data, rows, nulls),
        Scalar::Date => primitive::<Date32Type>(data, rows, nulls),
        Scalar::Time => primitive::<Time64MicrosecondType>(data, rows, nulls),
        Scalar::Timestamp => primitive::<TimestampMicrosecondType>(data, rows, nulls),
        Scalar::Interval => primitive::<IntervalMonthDayNanoType>(data, rows, nulls),
        Scalar::Uuid => {
            exact("data", data.len(), 16 * rows)?;
            let array = FixedSizeBinaryArray::try_new(16, Buffer::from_vec(data), nulls);
            Ok(Arc::new(array.map_err(|e| e.to_string())?))
        }
        Scalar::Numeric | Scalar::Text | Scalar::Inet | Scalar::Json => text(offsets, data, rows, nulls),
        Scalar::Bytes => {
            let offsets = self::offsets(offsets, rows, data.len())?;
            let array = BinaryArray::try_new(offsets, Buffer::from_vec(data), nulls);
            Ok(Arc::new(array.map_err(|e| e.to_string())?))
        }
    }
}

/// Arrow itself checks that the bytes are UTF-8 and that no offset is inside a character.
fn text(raw: Vec<u8>, data: Vec<u8>, rows: usize, nulls: Option<NullBuffer>) -> Result<ArrayRef, String> {
    let offsets = offsets(raw, rows, data.len())?;
    let data = Buffer::from_vec(data);
    match StringArray::try_new(offsets.clone(), data.clone(), nulls) {
        Ok(array) => Ok(Arc::new(array)),
        // Its words may hold bytes of a row, so find the place ourselves.
        Err(_) => {
            let cell = |row: &[i32]| std::str::from_utf8(&data[row[0] as usize..row[1] as usize]).is_err();
            let row = offsets.windows(2).position(cell).unwrap_or_default();
            Err(format!("row {row} is not UTF-8"))
        }
    }
}

fn primitive<T: ArrowPrimitiveType>(
    data: Vec<u8>,
    rows: usize,
    nulls: Option<NullBuffer>,
) -> Result<ArrayRef, String> {
    exact("data", data.len(), rows * size_of::<T::Native>())?;
    let values = ScalarBuffer::<T::Native>::new(aligned(data, align_of::<T::Native>()), 0, rows);
    let array = PrimitiveArray::<T>::try_new(values, nulls).map_err(|e| e.to_string())?;
    Ok(Arc::new(array))
}

/// `rows + 1` offsets from 0 to `end`, none less than the one before. No rows need no offsets.
fn offsets(raw: Vec<u8>, rows: usize, end: usize) -> Result<OffsetBuffer<i32>, String> {
    if rows == 0 && raw.is_empty() {
        exact("data", end, 0)?;
        return Ok(OffsetBuffer::new_empty());
    }
    exact("offsets", raw.len(), 4 * (rows + 1))?;
    let offsets = ScalarBuffer::<i32>::new(aligned(raw, 4), 0, rows + 1);
    if offsets[0] != 0 {
        return Err(format!("its first offset is {}, not 0", offsets[0]));
    }
    if let Some(row) = offsets.windows(2).position(|pair| pair[1] < pair[0]) {
        let (offset, before) = (offsets[row + 1], offsets[row]);
        return Err(format!("offset {} is {offset}, less than {before} before it", row + 1));
    }
    let last = usize::try_from(offsets[rows]).unwrap_or(usize::MAX);
    if last != end {
        return Err(format!("its last offset is {last}, but there are {end} bytes of data"));
    }
    Ok(OffsetBuffer::new(offsets))
}

/// How many elements a list says that it has. What is wrong with the offsets is found when they are checked.
fn last_offset(raw: &[u8]) -> usize {
    let last = raw.last_chunk::<4>().map_or(0, |bytes| i32::from_le_bytes(*bytes));
    usize::try_from(last).unwrap_or(0)
}

fn nulls(validity: Vec<u8>, rows: usize, nullable: bool) -> Result<Option<NullBuffer>, String> {
    if validity.is_empty() {
        return Ok(None);
    }
    exact("validity", validity.len(), rows.div_ceil(8))?;
    let nulls = NullBuffer::new(BooleanBuffer::new(Buffer::from_vec(validity), 0, rows));
    if nulls.null_count() == 0 {
        return Ok(None);
    }
    if !nullable {
        let row = (0..rows).find(|row| nulls.is_null(*row)).unwrap_or_default();
        return Err(format!("row {row} is NULL, but its plan says that no row is"));
    }
    Ok(Some(nulls))
}

fn exact(what: &str, found: usize, wanted: usize) -> Result<(), String> {
    if found == wanted {
        return Ok(());
    }
    Err(format!("{what} of {found} bytes, where {wanted} belong"))
}

/// Allocators align even bytes for anything, but nobody promises it.
fn aligned(data: Vec<u8>, align: usize) -> Buffer {
    if data.as_ptr().align_offset(align) == 0 {
        Buffer::from_vec(data)
    } else {
        Buffer::from_slice_ref(&data)
    }
}

#[cfg(test)]
#[path = "check_tests.rs"]
mod tests;
