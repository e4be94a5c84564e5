//! What fuzzing (`tests/fuzz`) needs of this stage, and nobody else: compiled for it alone.

use arrow_array::{ArrayRef, UInt32Array};

use super::check::check;
use super::contract::{ColumnOut, Output, RejectOut};
use super::lower::lower;
use crate::schema::Field;
use crate::units::ByteSize;

/// What a module may have answered.
#[derive(Clone, Debug)]
pub struct Said {
    /// Output rows.
    pub rows: u32,
    /// The input row of each.
    pub origin: Vec<u32>,
    /// Validity, offsets and data of each column.
    pub columns: Vec<[Vec<u8>; 3]>,
    /// Rows and reasons.
    pub rejects: Vec<(u32, String)>,
}

/// An answer that was believed.
#[derive(Clone, Debug)]
pub struct Believed {
    /// Output rows.
    pub rows: usize,
    /// The input row of each; `None`: the same rows.
    pub origin: Option<UInt32Array>,
    /// The columns that the module makes.
    pub columns: Vec<ArrayRef>,
    /// Rows with their reasons, ascending.
    pub rejects: Vec<(u32, String)>,
}

/// Checks an answer to a batch of `rows` rows from a module that makes these columns; an error is a reason.
pub fn answer(said: Said, makes: &[Field], rows: u32) -> Result<Believed, String> {
    let column = |[validity, offsets, data]: [Vec<u8>; 3]| ColumnOut { validity, offsets, data };
    let output = Output {
        rows: said.rows,
        origin: said.origin,
        columns: said.columns.into_iter().map(column).collect(),
        rejects: said.rejects.into_iter().map(|(row, reason)| RejectOut { row, reason }).collect(),
    };
    let answer = check(output, makes, rows, ByteSize(1 << 20)).map_err(|why| why.to_string())?;
    let (rows, origin, columns, rejects) = (answer.rows, answer.origin, answer.columns, answer.rejects);
    Ok(Believed { rows, origin, columns, rejects })
}

/// The buffers that the next module gets of columns of these fields; `None` if one is not of its type.
pub fn given(makes: &[Field], columns: &[ArrayRef]) -> Option<Vec<[Vec<u8>; 3]>> {
    let mut lowered = Vec::new();
    for (field, column) in makes.iter().zip(columns) {
        lower(field.ty, column, &mut lowered)?;
    }
    let buffers = |column: super::contract::ColumnIn<'_>| {
        [column.validity.to_vec(), column.offsets.to_vec(), column.data.to_vec()]
    };
    Some(lowered.iter().map(|lowered| buffers(lowered.column())).collect())
}
