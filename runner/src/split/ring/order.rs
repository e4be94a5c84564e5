//! In which order splits are handed out. Must not know how they were cut.

use std::cmp::Reverse;
use std::collections::HashMap;

use super::TokenSplit;
use super::density::width;

/// Sizes within a factor of 4 count as equal: what is gained by the larger one first is less than by another node.
const CLASS_BITS: u32 = 2;

/// The places of the splits in the order to read them: largest first, so that none holds up the end, and among
/// those of about one size each set of owners in turn, so that not all streams read from the same nodes.
pub fn largest_first(splits: &[TokenSplit]) -> Vec<usize> {
    let size = |split: &TokenSplit| split.bytes.unwrap_or_else(|| width(split.start, split.end)).max(1);
    let largest = splits.iter().map(size).max().unwrap_or(1);
    let class = |split: &TokenSplit| (largest / size(split)).ilog2() / CLASS_BITS;
    let mut order: Vec<usize> = (0..splits.len()).collect();
    order.sort_by_key(|&at| (class(&splits[at]), Reverse(size(&splits[at]))));
    let mut turns = HashMap::new();
    let mut turn = vec![0_usize; splits.len()];
    for &at in &order {
        let next = turns.entry((class(&splits[at]), splits[at].owners)).or_insert(0);
        turn[at] = *next;
        *next += 1;
    }
    order.sort_by_key(|&at| (class(&splits[at]), turn[at]));
    order
}
