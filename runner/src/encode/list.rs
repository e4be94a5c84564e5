//! An array's text, `{1,2,NULL,"a b"}`, with the quoting that PostgreSQL's own output has, and then CSV's; or pgvector's,
//! `[1,2]`, of numbers alone.

use std::ops::Range;

use super::{Form, cell, quote};
use crate::values::{Nulls, Values};

/// The elements of one row.
pub(super) struct Elements<'a, 'v> {
    pub(super) range: Range<usize>,
    pub(super) nulls: Nulls<'a>,
    pub(super) values: &'v Values<'a>,
}

/// The elements of row `row`.
pub(super) fn range(offsets: &[i32], row: usize) -> Range<usize> {
    let at = |index: usize| usize::try_from(offsets[index]).unwrap_or(0);
    at(row)..at(row + 1)
}

impl Elements<'_, '_> {
    /// Appends the cell. Answers the newlines inside its quotes.
    pub(super) fn encode(self, form: Form, out: &mut Vec<u8>) -> u32 {
        let start = out.len();
        let (open, close) = if form == Form::Vector { (b'[', b']') } else { (b'{', b'}') };
        out.push(open);
        let first = self.range.start;
        for index in self.range {
            if index > first {
                out.push(b',');
            }
            if self.nulls.is_null(index) {
                out.extend_from_slice(b"NULL");
            } else {
                element(self.values, index, out);
            }
        }
        out.push(close);
        quote::in_place(start, out)
    }
}

fn element(values: &Values, index: usize, out: &mut Vec<u8>) {
    match values {
        Values::Text(texts) => text(texts.value(index).as_bytes(), out),
        // The backslash of `\x` is escaped.
        Values::Bytes(bytes) => {
            out.extend_from_slice(b"\"\\\\x");
            crate::text_form::hex(bytes.value(index), out);
            out.push(b'"');
        }
        // Forms with blanks: not each value has one.
        Values::Date(_) | Values::Timestamp(_) | Values::Interval(_) => {
            let start = out.len();
            cell::bare(values, index, out);
            if out[start..].contains(&b' ') {
                out.insert(start, b'"');
                out.push(b'"');
            }
        }
        _ => cell::bare(values, index, out),
    }
}

/// Quoted where it is empty, reads as NULL, or holds a byte that has a meaning in an array's text.
fn text(element: &[u8], out: &mut Vec<u8>) {
    let special = |b: &u8| matches!(b, b'{' | b'}' | b',' | b'"' | b'\\' | b' ' | b'\t'..=b'\r');
    if !element.is_empty() && !element.eq_ignore_ascii_case(b"null") && !element.iter().any(special) {
        out.extend_from_slice(element);
        return;
    }
    out.push(b'"');
    for byte in element {
        if matches!(byte, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(*byte);
    }
    out.push(b'"');
}
