//! CSV quoting as PostgreSQL reads it: `"` around a cell and doubled inside. Must not know: types.

use crate::append::append;

/// Appends the first `length` of `bytes` as a text cell. Answers the newlines inside its quotes.
///
/// Quoted are: the empty text (unquoted it is NULL), a cell with a delimiter, quote or line end, and one that
/// starts with `\.`, because a line of `\.` alone ends the COPY, silently.
#[inline]
pub(super) fn text(bytes: &[u8], length: usize, out: &mut Vec<u8>) -> u32 {
    let cell = &bytes[..length];
    if is_special(cell) {
        return quoted(cell, out);
    }
    plain_text(bytes, length, out);
    0
}

/// The same for a cell of a column without special bytes.
#[inline]
pub(super) fn plain_text(bytes: &[u8], length: usize, out: &mut Vec<u8>) {
    let cell = &bytes[..length];
    if cell.is_empty() || cell.starts_with(b"\\.") {
        quoted(cell, out);
    } else {
        append(bytes, length, out);
    }
}

/// Quotes what was written from `start` on, where it must be; no array text is empty or starts with `\.`.
pub(super) fn in_place(start: usize, out: &mut Vec<u8>) -> u32 {
    if !is_special(&out[start..]) {
        return 0;
    }
    let newlines = count(b'\n', &out[start..]);
    let quotes = memchr::memchr_iter(b'"', &out[start..]).count();
    let mut from = out.len();
    out.resize(from + quotes + 2, b'"');
    // From the end, so that no byte is overwritten before it was moved; what is between stays a quote.
    let mut to = out.len() - 1;
    while from > start {
        from -= 1;
        to -= 1;
        out[to] = out[from];
        if out[from] == b'"' {
            to -= 1;
            out[to] = b'"';
        }
    }
    out[start] = b'"';
    newlines
}

/// How often `byte` occurs.
pub(super) fn count(byte: u8, text: &[u8]) -> u32 {
    u32::try_from(memchr::memchr_iter(byte, text).count()).unwrap_or(u32::MAX)
}

/// Whether there is a delimiter, a quote or a line end.
#[inline]
pub(super) fn is_special(text: &[u8]) -> bool {
    // Eight bytes at a time: the cells are short, and a search for four needles has none of its own in memchr.
    let Some(last) = text.last_chunk::<8>() else {
        return text.iter().any(|b| matches!(b, b',' | b'"' | b'\n' | b'\r'));
    };
    let (chunks, _) = text.as_chunks::<8>();
    chunks.iter().any(|chunk| has_special(u64::from_le_bytes(*chunk)))
        || has_special(u64::from_le_bytes(*last))
}

/// Whether one of eight bytes is special: a byte that equals the needle is zero after the XOR, and only then
/// can the subtraction borrow into its highest bit (a false alarm needs a true one below it).
#[inline]
fn has_special(word: u64) -> bool {
    const ONES: u64 = u64::MAX / 255;
    const HIGHS: u64 = ONES << 7;
    let zero = |needle: u8| {
        let x = word ^ (ONES * u64::from(needle));
        x.wrapping_sub(ONES) & !x
    };
    (zero(b',') | zero(b'"') | zero(b'\n') | zero(b'\r')) & HIGHS != 0
}

fn quoted(cell: &[u8], out: &mut Vec<u8>) -> u32 {
    // Short pieces, because in JSON every few bytes are a quote.
    const PIECE: usize = 32;
    out.reserve(cell.len() + 2);
    out.push(b'"');
    for piece in cell.chunks(PIECE) {
        if !piece.contains(&b'"') {
            out.extend_from_slice(piece);
            continue;
        }
        // Without a branch: the doubling quote is always written, and overwritten where it is not needed.
        let mut doubled = [b'"'; 2 * PIECE + 1];
        let mut end = 0;
        for byte in piece {
            doubled[end] = *byte;
            doubled[end + 1] = b'"';
            end += 1 + usize::from(*byte == b'"');
        }
        append(&doubled, end, out);
    }
    out.push(b'"');
    count(b'\n', cell)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_special_byte_is_found_wherever_it_is(
            mut cell in proptest::collection::vec(any::<u8>().prop_filter("plain", |b| !b",\"\n\r".contains(b)), 0..40),
            at in any::<prop::sample::Index>(),
            special in prop::sample::select(b",\"\n\r".to_vec()),
        ) {
            prop_assert!(!is_special(&cell));
            cell.insert(at.index(cell.len() + 1), special);
            prop_assert!(is_special(&cell));
        }

        #[test]
        fn quoting_in_place_equals_quoting(cell in "[a,\"\n\r]{1,20}") {
            let mut expected = b"before".to_vec();
            let lines = text(cell.as_bytes(), cell.len(), &mut expected);
            let mut out = format!("before{cell}").into_bytes();
            prop_assert_eq!(in_place(6, &mut out), lines);
            prop_assert_eq!(out, expected);
        }
    }
}
