//! What fuzzing (`tests/fuzz`) needs of this target, and nobody else: compiled for it alone.

use super::failure;

/// The line of the COPY and the column that a server's CONTEXT names; `into` is the table, where it is known.
pub fn place_of_copy(context: &str, into: Option<&str>) -> (Option<u64>, Option<String>) {
    (failure::line_of_copy(context, into), into.and_then(|into| failure::column_of_copy(context, into)))
}
