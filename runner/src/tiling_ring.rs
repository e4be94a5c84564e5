//! Cuts a cluster's table into token ranges: what the cluster says of its ring meets the rules of how it is cut.
//!
//! Must not know: how a range is read, and how the ledger keeps it.

use crate::copy::ledger::NewSplit;
use crate::position::Position;
use crate::source::cassandra::{Ring, Table};
use crate::split::{Estimate, OwnerSet, TokenSplit, Vnode, Wanted, largest_first, tile_ring};

/// Bytes of a table's data in a split, as its cluster estimates it.
pub(crate) const TABLE_SPLIT_BYTES: u64 = 64 << 20;

/// Splits for each stream: an idle one takes the next, so one that is slow does not hold up the end.
const SPLITS_PER_STREAM: usize = 4;

/// More gains nothing, and each costs a row in the ledger and three round trips.
const MOST_SPLITS: usize = 10_000;

/// The splits of a table, in the order to read them.
pub(crate) async fn tile(table: &Table, split_bytes: u64, streams: usize) -> Vec<NewSplit> {
    let ring = table.ring().await;
    let splits = tile_known(table, &ring, split_bytes, streams);
    let order = largest_first(&splits);
    let new = |split: &TokenSplit| NewSplit {
        start: Position::Token(split.start),
        end: Some(Position::Token(split.end)),
    };
    order.into_iter().filter_map(|at| splits.get(at).map(new)).collect()
}

/// The splits of a table whose ring is known, in the ring's order.
pub(crate) fn tile_known(table: &Table, ring: &Ring, split_bytes: u64, streams: usize) -> Vec<TokenSplit> {
    let (start, end) = table.token_range();
    // So many rows, whichever come first, come from one split.
    let (at_least, at_most) = match table.limit() {
        Some(_) => (1, 1),
        None => (streams.saturating_mul(SPLITS_PER_STREAM).min(MOST_SPLITS), MOST_SPLITS),
    };
    let owners = |set: usize| OwnerSet(u32::try_from(set).unwrap_or(u32::MAX));
    let vnodes: Vec<Vnode> =
        ring.tokens.iter().map(|(token, set)| Vnode { token: *token, owners: owners(*set) }).collect();
    let estimates: Vec<Estimate> =
        ring.estimates.iter().map(|&(start, end, bytes)| Estimate { start, end, bytes }).collect();
    tile_ring(&vnodes, &estimates, &Wanted { split_bytes, at_least, at_most, start, end })
}
