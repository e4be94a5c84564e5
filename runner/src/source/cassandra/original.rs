//! The original of a reject: one row's cells as a JSON object, without loss. Must not know why it is a reject.

use std::sync::Arc;

use arrow_array::{ArrayRef, BinaryArray, IntervalMonthDayNanoArray, StringArray};

use super::cql_type::{CqlType, Native};
use super::decode::Decoder;
use super::moment;
use super::parts::Part;
use super::values::{DurationNanoseconds, Empty, Nul, TimeNanoseconds, Values};
use crate::original::columns_json;
use crate::reject::MAX_ORIGINAL_BYTES;
use crate::schema::{Field, Scalar, Type};
use crate::source::column::Column;

/// Nothing is changed: what has no value of ours as it is, is shown as bytes.
const EXACT: Values = Values {
    nul: Nul::Reject,
    empty: Empty::Reject,
    time_nanoseconds: TimeNanoseconds::Reject,
    duration_nanoseconds: DurationNanoseconds::Reject,
};

/// A row as a JSON object, and whether it was cut, as [`columns_json`] has it: `names`, `types` and `cells` are
/// those of its columns, in their order. A cell that is no value of its type is the text of its bytes, `\x…`.
pub fn raw_json(names: &[&str], types: &[CqlType], cells: &[Part<'_>]) -> (String, bool) {
    let columns = names.iter().zip(types).zip(cells);
    let (fields, arrays): (Vec<Field>, Vec<ArrayRef>) = columns
        .map(|((name, ty), cell)| {
            let (ty, array) = column(ty, *cell);
            (Field::nullable(*name, ty), array)
        })
        .unzip();
    columns_json(&fields, &arrays, 0)
}

/// A column of one row.
fn column(ty: &CqlType, cell: Part<'_>) -> (Type, ArrayRef) {
    let shown = special(ty, cell).or_else(|| decoded(ty, cell));
    shown.unwrap_or_else(|| {
        // More could not be shown.
        let cell = cell.map(|cell| &cell[..cell.len().min(MAX_ORIGINAL_BYTES)]);
        (Type::of(Scalar::Bytes), Arc::new(BinaryArray::from(vec![cell])))
    })
}

/// Values that PostgreSQL cannot store but that have a text: with a NUL, or finer than a microsecond.
fn special(ty: &CqlType, cell: Part<'_>) -> Option<(Type, ArrayRef)> {
    let CqlType::Native(native) = ty else { return None };
    match native {
        Native::Ascii | Native::Text => {
            let text = simdutf8::basic::from_utf8(cell?).ok()?;
            Some((Type::of(Scalar::Text), Arc::new(StringArray::from(vec![text]))))
        }
        Native::Time => {
            let mut text = Vec::new();
            moment::time_text(moment::time(cell?).ok()?, &mut text);
            let text = String::from_utf8(text).ok()?;
            Some((Type::of(Scalar::Text), Arc::new(StringArray::from(vec![text]))))
        }
        Native::Duration => {
            let span = moment::duration(cell?).ok()?;
            Some((Type::of(Scalar::Interval), Arc::new(IntervalMonthDayNanoArray::from(vec![span]))))
        }
        _ => None,
    }
}

fn decoded(ty: &CqlType, cell: Part<'_>) -> Option<(Type, ArrayRef)> {
    let decoder = Decoder::new(ty, &EXACT, false).ok()?;
    let mut column = Column::new(decoder.ty());
    let mut refused = Vec::new();
    decoder.extend(&mut column, std::iter::once(cell), &mut refused, &mut 0).ok()?;
    let array = column.finish().ok()?;
    refused.is_empty().then_some((decoder.ty(), array))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn native(native: Native) -> CqlType {
        CqlType::Native(native)
    }

    #[test]
    fn each_cell_is_its_value_or_its_bytes() {
        let list = CqlType::List { element: Box::new(native(Native::Text)), frozen: false };
        let columns: [(&str, CqlType, Part<'_>); 9] = [
            ("k", native(Native::Int), Some(&[0, 0, 0, 7])),
            ("bad", native(Native::Int), Some(&[1, 2])),
            ("empty", native(Native::Int), Some(&[])),
            ("none", native(Native::Int), None),
            ("nul", native(Native::Text), Some(b"a\0")),
            ("no text", native(Native::Text), Some(b"\xff")),
            ("time", native(Native::Time), Some(&[0, 0, 0, 0, 0, 0, 0, 1])),
            ("span", native(Native::Duration), Some(&[0, 0, 2])),
            ("list", list, Some(&[0, 0, 0, 1, 0, 0, 0, 1, 0])),
        ];
        let names = columns.each_ref().map(|(name, ..)| *name);
        let types = columns.each_ref().map(|(_, ty, _)| ty.clone());
        let cells = columns.each_ref().map(|(.., cell)| *cell);
        let expected =
            r#"{"k":7,"bad":"\\x0102","empty":"\\x","none":null,"nul":"a\u0000","no text":"\\xff","#
                .to_owned()
                + r#""time":"00:00:00.000000001","span":"00:00:00.000000001","list":"\\x000000010000000100"}"#;
        assert_eq!(raw_json(&names, &types, &cells), (expected, false));
    }

    #[test]
    fn a_class_of_the_servers_own_is_shown_as_bytes() {
        let types = [CqlType::Custom("c".into())];
        assert_eq!(raw_json(&["a"], &types, &[Some(&[1])]), (r#"{"a":"\\x01"}"#.into(), false));
    }

    #[test]
    fn what_is_larger_than_a_reject_keeps_is_cut_and_stays_json() {
        let cell = vec![b'x'; MAX_ORIGINAL_BYTES * 3];
        let types = [native(Native::Int), native(Native::Blob), native(Native::Text)];
        let (json, cut) = raw_json(&["a", "b", "c"], &types, &[Some(&cell), Some(&cell), Some(&cell)]);
        assert!(cut && json.len() <= MAX_ORIGINAL_BYTES);
        let object: serde_json::Map<_, _> = serde_json::from_str(&json).unwrap();
        assert_eq!(object.len(), 3);
    }
}
