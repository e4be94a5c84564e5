//! The types that travel through the path: ours, because Arrow cannot tell numeric, inet and json from text.
//!
//! Must not know: where a column comes from (source) or where it goes (copy).

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use arrow_schema::{DataType, IntervalUnit, TimeUnit};

/// The type of one value, as in the contract (`sdk/wit/transform.wit`, enum `scalar`, same order).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scalar {
    /// `true` or `false`.
    Boolean,
    /// 16-bit signed integer.
    Int16,
    /// 32-bit signed integer.
    Int32,
    /// 64-bit signed integer.
    Int64,
    /// IEEE single.
    Float32,
    /// IEEE double.
    Float64,
    /// Exact decimal, as text; also `NaN`, `Infinity`, `-Infinity`.
    Numeric,
    /// UTF-8.
    Text,
    /// Bytes of any value.
    Bytes,
    /// 16 bytes, big-endian as written.
    Uuid,
    /// Days since 1970-01-01 (i32). The largest and smallest i32 mean infinity and -infinity.
    Date,
    /// Microseconds since midnight (i64).
    Time,
    /// Microseconds since 1970-01-01T00:00:00Z (i64). The largest and smallest i64 mean infinity and -infinity.
    Timestamp,
    /// Months (i32), days (i32), nanoseconds (i64).
    Interval,
    /// IPv4 or IPv6 address with an optional prefix length, as text.
    Inet,
    /// A JSON document, as text.
    Json,
}

impl Scalar {
    /// All of them, in the contract's order.
    pub const ALL: [Scalar; 16] = [
        Scalar::Boolean,
        Scalar::Int16,
        Scalar::Int32,
        Scalar::Int64,
        Scalar::Float32,
        Scalar::Float64,
        Scalar::Numeric,
        Scalar::Text,
        Scalar::Bytes,
        Scalar::Uuid,
        Scalar::Date,
        Scalar::Time,
        Scalar::Timestamp,
        Scalar::Interval,
        Scalar::Inet,
        Scalar::Json,
    ];

    /// The name in recipes and messages, e.g. `int32`.
    pub fn name(self) -> &'static str {
        match self {
            Scalar::Boolean => "boolean",
            Scalar::Int16 => "int16",
            Scalar::Int32 => "int32",
            Scalar::Int64 => "int64",
            Scalar::Float32 => "float32",
            Scalar::Float64 => "float64",
            Scalar::Numeric => "numeric",
            Scalar::Text => "text",
            Scalar::Bytes => "bytes",
            Scalar::Uuid => "uuid",
            Scalar::Date => "date",
            Scalar::Time => "time",
            Scalar::Timestamp => "timestamp",
            Scalar::Interval => "interval",
            Scalar::Inet => "inet",
            Scalar::Json => "json",
        }
    }

    /// The Arrow type of a column of such values. Text-like ones have i32 offsets.
    pub fn arrow(self) -> DataType {
        match self {
            Scalar::Boolean => DataType::Boolean,
            Scalar::Int16 => DataType::Int16,
            Scalar::Int32 => DataType::Int32,
            Scalar::Int64 => DataType::Int64,
            Scalar::Float32 => DataType::Float32,
            Scalar::Float64 => DataType::Float64,
            Scalar::Numeric | Scalar::Text | Scalar::Inet | Scalar::Json => DataType::Utf8,
            Scalar::Bytes => DataType::Binary,
            Scalar::Uuid => DataType::FixedSizeBinary(16),
            Scalar::Date => DataType::Date32,
            Scalar::Time => DataType::Time64(TimeUnit::Microsecond),
            Scalar::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
            Scalar::Interval => DataType::Interval(IntervalUnit::MonthDayNano),
        }
    }
}

impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The type of a column: a scalar, or a one-dimensional array of it. Written `int32`, `text[]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Type {
    /// The element's type where `array` is set.
    pub scalar: Scalar,
    /// A list of `scalar`; elements may be NULL.
    pub array: bool,
}

impl Type {
    /// The type of one value.
    pub const fn of(scalar: Scalar) -> Self {
        Type { scalar, array: false }
    }

    /// The type of a list of values.
    pub const fn array_of(scalar: Scalar) -> Self {
        Type { scalar, array: true }
    }

    /// The Arrow type of a column: lists are `List` with a nullable field named `item`.
    pub fn arrow(self) -> DataType {
        if self.array { DataType::new_list(self.scalar.arrow(), true) } else { self.scalar.arrow() }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.scalar, if self.array { "[]" } else { "" })
    }
}

/// Days since 1970-01-01 that PostgreSQL can store: 4714-11-24 BC (Julian day 0) to 5874897-12-31.
pub const DATES: Range<i32> = -2_440_588..2_145_042_906;

/// Digits in front of the decimal point that PostgreSQL's `numeric` holds.
pub const MAX_NUMERIC_WHOLE_DIGITS: i64 = 131_072;

/// Digits behind the decimal point that PostgreSQL's `numeric` holds.
pub const MAX_NUMERIC_SCALE: i64 = 16_383;

/// A type's name that is none of ours.
#[derive(Debug, thiserror::Error)]
#[error(
    "unknown type `{0}`: use one of boolean, int16, int32, int64, float32, float64, numeric, text, bytes, uuid, date, time, timestamp, interval, inet, json, or one of these with [] behind it"
)]
pub struct UnknownType(String);

impl FromStr for Type {
    type Err = UnknownType;

    fn from_str(text: &str) -> Result<Self, UnknownType> {
        let (name, array) = match text.strip_suffix("[]") {
            Some(name) => (name, true),
            None => (text, false),
        };
        let scalar = Scalar::ALL.into_iter().find(|s| s.name() == name);
        scalar.map(|scalar| Type { scalar, array }).ok_or_else(|| UnknownType(text.into()))
    }
}

/// A named column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// As the source, the recipe or a module says it.
    pub name: String,
    /// What its values are.
    pub ty: Type,
    /// Whether NULL may occur.
    pub nullable: bool,
}

impl Field {
    /// A column that may hold NULL.
    pub fn nullable(name: impl Into<String>, ty: Type) -> Self {
        Field { name: name.into(), ty, nullable: true }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_is_read_back_from_its_name() {
        for scalar in Scalar::ALL {
            for ty in [Type::of(scalar), Type::array_of(scalar)] {
                assert_eq!(ty.to_string().parse::<Type>().unwrap(), ty);
            }
        }
    }

    #[test]
    fn an_unknown_type_is_refused_with_its_name() {
        let error = "int33".parse::<Type>().unwrap_err();
        assert!(error.to_string().starts_with("unknown type `int33`"), "{error}");
    }
}
