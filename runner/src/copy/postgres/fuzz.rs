//! What fuzzing (`tests/fuzz`) needs of this target, and nobody else: compiled for it alone.

use super::failure;

/// The line of the COPY and the column that a server's CONTEXT names.
pub fn place_of_copy(context: &str) -> (Option<u64>, Option<String>) {
    (failure::line_of_copy(context), failure::column_of_copy(context))
}
