//! One cell: its value's text form, quoted where that can be needed.

use arrow_array::StringArray;

use super::{Form, list, quote};
use crate::append::append;
use crate::text_form;
use crate::values::{Cells, Values, text_bytes};

/// Appends the cell of row `row`, which is not NULL. Answers the newlines inside quotes.
#[inline]
pub(super) fn encode(cells: &Cells, form: Form, row: usize, out: &mut Vec<u8>) -> u32 {
    match cells {
        Cells::Scalars(Values::Text(values)) => {
            let (bytes, length) = text(values, row);
            if form != Form::Plain {
                return quote::text(bytes, length, out);
            }
            quote::plain_text(bytes, length, out);
        }
        Cells::Scalars(values) => bare(values, row, out),
        Cells::Lists { offsets, nulls, elements } => {
            let elements =
                list::Elements { range: list::range(offsets, row), nulls: *nulls, values: elements };
            return elements.encode(form, out);
        }
    }
    0
}

/// Appends the text form alone. Of a valid value of any type but text it holds nothing that CSV would quote.
#[inline]
pub(super) fn bare(values: &Values, index: usize, out: &mut Vec<u8>) {
    match values {
        Values::Boolean(values) => text_form::boolean(values.value(index), out),
        Values::Int16(values) => text_form::integer(values[index], out),
        Values::Int32(values) => text_form::integer(values[index], out),
        Values::Int64(values) => text_form::integer(values[index], out),
        Values::Float32(values) => text_form::float32(values[index], out),
        Values::Float64(values) => text_form::float64(values[index], out),
        Values::Numeric(values) | Values::Text(values) => {
            let (bytes, length) = text(values, index);
            append(bytes, length, out);
        }
        Values::Bytes(values) => text_form::bytes(values.value(index), out),
        Values::Uuid(values) => text_form::uuid(values.value(index), out),
        Values::Date(values) => text_form::date(values[index], out),
        Values::Time(values) => text_form::time(values[index], out),
        Values::Timestamp(values) => text_form::timestamp(values[index], out),
        Values::Interval(values) => text_form::interval(values[index], out),
    }
}

/// The bytes of a value and what is behind them, and how many are its own.
#[inline]
fn text(values: &StringArray, index: usize) -> (&[u8], usize) {
    let offsets = values.value_offsets();
    let (start, end) = (offsets[index] as usize, offsets[index + 1] as usize);
    (&values.value_data()[start..], end - start)
}

/// Whether a text column's buffer holds no special byte at all, so that its cells need no look each.
pub(super) fn is_plain(cells: &Cells) -> bool {
    let Cells::Scalars(Values::Text(values)) = cells else { return false };
    !quote::is_special(text_bytes(values))
}
