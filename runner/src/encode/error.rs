//! What makes a batch impossible to encode: always a bug in the path before, never a bad row.

use arrow_schema::DataType;

use crate::schema::Type;

/// A batch that is not what its fields say. No user can cause it or repair it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Another number of columns.
    #[error("encode got {got} columns instead of {expected}: this is a bug in etl, please report it")]
    Columns {
        /// The fields.
        expected: usize,
        /// The arrays.
        got: usize,
    },
    /// Columns of different lengths.
    #[error(
        "encode got column `{column}` with {got} rows instead of {expected}: this is a bug in etl, please report it"
    )]
    Length {
        /// Its name.
        column: String,
        /// Rows of the first column.
        expected: usize,
        /// Rows of this one.
        got: usize,
    },
    /// A column of another type.
    #[error(
        "encode got column `{column}` as {got} instead of {expected}: this is a bug in etl, please report it"
    )]
    Type {
        /// Its name.
        column: String,
        /// What the field says.
        expected: Type,
        /// What the array is.
        got: DataType,
    },
}
