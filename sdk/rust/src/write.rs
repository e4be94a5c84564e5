//! Writing columns: which Rust type makes which column, and the writers that gather them.
//!
//! Must not know: structs and rows (rows), how columns are read (read).

use std::borrow::Cow;
use std::{fmt, mem};

use crate::append::append;
use crate::column::Column;
use crate::schema::{Scalar, Type};
use crate::types::{Date, Displayed, Inet, Interval, Json, Numeric, Scaled, Time, Timestamp, Uuid};

/// A type whose values make a column.
pub trait ToColumn {
    /// The type of that column.
    const TYPE: Type;
    /// Whether it may hold NULL.
    const NULLABLE: bool = false;
    /// Gathers the values.
    type Writer: ColumnWriter;
    /// Appends this one.
    fn write(self, to: &mut Self::Writer);
}

/// Gathers the values of one column, a batch after the other.
pub trait ColumnWriter: Default {
    /// Makes room for so many rows, and as many bytes as the batch before had.
    fn reserve(&mut self, rows: usize);
    /// Appends a NULL.
    fn null(&mut self);
    /// The column so far; the writer starts anew.
    fn finish(&mut self) -> Column;
}

/// Gathers one column of a whole batch; `T` says its type.
pub struct Writer<T: ToColumn>(T::Writer);

impl<T: ToColumn> Default for Writer<T> {
    fn default() -> Self {
        Writer(T::Writer::default())
    }
}

impl<T: ToColumn> Writer<T> {
    /// Appends a value: a `T`, or another type for the same column (`&str` where `T` is `String`).
    #[inline]
    pub fn push<U: ToColumn<Writer = T::Writer>>(&mut self, value: U) {
        const {
            assert!(
                U::TYPE.scalar as u8 == T::TYPE.scalar as u8,
                "a value of another type than the column's"
            );
            assert!(T::NULLABLE || !U::NULLABLE, "an `Option` for a column without NULL");
        }
        value.write(&mut self.0);
    }

    /// The column so far; the writer starts anew.
    pub fn finish(&mut self) -> Column {
        self.0.finish()
    }
}

/// One bit a row, kept only from the first NULL on.
#[derive(Default)]
struct Validity {
    rows: usize,
    bits: Vec<u8>,
}

impl Validity {
    #[inline]
    fn push(&mut self, valid: bool) {
        if !valid && self.bits.is_empty() {
            self.bits.resize(self.rows / 8, 0xff);
            if !self.rows.is_multiple_of(8) {
                self.bits.push((1 << (self.rows % 8)) - 1);
            }
            push_bit(&mut self.bits, self.rows, false);
        } else if !self.bits.is_empty() {
            push_bit(&mut self.bits, self.rows, valid);
        }
        self.rows += 1;
    }

    fn finish(&mut self) -> Vec<u8> {
        self.rows = 0;
        mem::take(&mut self.bits)
    }
}

#[inline]
fn push_bit(bits: &mut Vec<u8>, row: usize, bit: bool) {
    if row.is_multiple_of(8) {
        bits.push(0);
    }
    bits[row / 8] |= u8::from(bit) << (row % 8);
}

/// Values of `N` bytes each.
#[doc(hidden)]
#[derive(Default)]
pub struct FixedWriter<const N: usize> {
    validity: Validity,
    data: Vec<[u8; N]>,
}

impl<const N: usize> FixedWriter<N> {
    #[inline]
    fn push(&mut self, value: [u8; N]) {
        self.validity.push(true);
        self.data.push(value);
    }
}

impl<const N: usize> ColumnWriter for FixedWriter<N> {
    fn reserve(&mut self, rows: usize) {
        self.data.reserve(rows);
    }
    #[inline]
    fn null(&mut self) {
        self.validity.push(false);
        self.data.push([0; N]);
    }
    fn finish(&mut self) -> Column {
        let data = mem::take(&mut self.data).into_flattened();
        Column { validity: self.validity.finish(), data, ..Column::default() }
    }
}

/// One bit a value.
#[doc(hidden)]
#[derive(Default)]
pub struct BitsWriter {
    validity: Validity,
    data: Vec<u8>,
}

impl BitsWriter {
    #[inline]
    fn push(&mut self, value: bool) {
        push_bit(&mut self.data, self.validity.rows, value);
        self.validity.push(true);
    }
}

impl ColumnWriter for BitsWriter {
    fn reserve(&mut self, rows: usize) {
        self.data.reserve(rows.div_ceil(8));
    }
    fn null(&mut self) {
        push_bit(&mut self.data, self.validity.rows, false);
        self.validity.push(false);
    }
    fn finish(&mut self) -> Column {
        Column { validity: self.validity.finish(), data: mem::take(&mut self.data), ..Column::default() }
    }
}

/// Where each row ends.
struct Offsets(Vec<[u8; 4]>);

impl Default for Offsets {
    fn default() -> Self {
        Offsets(vec![[0; 4]])
    }
}

impl Offsets {
    #[inline]
    fn push(&mut self, end: usize) {
        let end = i32::try_from(end).expect("a column of one batch has at most 2 GiB");
        self.0.push(end.to_le_bytes());
    }

    fn finish(&mut self) -> Vec<u8> {
        mem::take(self).0.into_flattened()
    }
}

/// Values of any length.
#[doc(hidden)]
#[derive(Default)]
pub struct VariableWriter {
    validity: Validity,
    offsets: Offsets,
    data: Vec<u8>,
    usual_bytes: usize,
}

impl VariableWriter {
    #[inline]
    fn push(&mut self, value: &[u8]) {
        append(value, &mut self.data);
        self.end();
    }

    #[inline]
    fn end(&mut self) {
        self.validity.push(true);
        self.offsets.push(self.data.len());
    }

    /// Appends a value as it displays itself, without a string in between.
    pub(crate) fn push_display(&mut self, value: impl fmt::Display) {
        fmt::Write::write_fmt(&mut Text(&mut self.data), format_args!("{value}"))
            .expect("a type that displays itself gives no error of its own");
        self.end();
    }
}

struct Text<'a>(&'a mut Vec<u8>);

impl fmt::Write for Text<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

impl ColumnWriter for VariableWriter {
    fn reserve(&mut self, rows: usize) {
        self.offsets.0.reserve(rows);
        self.data.reserve(self.usual_bytes);
    }
    #[inline]
    fn null(&mut self) {
        self.validity.push(false);
        self.offsets.push(self.data.len());
    }
    fn finish(&mut self) -> Column {
        self.usual_bytes = self.data.len() + self.data.len() / 8;
        let (offsets, data) = (self.offsets.finish(), mem::take(&mut self.data));
        Column { validity: self.validity.finish(), offsets, data, elements: None }
    }
}

/// Lists of what `W` writes.
#[doc(hidden)]
#[derive(Default)]
pub struct ListWriter<W> {
    validity: Validity,
    offsets: Offsets,
    elements: W,
    length: usize,
}

impl<W: ColumnWriter> ColumnWriter for ListWriter<W> {
    fn reserve(&mut self, rows: usize) {
        self.offsets.0.reserve(rows);
        self.elements.reserve(rows);
    }
    fn null(&mut self) {
        self.validity.push(false);
        self.offsets.push(self.length);
    }
    fn finish(&mut self) -> Column {
        self.length = 0;
        let (offsets, elements) = (self.offsets.finish(), self.elements.finish());
        Column {
            validity: self.validity.finish(),
            offsets,
            data: Vec::new(),
            elements: Some(Box::new(elements)),
        }
    }
}

macro_rules! writes {
    ($($type:ty, $scalar:ident, $writer:ty, |$value:ident| $make:expr;)*) => {$(
        impl ToColumn for $type {
            const TYPE: Type = Type::of(Scalar::$scalar);
            type Writer = $writer;
            #[inline]
            fn write(self, to: &mut Self::Writer) {
                let $value = self;
                to.push($make);
            }
        }
    )*};
}

writes! {
    bool, Boolean, BitsWriter, |v| v;
    i16, Int16, FixedWriter<2>, |v| v.to_le_bytes();
    i32, Int32, FixedWriter<4>, |v| v.to_le_bytes();
    i64, Int64, FixedWriter<8>, |v| v.to_le_bytes();
    f32, Float32, FixedWriter<4>, |v| v.to_le_bytes();
    f64, Float64, FixedWriter<8>, |v| v.to_le_bytes();
    Uuid, Uuid, FixedWriter<16>, |v| v.0;
    Date, Date, FixedWriter<4>, |v| v.0.to_le_bytes();
    Time, Time, FixedWriter<8>, |v| v.0.to_le_bytes();
    Timestamp, Timestamp, FixedWriter<8>, |v| v.0.to_le_bytes();
    Interval, Interval, FixedWriter<16>, |v| v.to_bytes();
    &str, Text, VariableWriter, |v| v.as_bytes();
    String, Text, VariableWriter, |v| v.as_bytes();
    Cow<'_, str>, Text, VariableWriter, |v| v.as_bytes();
    &[u8], Bytes, VariableWriter, |v| v;
    Vec<u8>, Bytes, VariableWriter, |v| &v;
    Cow<'_, [u8]>, Bytes, VariableWriter, |v| &v;
}

macro_rules! writes_text {
    ($($type:ident),*) => {$(
        impl<T: AsRef<str>> ToColumn for $type<T> {
            const TYPE: Type = Type::of(Scalar::$type);
            type Writer = VariableWriter;
            #[inline]
            fn write(self, to: &mut Self::Writer) {
                to.push(self.0.as_ref().as_bytes());
            }
        }
    )*};
}

writes_text!(Numeric, Inet, Json);

impl<T: fmt::Display> ToColumn for Displayed<T> {
    const TYPE: Type = Type::of(Scalar::Text);
    type Writer = VariableWriter;
    fn write(self, to: &mut Self::Writer) {
        to.push_display(self.0);
    }
}

impl<const DIGITS: usize> ToColumn for Scaled<DIGITS> {
    const TYPE: Type = Type::of(Scalar::Numeric);
    type Writer = VariableWriter;
    fn write(self, to: &mut Self::Writer) {
        const { assert!(DIGITS <= 30, "at most 30 digits behind the point") };
        let (mut left, mut text, mut at, mut digit) = (self.0.unsigned_abs(), [0; 34], 34, 0);
        while left > 0 || digit <= DIGITS {
            if digit == DIGITS && DIGITS > 0 {
                at -= 1;
                text[at] = b'.';
            }
            at -= 1;
            text[at] = b'0' + (left % 10) as u8;
            left /= 10;
            digit += 1;
        }
        if self.0 < 0 {
            at -= 1;
            text[at] = b'-';
        }
        to.push(&text[at..]);
    }
}

impl<T: ToColumn> ToColumn for Option<T> {
    const TYPE: Type = T::TYPE;
    const NULLABLE: bool = true;
    type Writer = T::Writer;
    #[inline]
    fn write(self, to: &mut Self::Writer) {
        match self {
            Some(value) => value.write(to),
            None => to.null(),
        }
    }
}

impl<T: ToColumn> ToColumn for Vec<T> {
    const TYPE: Type = {
        assert!(!T::TYPE.array, "arrays have one dimension: let deeper nesting travel as Json");
        Type::array_of(T::TYPE.scalar)
    };
    type Writer = ListWriter<T::Writer>;
    fn write(self, to: &mut Self::Writer) {
        to.length += self.len();
        for value in self {
            value.write(&mut to.elements);
        }
        to.validity.push(true);
        to.offsets.push(to.length);
    }
}

/// For types of other crates that are written by way of one of ours.
#[cfg_attr(
    not(any(feature = "chrono", feature = "jiff", feature = "rust_decimal", feature = "uuid")),
    allow(unused_macros, reason = "for the crates behind features")
)]
macro_rules! write_through {
    ($type:ty, $through:ty) => {
        impl $crate::ToColumn for $type {
            const TYPE: $crate::Type = <$through as $crate::ToColumn>::TYPE;
            type Writer = <$through as $crate::ToColumn>::Writer;
            fn write(self, to: &mut Self::Writer) {
                $crate::ToColumn::write(<$through>::from(self), to);
            }
        }
    };
}
#[cfg_attr(
    not(any(feature = "chrono", feature = "jiff", feature = "rust_decimal", feature = "uuid")),
    allow(unused_imports, reason = "for the crates behind features")
)]
pub(crate) use write_through;
