//! One column while it is built: cells go straight into Arrow's buffers. Must not know where cells come from.

use std::mem::take;
use std::sync::Arc;

use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Float32Type, Float64Type, Int16Type, Int32Type, Int64Type,
    IntervalMonthDayNanoType, Time64MicrosecondType, TimestampMicrosecondType,
};
use arrow_array::{
    ArrayRef, BinaryArray, BooleanArray, FixedSizeBinaryArray, ListArray, PrimitiveArray, StringArray,
};
use arrow_buffer::{
    BooleanBufferBuilder, Buffer, IntervalMonthDayNano, NullBuffer, NullBufferBuilder, OffsetBuffer,
    ScalarBuffer,
};
use arrow_schema::{ArrowError, Field as ArrowField};

use super::found::Cell;
use super::{cell, interval, list, time};
use crate::memory::MAX_BATCH_BYTES;
use crate::schema::{Scalar, Type};

/// Values of one type, appended cell by cell.
pub struct Column {
    values: Values,
    nulls: NullBufferBuilder,
    rows: usize,
}

/// The buffers of a column.
pub(super) enum Values {
    Boolean(BooleanBufferBuilder),
    Int16(Vec<i16>),
    Int32(Vec<i32>),
    Int64(Vec<i64>),
    Float32(Vec<f32>),
    Float64(Vec<f64>),
    Text(Bytes),
    Numeric(Bytes),
    Inet(Bytes),
    Json(Bytes),
    Bytes(Bytes),
    Uuid(Vec<u8>),
    Date(Vec<i32>),
    Time(Vec<i64>),
    Timestamp(Vec<i64>),
    Interval(Vec<IntervalMonthDayNano>),
    List { items: Box<Column>, offsets: Vec<i32>, scratch: Vec<u8> },
}

/// Values of different lengths, one behind the other.
pub(super) struct Bytes {
    data: Vec<u8>,
    offsets: Vec<i32>,
}

/// Which rows of a column have a value: one mark belongs to each value that is appended to its buffers.
pub(super) struct Marks<'a> {
    nulls: &'a mut NullBufferBuilder,
    rows: &'a mut usize,
}

impl Column {
    /// An empty column of `ty`.
    pub fn new(ty: Type) -> Column {
        let values = if ty.array {
            let items = Box::new(Column::new(Type::of(ty.scalar)));
            Values::List { items, offsets: vec![0], scratch: Vec::new() }
        } else {
            Values::new(ty.scalar)
        };
        Column { values, nulls: NullBufferBuilder::new(1024), rows: 0 }
    }

    /// Appends NULL.
    pub(super) fn push_null(&mut self) {
        self.values.push_default();
        self.nulls.append_null();
        self.rows += 1;
    }

    /// Appends the value written as `cell`, which is UTF-8; false, and nothing appended, when it is none.
    #[must_use]
    pub(super) fn push(&mut self, cell: &[u8]) -> bool {
        let pushed = self.values.push(cell).is_some();
        if pushed {
            self.nulls.append_non_null();
            self.rows += 1;
        }
        pushed
    }

    /// The buffers and the marks apart, for a source whose cells are no texts.
    pub(super) fn parts(&mut self) -> (&mut Values, Marks<'_>) {
        (&mut self.values, Marks { nulls: &mut self.nulls, rows: &mut self.rows })
    }

    /// Bytes of the values so far: exact for those of different lengths, about 8 for each other one.
    pub(super) fn held_bytes(&self) -> usize {
        use Values::{Inet, Json, List, Numeric, Text};
        match &self.values {
            Text(held) | Numeric(held) | Inet(held) | Json(held) | Values::Bytes(held) => held.data.len(),
            List { items, .. } => items.held_bytes(),
            _ => self.rows * 8,
        }
    }

    /// Rows so far.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Appends cell after cell, `None` as NULL, up to the first that is no value; how many were appended.
    pub(super) fn push_all<'a>(&mut self, cells: impl Iterator<Item = Option<Cell<'a>>>) -> usize {
        let before = self.rows;
        if let Values::Text(bytes) = &mut self.values {
            for cell in cells {
                match cell {
                    None => self.nulls.append_null(),
                    Some(cell) => {
                        cell.append_to(&mut bytes.data);
                        self.nulls.append_non_null();
                    }
                }
                bytes.end();
                self.rows += 1;
            }
            return self.rows - before;
        }
        let mut scratch = Vec::new();
        for cell in cells {
            match cell {
                None => self.push_null(),
                Some(cell) if self.push(cell.meant(&mut scratch)) => {}
                Some(_) => break,
            }
        }
        self.rows - before
    }

    /// Takes back all rows behind the first `rows`.
    pub(super) fn truncate(&mut self, rows: usize) {
        if rows < self.rows {
            self.values.truncate(rows);
            self.nulls.truncate(rows);
            self.rows = rows;
        }
    }

    /// The rows as an array; the column is empty then.
    pub fn finish(&mut self) -> Result<ArrayRef, ArrowError> {
        let nulls = self.nulls.finish();
        let rows = take(&mut self.rows);
        self.values.finish(rows, nulls)
    }
}

impl Values {
    fn new(scalar: Scalar) -> Values {
        match scalar {
            Scalar::Boolean => Values::Boolean(BooleanBufferBuilder::new(1024)),
            Scalar::Int16 => Values::Int16(Vec::new()),
            Scalar::Int32 => Values::Int32(Vec::new()),
            Scalar::Int64 => Values::Int64(Vec::new()),
            Scalar::Float32 => Values::Float32(Vec::new()),
            Scalar::Float64 => Values::Float64(Vec::new()),
            Scalar::Numeric => Values::Numeric(Bytes::new()),
            Scalar::Text => Values::Text(Bytes::new()),
            Scalar::Bytes => Values::Bytes(Bytes::new()),
            Scalar::Uuid => Values::Uuid(Vec::new()),
            Scalar::Date => Values::Date(Vec::new()),
            Scalar::Time => Values::Time(Vec::new()),
            Scalar::Timestamp => Values::Timestamp(Vec::new()),
            Scalar::Interval => Values::Interval(Vec::new()),
            Scalar::Inet => Values::Inet(Bytes::new()),
            Scalar::Json => Values::Json(Bytes::new()),
        }
    }

    fn push(&mut self, text: &[u8]) -> Option<()> {
        match self {
            Values::Text(bytes) => bytes.push(text),
            Values::Boolean(values) => values.append(cell::boolean(text)?),
            Values::Int16(values) => values.push(cell::integer(text)?.try_into().ok()?),
            Values::Int32(values) => values.push(cell::integer(text)?.try_into().ok()?),
            Values::Int64(values) => values.push(cell::integer(text)?),
            Values::Float32(values) => values.push(cell::float32(text)?),
            Values::Float64(values) => values.push(cell::float64(text)?),
            Values::Numeric(bytes) => bytes.push(cell::numeric(text)?),
            Values::Inet(bytes) => bytes.push(cell::inet(text)?),
            Values::Json(bytes) => bytes.push(cell::json(text)?),
            Values::Bytes(bytes) => {
                cell::hexadecimal(text, &mut bytes.data)?;
                bytes.end();
            }
            Values::Uuid(values) => values.extend_from_slice(&cell::uuid(text)?),
            Values::Date(values) => values.push(time::date(text)?),
            Values::Time(values) => values.push(time::time(text)?),
            Values::Timestamp(values) => values.push(time::timestamp(text)?),
            Values::Interval(values) => values.push(interval::interval(text)?),
            Values::List { items, offsets, scratch } => push_list(items, offsets, scratch, text)?,
        }
        Some(())
    }

    fn push_default(&mut self) {
        match self {
            Values::Boolean(values) => values.append(false),
            Values::Int16(values) => values.push(0),
            Values::Int32(values) | Values::Date(values) => values.push(0),
            Values::Int64(values) | Values::Time(values) | Values::Timestamp(values) => values.push(0),
            Values::Float32(values) => values.push(0.0),
            Values::Float64(values) => values.push(0.0),
            Values::Text(bytes)
            | Values::Numeric(bytes)
            | Values::Inet(bytes)
            | Values::Json(bytes)
            | Values::Bytes(bytes) => bytes.end(),
            Values::Uuid(values) => values.extend_from_slice(&[0; 16]),
            Values::Interval(values) => values.push(IntervalMonthDayNano::ZERO),
            Values::List { items, offsets, .. } => offsets.push(offset(items.rows)),
        }
    }

    fn truncate(&mut self, rows: usize) {
        match self {
            Values::Boolean(values) => values.truncate(rows),
            Values::Int16(values) => values.truncate(rows),
            Values::Int32(values) | Values::Date(values) => values.truncate(rows),
            Values::Int64(values) | Values::Time(values) | Values::Timestamp(values) => {
                values.truncate(rows);
            }
            Values::Float32(values) => values.truncate(rows),
            Values::Float64(values) => values.truncate(rows),
            Values::Text(bytes)
            | Values::Numeric(bytes)
            | Values::Inet(bytes)
            | Values::Json(bytes)
            | Values::Bytes(bytes) => bytes.truncate(rows),
            Values::Uuid(values) => values.truncate(rows * 16),
            Values::Interval(values) => values.truncate(rows),
            Values::List { items, offsets, .. } => {
                offsets.truncate(rows + 1);
                items.truncate(offsets.last().map_or(0, |last| *last as usize));
            }
        }
    }

    fn finish(&mut self, rows: usize, nulls: Option<NullBuffer>) -> Result<ArrayRef, ArrowError> {
        Ok(match self {
            Values::Boolean(values) => Arc::new(BooleanArray::new(values.finish(), nulls)),
            Values::Int16(values) => primitive::<Int16Type>(values, nulls)?,
            Values::Int32(values) => primitive::<Int32Type>(values, nulls)?,
            Values::Int64(values) => primitive::<Int64Type>(values, nulls)?,
            Values::Float32(values) => primitive::<Float32Type>(values, nulls)?,
            Values::Float64(values) => primitive::<Float64Type>(values, nulls)?,
            Values::Text(bytes) | Values::Numeric(bytes) | Values::Inet(bytes) | Values::Json(bytes) => {
                let (offsets, data) = bytes.finish();
                Arc::new(StringArray::try_new(offsets, data, nulls)?)
            }
            Values::Bytes(bytes) => {
                let (offsets, data) = bytes.finish();
                Arc::new(BinaryArray::try_new(offsets, data, nulls)?)
            }
            Values::Uuid(values) => {
                let data = Buffer::from_vec(renew(values));
                Arc::new(FixedSizeBinaryArray::try_new_with_len(16, data, nulls, rows)?)
            }
            Values::Date(values) => primitive::<Date32Type>(values, nulls)?,
            Values::Time(values) => primitive::<Time64MicrosecondType>(values, nulls)?,
            Values::Timestamp(values) => primitive::<TimestampMicrosecondType>(values, nulls)?,
            Values::Interval(values) => primitive::<IntervalMonthDayNanoType>(values, nulls)?,
            Values::List { items, offsets, .. } => {
                let items = items.finish()?;
                let offsets = OffsetBuffer::new(ScalarBuffer::from(renew_offsets(offsets)));
                // As `DataType::new_list` names it.
                let field = ArrowField::new_list_field(items.data_type().clone(), true);
                Arc::new(ListArray::try_new(Arc::new(field), offsets, items, nulls)?)
            }
        })
    }
}

fn primitive<T: ArrowPrimitiveType>(
    values: &mut Vec<T::Native>,
    nulls: Option<NullBuffer>,
) -> Result<ArrayRef, ArrowError> {
    Ok(Arc::new(PrimitiveArray::<T>::try_new(ScalarBuffer::from(renew(values)), nulls)?))
}

/// Takes the values and leaves room for a few more, because the next batch is like the last one; but not for those
/// of an uncommonly large row.
fn renew<T>(values: &mut Vec<T>) -> Vec<T> {
    let usual = size_of_val(values.as_slice()) <= MAX_BATCH_BYTES;
    let room = if usual { values.len() + values.len() / 8 } else { 0 };
    std::mem::replace(values, Vec::with_capacity(room))
}

fn renew_offsets(offsets: &mut Vec<i32>) -> Vec<i32> {
    let taken = renew(offsets);
    offsets.push(0);
    taken
}

/// As an offset. Rows are bounded to 1 GiB and larger ones come alone, so offsets fit.
pub(super) fn offset(length: usize) -> i32 {
    i32::try_from(length).unwrap_or(i32::MAX)
}

fn push_list(items: &mut Column, offsets: &mut Vec<i32>, scratch: &mut Vec<u8>, text: &[u8]) -> Option<()> {
    let before = items.rows;
    let pushed = list::items(text, scratch, |item| match item {
        None => {
            items.push_null();
            true
        }
        Some(item) => items.push(item),
    });
    if pushed.is_none() {
        items.truncate(before);
        return None;
    }
    offsets.push(offset(items.rows));
    Some(())
}

impl Marks<'_> {
    /// Rows that are marked so far.
    pub(super) fn rows(&self) -> usize {
        *self.rows
    }

    /// The next row has a value.
    #[inline]
    pub(super) fn value(&mut self) {
        self.nulls.append_non_null();
        *self.rows += 1;
    }

    /// The next row is NULL; the buffers have a value without a meaning for it.
    #[inline]
    pub(super) fn null(&mut self) {
        self.nulls.append_null();
        *self.rows += 1;
    }

    /// Takes back all marks behind the first `rows`.
    pub(super) fn truncate(&mut self, rows: usize) {
        self.nulls.truncate(rows);
        *self.rows = rows;
    }
}

impl Bytes {
    fn new() -> Bytes {
        Bytes { data: Vec::new(), offsets: vec![0] }
    }

    /// Appends a value.
    #[inline]
    pub(super) fn push(&mut self, value: &[u8]) {
        self.data.extend_from_slice(value);
        self.end();
    }

    /// What was added to the data is one value.
    #[inline]
    pub(super) fn end(&mut self) {
        self.offsets.push(offset(self.data.len()));
    }

    fn last(&self) -> usize {
        self.offsets.last().map_or(0, |last| *last as usize)
    }

    /// The data of all values, to add to it; then [`Bytes::end`] makes a value of that.
    #[inline]
    pub(super) fn data(&mut self) -> &mut Vec<u8> {
        &mut self.data
    }

    /// The data of all values; and where each value begins, and where the last one ends.
    pub(super) fn all(&self) -> (&[u8], &[i32]) {
        (&self.data, &self.offsets)
    }

    /// Takes back all values behind the first `rows`.
    pub(super) fn truncate(&mut self, rows: usize) {
        self.offsets.truncate(rows + 1);
        self.data.truncate(self.last());
    }

    fn finish(&mut self) -> (OffsetBuffer<i32>, Buffer) {
        let offsets = renew_offsets(&mut self.offsets);
        (OffsetBuffer::new(ScalarBuffer::from(offsets)), Buffer::from_vec(renew(&mut self.data)))
    }
}
