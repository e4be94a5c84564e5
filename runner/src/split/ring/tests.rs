//! What a tiling must be for any ring, and what it is for some.

use std::collections::{BTreeSet, HashMap, HashSet};

use proptest::prelude::*;

use super::*;

const MIB: u64 = 1 << 20;

fn wanted(split_bytes: u64, at_least: usize, at_most: usize) -> Wanted {
    Wanted { split_bytes, at_least, at_most, start: RING_START, end: RING_END }
}

fn vnode(token: i64, owners: u32) -> Vnode {
    Vnode { token, owners: OwnerSet(owners) }
}

/// One estimate for each range of the ring, the same bytes in each.
fn even(vnodes: &[Vnode], bytes: u64) -> Vec<Estimate> {
    let mut tokens: Vec<_> = vnodes.iter().map(|vnode| vnode.token).collect();
    tokens.sort_unstable();
    tokens.dedup();
    let before = |at: usize| tokens[(at + tokens.len() - 1) % tokens.len()];
    (0..tokens.len()).map(|at| Estimate { start: before(at), end: tokens[at], bytes }).collect()
}

/// `count` vnodes at random places, of `sets` owner sets.
fn random_ring(count: u64, sets: u64) -> Vec<Vnode> {
    let random = |n: u64| {
        (n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29).wrapping_mul(0xbf58_476d_1ce4_e5b9)
    };
    (0..count).map(|n| vnode(random(n) as i64, (random(n + count) % sets) as u32)).collect()
}

fn assert_tiles(splits: &[TokenSplit], start: i64, end: i64) {
    assert_eq!(splits.first().map(|split| split.start), Some(start));
    assert_eq!(splits.last().map(|split| split.end), Some(end));
    assert!(splits.iter().all(|split| split.start < split.end), "an empty split");
    assert!(splits.windows(2).all(|two| two[0].end == two[1].start), "a gap or an overlap");
}

/// Tokens of the narrowest range in which neither owners nor density change.
fn narrowest(vnodes: &[Vnode], estimates: &[Estimate], start: i64, end: i64) -> u64 {
    let of_estimates = estimates.iter().flat_map(|estimate| [estimate.start, estimate.end]);
    let inside =
        vnodes.iter().map(|vnode| vnode.token).chain(of_estimates).filter(|t| start < *t && *t < end);
    let ends: BTreeSet<_> = inside.chain([start, end]).collect();
    let next = ends.iter().skip(1);
    ends.iter().zip(next).map(|(start, end)| end.abs_diff(*start)).min().unwrap_or(0)
}

/// Tokens of which many are special or the same.
fn tokens() -> impl Strategy<Value = i64> {
    prop_oneof![
        4 => any::<i64>(),
        1 => prop::sample::select(vec![RING_START, RING_START + 1, -1, 0, 1, RING_END - 1, RING_END]),
        1 => 0..20_i64,
    ]
}

fn rings() -> impl Strategy<Value = Vec<Vnode>> {
    let vnodes = |count| {
        prop::collection::vec((tokens(), 0..5_u32).prop_map(|(token, owners)| vnode(token, owners)), count)
    };
    prop_oneof![vnodes(0..3), vnodes(0..40), vnodes(60..90)]
}

/// Estimates as the nodes of a ring give them, some missing; and such as no ring would.
fn estimates(ring: Vec<Vnode>) -> impl Strategy<Value = Vec<Estimate>> {
    let whole = if ring.is_empty() { Vec::new() } else { even(&ring, 0) };
    let bytes = prop_oneof![1 => Just(0), 4 => 0..500 * MIB, 1 => Just(u64::MAX)];
    let of_ring =
        prop::collection::vec((bytes, any::<bool>(), any::<bool>()), whole.len()).prop_map(move |bytes| {
            let all = whole.iter().zip(bytes);
            all.filter(|(_, (_, a, b))| *a || *b)
                .map(|(range, (bytes, ..))| Estimate { bytes, ..*range })
                .collect()
        });
    let any =
        (tokens(), tokens(), any::<u64>()).prop_map(|(start, end, bytes)| Estimate { start, end, bytes });
    prop_oneof![4 => of_ring, 1 => prop::collection::vec(any, 0..20)]
}

fn rings_with_estimates() -> impl Strategy<Value = (Vec<Vnode>, Vec<Estimate>)> {
    rings().prop_flat_map(|ring| (Just(ring.clone()), estimates(ring)))
}

proptest! {
    #[test]
    fn splits_tile_what_is_wanted_of_any_ring(
        (vnodes, estimates) in rings_with_estimates(),
        (split_bytes, at_least, at_most) in (prop_oneof![0..200 * MIB, any::<u64>()], 0..30_usize, 0..500_usize),
        (start, end) in prop_oneof![Just((RING_START, RING_END)), (tokens(), tokens())],
    ) {
        let wanted = Wanted { split_bytes, at_least, at_most, start, end };
        let splits = tile_ring(&vnodes, &estimates, &wanted);
        if start >= end {
            prop_assert!(splits.is_empty());
            return Ok(());
        }
        assert_tiles(&splits, start, end);
        prop_assert!(splits.len() <= at_most.max(1));
        prop_assert!(splits.iter().all(|split| split.bytes.is_some()) || splits.iter().all(|split| split.bytes.is_none()));
        let roomy = at_most >= 10 * at_least + vnodes.len() + estimates.len();
        let can_be_cut = narrowest(&vnodes, &estimates, start, end) > 1 << 20;
        prop_assert!(!roomy || !can_be_cut || splits.len() >= at_least, "{} splits", splits.len());
    }

    #[test]
    fn a_split_names_the_owners_of_every_vnode_range_in_it_or_none(
        (vnodes, estimates) in rings_with_estimates(), at_least in 1..100_usize,
    ) {
        let vnodes: Vec<_> = vnodes.iter().map(|v| (v.token, *v)).collect::<HashMap<_, _>>().into_values().collect();
        for split in tile_ring(&vnodes, &estimates, &wanted(64 * MIB, at_least, 300)) {
            let inside = vnodes.iter().map(|v| v.token).filter(|t| split.start < *t && *t < split.end);
            let owners = |token: i64| {
                let behind = vnodes.iter().filter(|v| v.token >= token).min_by_key(|v| v.token);
                behind.or_else(|| vnodes.iter().min_by_key(|v| v.token)).map(|v| v.owners)
            };
            let all: HashSet<_> = inside.chain([split.end]).map(owners).collect();
            let only = if all.len() == 1 { all.into_iter().next().flatten() } else { None };
            prop_assert_eq!(split.owners, only);
        }
    }

    #[test]
    fn bytes_of_all_splits_are_the_bytes_of_all_estimates(
        mut vnodes in rings(), bytes in 1..500 * MIB, at_least in 1..100_usize,
    ) {
        vnodes.push(vnode(77, 0));
        let estimates = even(&vnodes, bytes);
        let splits = tile_ring(&vnodes, &estimates, &wanted(64 * MIB, at_least, 100_000));
        // Between the last token and the smallest there may be no token at all.
        let real = estimates.iter().filter(|e| (e.start, e.end) != (RING_END, RING_START)).count() as u64;
        prop_assert_eq!(splits.iter().map(|split| split.bytes.unwrap()).sum::<u64>(), bytes * real);
    }

    #[test]
    fn every_split_is_handed_out_once(sizes in prop::collection::vec((prop::option::of(any::<u64>()), 0..4_u32), 0..50)) {
        let split = |(bytes, owners): &(Option<u64>, u32)| TokenSplit { start: 0, end: 9, owners: Some(OwnerSet(*owners)), bytes: *bytes };
        let splits: Vec<_> = sizes.iter().map(split).collect();
        let mut order = largest_first(&splits);
        order.sort_unstable();
        prop_assert_eq!(order, (0..splits.len()).collect::<Vec<_>>());
    }
}

#[test]
fn one_node_with_one_token_is_cut_evenly() {
    for token in [RING_START, 0, RING_END] {
        let ring = [vnode(token, 7)];
        let whole = [Estimate { start: token, end: token, bytes: 6_400 * MIB }];
        let min_to_min = [Estimate { start: RING_START, end: RING_START, bytes: 6_400 * MIB }];
        for estimates in [&whole[..], &min_to_min, &[]] {
            let splits = tile_ring(&ring, estimates, &wanted(64 * MIB, 16, 1_000));
            assert_tiles(&splits, RING_START, RING_END);
            let least = if estimates.is_empty() { 16 } else { 100 };
            assert!((least..=least + 2).contains(&splits.len()), "{token}: {} splits", splits.len());
            assert!(splits.iter().all(|split| split.owners == Some(OwnerSet(7))));
            assert!(splits.iter().all(|split| split.bytes.is_none_or(|bytes| bytes <= 65 * MIB)));
        }
    }
}

#[test]
fn no_ring_at_all_is_one_range_without_owners() {
    let splits = tile_ring(&[], &[], &wanted(64 * MIB, 4, 8));
    assert_tiles(&splits, RING_START, RING_END);
    assert_eq!(splits.len(), 4);
    assert!(splits.iter().all(|split| split.owners.is_none() && split.bytes.is_none()));
}

#[test]
fn the_range_that_wraps_around_ends_at_the_tail_and_starts_at_the_head() {
    let ring = [vnode(1 << 62, 1), vnode(-(1 << 62), 2)];
    let splits = tile_ring(&ring, &[], &wanted(64 * MIB, 1, 100));
    let found: Vec<_> = splits.iter().map(|split| (split.end, split.owners.unwrap().0)).collect();
    assert_eq!(found, [(-(1 << 62), 2), (1 << 62, 1), (RING_END, 2)]);
}

#[test]
fn a_token_named_twice_has_owners_only_if_both_agree() {
    let agreed = tile_ring(&[vnode(0, 1), vnode(0, 1)], &[], &wanted(MIB, 2, 9));
    assert!(agreed.iter().all(|split| split.owners == Some(OwnerSet(1))));
    let at_odds = tile_ring(&[vnode(0, 1), vnode(0, 2), vnode(0, 1)], &[], &wanted(MIB, 2, 9));
    assert!(at_odds.iter().all(|split| split.owners.is_none()));
}

#[test]
fn thousands_of_small_vnodes_become_few_splits() {
    let ring = random_ring(25_000, 300);
    let splits = tile_ring(&ring, &even(&ring, 10_000), &wanted(64 * MIB, 64, 1_000));
    assert_tiles(&splits, RING_START, RING_END);
    assert!((64..=130).contains(&splits.len()), "{} splits", splits.len());
}

#[test]
fn a_large_table_is_cut_to_about_the_size_wanted() {
    let ring = random_ring(96, 6);
    let splits = tile_ring(&ring, &even(&ring, 1_000 * MIB), &wanted(64 * MIB, 64, 100_000));
    assert!((1_500..4_000).contains(&splits.len()), "{} splits", splits.len());
    assert!(splits.iter().all(|split| split.bytes.unwrap() <= 86 * MIB), "at most a third more");
    let owned = splits.iter().filter(|split| split.owners.is_some()).count();
    assert!(owned * 10 >= splits.len() * 9, "{owned} of {} have owners", splits.len());
}

#[test]
fn neighbours_of_the_same_owners_are_merged_before_others() {
    let ring: Vec<_> = (0..64).map(|n| vnode((n - 32) << 58, (n / 8) as u32)).collect();
    let splits = tile_ring(&ring, &even(&ring, MIB), &wanted(8 * MIB, 8, 16));
    let owned = splits.iter().filter(|split| split.owners.is_some()).count();
    assert_eq!(owned, splits.len(), "{splits:?}");
}

#[test]
fn a_range_without_an_estimate_is_as_dense_as_the_others() {
    let ring = [vnode(-(1 << 62), 1), vnode(0, 2), vnode(1 << 62, 3), vnode(RING_END, 4)];
    let mut estimates = even(&ring, 100 * MIB);
    estimates.remove(2);
    let splits = tile_ring(&ring, &estimates, &wanted(100 * MIB, 1, 100));
    let in_gap = splits.iter().filter(|split| split.owners == Some(OwnerSet(3)));
    let bytes = in_gap.map(|split| split.bytes.unwrap()).sum::<u64>();
    assert!(bytes.abs_diff(100 * MIB) <= 2, "{bytes}");
}

#[test]
fn a_range_said_to_be_empty_is_not_one_split() {
    let ring = [vnode(0, 1), vnode(RING_END, 2)];
    let estimates =
        [Estimate { start: RING_END, end: 0, bytes: MIB }, Estimate { start: 0, end: RING_END, bytes: 0 }];
    let splits = tile_ring(&ring, &estimates, &wanted(64 * MIB, 64, 1_000));
    let in_empty = splits.iter().filter(|split| split.owners == Some(OwnerSet(2)) && split.bytes == Some(0));
    assert!((7..=10).contains(&in_empty.count()), "an eighth of the weight");
}

#[test]
fn a_trial_reads_only_its_range() {
    let ring = random_ring(48, 3);
    let trial = Wanted { start: -5, end: 1 << 60, ..wanted(64 * MIB, 8, 1_000) };
    let splits = tile_ring(&ring, &even(&ring, 640 * MIB), &trial);
    assert_tiles(&splits, -5, 1 << 60);
    assert!(splits.len() >= 8);
}

#[test]
fn the_first_splits_belong_to_different_owners() {
    let ring = random_ring(96, 6);
    let splits = tile_ring(&ring, &even(&ring, 1_000 * MIB), &wanted(64 * MIB, 64, 100_000));
    let order = largest_first(&splits);
    let first: HashSet<_> = order.iter().take(6).map(|&at| splits[at].owners).collect();
    assert!(first.len() >= 6, "{first:?}");
}

#[test]
fn a_split_four_times_as_large_as_the_others_comes_first() {
    let split =
        |bytes, owners| TokenSplit { start: 0, end: 9, owners: Some(OwnerSet(owners)), bytes: Some(bytes) };
    let splits = [split(10, 1), split(11, 1), split(9, 2), split(400, 1), split(12, 2)];
    assert_eq!(largest_first(&splits), [3, 4, 1, 0, 2]);
}

#[test]
fn a_range_that_two_nodes_name_counts_once() {
    let estimate = |start: i64, end: i64, bytes| Estimate { start: start << 60, end: end << 60, bytes };
    let twice = [estimate(0, 2, 200 * MIB), estimate(0, 2, 200 * MIB), estimate(1, 4, 300 * MIB)];
    let trial = Wanted { start: 0, end: 4 << 60, ..wanted(64 * MIB, 1, 1_000) };
    let splits = tile_ring(&[], &twice, &trial);
    assert_eq!(splits.iter().map(|split| split.bytes.unwrap()).sum::<u64>(), 400 * MIB);
}
