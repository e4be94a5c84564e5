//! What fuzzing (`tests/fuzz`) needs of this stage, and nobody else: compiled for it alone.

use std::path::Path;

use super::reader::yardstick::{self, Way};
use super::{Compression, Input, SourceFile};
use crate::dialect::Dialect;

/// Reads `content`, which is written to the file at `path`, in pieces that `how` says, and panics if it is not what
/// the yardstick says.
pub fn csv(path: &Path, how: [u8; 8], content: &[u8]) {
    let [dialect, width, block, batch, rows, long, cut, plain] = how;
    let dialect = match dialect % 5 {
        0 => Dialect::default(),
        1 => Dialect { escape: Some(b'\\'), ..Dialect::default() },
        2 => Dialect { quote: Some(b'\''), ..Dialect::default() },
        3 => Dialect { delimiter: b'a', quote: Some(b'b'), escape: Some(b'\\') },
        _ => Dialect { quote: None, ..Dialect::default() },
    };
    let way = Way {
        width: 1 + usize::from(width % 4),
        block_bytes: if block % 4 == 0 { 4096 } else { 1 + usize::from(block) },
        batch_bytes: 1 + u64::from(batch),
        max_rows: 1 + usize::from(rows % 40),
        max_row_bytes: if long % 4 == 0 { 1 << 20 } else { 1 + usize::from(long) },
    };
    std::fs::write(path, content).expect("the file can be written");
    let (input, compression) = (Input::File(path.into()), Compression::None);
    let file = SourceFile { input, key: "f".into(), compression, known: None };
    if plain % 2 == 0 {
        yardstick::agrees_from_everywhere(&file, content, &dialect, &way);
    } else {
        let cut = |records| usize::from(cut) % records;
        yardstick::agrees_on_both_sides_of_a_cut(&file, content, &dialect, &way, cut);
    }
}
