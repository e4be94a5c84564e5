//! Stage `split`: cuts a table into pieces that can be read on their own. Pure: it sees bytes, tokens and
//! positions, never a file, a thread or a connection. A table of a cluster is cut by token range: [`tile_ring`].
//!
//! A CSV file is cut where records start. Whether a byte lies inside quotes depends on all bytes before it, and
//! counting quotes is not enough (`5" disk` unquoted, escapes, a doubled quote). But the parser has four states
//! that matter, so what a block of the file does to it is a small function, a [`Effect`], and effects
//! compose. Blocks are therefore scanned in any order and by several threads ([`Scanner::scan`]); a [`Tiler`]
//! takes their [`Summary`]s in the file's order and hands out the first splits while later blocks are scanned:
//!
//! ```
//! use etl::{dialect::Dialect, position::Position, split};
//!
//! let file = b"id,note\n1,\"two\nlines\"\n2,5\" disk\n";
//! let body = Position::File { byte: 8, line: 2 };
//! let scanner = split::Scanner::new(Dialect::default(), 8);
//! let mut tiler = split::Tiler::new(8, body);
//! let mut splits = Vec::new();
//! for (number, block) in file[8..].chunks(10).enumerate() {
//!     splits.extend(tiler.push(&scanner.scan(8 + 10 * number as u64, block)));
//! }
//! assert!(!tiler.open_quote());
//! splits.extend(tiler.finish());
//!
//! let bytes: Vec<_> = splits.iter().map(|split| (split.start.byte(), split.end.byte())).collect();
//! assert_eq!(bytes, [(8, 22), (22, 32)]);
//! ```
//!
//! # What both sides must agree on
//!
//! The cuts are exact for `csv-core` with `Terminator::CRLF` (a record ends at `\n`, `\r` or `\r\n`),
//! `double_quote(true)`, and a [`Dialect`](crate::dialect::Dialect) written as: `delimiter`; `quote: Some(q)` →
//! `quote(q)`, `quote: None` → `quoting(false)`, which makes the escape meaningless too. An escape inside quotes takes the
//! meaning from a quote or an escape behind it; what it is in front of other bytes moves no cut. The three bytes may
//! coincide, but none may be `\r` or `\n`.
//!
//! A split starts where a record (or a blank line) starts, never between `\r` and `\n`. A reader opened there in
//! its start state reads what starts before the split's end; over all splits that is every record once.

mod ring;
mod scan;
mod state;
mod tile;
mod word;

pub use ring::{
    Estimate, OwnerSet, RING_END, RING_START, TokenSplit, Vnode, Wanted, largest_first, tile_ring,
};
pub use scan::{Scanner, Summary};
pub use state::{Effect, State};
pub use tile::{Split, Tiler};

/// Splits for each stream: enough for an idle stream to find work when one split is slow.
const SPLITS_PER_STREAM: u64 = 4;
/// Below this the cost of opening a split shows.
const MIN_SPLIT_BYTES: u64 = 64 << 10;
/// Above this a split holds up the end of the run, and nothing is gained.
const MAX_SPLIT_BYTES: u64 = 64 << 20;

/// The nominal size of a split of a file with `size` bytes that `streams` load: the default where the recipe
/// names none. Stored with the plan, because the cuts follow from it.
pub fn split_bytes(size: u64, streams: usize) -> u64 {
    let streams = u64::try_from(streams).unwrap_or(u64::MAX).max(1);
    (size / streams.saturating_mul(SPLITS_PER_STREAM)).clamp(MIN_SPLIT_BYTES, MAX_SPLIT_BYTES)
}

#[cfg(test)]
mod tests;
