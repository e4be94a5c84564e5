//! Each oddity of CSV by name, and the edges of the stage.

use super::{at, bytes, tile};
use crate::dialect::Dialect;
use crate::position::Position;
use crate::split::{Scanner, Tiler, split_bytes};

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
fn an_empty_block_between_cr_and_lf_changes_nothing() {
    let (splits, _) = tile(Dialect::default(), b"ab\r\ncd\n", Position::FILE_START, 1, &[3, 0]);
    let ends: Vec<_> = splits.iter().map(|split| (split.end.byte(), split.end.line())).collect();
    assert_eq!(ends, [(4, 2), (7, 3)]);
}

#[test]
fn a_block_of_nothing_but_line_ends_is_counted_to_the_last() {
    for (line_end, lines) in [("\n", 1000), ("\r", 1000), ("\r\n", 1000), ("\n\r", 1001)] {
        let file = line_end.repeat(1000);
        let (splits, _) =
            tile(Dialect::default(), file.as_bytes(), Position::FILE_START, 1 << 20, &[1 << 20]);
        let ends: Vec<_> = splits.iter().map(|split| (split.end.byte(), split.end.line())).collect();
        assert_eq!(ends, [(file.len() as u64, lines + 1)], "{line_end:?}");
    }
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
        let mut tiler = Tiler::new(split_bytes, from.clone());
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

#[test]
fn a_record_that_starts_on_a_multiple_starts_a_split() {
    let decided = format!("\"{}\"\n", "a".repeat(61));
    let undecided = format!("{}\n", "\"\",".repeat(21));
    for row in [decided, undecided] {
        let file = row.repeat(9);
        let (splits, _) = tile(Dialect::default(), file.as_bytes(), Position::FILE_START, 64, &[64 * 9]);
        let expected: Vec<_> = (0..9).map(|row| (row * 64, row * 64 + 64)).collect();
        assert_eq!(bytes(&splits), expected);
    }
}

#[test]
fn an_escape_at_the_end_of_a_word_holds_for_the_first_byte_of_the_next() {
    let dialect = Dialect { escape: Some(b'\\'), ..Dialect::default() };
    let first_word = format!("\"a\"\n\"{}\\", "a".repeat(58));
    let file = format!("{first_word}\"\n\"\n{}\ny\n", "a".repeat(65));
    let (splits, open_quote) = tile(dialect, file.as_bytes(), Position::FILE_START, 131, &[200]);
    assert_eq!(bytes(&splits), [(0, 134), (134, 136)]);
    assert!(!open_quote);
}
