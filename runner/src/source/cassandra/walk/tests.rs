//! From any row, the walk finds exactly the rows behind it.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::source::cassandra::key::encode;
use crate::source::cassandra::statement::Order;
use model::{Came, Table, Value, key_values};

mod collision;
mod model;

/// Reads all that is left, and tells what came.
fn read(table: &Table, walk: &mut Walk) -> Vec<Came> {
    let mut found = Vec::new();
    while let Some(step) = walk.step() {
        take(table, walk, &step, &mut found);
        walk.exhausted();
    }
    found
}

fn take(table: &Table, walk: &mut Walk, step: &Step, found: &mut Vec<Came>) {
    for row in table.answer(step) {
        match step.statement {
            Statement::Keys => walk.key(&row.cells).unwrap(),
            _ => found.push(row),
        }
    }
}

fn walk(table: &Table, (start, end): (i64, i64)) -> Walk {
    Walk::new(table.columns, table.orders.len(), start, end)
}

/// Few tokens, so that partitions share them.
fn tokens() -> impl Strategy<Value = i64> {
    prop::sample::select(vec![i64::MIN + 1, i64::MIN + 2, -7, 0, 1, 2, i64::MAX - 1, i64::MAX])
}

fn tables() -> impl Strategy<Value = Table> {
    let order = prop_oneof![Just(Order::Ascending), Just(Order::Descending)];
    (1..3_usize, prop::collection::vec(order, 0..4)).prop_flat_map(|(columns, orders)| {
        let clustering = orders.len();
        let row = prop::collection::vec(-3..4_i8, clustering).prop_map(|numbers| {
            numbers
                .into_iter()
                .enumerate()
                .map(|(column, number)| Value::new(column, number))
                .collect::<Vec<_>>()
        });
        let rows = prop::collection::btree_set(row, 0..if clustering == 0 { 1 } else { 12 });
        let partitions = prop::collection::vec((tokens(), 0..5_u64, rows), 0..14);
        partitions.prop_map(move |partitions| {
            let mut table = Table::new(columns, orders.clone());
            for (token, variant, rows) in partitions {
                table.add(token, variant, rows);
            }
            table
        })
    })
}

fn splits() -> impl Strategy<Value = (i64, i64)> {
    prop_oneof![
        2 => Just((i64::MIN, i64::MAX)),
        1 => (tokens(), tokens()).prop_map(|(a, b)| (a.min(b), a.max(b))),
        1 => tokens().prop_map(|end| (i64::MIN, end)),
    ]
}

proptest! {
    #[test]
    fn from_each_row_come_the_rows_behind_it_in_order_and_once(table in tables(), split in splits()) {
        let all = table.rows(split.0, split.1);
        prop_assert_eq!(&read(&table, &mut walk(&table, split)), &all);
        for (at, row) in all.iter().enumerate() {
            let mut walk = walk(&table, split);
            walk.behind_key(row.token, &row.cells).unwrap();
            prop_assert_eq!(&read(&table, &mut walk), &all[at + 1..]);
        }
    }

    #[test]
    fn errors_and_halves_at_any_time_lose_and_repeat_nothing(
        table in tables(), split in splits(), chances in prop::collection::vec((0..8_usize, 0..4_u8), 0..40),
    ) {
        let (mut walk, mut found) = (walk(&table, split), Vec::<Came>::new());
        // The last row of the step in hand.
        let mut last: Option<Came> = None;
        let mut chances = chances.into_iter();
        while let Some(step) = walk.step() {
            let (before, (kept, error)) = (found.len(), chances.next().unwrap_or_default());
            take(&table, &mut walk, &step, &mut found);
            if error == 0 {
                walk.exhausted();
                last = None;
                continue;
            }
            // The step ends with an error behind some of its rows: from the last one, perhaps in smaller ranges.
            found.truncate(before + kept);
            if found.len() > before {
                last = found.last().cloned();
            }
            if kept % 2 == 1 {
                walk.halve_all();
            }
            for _ in 1..error {
                let whole = walk.step();
                let halved = walk.halve();
                prop_assert_eq!(halved, walk.step() != whole);
            }
            if let Some(row) = &last {
                walk.behind_key(row.token, &row.cells).unwrap();
            }
        }
        prop_assert_eq!(found, table.rows(split.0, split.1));
    }
}

#[test]
fn keys_that_share_a_token_are_read_in_the_order_of_their_stored_bytes() {
    for columns in [1, 2] {
        let mut table = Table::new(columns, vec![Order::Descending]);
        // More than are kept at once.
        for variant in 0..200 {
            table.add(42, variant, BTreeSet::from([vec![Value::Int(variant as i32)], vec![Value::Int(-1)]]));
        }
        let all = table.rows(i64::MIN, i64::MAX);
        assert_eq!(all.len(), 400);
        let mut walk = Walk::new(columns, 1, i64::MIN, i64::MAX);
        walk.behind_key(42, &all[0].cells).unwrap();
        assert_eq!(read(&table, &mut walk), all[1..]);
    }
}

#[test]
fn a_range_is_halved_down_to_one_token() {
    let mut walk = Walk::new(1, 0, i64::MIN, i64::MAX);
    let mut halved = 0;
    while walk.halve() {
        halved += 1;
    }
    assert_eq!(halved, 63);
    let step = walk.step().unwrap();
    assert_eq!((step.start, step.end), (i64::MIN, i64::MIN + 1));
    let ends: Vec<(i64, i64)> = std::iter::from_fn(|| ended(&mut walk)).collect();
    assert_eq!(ends.len(), 64);
    assert!(ends.windows(2).all(|two| two[0].1 == two[1].0));
    assert_eq!(ends[63].1, i64::MAX);
}

#[test]
fn all_ranges_are_halved_together_and_never_into_too_many() {
    let mut walk = Walk::new(1, 0, 0, i64::MAX);
    assert!(walk.halve() && walk.halve_all());
    let mut small = Walk::new(1, 0, 0, 3);
    while small.halve_all() {}
    assert_eq!(std::iter::from_fn(|| ended(&mut small)).collect::<Vec<_>>(), [(0, 1), (1, 2), (2, 3)]);
    let whole = i64::MAX / 4;
    let near = |(start, end): (i64, i64)| (end - start - whole).abs() <= 1;
    assert!(std::iter::from_fn(|| ended(&mut walk)).all(near));

    let mut walk = Walk::new(1, 0, i64::MIN, i64::MAX);
    while walk.halve_all() {}
    let ranges: Vec<(i64, i64)> = std::iter::from_fn(|| ended(&mut walk)).collect();
    assert_eq!(ranges.len(), 1024);
    assert!(ranges.windows(2).all(|two| two[0].1 == two[1].0));
}

/// The range in hand, whose rows have come then.
fn ended(walk: &mut Walk) -> Option<(i64, i64)> {
    let step = walk.step()?;
    walk.exhausted();
    Some((step.start, step.end))
}

#[test]
fn within_a_token_nothing_can_be_halved_and_the_step_names_the_token() {
    let mut walk = Walk::new(1, 1, i64::MIN, i64::MAX);
    let cells = encode([Some(&key_values(1, 5, 0)[0][..]), Some(b"c")]);
    walk.behind_key(5, &cells).unwrap();
    assert!(!walk.halve() && !walk.halve_all());
    let step = walk.step().unwrap();
    assert_eq!((step.statement, step.start, step.end), (Statement::Rest { equal: 0 }, 4, 5));
}

#[test]
fn a_range_that_was_read_without_a_row_is_not_read_again() {
    let mut walk = Walk::new(1, 0, 0, 100);
    assert!(walk.halve());
    walk.exhausted();
    assert!(walk.halve());
    let step = walk.step().unwrap();
    assert_eq!((step.start, step.end), (50, 75), "what was halved stays so");
}

#[test]
fn a_position_of_another_split_or_with_another_token_is_refused() {
    let cells = encode([Some(&key_values(1, 5, 0)[0][..])]);
    let mut walk = Walk::new(1, 0, 5, 9);
    assert_eq!(walk.behind_key(5, &cells), Err(BadKey::Outside { token: 5, start: 5, end: 9 }));
    assert_eq!(walk.behind_key(6, &cells), Err(BadKey::Token { token: 5, said: 6 }));
}

#[test]
fn a_key_of_another_token_is_not_taken() {
    let mut walk = Walk::new(1, 0, i64::MIN, i64::MAX);
    let cells = |token| encode([Some(&key_values(1, token, 0)[0][..])]);
    walk.behind_key(5, &cells(5)).unwrap();
    assert_eq!(walk.key(&cells(6)), Err(BadKey::Token { token: 6, said: 5 }));
}
