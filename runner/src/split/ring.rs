//! Cuts the token ring of a cluster into splits. Pure: it sees tokens and estimates, never a node or a session.
//! Must not know how a split is read.
//!
//! A range of tokens is `(start, end]`. Murmur3 gives no key the smallest token, so [`RING_START`] is only ever a
//! start, and [`RING_END`] is a token like any other. The range that wraps around is cut at the ring's start: it
//! ends as a piece at the tail and one at the head.
//!
//! First everything is cut where owners or densities change and where it is too large, then small neighbours are
//! merged, those of the same owners before others. `most` is what a split may weigh, so `total / most` is the
//! least number of splits; how many more there are depends on how badly the pieces fit, and where they are too
//! many, `most` grows.

use density::{Density, width};

mod density;
mod order;

pub use order::largest_first;

/// The ring begins behind this token, which no key has.
pub const RING_START: i64 = i64::MIN;
/// The ring ends with this token.
pub const RING_END: i64 = i64::MAX;

/// Which nodes of the local datacentre have a range: a number that the caller gives each set of nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OwnerSet(pub u32);

/// A token of the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vnode {
    /// Where its range ends. The range starts behind the token before it on the ring.
    pub token: i64,
    /// Who has the range.
    pub owners: OwnerSet,
}

/// What a node says of one of its ranges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Estimate {
    /// The range starts behind this token.
    pub start: i64,
    /// Its last token. At or before `start` the range wraps around; the smallest token is the ring's end.
    pub end: i64,
    /// What is stored in it, without what was not flushed yet.
    pub bytes: u64,
}

/// How the ring is to be cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Nominal size of a split.
    pub split_bytes: u64,
    /// So many splits, even if they become small.
    pub at_least: usize,
    /// Never more, even if they become large. 0 is taken for 1.
    pub at_most: usize,
    /// Only tokens behind this one; [`RING_START`] for all.
    pub start: i64,
    /// Only tokens up to this one; [`RING_END`] for all.
    pub end: i64,
}

/// A range of tokens that is read on its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenSplit {
    /// Its tokens are behind this one.
    pub start: i64,
    /// Its last token.
    pub end: i64,
    /// Who has all of it; None if several sets of nodes have parts of it.
    pub owners: Option<OwnerSet>,
    /// What is stored in it, estimated. None if nothing is known of the whole table.
    pub bytes: Option<u64>,
}

/// Cuts what is wanted of the ring into splits that tile it: the first starts at `wanted.start`, each next one
/// where the last ended, the last ends at `wanted.end`. None is empty, so there is none if `start` is not below
/// `end`. The vnodes may come in any order.
pub fn tile_ring(vnodes: &[Vnode], estimates: &[Estimate], wanted: &Wanted) -> Vec<TokenSplit> {
    let density = Density::new(estimates);
    let pieces = pieces(vnodes, &density, wanted);
    let weight: u128 = pieces.iter().map(|piece| piece.weight).sum();
    let at_most = wanted.at_most.max(1);
    let by_size = density.between(wanted.start, wanted.end).div_ceil(wanted.split_bytes.max(1));
    let number = usize::try_from(by_size).unwrap_or(usize::MAX).max(wanted.at_least).clamp(1, at_most);
    let mut most = weight.div_ceil(number as u128);
    let splits = loop {
        let splits = merge_others(merge_owned(cut(&pieces, most), most), most);
        if splits.len() <= at_most {
            break splits;
        }
        most += most / 4 + 1;
    };
    let split = |piece: Piece| TokenSplit {
        start: piece.start,
        end: piece.end,
        owners: piece.owners,
        bytes: density.is_known().then(|| density.between(piece.start, piece.end)),
    };
    splits.into_iter().map(split).collect()
}

/// A range with what decides how it is cut and merged.
#[derive(Clone, Copy, Debug)]
struct Piece {
    start: i64,
    end: i64,
    owners: Option<OwnerSet>,
    weight: u128,
}

/// What is wanted of the ring, cut wherever owners or density change.
fn pieces(vnodes: &[Vnode], density: &Density, wanted: &Wanted) -> Vec<Piece> {
    let vnodes = ordered(vnodes);
    let inside = |end: &i64| wanted.start < *end && *end < wanted.end;
    let mut ends: Vec<i64> = vnodes.iter().map(|(token, _)| *token).chain(density.ends()).collect();
    ends.retain(inside);
    if wanted.start < wanted.end {
        ends.push(wanted.end);
    }
    ends.sort_unstable();
    ends.dedup();
    let mut start = wanted.start;
    let piece = |end: i64| {
        let piece = Piece { start, end, owners: owners_at(&vnodes, end), weight: density.weight(start, end) };
        start = end;
        piece
    };
    ends.into_iter().map(piece).collect()
}

/// By token, each once; where the ring names a token twice with other owners, nobody is said to have its range.
fn ordered(vnodes: &[Vnode]) -> Vec<(i64, Option<OwnerSet>)> {
    let mut ordered: Vec<_> = vnodes.iter().map(|vnode| (vnode.token, Some(vnode.owners))).collect();
    ordered.sort_unstable();
    ordered.dedup_by(|next, kept| {
        let same = next.0 == kept.0;
        if same && next.1 != kept.1 {
            kept.1 = None;
        }
        same
    });
    ordered
}

/// Owners of `token`: those of the first vnode at or behind it, on a ring.
fn owners_at(ordered: &[(i64, Option<OwnerSet>)], token: i64) -> Option<OwnerSet> {
    let at = ordered.partition_point(|(vnode, _)| *vnode < token);
    ordered.get(at).or_else(|| ordered.first()).and_then(|(_, owners)| *owners)
}

/// Cuts each piece evenly into as few as do not weigh more than `most`.
fn cut(pieces: &[Piece], most: u128) -> Vec<Piece> {
    let mut all = Vec::with_capacity(pieces.len());
    for piece in pieces {
        let tokens = u128::from(width(piece.start, piece.end));
        let number = piece.weight.div_ceil(most.max(1)).clamp(1, tokens.max(1));
        let mut start = piece.start;
        for nth in 1..=number {
            // At most `tokens` behind the start, so it is a token.
            let end = (i128::from(piece.start) + (tokens * nth / number) as i128) as i64;
            all.push(Piece { start, end, weight: piece.weight / number, ..*piece });
            start = end;
        }
    }
    all
}

/// Merges neighbours that have the same owners.
fn merge_owned(pieces: Vec<Piece>, most: u128) -> Vec<Piece> {
    merge(pieces, |last, next| last.owners == next.owners && last.weight + next.weight <= most)
}

/// Merges what is still small. A piece of a quarter stays with its owners, who then need no other node to read it.
fn merge_others(pieces: Vec<Piece>, most: u128) -> Vec<Piece> {
    let stays = |piece: &Piece| piece.owners.is_some() && piece.weight >= most / 4;
    merge(pieces, |last, next| last.weight + next.weight <= most && !stays(last) && !stays(next))
}

fn merge(pieces: Vec<Piece>, joins: impl Fn(&Piece, &Piece) -> bool) -> Vec<Piece> {
    let mut merged: Vec<Piece> = Vec::with_capacity(pieces.len());
    for next in pieces {
        match merged.last_mut() {
            Some(last) if joins(last, &next) => {
                last.end = next.end;
                last.weight += next.weight;
                last.owners = last.owners.filter(|_| last.owners == next.owners);
            }
            _ => merged.push(next),
        }
    }
    merged
}

#[cfg(test)]
mod tests;
