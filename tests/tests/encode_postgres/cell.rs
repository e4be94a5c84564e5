//! A value, as an element of an Arrow array and as the bytes that PostgreSQL's binary protocol has for it: two
//! forms made apart from each other and from the text in between.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, FixedSizeBinaryArray, Float32Array, Float64Array,
    Int16Array, Int32Array, Int64Array, IntervalMonthDayNanoArray, ListArray, StringArray,
    Time64MicrosecondArray, TimestampMicrosecondArray,
};
use arrow_buffer::{IntervalMonthDayNano, NullBuffer, OffsetBuffer};
use arrow_schema::Field;
use etl::schema::Scalar;
use tokio_postgres::types::{FromSql, Type};

#[derive(Clone, Debug)]
pub(crate) enum Cell {
    Boolean(bool),
    Int16(i16),
    Int32(i32),
    Int64(i64),
    Float32(f32),
    Float64(f64),
    /// `canonical` is what the server shows of `text`.
    Numeric {
        text: String,
        canonical: String,
    },
    Text(String),
    Bytes(Vec<u8>),
    Uuid([u8; 16]),
    Date(i32),
    Time(i64),
    Timestamp(i64),
    /// Months, days, microseconds.
    Interval(i32, i32, i64),
    Inet {
        text: String,
        canonical: String,
    },
    Json(String),
}

/// Days and microseconds from 1970 to PostgreSQL's epoch, 2000.
const EPOCH_DAYS: i32 = 10_957;
const EPOCH_MICROS: i64 = 946_684_800_000_000;

impl Cell {
    pub(crate) fn binary(&self) -> Vec<u8> {
        match self {
            Cell::Boolean(value) => vec![u8::from(*value)],
            Cell::Int16(value) => value.to_be_bytes().into(),
            Cell::Int32(value) => value.to_be_bytes().into(),
            Cell::Int64(value) => value.to_be_bytes().into(),
            // The server has one NaN.
            Cell::Float32(value) if value.is_nan() => f32::NAN.to_be_bytes().into(),
            Cell::Float64(value) if value.is_nan() => f64::NAN.to_be_bytes().into(),
            Cell::Float32(value) => value.to_be_bytes().into(),
            Cell::Float64(value) => value.to_be_bytes().into(),
            Cell::Numeric { canonical, .. } | Cell::Inet { canonical, .. } => canonical.as_bytes().into(),
            Cell::Text(value) | Cell::Json(value) => value.as_bytes().into(),
            Cell::Bytes(value) => value.clone(),
            Cell::Uuid(value) => value.to_vec(),
            Cell::Date(i32::MAX) => i32::MAX.to_be_bytes().into(),
            Cell::Date(i32::MIN) => i32::MIN.to_be_bytes().into(),
            Cell::Date(days) => (days - EPOCH_DAYS).to_be_bytes().into(),
            Cell::Time(micros) => micros.to_be_bytes().into(),
            Cell::Timestamp(i64::MAX) => i64::MAX.to_be_bytes().into(),
            Cell::Timestamp(i64::MIN) => i64::MIN.to_be_bytes().into(),
            Cell::Timestamp(micros) => (micros - EPOCH_MICROS).to_be_bytes().into(),
            Cell::Interval(months, days, micros) => {
                [&micros.to_be_bytes()[..], &days.to_be_bytes(), &months.to_be_bytes()].concat()
            }
        }
    }
}

/// A value as the server sent it.
pub(crate) struct Raw(pub(crate) Option<Vec<u8>>);

impl<'a> FromSql<'a> for Raw {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Raw(Some(raw.to_vec())))
    }

    fn from_sql_null(_: &Type) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Raw(None))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// The elements of a one-dimensional array in binary form.
pub(crate) fn elements(raw: &[u8]) -> Vec<Option<Vec<u8>>> {
    let mut rest = raw;
    let mut int = |rest: &mut &[u8]| {
        let (number, behind) = rest.split_at(4);
        *rest = behind;
        i32::from_be_bytes(number.try_into().unwrap())
    };
    let dimensions = int(&mut rest);
    let _has_null = int(&mut rest);
    let _element_oid = int(&mut rest);
    if dimensions == 0 {
        return Vec::new();
    }
    assert_eq!(dimensions, 1);
    let length = int(&mut rest);
    assert_eq!(int(&mut rest), 1, "the first index");
    let element = |_| {
        let bytes = usize::try_from(int(&mut rest)).ok()?;
        let (element, behind) = rest.split_at(bytes);
        rest = behind;
        Some(element.to_vec())
    };
    (0..length).map(element).collect()
}

/// What [`elements`] must give for these.
pub(crate) fn list_elements(cells: &[Option<Cell>]) -> Vec<Option<Vec<u8>>> {
    cells.iter().map(|cell| cell.as_ref().map(Cell::binary)).collect()
}

/// A column of one type.
pub(crate) fn arrow(scalar: Scalar, cells: &[Option<Cell>]) -> ArrayRef {
    macro_rules! column {
        ($array:ty, $($pattern:pat => $value:expr),+) => {
            Arc::new(cells.iter().map(|cell| match cell {
                None => None,
                $(Some($pattern) => Some($value),)+
                Some(other) => panic!("{other:?} in a column of {scalar}"),
            }).collect::<$array>())
        };
    }
    match scalar {
        Scalar::Boolean => column!(BooleanArray, Cell::Boolean(value) => *value),
        Scalar::Int16 => column!(Int16Array, Cell::Int16(value) => *value),
        Scalar::Int32 => column!(Int32Array, Cell::Int32(value) => *value),
        Scalar::Int64 => column!(Int64Array, Cell::Int64(value) => *value),
        Scalar::Float32 => column!(Float32Array, Cell::Float32(value) => *value),
        Scalar::Float64 => column!(Float64Array, Cell::Float64(value) => *value),
        Scalar::Numeric | Scalar::Text | Scalar::Inet | Scalar::Json => column!(StringArray,
            Cell::Numeric { text, .. } => text,
            Cell::Inet { text, .. } => text,
            Cell::Text(text) | Cell::Json(text) => text),
        Scalar::Bytes => column!(BinaryArray, Cell::Bytes(value) => value),
        Scalar::Uuid => {
            let ids = cells.iter().map(|cell| match cell {
                Some(Cell::Uuid(id)) => Some(id),
                _ => None,
            });
            Arc::new(FixedSizeBinaryArray::try_from_sparse_iter_with_size(ids, 16).unwrap())
        }
        Scalar::Date => column!(Date32Array, Cell::Date(value) => *value),
        Scalar::Time => column!(Time64MicrosecondArray, Cell::Time(value) => *value),
        Scalar::Timestamp => column!(TimestampMicrosecondArray, Cell::Timestamp(value) => *value),
        Scalar::Interval => column!(IntervalMonthDayNanoArray, Cell::Interval(months, days, micros) =>
            IntervalMonthDayNano { months: *months, days: *days, nanoseconds: micros * 1000 }),
    }
}

/// A column of lists of one type.
pub(crate) fn arrow_list(scalar: Scalar, lists: &[Option<Vec<Option<Cell>>>]) -> ArrayRef {
    let cells: Vec<Option<Cell>> = lists.iter().flatten().flatten().cloned().collect();
    let offsets = OffsetBuffer::from_lengths(lists.iter().map(|list| list.as_ref().map_or(0, Vec::len)));
    let nulls = NullBuffer::from_iter(lists.iter().map(Option::is_some));
    let item = Arc::new(Field::new_list_field(scalar.arrow(), true));
    Arc::new(ListArray::new(item, offsets, arrow(scalar, &cells), Some(nulls)))
}
