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

/// A row as a JSON object, and whether it was cut, as [`columns_json`] has it: `columns` with their types in the table,
/// and `cells` in their order. A cell is shown as a value of its field, so that it can be sent again; one that is no
/// value of its type is the text of its bytes, `\x…`.
pub fn raw_json(columns: &[(&Field, &CqlType)], cells: &[Part<'_>], values: &Values) -> (String, bool) {
    let exact = Values {
        time_nanoseconds: match values.time_nanoseconds {
            TimeNanoseconds::Bigint => TimeNanoseconds::Bigint,
            TimeNanoseconds::Reject | TimeNanoseconds::Truncate => TimeNanoseconds::Reject,
        },
        ..EXACT
    };
    let (fields, arrays): (Vec<Field>, Vec<ArrayRef>) = columns
        .iter()
        .zip(cells)
        .map(|((field, ty), cell)| {
            let (ty, array) = column(field.ty, ty, *cell, &exact);
            (Field::nullable(field.name.as_str(), ty), array)
        })
        .unzip();
    columns_json(&fields, &arrays, 0)
}

/// A column of one row.
fn column(wanted: Type, ty: &CqlType, cell: Part<'_>, exact: &Values) -> (Type, ArrayRef) {
    let shown = special(ty, cell, exact).or_else(|| decoded(wanted, ty, cell, exact));
    shown.unwrap_or_else(|| {
        // More could not be shown.
        let cell = cell.map(|cell| &cell[..cell.len().min(MAX_ORIGINAL_BYTES)]);
        (Type::of(Scalar::Bytes), Arc::new(BinaryArray::from(vec![cell])))
    })
}

/// Values that PostgreSQL cannot store but that have a text: with a NUL, or finer than a microsecond.
fn special(ty: &CqlType, cell: Part<'_>, exact: &Values) -> Option<(Type, ArrayRef)> {
    let CqlType::Native(native) = ty else { return None };
    match native {
        Native::Ascii | Native::Text => {
            let text = simdutf8::basic::from_utf8(cell?).ok()?;
            Some((Type::of(Scalar::Text), Arc::new(StringArray::from(vec![text]))))
        }
        Native::Time if exact.time_nanoseconds != TimeNanoseconds::Bigint => {
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

fn decoded(wanted: Type, ty: &CqlType, cell: Part<'_>, exact: &Values) -> Option<(Type, ArrayRef)> {
    // As the reader has it.
    let decoder = Decoder::new(ty, exact, false).ok()?.for_field(wanted);
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

    /// Cells in columns of the field that their type makes.
    fn shown(columns: &[(&str, CqlType, Part<'_>)], values: &Values) -> (String, bool) {
        let fields: Vec<Field> = columns
            .iter()
            .map(|(name, ty, _)| {
                let ty =
                    Decoder::new(ty, values, false).map_or(Type::of(Scalar::Bytes), |decoder| decoder.ty());
                Field::nullable(*name, ty)
            })
            .collect();
        let typed: Vec<_> = fields.iter().zip(columns.iter().map(|(_, ty, _)| ty)).collect();
        let cells: Vec<_> = columns.iter().map(|(.., cell)| *cell).collect();
        raw_json(&typed, &cells, values)
    }

    #[test]
    fn what_is_a_number_or_a_point_in_time_by_its_field_is_shown_as_one() {
        let values = Values { time_nanoseconds: TimeNanoseconds::Bigint, ..Values::default() };
        let time = CqlType::Native(Native::Time);
        let times = CqlType::List { element: Box::new(time.clone()), frozen: false };
        let one = [0, 0, 0, 0, 0, 0, 0, 1];
        let list = [&[0, 0, 0, 1, 0, 0, 0, 8][..], &one].concat();
        let columns = [("at", time, Some(&one[..])), ("all", times, Some(&list[..]))];
        assert_eq!(shown(&columns, &values), (r#"{"at":1,"all":[1]}"#.into(), false));

        let written = Field::nullable("written", Type::of(Scalar::Timestamp));
        let (json, _) = raw_json(&[(&written, &native(Native::BigInt))], &[Some(&one)], &Values::default());
        assert_eq!(json, r#"{"written":"1970-01-01 00:00:00.000001+00"}"#);
        let last = i64::MAX.to_be_bytes();
        let (json, _) = raw_json(&[(&written, &native(Native::BigInt))], &[Some(&last)], &Values::default());
        assert_eq!(json, r#"{"written":"\\x7fffffffffffffff"}"#, "no infinity");
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
        let expected =
            r#"{"k":7,"bad":"\\x0102","empty":"\\x","none":null,"nul":"a\u0000","no text":"\\xff","#
                .to_owned()
                + r#""time":"00:00:00.000000001","span":"00:00:00.000000001","list":"\\x000000010000000100"}"#;
        assert_eq!(shown(&columns, &Values::default()), (expected, false));
    }

    #[test]
    fn a_class_of_the_servers_own_is_shown_as_bytes() {
        let column = ("a", CqlType::Custom("c".into()), Some(&[1][..]));
        assert_eq!(shown(&[column], &Values::default()), (r#"{"a":"\\x01"}"#.into(), false));
    }

    #[test]
    fn what_is_larger_than_a_reject_keeps_is_cut_and_stays_json() {
        let cell = vec![b'x'; MAX_ORIGINAL_BYTES * 3];
        let types = [("a", Native::Int), ("b", Native::Blob), ("c", Native::Text)];
        let columns = types.map(|(name, of)| (name, native(of), Some(&cell[..])));
        let (json, cut) = shown(&columns, &Values::default());
        assert!(cut && json.len() <= MAX_ORIGINAL_BYTES);
        let object: serde_json::Map<_, _> = serde_json::from_str(&json).unwrap();
        assert_eq!(object.len(), 3);
    }
}
