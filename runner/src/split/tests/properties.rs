//! The cuts against `csv-core`, for any bytes.

use proptest::prelude::*;

use super::{Scanner, at, expected, line, open_quote, record_starts, rows, tile};
use crate::dialect::Dialect;
use crate::position::Position;
use crate::split::{Effect, State};

/// Any three bytes that are no line ends, the usual ones most of the time; some coincide.
fn dialects() -> impl Strategy<Value = Dialect> {
    let usual = |bytes: &'static [u8]| {
        prop_oneof![4 => prop::sample::select(bytes), 1 => any::<u8>()]
            .prop_filter("a line end", |byte| !b"\r\n".contains(byte))
    };
    let quote = prop::option::weighted(0.9, usual(b"\"\"\"'x,"));
    let escape = prop::option::weighted(0.5, usual(b"\\\\\\\"',x"));
    (usual(b",,,;\tx"), quote, escape).prop_map(|(delimiter, quote, escape)| Dialect {
        delimiter,
        quote,
        escape,
    })
}

/// Files of the bytes that matter in their dialect, or of whole cells and what goes wrong in them.
fn contents(dialect: Dialect, rarity: u64, max_len: usize) -> impl Strategy<Value = Vec<u8>> {
    let (quote, escape) = (dialect.quote.unwrap_or(b'"'), dialect.escape.unwrap_or(b'\\'));
    let weight = |place: u32| 1 + (rarity >> (2 * place) & 3) as u32;
    let byte = prop_oneof![
        3 * weight(0) => Just(quote),
        weight(1) => Just(escape),
        weight(2) => Just(dialect.delimiter),
        weight(3) => Just(b'\n'),
        weight(4) => Just(b'\r'),
        2 => prop::sample::select(&b"xyz \0"[..]),
        1 => prop::sample::select(&b"\xef\xbb\xbf"[..]),
    ];
    let cell = prop_oneof![
        20 => prop::sample::select(vec!["q", "qaq", "qa,bq", "qa\nbq", "qaqqbq", "qqqaqqq", "qqqq", "", "q,q", "cell"]),
        weight(8) - 1 => prop::sample::select(vec!["l", "5ql", "qlq", "ql\nl,q"]),
        weight(5) - 1 => prop::sample::select(vec!["5q", "q5q q", "q\\qq", "\\", "q"]),
    ];
    let behind = prop_oneof![5 => Just(","), weight(6) => Just("\n"), weight(7) - 1 => Just("\r\n")];
    let written = move |(cell, behind): (&str, &str)| -> Vec<u8> {
        let bytes = |byte| match byte {
            b'q' => vec![quote],
            b'\\' => vec![escape],
            b',' => vec![dialect.delimiter],
            b'l' => vec![b'w'; 70],
            other => vec![other],
        };
        cell.bytes().chain(behind.bytes()).flat_map(bytes).collect()
    };
    prop_oneof![
        prop::collection::vec(byte, 0..max_len),
        prop::collection::vec((cell, behind).prop_map(written), 0..max_len / 4)
            .prop_map(|cells| cells.concat()),
    ]
}

/// With the start of the body at a record's start.
fn files(max_len: usize) -> impl Strategy<Value = (Dialect, Vec<u8>, usize)> {
    (dialects(), any::<u64>(), any::<prop::sample::Index>()).prop_flat_map(move |(dialect, rarity, body)| {
        contents(dialect, rarity, max_len).prop_map(move |file| {
            let starts = record_starts(dialect, &file, 0);
            let body = if starts.is_empty() { 0 } else { starts[body.index(starts.len())] };
            (dialect, file, if body % 3 == 0 { body } else { 0 })
        })
    })
}

fn check(
    dialect: Dialect,
    file: &[u8],
    body: usize,
    split_bytes: u64,
    blocks: &[usize],
) -> Result<(), TestCaseError> {
    let (splits, open) = tile(dialect, file, at(file, body), split_bytes, blocks);
    prop_assert_eq!(&splits, &expected(dialect, file, body, split_bytes));
    prop_assert_eq!(open, open_quote(dialect, &file[body..]));
    let alone = splits
        .iter()
        .flat_map(|split| rows(dialect, &file[split.start.byte() as usize..split.end.byte() as usize]));
    prop_assert_eq!(alone.collect::<Vec<_>>(), rows(dialect, &file[body..]));
    for (number, split) in splits.iter().enumerate() {
        let (resumed, _) =
            tile(dialect, file, split.start.clone(), split_bytes, &blocks[number % blocks.len()..]);
        prop_assert_eq!(&resumed, &splits[number..]);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 800, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn splits_read_one_by_one_give_the_rows_of_the_whole_file(
        (dialect, file, body) in files(60),
        split_bytes in prop_oneof![1..5_u64, 1..70_u64],
        blocks in prop::collection::vec(1..8_usize, 1..8),
    ) {
        check(dialect, &file, body, split_bytes, &blocks)?;
    }

    #[test]
    fn long_blocks_give_the_same_splits(
        (dialect, file, body) in files(600),
        split_bytes in 1..700_u64,
        blocks in prop::collection::vec(0..400_usize, 0..4),
    ) {
        check(dialect, &file, body, split_bytes, &[&blocks[..], &[333]].concat())?;
    }
}

/// The record starts in a block that is entered in `state`, found byte by byte; and the state behind it.
fn walk(dialect: Dialect, block: &[u8], mut state: State) -> (Vec<usize>, State) {
    let mut starts = Vec::new();
    for (at, &byte) in block.iter().enumerate() {
        let ends = byte == b'\n' || byte == b'\r' && block.get(at + 1).is_some_and(|&next| next != b'\n');
        if ends && !state.in_quotes() {
            starts.push(at + 1);
        }
        state = Effect::of(&dialect, byte).on(state);
    }
    (starts, state)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_block_is_the_same_as_its_bytes_for_every_state_before_it(
        (dialect, block, _) in files(300),
        offset in 0..1000_u64,
        split_bytes in prop_oneof![1..70_u64, 1..700_u64],
    ) {
        let summary = Scanner::new(dialect, split_bytes).scan(offset, &block);
        for state in State::ALL {
            let (starts, behind) = walk(dialect, &block, state);
            let reached = match state {
                State::Start | State::Unquoted => true,
                State::Quoted => dialect.quote.is_some(),
                State::Escaped => dialect.quote.is_some() && dialect.escape.is_some_and(|e| dialect.quote != Some(e)),
            };
            if !reached {
                continue;
            }
            prop_assert_eq!(summary.effect.on(state), behind);
            let cuts: Vec<_> = summary.cuts.iter().filter(|cut| cut.entries.has(state)).collect();
            for cut in &cuts {
                prop_assert!(starts.contains(&cut.at));
                prop_assert_eq!(cut.lines + 1, line(&block, cut.at));
            }
            let mut bucket = None;
            for start in starts {
                if bucket.replace((offset + start as u64) / split_bytes) != Some((offset + start as u64) / split_bytes) {
                    prop_assert!(cuts.iter().any(|cut| cut.at == start), "{start} is wanted");
                }
            }
        }
    }

    #[test]
    fn effects_of_two_stretches_compose((dialect, file, _) in files(40), cut in any::<prop::sample::Index>()) {
        let scanner = Scanner::new(dialect, 1);
        let (left, right) = file.split_at(cut.index(file.len() + 1));
        let [left, right, whole] = [left, right, &file].map(|part| scanner.scan(0, part).effect);
        prop_assert_eq!(left.then(right), whole);
        for state in State::ALL {
            prop_assert_eq!(right.on(left.on(state)), whole.on(state));
        }
    }
}

#[test]
fn every_short_file_is_cut_where_csv_core_has_no_record_begun() {
    let alphabet = b"\"\\,\r\nx";
    for escape in [None, Some(b'\\')] {
        let dialect = Dialect { escape, ..Dialect::default() };
        for number in 0..6_usize.pow(5) {
            let file: Vec<u8> = (0..5).map(|place| alphabet[number / 6_usize.pow(place) % 6]).collect();
            let (splits, open) = tile(dialect, &file, Position::FILE_START, 1, &[4, 1]);
            assert_eq!(splits, expected(dialect, &file, 0, 1), "{:?}", String::from_utf8_lossy(&file));
            assert_eq!(open, open_quote(dialect, &file));
        }
    }
}
