//! A column as typed views of its Arrow array: resolved once a batch, so that the paths of single values have
//! no downcast and no data type to look at.
//!
//! Must not know: what is done with the values.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Float32Type, Float64Type, Int16Type, Int32Type, Int64Type, IntervalMonthDayNanoType,
    Time64MicrosecondType, TimestampMicrosecondType,
};
use arrow_array::{Array, BinaryArray, FixedSizeBinaryArray, StringArray};
use arrow_buffer::{BooleanBuffer, IntervalMonthDayNano, NullBuffer};

use crate::schema::{Scalar, Type};

/// The values of a column: one per row, or a list of them per row.
#[derive(Clone, Copy, Debug)]
pub enum Cells<'a> {
    /// Row i is value i.
    Scalars(Values<'a>),
    /// Row i is the elements `offsets[i]..offsets[i + 1]`.
    Lists {
        /// One more than there are rows.
        offsets: &'a [i32],
        /// Which elements are NULL.
        nulls: Nulls<'a>,
        /// The elements of all rows.
        elements: Values<'a>,
    },
}

/// Values of one type, NULLs among them as any value.
#[derive(Clone, Copy, Debug)]
pub enum Values<'a> {
    /// `boolean`.
    Boolean(&'a BooleanBuffer),
    /// `int16`.
    Int16(&'a [i16]),
    /// `int32`.
    Int32(&'a [i32]),
    /// `int64`.
    Int64(&'a [i64]),
    /// `float32`.
    Float32(&'a [f32]),
    /// `float64`.
    Float64(&'a [f64]),
    /// `numeric`.
    Numeric(&'a StringArray),
    /// `text`, `inet` and `json`.
    Text(&'a StringArray),
    /// `bytes`.
    Bytes(&'a BinaryArray),
    /// `uuid`, 16 bytes each.
    Uuid(&'a FixedSizeBinaryArray),
    /// `date`.
    Date(&'a [i32]),
    /// `time`.
    Time(&'a [i64]),
    /// `timestamp`.
    Timestamp(&'a [i64]),
    /// `interval`.
    Interval(&'a [IntervalMonthDayNano]),
}

/// Which values are NULL: nothing to look at where none is.
#[derive(Clone, Copy, Debug)]
pub struct Nulls<'a>(Option<&'a NullBuffer>);

impl<'a> Nulls<'a> {
    /// Of an array.
    pub fn of(array: &'a dyn Array) -> Self {
        Nulls(array.nulls().filter(|nulls| nulls.null_count() > 0))
    }

    /// Whether value `index` is NULL.
    #[inline]
    pub fn is_null(self, index: usize) -> bool {
        self.0.is_some_and(|nulls| nulls.is_null(index))
    }
}

impl<'a> Cells<'a> {
    /// The view of `array` as `ty`; `None` where the array is of another type.
    pub fn of(ty: Type, array: &'a dyn Array) -> Option<Self> {
        if !ty.array {
            return Values::of(ty.scalar, array).map(Cells::Scalars);
        }
        let list = array.as_list_opt::<i32>()?;
        let elements = list.values().as_ref();
        Some(Cells::Lists {
            offsets: list.value_offsets(),
            nulls: Nulls::of(elements),
            elements: Values::of(ty.scalar, elements)?,
        })
    }
}

impl<'a> Values<'a> {
    /// The view of `array` as values of `scalar`; `None` where the array is of another type.
    pub fn of(scalar: Scalar, array: &'a dyn Array) -> Option<Self> {
        Some(match scalar {
            Scalar::Boolean => Values::Boolean(array.as_boolean_opt()?.values()),
            Scalar::Int16 => Values::Int16(array.as_primitive_opt::<Int16Type>()?.values()),
            Scalar::Int32 => Values::Int32(array.as_primitive_opt::<Int32Type>()?.values()),
            Scalar::Int64 => Values::Int64(array.as_primitive_opt::<Int64Type>()?.values()),
            Scalar::Float32 => Values::Float32(array.as_primitive_opt::<Float32Type>()?.values()),
            Scalar::Float64 => Values::Float64(array.as_primitive_opt::<Float64Type>()?.values()),
            Scalar::Numeric => Values::Numeric(array.as_string_opt::<i32>()?),
            Scalar::Text | Scalar::Inet | Scalar::Json => Values::Text(array.as_string_opt::<i32>()?),
            Scalar::Bytes => Values::Bytes(array.as_binary_opt::<i32>()?),
            Scalar::Uuid => {
                Values::Uuid(array.as_fixed_size_binary_opt().filter(|ids| ids.value_length() == 16)?)
            }
            Scalar::Date => Values::Date(array.as_primitive_opt::<Date32Type>()?.values()),
            Scalar::Time => Values::Time(array.as_primitive_opt::<Time64MicrosecondType>()?.values()),
            Scalar::Timestamp => {
                Values::Timestamp(array.as_primitive_opt::<TimestampMicrosecondType>()?.values())
            }
            Scalar::Interval => {
                Values::Interval(array.as_primitive_opt::<IntervalMonthDayNanoType>()?.values())
            }
        })
    }
}

/// The bytes of all values one after the other, NULL ones too: for a look at all of them at once.
pub fn text_bytes(texts: &StringArray) -> &[u8] {
    let offsets = texts.value_offsets();
    let at = |offset: Option<&i32>| offset.and_then(|offset| usize::try_from(*offset).ok()).unwrap_or(0);
    texts.value_data().get(at(offsets.first())..at(offsets.last())).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::new_empty_array;

    #[test]
    fn a_column_is_viewed_as_its_own_type_and_as_no_other() {
        for scalar in Scalar::ALL {
            for ty in [Type::of(scalar), Type::array_of(scalar)] {
                let array = new_empty_array(&ty.arrow());
                for other in Scalar::ALL.into_iter().flat_map(|s| [Type::of(s), Type::array_of(s)]) {
                    let fits = Cells::of(other, array.as_ref()).is_some();
                    assert_eq!(fits, ty.arrow() == other.arrow(), "{ty} as {other}");
                }
            }
        }
    }
}
