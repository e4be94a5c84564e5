//! How much is stored where on the ring, from estimates that have gaps, overlap and wrap around. Must not know
//! vnodes or splits.

use super::{Estimate, RING_END, RING_START};

/// What a range weighs for its number of tokens alone, against three parts for its bytes: estimates leave out
/// what is not flushed and sample the rest, while Murmur3 spreads keys evenly, so nothing counts as empty.
const WEIGHT_OF_BYTES: u128 = 3 << 64;

/// Bytes along the ring, even between two ends.
pub(super) struct Density {
    /// Each range's last token and the bytes from the ring's start to there; the last is the ring's end. Empty
    /// if nothing is known.
    ranges: Vec<(i64, u64)>,
    /// Of one byte, where a token's is 1.
    byte_weight: u128,
}

impl Density {
    /// Takes estimates in any order. Where two overlap, the one that starts first counts; a range without one is
    /// as dense as all known ones together.
    pub(super) fn new(estimates: &[Estimate]) -> Density {
        let known = without_overlaps(estimates.iter().flat_map(linear).collect());
        let bytes = known.iter().fold(0, |sum: u64, range| sum.saturating_add(range.bytes));
        if bytes == 0 {
            return Density { ranges: Vec::new(), byte_weight: 0 };
        }
        let tokens =
            known.iter().fold(0, |sum: u64, range| sum.saturating_add(width(range.start, range.end)));
        let mut density = Density { ranges: Vec::with_capacity(2 * known.len() + 1), byte_weight: 0 };
        let mut at = RING_START;
        for range in known {
            density.push(range.start, share(bytes, width(at, range.start), tokens));
            density.push(range.end, range.bytes);
            at = range.end;
        }
        density.push(RING_END, share(bytes, width(at, RING_END), tokens));
        density.byte_weight = WEIGHT_OF_BYTES / u128::from(density.up_to(RING_END).max(1));
        density
    }

    /// Whether any estimate names any bytes.
    pub(super) fn is_known(&self) -> bool {
        !self.ranges.is_empty()
    }

    /// Where the density changes.
    pub(super) fn ends(&self) -> impl Iterator<Item = i64> {
        self.ranges.iter().map(|(end, _)| *end)
    }

    /// Bytes of a range; those of adjacent ranges add up exactly.
    pub(super) fn between(&self, start: i64, end: i64) -> u64 {
        self.up_to(end).saturating_sub(self.up_to(start))
    }

    /// What decides how large a range is: its bytes and its tokens.
    pub(super) fn weight(&self, start: i64, end: i64) -> u128 {
        u128::from(width(start, end)) + u128::from(self.between(start, end)) * self.byte_weight
    }

    fn push(&mut self, end: i64, bytes: u64) {
        let (start, before) = self.ranges.last().copied().unwrap_or((RING_START, 0));
        if start < end {
            self.ranges.push((end, before.saturating_add(bytes)));
        }
    }

    /// Bytes from the ring's start to a token.
    fn up_to(&self, token: i64) -> u64 {
        let at = self.ranges.partition_point(|(end, _)| *end < token);
        let Some(&(end, behind)) = self.ranges.get(at) else { return 0 };
        let before = at.checked_sub(1).and_then(|at| self.ranges.get(at));
        let (start, before) = before.copied().unwrap_or((RING_START, 0));
        before.saturating_add(share(behind - before, width(start, token), width(start, end)))
    }
}

/// Tokens of a range, none if it ends before it starts.
pub(super) fn width(start: i64, end: i64) -> u64 {
    if start < end { end.abs_diff(start) } else { 0 }
}

/// `bytes × part / whole`.
fn share(bytes: u64, part: u64, whole: u64) -> u64 {
    let share = u128::from(bytes) * u128::from(part) / u128::from(whole.max(1));
    u64::try_from(share).unwrap_or(u64::MAX)
}

/// An estimate as ranges that do not wrap around; the parts' bytes add up.
fn linear(estimate: &Estimate) -> impl Iterator<Item = Estimate> + use<> {
    let &Estimate { start, end, bytes } = estimate;
    if start < end {
        return [Some(*estimate), None].into_iter().flatten();
    }
    let (tail, head) = (width(start, RING_END), width(RING_START, end));
    // Both are 0 only for a range that holds no token.
    let in_tail = share(bytes, tail, tail.saturating_add(head));
    let tail = Estimate { start, end: RING_END, bytes: in_tail };
    [Some(tail), Some(Estimate { start: RING_START, end, bytes: bytes - in_tail })].into_iter().flatten()
}

/// In order, without ranges that are empty, each starting where the ones before it ended or behind that.
fn without_overlaps(mut ranges: Vec<Estimate>) -> Vec<Estimate> {
    ranges.sort_unstable_by_key(|range| (range.start, range.end));
    let mut at = RING_START;
    ranges.retain_mut(|range| {
        let whole = width(range.start, range.end);
        range.start = range.start.max(at);
        range.bytes = share(range.bytes, width(range.start, range.end), whole);
        at = at.max(range.end);
        range.start < range.end
    });
    ranges
}
