//! The cuts against `csv-core` itself, byte by byte, and each oddity by name.

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};
use proptest::prelude::*;

use super::*;
use crate::dialect::Dialect;
use crate::position::Position;

/// The reader that a dialect means, as written in the module's documentation. It has read (nothing), so that it
/// takes a byte order mark for data: the source strips the one at the file's start.
fn reader(dialect: Dialect) -> Reader {
    let mut builder = ReaderBuilder::new();
    builder.delimiter(dialect.delimiter).escape(dialect.escape).quoting(dialect.quote.is_some());
    if let Some(quote) = dialect.quote {
        builder.quote(quote);
    }
    let mut reader = builder.build();
    assert_eq!(feed(&mut reader, &[]), ReadRecordResult::End);
    reader
}

/// Reads all of `bytes`, and says how the last call ended.
fn feed(reader: &mut Reader, mut bytes: &[u8]) -> ReadRecordResult {
    loop {
        let (result, read, ..) = reader.read_record(bytes, &mut [0; 64], &mut [0; 64]);
        bytes = &bytes[read..];
        if bytes.is_empty() {
            return result;
        }
    }
}

/// All rows, with the reader told that the input ends.
fn rows(dialect: Dialect, mut input: &[u8]) -> Vec<Vec<Vec<u8>>> {
    let mut reader = reader(dialect);
    let (mut cells, mut ends) = (vec![0; input.len() + 1], vec![0; input.len() + 2]);
    let (mut cells_len, mut ends_len, mut rows) = (0, 0, Vec::new());
    loop {
        let (result, read, written, ended) =
            reader.read_record(input, &mut cells[cells_len..], &mut ends[ends_len..]);
        (input, cells_len, ends_len) = (&input[read..], cells_len + written, ends_len + ended);
        match result {
            ReadRecordResult::End => return rows,
            ReadRecordResult::Record => {
                let mut start = 0;
                let row =
                    ends[..ends_len].iter().map(|&end| cells[std::mem::replace(&mut start, end)..end].into());
                rows.push(row.collect());
                (cells_len, ends_len) = (0, 0);
            }
            ReadRecordResult::InputEmpty => {}
            full => panic!("{full:?} with room for every byte"),
        }
    }
}

fn line(file: &[u8], byte: usize) -> u64 {
    let ends = |&at: &usize| file[at] == b'\n' || file[at] == b'\r' && file.get(at + 1) != Some(&b'\n');
    1 + (0..byte).filter(ends).count() as u64
}

fn at(file: &[u8], byte: usize) -> Position {
    Position::File { byte: byte as u64, line: line(file, byte) }
}

/// What `csv-core` says behind these bytes when it is asked what `then` makes of them.
fn ask(dialect: Dialect, bytes: &[u8], then: &[u8]) -> ReadRecordResult {
    let mut reader = reader(dialect);
    if !bytes.is_empty() {
        feed(&mut reader, bytes);
    }
    feed(&mut reader, then)
}

/// Where `csv-core` has no record begun: told that the input ends, it has none to give.
fn record_starts(dialect: Dialect, file: &[u8], body: usize) -> Vec<usize> {
    let behind_line_end = |at: &usize| match file[at - 1] {
        b'\n' => true,
        b'\r' => file.get(*at) != Some(&b'\n'),
        _ => false,
    };
    let none_begun = |at: &usize| ask(dialect, &file[body..*at], &[]) == ReadRecordResult::End;
    (body + 1..=file.len()).filter(behind_line_end).filter(none_begun).collect()
}

/// Whether `csv-core` takes a line end behind these bytes for a part of a cell.
fn open_quote(dialect: Dialect, bytes: &[u8]) -> bool {
    let special = [dialect.quote, dialect.escape, Some(dialect.delimiter)];
    let plain = (b'a'..).find(|byte| !special.contains(&Some(*byte))).unwrap();
    ask(dialect, bytes, &[plain, b'\n']) != ReadRecordResult::Record
}

/// What the splits must be.
fn expected(dialect: Dialect, file: &[u8], body: usize, split_bytes: u64) -> Vec<Split> {
    let starts = record_starts(dialect, file, body);
    let mut bounds = vec![body];
    for multiple in (0..=file.len()).filter(|&at| at > body && (at as u64).is_multiple_of(split_bytes)) {
        bounds.extend(starts.iter().find(|&&start| start >= multiple && start < file.len()));
    }
    bounds.push(file.len());
    bounds.dedup();
    bounds.windows(2).map(|ends| Split { start: at(file, ends[0]), end: at(file, ends[1]) }).collect()
}

/// What the splits are, and whether a quote is open at the end. The sizes of the blocks are used in turn.
fn tile(
    dialect: Dialect,
    file: &[u8],
    body: Position,
    split_bytes: u64,
    blocks: &[usize],
) -> (Vec<Split>, bool) {
    let scanner = Scanner::new(dialect, split_bytes);
    let mut tiler = Tiler::new(split_bytes, body);
    let (mut splits, mut byte) = (Vec::new(), body.byte() as usize);
    for size in blocks.iter().cycle() {
        let end = file.len().min(byte + size);
        splits.extend(tiler.push(&scanner.scan(byte as u64, &file[byte..end])));
        assert_eq!(tiler.tiled_to(), splits.last().map_or(body, |split| split.end));
        byte = end;
        if byte == file.len() {
            break;
        }
    }
    let open_quote = tiler.open_quote();
    splits.extend(tiler.finish());
    (splits, open_quote)
}

fn bytes(splits: &[Split]) -> Vec<(u64, u64)> {
    splits.iter().map(|split| (split.start.byte(), split.end.byte())).collect()
}

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

/// Files of the bytes that matter in their dialect, with the start of the body at a record's start.
fn files(max_len: usize) -> impl Strategy<Value = (Dialect, Vec<u8>, usize)> {
    (dialects(), any::<u64>(), any::<prop::sample::Index>()).prop_flat_map(move |(dialect, rarity, body)| {
        let special = [dialect.quote.unwrap_or(b'"'), dialect.escape.unwrap_or(b'\\'), dialect.delimiter];
        let weights =
            [rarity, rarity >> 2, rarity >> 4, rarity >> 6, rarity >> 8].map(|bits| 1 + (bits % 4) as u32);
        let byte = prop_oneof![
            3 * weights[0] => Just(special[0]),
            weights[1] => Just(special[1]),
            weights[2] => Just(special[2]),
            weights[3] => Just(b'\n'),
            weights[4] => Just(b'\r'),
            2 => prop::sample::select(&b"xyz \0"[..]),
            1 => prop::sample::select(&b"\xef\xbb\xbf"[..]),
        ];
        prop::collection::vec(byte, 0..max_len).prop_map(move |file| {
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
        let (resumed, _) = tile(dialect, file, split.start, split_bytes, &blocks[number % blocks.len()..]);
        prop_assert_eq!(&resumed, &splits[number..]);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

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

    #[test]
    fn effects_of_two_stretches_compose((dialect, file, _) in files(20), cut in any::<prop::sample::Index>()) {
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

/// The splits when every record start is a cut.
fn cut_everywhere(dialect: Dialect, file: &str) -> Vec<&str> {
    let (splits, _) = tile(dialect, file.as_bytes(), Position::FILE_START, 1, &[3]);
    bytes(&splits).iter().map(|&(start, end)| &file[start as usize..end as usize]).collect()
}

#[test]
fn a_line_end_inside_quotes_is_no_record_end() {
    assert_eq!(
        cut_everywhere(Dialect::default(), "1,\"a\nb\r\nc\rd\"\n2\n"),
        ["1,\"a\nb\r\nc\rd\"\n", "2\n"]
    );
}

#[test]
fn a_quote_inside_an_unquoted_cell_is_a_byte_like_any_other() {
    assert_eq!(cut_everywhere(Dialect::default(), "5\" disk\n 3\",\n2\n"), ["5\" disk\n", " 3\",\n", "2\n"]);
}

#[test]
fn a_doubled_quote_stays_inside_quotes() {
    assert_eq!(cut_everywhere(Dialect::default(), "\"a\"\"\n\"\"b\"\n2\n"), ["\"a\"\"\n\"\"b\"\n", "2\n"]);
}

#[test]
fn a_byte_behind_a_closing_quote_goes_on_unquoted() {
    assert_eq!(
        cut_everywhere(Dialect::default(), "\"a\"b\"\n\"c\" \"\n2\n"),
        ["\"a\"b\"\n", "\"c\" \"\n", "2\n"]
    );
}

#[test]
fn an_escaped_quote_does_not_close_but_a_doubled_escape_escapes_nothing() {
    let dialect = Dialect { escape: Some(b'\\'), ..Dialect::default() };
    assert_eq!(cut_everywhere(dialect, "\"a\\\"\nb\"\n2\n"), ["\"a\\\"\nb\"\n", "2\n"]);
    assert_eq!(cut_everywhere(dialect, "\"a\\\\\"\n2\n"), ["\"a\\\\\"\n", "2\n"]);
}

#[test]
fn an_escape_outside_quotes_is_a_byte_like_any_other() {
    let dialect = Dialect { escape: Some(b'\\'), ..Dialect::default() };
    assert_eq!(cut_everywhere(dialect, "a\\\n\\\"b\n\"c\"\\\n2\n"), ["a\\\n", "\\\"b\n", "\"c\"\\\n", "2\n"]);
}

#[test]
fn an_escape_that_is_the_quote_means_doubling() {
    let dialect = Dialect { escape: Some(b'"'), ..Dialect::default() };
    assert_eq!(cut_everywhere(dialect, "\"a\"\"\nb\"\n2\n"), ["\"a\"\"\nb\"\n", "2\n"]);
}

#[test]
fn without_a_quote_every_line_end_ends_a_record() {
    let dialect = Dialect { quote: None, escape: Some(b'\\'), ..Dialect::default() };
    assert_eq!(cut_everywhere(dialect, "\"a\n\"\\\nb\n"), ["\"a\n", "\"\\\n", "b\n"]);
}

#[test]
fn a_bare_cr_ends_a_record_and_crlf_is_never_cut_in_two() {
    assert_eq!(cut_everywhere(Dialect::default(), "ab\rc\r\nd\n\re"), ["ab\r", "c\r\n", "d\n", "\r", "e"]);
}

#[test]
fn a_cr_counts_as_a_line_once_it_is_clear_that_no_lf_follows() {
    let (splits, _) = tile(Dialect::default(), b"ab\rcd\r\nef\r", Position::FILE_START, 1, &[3]);
    let lines: Vec<_> = splits.iter().map(|split| (split.start.line(), split.end.line())).collect();
    assert_eq!(lines, [(1, 2), (2, 3), (3, 4)]);
}

#[test]
fn a_blank_line_is_a_place_where_a_split_may_start() {
    assert_eq!(cut_everywhere(Dialect::default(), "a\n\n\r\nb\n"), ["a\n", "\n", "\r\n", "b\n"]);
}

#[test]
fn a_record_longer_than_a_split_makes_a_longer_split() {
    let file = b"aaaaaaaaaaaaaaaaaaaaa\nb\nc\n";
    let (splits, _) = tile(Dialect::default(), file, Position::FILE_START, 4, &[5]);
    assert_eq!(bytes(&splits), [(0, 22), (22, 24), (24, 26)]);
}

#[test]
fn a_file_without_a_body_has_no_split() {
    assert_eq!(tile(Dialect::default(), b"", Position::FILE_START, 4, &[5]).0, []);
    assert_eq!(tile(Dialect::default(), b"a,b\n", at(b"a,b\n", 4), 4, &[5]).0, []);
}

#[test]
fn a_quote_that_is_never_closed_leaves_one_split_to_the_end_and_says_so() {
    let (splits, open_quote) = tile(Dialect::default(), b"a\n\"b\nc\nd\n", Position::FILE_START, 1, &[5]);
    assert_eq!(bytes(&splits), [(0, 2), (2, 9)]);
    assert!(open_quote);
}

#[test]
fn splits_are_handed_out_before_the_rest_is_scanned() {
    let scanner = Scanner::new(Dialect::default(), 4);
    let mut tiler = Tiler::new(4, Position::FILE_START);
    assert_eq!(bytes(&tiler.push(&scanner.scan(0, b"aa\nbb\ncc"))), [(0, 6)]);
    assert_eq!(tiler.tiled_to(), Position::File { byte: 6, line: 3 });
}

#[test]
#[should_panic(expected = "in order")]
fn a_block_that_does_not_follow_the_last_one_is_a_bug() {
    Tiler::new(4, Position::FILE_START).push(&Scanner::new(Dialect::default(), 4).scan(1, b"a"));
}

#[test]
fn offsets_near_the_end_of_the_numbers_do_not_overflow() {
    let from = Position::File { byte: u64::MAX - 6, line: 1 };
    for split_bytes in [0, 1, u64::MAX] {
        let mut tiler = Tiler::new(split_bytes, from);
        let mut splits =
            tiler.push(&Scanner::new(Dialect::default(), split_bytes).scan(from.byte(), b"a\nb\nc\n"));
        splits.extend(tiler.finish());
        assert_eq!(bytes(&splits).last().map(|split| split.1), Some(u64::MAX));
    }
}

#[test]
fn the_split_size_is_a_quarter_of_a_streams_share_within_bounds() {
    assert_eq!(split_bytes(0, 0), 64 << 10);
    assert_eq!(split_bytes(360_000_000, 2), 45_000_000);
    assert_eq!(split_bytes(360_000_000, 32), 2_812_500);
    assert_eq!(split_bytes(u64::MAX, 1), 64 << 20);
    assert_eq!(split_bytes(u64::MAX, usize::MAX), 64 << 10);
}
