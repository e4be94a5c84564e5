//! Arrow columns → the contract's buffers, without a copy wherever Arrow's own buffers already have the right form.
//! A slice may need one: bits that do not start at a byte, offsets that do not start at 0.
//! Must not know: wasmtime.

use std::borrow::Cow;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Float32Type, Float64Type, Int16Type, Int32Type, Int64Type,
    IntervalMonthDayNanoType, Time64MicrosecondType, TimestampMicrosecondType,
};
use arrow_array::{Array, ArrayRef};
use arrow_buffer::{BooleanBuffer, NullBuffer};

use super::contract::ColumnIn;
use crate::schema::{Scalar, Type};

#[cfg(not(target_endian = "little"))]
compile_error!("the contract's buffers are little-endian, and are taken from Arrow as they are");

/// Arrow's own buffer where it has the right form.
type Bytes<'a> = Cow<'a, [u8]>;

/// The three buffers of a column.
#[derive(Debug, Default)]
pub(super) struct Lowered<'a> {
    validity: Bytes<'a>,
    offsets: Bytes<'a>,
    data: Bytes<'a>,
}

impl Lowered<'_> {
    pub(super) fn column(&self) -> ColumnIn<'_> {
        ColumnIn { validity: &self.validity, offsets: &self.offsets, data: &self.data }
    }
}

/// Appends the buffers of `array`, and of its elements if it is an array column. `None`: it is not of type `ty`.
pub(super) fn lower<'a>(ty: Type, array: &'a ArrayRef, to: &mut Vec<Lowered<'a>>) -> Option<()> {
    if array.data_type() != &ty.arrow() {
        return None;
    }
    if !ty.array {
        to.push(scalars(ty.scalar, array, None)?);
        return Some(());
    }
    let list = array.as_list_opt::<i32>()?;
    let (offsets, first, last) = offsets(list.value_offsets())?;
    to.push(Lowered { validity: validity(list.nulls()), offsets, data: Cow::default() });
    to.push(scalars(ty.scalar, list.values(), Some((first, last - first)))?);
    Some(())
}

/// A column of scalars; of an element column only the part that the list uses: its start and length.
fn scalars<'a>(scalar: Scalar, array: &'a ArrayRef, part: Option<(usize, usize)>) -> Option<Lowered<'a>> {
    let (start, rows) = part.unwrap_or((0, array.len()));
    let nulls = array.nulls().filter(|n| n.null_count() > 0);
    let validity = match (nulls, part) {
        (None, _) => Cow::default(),
        (Some(nulls), None) => bits(nulls.inner()),
        (Some(nulls), Some(_)) => Cow::Owned(validity(Some(&nulls.slice(start, rows))).into_owned()),
    };
    let fixed = |bytes: Option<&'a [u8]>, width: usize| {
        let data = bytes?.get(start * width..(start + rows) * width)?;
        Some((Cow::default(), Cow::Borrowed(data)))
    };
    let (offsets, data) = match scalar {
        Scalar::Boolean => {
            let values = array.as_boolean_opt()?.values();
            let data = match part {
                None => bits(values),
                Some(_) => Cow::Owned(bits(&values.slice(start, rows)).into_owned()),
            };
            (Cow::default(), data)
        }
        Scalar::Int16 => fixed(primitive::<Int16Type>(array), 2)?,
        Scalar::Int32 => fixed(primitive::<Int32Type>(array), 4)?,
        Scalar::Int64 => fixed(primitive::<Int64Type>(array), 8)?,
        Scalar::Float32 => fixed(primitive::<Float32Type>(array), 4)?,
        Scalar::Float64 => fixed(primitive::<Float64Type>(array), 8)?,
        Scalar::Date => fixed(primitive::<Date32Type>(array), 4)?,
        Scalar::Time => fixed(primitive::<Time64MicrosecondType>(array), 8)?,
        Scalar::Timestamp => fixed(primitive::<TimestampMicrosecondType>(array), 8)?,
        Scalar::Interval => fixed(primitive::<IntervalMonthDayNanoType>(array), 16)?,
        Scalar::Uuid => fixed(array.as_fixed_size_binary_opt().map(|a| a.value_data()), 16)?,
        Scalar::Numeric | Scalar::Text | Scalar::Inet | Scalar::Json => {
            let array = array.as_string_opt::<i32>()?;
            variable(array.value_offsets(), array.value_data(), start, rows)?
        }
        Scalar::Bytes => {
            let array = array.as_binary_opt::<i32>()?;
            variable(array.value_offsets(), array.value_data(), start, rows)?
        }
    };
    Some(Lowered { validity, offsets, data })
}

fn primitive<T: ArrowPrimitiveType>(array: &ArrayRef) -> Option<&[u8]> {
    array.as_primitive_opt::<T>().map(|a| a.values().inner().as_slice())
}

fn variable<'a>(all: &'a [i32], data: &'a [u8], start: usize, rows: usize) -> Option<(Bytes<'a>, Bytes<'a>)> {
    let (offsets, first, last) = offsets(all.get(start..=start + rows)?)?;
    Some((offsets, Cow::Borrowed(data.get(first..last)?)))
}

/// Offsets that start at 0, and where in the values they started and end.
fn offsets(all: &[i32]) -> Option<(Bytes<'_>, usize, usize)> {
    let (first, last) = (*all.first()?, *all.last()?);
    let bytes = if first == 0 {
        Cow::Borrowed(arrow_buffer::ToByteSlice::to_byte_slice(all))
    } else {
        Cow::Owned(all.iter().flat_map(|offset| (offset - first).to_le_bytes()).collect())
    };
    Some((bytes, usize::try_from(first).ok()?, usize::try_from(last).ok()?))
}

/// Empty where there is no NULL.
fn validity(nulls: Option<&NullBuffer>) -> Bytes<'_> {
    nulls.filter(|n| n.null_count() > 0).map_or(Cow::default(), |n| bits(n.inner()))
}

/// Bits from the first byte on. Those behind the last row are 0: a guest shall not see what depends on the batch.
fn bits(buffer: &BooleanBuffer) -> Bytes<'_> {
    let (offset, len) = (buffer.offset(), buffer.len());
    let mut bytes: Bytes<'_> = if offset % 8 == 0 {
        Cow::Borrowed(&buffer.values()[offset / 8..(offset + len).div_ceil(8)])
    } else {
        Cow::Owned(buffer.sliced()[..len.div_ceil(8)].to_vec())
    };
    let mask = (1_u8 << (len % 8)).wrapping_sub(1);
    if len % 8 != 0 && bytes.last().is_some_and(|last| last & !mask != 0) {
        let bytes = bytes.to_mut();
        let last = bytes.len() - 1;
        bytes[last] &= mask;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::{BooleanArray, Int32Array, ListArray, StringArray};
    use std::sync::Arc;

    fn lowered(scalar: Scalar, array: &ArrayRef) -> (Vec<u8>, Vec<u8>, Vec<u8>) {
        let mut to = Vec::new();
        lower(Type::of(scalar), array, &mut to).unwrap();
        let [one] = &to[..] else { panic!("{} columns", to.len()) };
        (one.validity.to_vec(), one.offsets.to_vec(), one.data.to_vec())
    }

    #[test]
    fn a_sliced_text_column_starts_at_offset_0() {
        let array: ArrayRef = Arc::new(StringArray::from(vec![Some("ab"), Some("c"), None, Some("def")]));
        let (validity, offsets, data) = lowered(Scalar::Text, &array.slice(1, 3));
        assert_eq!(validity, [0b101]);
        assert_eq!(offsets, [0_i32, 1, 1, 4].iter().flat_map(|o| o.to_le_bytes()).collect::<Vec<_>>());
        assert_eq!(data, b"cdef");
    }

    #[test]
    fn bits_start_at_the_first_byte_and_end_with_the_last_row() {
        let array: ArrayRef = Arc::new(BooleanArray::from(vec![true; 21]));
        assert_eq!(lowered(Scalar::Boolean, &array.slice(0, 3)).2, [0b111]);
        assert_eq!(lowered(Scalar::Boolean, &array.slice(3, 9)).2, [0xff, 1]);
        assert_eq!(lowered(Scalar::Boolean, &array.slice(8, 8)).2, [0xff]);
    }

    #[test]
    fn a_column_without_nulls_has_no_validity_even_if_arrow_has_a_buffer() {
        let array: ArrayRef = Arc::new(Int32Array::from(vec![None, Some(7), Some(8)]));
        assert_eq!(
            lowered(Scalar::Int32, &array.slice(1, 2)),
            (vec![], vec![], vec![7, 0, 0, 0, 8, 0, 0, 0])
        );
    }

    #[test]
    fn buffers_that_have_the_right_form_are_borrowed() {
        let array: ArrayRef = Arc::new(StringArray::from(vec![Some("ab"), None]));
        let mut to = Vec::new();
        lower(Type::of(Scalar::Text), &array, &mut to).unwrap();
        assert!(matches!(&to[0].offsets, Cow::Borrowed(_)));
        assert!(matches!(&to[0].data, Cow::Borrowed(_)));
        assert!(matches!(&to[0].validity, Cow::Borrowed(_)));
    }

    #[test]
    fn of_a_sliced_list_only_the_elements_in_use_go_in() {
        let rows = vec![Some(vec![Some(1)]), None, Some(vec![Some(2), None]), Some(vec![Some(3)])];
        let list = ListArray::from_iter_primitive::<Int32Type, _, _>(rows);
        let array: ArrayRef = Arc::new(list.slice(1, 2));
        let mut to = Vec::new();
        lower(Type::array_of(Scalar::Int32), &array, &mut to).unwrap();
        assert_eq!(&*to[0].validity, [0b10]);
        assert_eq!(&*to[1].validity, [0b01]);
        assert_eq!(&to[1].data[..4], [2, 0, 0, 0]);
        assert_eq!(to[1].data.len(), 8);
    }

    #[test]
    fn an_array_of_another_type_is_refused() {
        let array: ArrayRef = Arc::new(Int32Array::from(vec![1]));
        assert!(lower(Type::of(Scalar::Int64), &array, &mut Vec::new()).is_none());
        assert!(lower(Type::array_of(Scalar::Int32), &array, &mut Vec::new()).is_none());
    }
}
