//! Why a cell has no value in a column of ours. Must not know the cell.

/// A row that must become a reject because of one of its cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Its number in the column, which has a NULL there.
    pub row: u32,
    /// What is wrong with the cell.
    pub why: Why,
}

/// Why a cell is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Not as the type's values are written.
    BadCell,
    /// A text that is not UTF-8.
    BadUtf8,
    /// A text with U+0000.
    Nul,
    /// Of zero length where the type has no such value.
    Empty,
    /// A map's key of zero length where the type has no such value.
    EmptyKey,
    /// Larger or smaller than what PostgreSQL's type holds.
    OutOfRange,
    /// Finer than a microsecond.
    SubMicrosecond,
    /// More than [`MAX_VALUE_BYTES`].
    TooLong,
}

/// The longest value: PostgreSQL takes 1 GB for a row's text, in which a byte of `bytea` has two digits.
pub const MAX_VALUE_BYTES: usize = 500_000_000;

impl Why {
    /// All of them.
    pub const ALL: [Why; 8] = [
        Why::BadCell,
        Why::BadUtf8,
        Why::Nul,
        Why::Empty,
        Why::EmptyKey,
        Why::OutOfRange,
        Why::SubMicrosecond,
        Why::TooLong,
    ];

    /// Stable, for grouping.
    pub fn code(self) -> &'static str {
        match self {
            Why::BadCell => "bad_cell",
            Why::BadUtf8 => "bad_utf8",
            Why::Nul => "nul",
            Why::Empty | Why::EmptyKey => "empty",
            Why::OutOfRange => "out_of_range",
            Why::SubMicrosecond => "sub_microsecond",
            Why::TooLong => "too_long",
        }
    }

    /// For people, without the column's name; the same for each value of this kind.
    pub fn reason(self) -> &'static str {
        match self {
            Why::BadCell => "not a value of the column's type",
            Why::BadUtf8 => "not UTF-8",
            Why::Nul => "text with a NUL character, which PostgreSQL cannot store",
            Why::Empty => "a value of zero length, which the type does not have",
            Why::EmptyKey => "a map with a key of zero length, which the type does not have",
            Why::OutOfRange => "outside the range of PostgreSQL's type",
            Why::SubMicrosecond => "finer than a microsecond",
            Why::TooLong => "longer than 500 MB",
        }
    }

    /// Of a cell whose length is not that of its type's values.
    pub(super) fn of_length(cell: &[u8]) -> Why {
        if cell.is_empty() { Why::Empty } else { Why::BadCell }
    }
}
