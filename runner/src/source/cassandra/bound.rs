//! A value of a statement that is in the wire's form already. Must not know its type.

use scylla::cluster::metadata::ColumnType;
use scylla::serialize::SerializationError;
use scylla::serialize::value::SerializeValue;
use scylla::serialize::writers::{CellWriter, WrittenCellProof};

/// The bytes of a cell, as the server sent them.
#[derive(Clone, Debug)]
pub(super) struct Bound(pub(super) Vec<u8>);

impl SerializeValue for Bound {
    fn serialize<'b>(
        &self,
        _: &ColumnType<'_>,
        writer: CellWriter<'b>,
    ) -> Result<WrittenCellProof<'b>, SerializationError> {
        writer.set_value(&self.0).map_err(SerializationError::new)
    }
}
