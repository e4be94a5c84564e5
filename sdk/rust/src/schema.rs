//! What `plan` talks about: columns by name and type, settings, and what a module reads and makes.
//!
//! Must not know: how values lie in memory (column), how a row is taken apart (rows).

use std::fmt;

/// The type of one value; the order is the contract's.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scalar {
    /// `bool`
    Boolean,
    /// `i16`
    Int16,
    /// `i32`
    Int32,
    /// `i64`
    Int64,
    /// `f32`
    Float32,
    /// `f64`
    Float64,
    /// [`Numeric`](crate::Numeric): an exact decimal as text.
    Numeric,
    /// `&str`, `String`
    Text,
    /// `&[u8]`, `Vec<u8>`
    Bytes,
    /// [`Uuid`](crate::Uuid)
    Uuid,
    /// [`Date`](crate::Date)
    Date,
    /// [`Time`](crate::Time)
    Time,
    /// [`Timestamp`](crate::Timestamp)
    Timestamp,
    /// [`Interval`](crate::Interval)
    Interval,
    /// [`Inet`](crate::Inet): an IP address as text.
    Inet,
    /// [`Json`](crate::Json): a document as text.
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
        const NAMES: [&str; 16] = [
            "boolean",
            "int16",
            "int32",
            "int64",
            "float32",
            "float64",
            "numeric",
            "text",
            "bytes",
            "uuid",
            "date",
            "time",
            "timestamp",
            "interval",
            "inet",
            "json",
        ];
        NAMES[self as usize]
    }

    /// Whether its values are UTF-8 text of any length.
    pub(crate) fn is_text(self) -> bool {
        matches!(self, Scalar::Text | Scalar::Numeric | Scalar::Inet | Scalar::Json)
    }

    /// The bytes of one value; `None` where they vary (text, bytes) and for the bit-packed booleans.
    pub(crate) fn width(self) -> Option<usize> {
        match self {
            Scalar::Int16 => Some(2),
            Scalar::Int32 | Scalar::Float32 | Scalar::Date => Some(4),
            Scalar::Int64 | Scalar::Float64 | Scalar::Time | Scalar::Timestamp => Some(8),
            Scalar::Uuid | Scalar::Interval => Some(16),
            _ => None,
        }
    }
}

/// The type of a column: a scalar or an array of it. Written `int32`, `text[]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Type {
    /// The type of a value, or of an array's elements.
    pub scalar: Scalar,
    /// Whether a cell is a list of `scalar`.
    pub array: bool,
}

impl Type {
    /// The type of one value.
    pub const fn of(scalar: Scalar) -> Type {
        Type { scalar, array: false }
    }

    /// The type of a list of values.
    pub const fn array_of(scalar: Scalar) -> Type {
        Type { scalar, array: true }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.scalar.name(), if self.array { "[]" } else { "" })
    }
}

/// A named column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// As the source or the step before says it.
    pub name: String,
    /// What its values are.
    pub ty: Type,
    /// Whether NULL may occur.
    pub nullable: bool,
}

impl Field {
    /// A column that may hold NULL.
    pub fn nullable(name: impl Into<String>, ty: Type) -> Field {
        Field { name: name.into(), ty, nullable: true }
    }

    /// A column without NULL.
    pub fn required(name: impl Into<String>, ty: Type) -> Field {
        Field { name: name.into(), ty, nullable: false }
    }
}

/// One entry of the recipe's `options` table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The key.
    pub name: String,
    /// A string as it is, any other value as JSON text.
    pub value: String,
}

/// A column of a module's output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Out {
    /// An input column, carried around the sandbox.
    Keep(u32),
    /// A column that the module makes.
    New(Field),
}

/// What a module reads and makes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The input columns that each batch brings, in this order.
    pub reads: Vec<u32>,
    /// The output's columns, in this order.
    pub output: Vec<Out>,
}
