//! Reading columns: which Rust type reads which column, and the views that do it without a copy.
//!
//! Must not know: structs and rows (rows), how columns are written (write).

use std::marker::PhantomData;
use std::str;

use crate::column::{Checked, Column};
use crate::schema::{Scalar, Type};
use crate::types::{Date, Inet, Interval, Json, Numeric, Time, Timestamp, Uuid};

/// Why a cell cannot be had as the type that asks for it. In a struct's field it rejects the row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// NULL, and the type is no `Option`: the reason is `NAME is null`.
    Null,
    /// A NULL element, and the type is no `Vec<Option<_>>`: `NAME has a null element`.
    NullElement,
    /// The type cannot hold the value, e.g. an infinite timestamp: `NAME is out of range`.
    Range,
}

/// A type that reads the cells of a column.
pub trait FromColumn<'a>: Sized {
    /// The type that the column must have.
    const TYPE: Type;
    /// The column's buffers, ready to be read.
    type View: Copy;
    /// Makes them ready, once a batch. Panics where the column is of another type.
    fn view(column: Checked<'a>) -> Self::View;
    /// The value of one row.
    fn get(view: &Self::View, row: usize) -> Result<Self, Fault>;
}

/// The values of one column of a batch.
pub struct Reader<'a, T: FromColumn<'a>> {
    view: T::View,
    of: PhantomData<&'a T>,
}

impl<'a, T: FromColumn<'a>> Reader<'a, T> {
    pub(crate) fn new(column: Checked<'a>) -> Self {
        Reader { view: T::view(column), of: PhantomData }
    }

    /// The value of a row; beyond the batch's rows it panics.
    #[inline]
    pub fn get(&self, row: usize) -> Result<T, Fault> {
        T::get(&self.view, row)
    }
}

/// Which rows are NULL.
#[derive(Clone, Copy)]
struct Nulls<'a>(&'a [u8]);

impl Nulls<'_> {
    #[inline]
    fn check(&self, row: usize) -> Result<(), Fault> {
        if !self.0.is_empty() && self.0[row / 8] >> (row % 8) & 1 == 0 { Err(Fault::Null) } else { Ok(()) }
    }
}

/// Values of `N` bytes each.
#[doc(hidden)]
#[derive(Clone, Copy)]
pub struct Fixed<'a, const N: usize> {
    nulls: Nulls<'a>,
    values: &'a [[u8; N]],
}

impl<'a, const N: usize> Fixed<'a, N> {
    fn new(column: &'a Column) -> Self {
        Fixed { nulls: Nulls(&column.validity), values: column.data.as_chunks().0 }
    }

    #[inline]
    fn bytes(&self, row: usize) -> Result<[u8; N], Fault> {
        self.nulls.check(row)?;
        Ok(self.values[row])
    }
}

/// One bit a value.
#[doc(hidden)]
#[derive(Clone, Copy)]
pub struct Bits<'a> {
    nulls: Nulls<'a>,
    bits: &'a [u8],
}

/// Values of any length.
#[doc(hidden)]
#[derive(Clone, Copy)]
pub struct Variable<'a> {
    nulls: Nulls<'a>,
    offsets: &'a [[u8; 4]],
    data: &'a [u8],
}

impl<'a> Variable<'a> {
    fn new(column: &'a Column) -> Self {
        Variable { nulls: Nulls(&column.validity), offsets: column.offsets.as_chunks().0, data: &column.data }
    }

    #[inline]
    fn bytes(&self, row: usize) -> Result<&'a [u8], Fault> {
        self.nulls.check(row)?;
        let at = |row: usize| u32::from_le_bytes(self.offsets[row]) as usize;
        Ok(&self.data[at(row)..at(row + 1)])
    }
}

/// The same, of texts.
#[doc(hidden)]
#[derive(Clone, Copy)]
pub struct Text<'a>(Variable<'a>);

/// Lists of what `V` views.
#[doc(hidden)]
#[derive(Clone, Copy)]
pub struct Lists<'a, V> {
    nulls: Nulls<'a>,
    offsets: &'a [[u8; 4]],
    elements: V,
}

macro_rules! fixed {
    ($($type:ty, $scalar:ident, $width:literal, |$bytes:ident| $make:expr;)*) => {$(
        impl<'a> FromColumn<'a> for $type {
            const TYPE: Type = Type::of(Scalar::$scalar);
            type View = Fixed<'a, $width>;
            fn view(column: Checked<'a>) -> Self::View {
                Fixed::new(column.of(Self::TYPE))
            }
            #[inline]
            fn get(view: &Self::View, row: usize) -> Result<Self, Fault> {
                let $bytes = view.bytes(row)?;
                Ok($make)
            }
        }
    )*};
}

fixed! {
    i16, Int16, 2, |b| i16::from_le_bytes(b);
    i32, Int32, 4, |b| i32::from_le_bytes(b);
    i64, Int64, 8, |b| i64::from_le_bytes(b);
    f32, Float32, 4, |b| f32::from_le_bytes(b);
    f64, Float64, 8, |b| f64::from_le_bytes(b);
    Uuid, Uuid, 16, |b| Uuid(b);
    Date, Date, 4, |b| Date(i32::from_le_bytes(b));
    Time, Time, 8, |b| Time(i64::from_le_bytes(b));
    Timestamp, Timestamp, 8, |b| Timestamp(i64::from_le_bytes(b));
    Interval, Interval, 16, |b| Interval::from_bytes(b);
}

impl<'a> FromColumn<'a> for bool {
    const TYPE: Type = Type::of(Scalar::Boolean);
    type View = Bits<'a>;
    fn view(column: Checked<'a>) -> Self::View {
        let column = column.of(Self::TYPE);
        Bits { nulls: Nulls(&column.validity), bits: &column.data }
    }
    #[inline]
    fn get(view: &Self::View, row: usize) -> Result<Self, Fault> {
        view.nulls.check(row)?;
        Ok(view.bits[row / 8] >> (row % 8) & 1 == 1)
    }
}

macro_rules! text {
    ($($borrowed:ty, $owned:ty, $scalar:ident, |$text:ident| $make_borrowed:expr, $make_owned:expr;)*) => {$(
        impl<'a> FromColumn<'a> for $borrowed {
            const TYPE: Type = Type::of(Scalar::$scalar);
            type View = Text<'a>;
            fn view(column: Checked<'a>) -> Self::View {
                Text(Variable::new(column.of(Self::TYPE)))
            }
            #[inline]
            fn get(view: &Self::View, row: usize) -> Result<Self, Fault> {
                // SAFETY: only `view` makes a `Text`, of a batch's column that is one of texts. These are UTF-8 cut
                // between characters: `Batch::new` checks it, and so did the runner, the only caller of
                // `Batch::trusted`, when it read them.
                let $text = unsafe { str::from_utf8_unchecked(view.0.bytes(row)?) };
                Ok($make_borrowed)
            }
        }
        impl<'a> FromColumn<'a> for $owned {
            const TYPE: Type = Type::of(Scalar::$scalar);
            type View = Text<'a>;
            fn view(column: Checked<'a>) -> Self::View {
                Text(Variable::new(column.of(Self::TYPE)))
            }
            fn get(view: &Self::View, row: usize) -> Result<Self, Fault> {
                let $text = String::from(<&str>::get(view, row)?);
                Ok($make_owned)
            }
        }
    )*};
}

text! {
    &'a str, String, Text, |t| t, t;
    Numeric<&'a str>, Numeric<String>, Numeric, |t| Numeric(t), Numeric(t);
    Inet<&'a str>, Inet<String>, Inet, |t| Inet(t), Inet(t);
    Json<&'a str>, Json<String>, Json, |t| Json(t), Json(t);
}

impl<'a> FromColumn<'a> for &'a [u8] {
    const TYPE: Type = Type::of(Scalar::Bytes);
    type View = Variable<'a>;
    fn view(column: Checked<'a>) -> Self::View {
        Variable::new(column.of(Self::TYPE))
    }
    #[inline]
    fn get(view: &Self::View, row: usize) -> Result<Self, Fault> {
        view.bytes(row)
    }
}

impl<'a> FromColumn<'a> for Vec<u8> {
    const TYPE: Type = Type::of(Scalar::Bytes);
    type View = Variable<'a>;
    fn view(column: Checked<'a>) -> Self::View {
        Variable::new(column.of(Self::TYPE))
    }
    fn get(view: &Self::View, row: usize) -> Result<Self, Fault> {
        view.bytes(row).map(Vec::from)
    }
}

impl<'a, T: FromColumn<'a>> FromColumn<'a> for Option<T> {
    const TYPE: Type = T::TYPE;
    type View = T::View;
    fn view(column: Checked<'a>) -> Self::View {
        T::view(column)
    }
    #[inline]
    fn get(view: &Self::View, row: usize) -> Result<Self, Fault> {
        match T::get(view, row) {
            Ok(value) => Ok(Some(value)),
            Err(Fault::Null) => Ok(None),
            Err(fault) => Err(fault),
        }
    }
}

impl<'a, T: FromColumn<'a>> FromColumn<'a> for Vec<T> {
    const TYPE: Type = {
        assert!(!T::TYPE.array, "arrays have one dimension: let deeper nesting travel as Json");
        Type::array_of(T::TYPE.scalar)
    };
    type View = Lists<'a, T::View>;
    fn view(column: Checked<'a>) -> Self::View {
        let (column, elements) = column.of_arrays(Self::TYPE);
        Lists {
            nulls: Nulls(&column.validity),
            offsets: column.offsets.as_chunks().0,
            elements: T::view(elements),
        }
    }
    fn get(view: &Self::View, row: usize) -> Result<Self, Fault> {
        view.nulls.check(row)?;
        let at = |row: usize| u32::from_le_bytes(view.offsets[row]) as usize;
        let cells = (at(row)..at(row + 1)).map(|element| T::get(&view.elements, element));
        cells
            .collect::<Result<_, _>>()
            .map_err(|fault| if fault == Fault::Null { Fault::NullElement } else { fault })
    }
}

/// For types of other crates that are read by way of one of ours.
#[cfg_attr(
    not(any(feature = "chrono", feature = "jiff", feature = "rust_decimal", feature = "uuid")),
    allow(unused_macros, reason = "for the crates behind features")
)]
macro_rules! read_through {
    ($type:ty, $through:ty, |$value:ident| $make:expr) => {
        impl<'a> $crate::FromColumn<'a> for $type {
            const TYPE: $crate::Type = <$through as $crate::FromColumn<'a>>::TYPE;
            type View = <$through as $crate::FromColumn<'a>>::View;
            fn view(column: $crate::batch::Checked<'a>) -> Self::View {
                <$through as $crate::FromColumn<'a>>::view(column)
            }
            fn get(view: &Self::View, row: usize) -> Result<Self, $crate::batch::Fault> {
                let $value = <$through as $crate::FromColumn<'a>>::get(view, row)?;
                $make.ok_or($crate::batch::Fault::Range)
            }
        }
    };
}
#[cfg_attr(
    not(any(feature = "chrono", feature = "jiff", feature = "rust_decimal", feature = "uuid")),
    allow(unused_imports, reason = "for the crates behind features")
)]
pub(crate) use read_through;
