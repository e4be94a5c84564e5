//! The whole stage on small batches; types one by one are tested against a real server in `tests/`.

use std::sync::Arc;

use arrow_array::builder::{Float32Builder, Int32Builder, ListBuilder, StringBuilder};
use arrow_array::types::Int32Type;
use arrow_array::{
    Date32Array, Int32Array, IntervalMonthDayNanoArray, ListArray, StringArray, Time64MicrosecondArray,
    TimestampMicrosecondArray,
};
use arrow_buffer::IntervalMonthDayNano;

use super::*;
use crate::schema::Scalar;

fn fields(types: &[Type]) -> Vec<Field> {
    types.iter().enumerate().map(|(i, ty)| Field::nullable(format!("c{i}"), *ty)).collect()
}

fn csv(types: &[Type], columns: &[ArrayRef]) -> (String, Vec<u32>) {
    let encoder = Encoder::new(&fields(types));
    let rows = encoder.bind(columns).unwrap();
    let mut out = Vec::new();
    let lines = (0..columns[0].len()).map(|row| rows.encode_row(row, &mut out)).collect();
    (String::from_utf8(out).unwrap(), lines)
}

fn refused(ty: Type, column: ArrayRef) -> Vec<(u32, &'static str)> {
    let encoder = Encoder::new(&fields(&[ty]));
    let columns = [column];
    let refused = encoder.bind(&columns).unwrap().refused();
    refused.into_iter().map(|refused| (refused.row, refused.code)).collect()
}

#[test]
fn null_is_an_empty_cell_and_the_empty_text_is_quoted() {
    let texts: ArrayRef = Arc::new(StringArray::from(vec![None, Some(""), Some("a")]));
    let numbers: ArrayRef = Arc::new(Int32Array::from(vec![Some(1), None, Some(-3)]));
    let types = [Type::of(Scalar::Text), Type::of(Scalar::Int32)];
    assert_eq!(csv(&types, &[texts, numbers]).0, ",1\n\"\",\na,-3\n");
}

#[test]
fn a_text_is_quoted_only_where_it_must_be() {
    let cells = [" a ", "a,b", "a\"b", "a\nb", "a\rb", "\\.", "\\.x", "\\", "'"];
    let column: ArrayRef = Arc::new(StringArray::from(cells.to_vec()));
    let (text, lines) = csv(&[Type::of(Scalar::Text)], &[column]);
    assert_eq!(text, " a \n\"a,b\"\n\"a\"\"b\"\n\"a\nb\"\n\"a\rb\"\n\"\\.\"\n\"\\.x\"\n\\\n'\n");
    assert_eq!(lines, [1, 1, 1, 2, 1, 1, 1, 1, 1]);
}

#[test]
fn a_lone_end_marker_is_quoted_in_a_column_without_special_bytes_too() {
    let column: ArrayRef = Arc::new(StringArray::from(vec!["a", "\\.", ""]));
    assert_eq!(csv(&[Type::of(Scalar::Text)], &[column]).0, "a\n\"\\.\"\n\"\"\n");
}

#[test]
fn the_first_record_of_a_copy_counts_carriage_returns_instead_of_newlines() {
    assert_eq!(first_record_lines(b"1,\"a\nb\"\n"), 1);
    assert_eq!(first_record_lines(b"1,\"a\r\nb\rc\"\n"), 3);
}

#[test]
fn arrays_are_quoted_twice() {
    let mut list = ListBuilder::new(StringBuilder::new());
    list.append_value([Some("a"), Some("b c"), None, Some(""), Some("null"), Some("q\"\\")]);
    list.append_value([Some("a")]);
    list.append_value([None::<&str>; 0]);
    list.append_null();
    let (text, _) = csv(&[Type::array_of(Scalar::Text)], &[Arc::new(list.finish())]);
    let first = r#""{a,""b c"",NULL,"""",""null"",""q\""\\""}""#;
    assert_eq!(text, format!("{first}\n{{a}}\n{{}}\n\n"));
}

#[test]
fn a_sliced_column_is_encoded_from_its_own_first_row() {
    let lists = ListArray::from_iter_primitive::<Int32Type, _, _>([
        Some(vec![Some(1)]),
        Some(vec![Some(2), None]),
        None,
    ]);
    let (text, _) = csv(&[Type::array_of(Scalar::Int32)], &[Arc::new(lists.slice(1, 2))]);
    assert_eq!(text, "\"{2,NULL}\"\n\n");
    let texts = StringArray::from(vec!["a,b", "c", "d"]).slice(1, 2);
    assert_eq!(csv(&[Type::of(Scalar::Text)], &[Arc::new(texts)]).0, "c\nd\n");
}

#[test]
fn a_text_with_nul_is_refused_unless_its_row_is_null() {
    let texts: ArrayRef = Arc::new(StringArray::from(vec![Some("a"), Some("\0"), None, Some("b\0")]));
    for scalar in [Scalar::Text, Scalar::Json, Scalar::Inet] {
        assert_eq!(refused(Type::of(scalar), Arc::clone(&texts)), [(1, "nul"), (3, "nul")]);
    }
    let numeric: ArrayRef = Arc::new(StringArray::from(vec!["1", "1\0", "x", "1e200000"]));
    let codes = [(1, "nul"), (2, "bad_numeric"), (3, "out_of_range")];
    assert_eq!(refused(Type::of(Scalar::Numeric), numeric), codes);
}

#[test]
fn a_row_is_refused_once_with_its_first_column() {
    let texts: ArrayRef = Arc::new(StringArray::from(vec!["\0", "a", "b"]));
    let dates: ArrayRef = Arc::new(Date32Array::from(vec![i32::MIN + 1, i32::MAX - 1, i32::MIN]));
    let encoder = Encoder::new(&fields(&[Type::of(Scalar::Text), Type::of(Scalar::Date)]));
    let columns = [texts, dates];
    let refused = encoder.bind(&columns).unwrap().refused();
    let brief: Vec<_> = refused.iter().map(|r| (r.row, r.column, r.code)).collect();
    assert_eq!(brief, [(0, 0, "nul"), (1, 1, "out_of_range")]);
}

#[test]
fn moments_outside_the_range_of_postgresql_are_refused_at_the_exact_limit() {
    let dates = vec![-2_440_589, -2_440_588, 2_145_042_905, 2_145_042_906, i32::MIN, i32::MAX];
    let found = refused(Type::of(Scalar::Date), Arc::new(Date32Array::from(dates)));
    assert_eq!(found, [(0, "out_of_range"), (3, "out_of_range")]);
    let first = -210_866_803_200_000_000;
    let micros = vec![first - 1, first, i64::MAX - 1, i64::MIN, i64::MAX];
    let found = refused(Type::of(Scalar::Timestamp), Arc::new(TimestampMicrosecondArray::from(micros)));
    assert_eq!(found, [(0, "out_of_range")]);
    let times = vec![-1, 0, 86_400_000_000, 86_400_000_001];
    let found = refused(Type::of(Scalar::Time), Arc::new(Time64MicrosecondArray::from(times)));
    assert_eq!(found, [(0, "out_of_range"), (3, "out_of_range")]);
    let span = |nanoseconds| IntervalMonthDayNano { months: 0, days: 0, nanoseconds };
    let spans = IntervalMonthDayNanoArray::from(vec![span(1000), span(-1), span(999)]);
    let found = refused(Type::of(Scalar::Interval), Arc::new(spans));
    assert_eq!(found, [(1, "sub_microsecond"), (2, "sub_microsecond")]);
}

#[test]
fn a_bad_element_refuses_the_row_that_holds_it() {
    let mut list = ListBuilder::new(StringBuilder::new());
    list.append_value([Some("\0")]);
    list.append_value([Some("a"), None]);
    list.append_value([None::<&str>; 0]);
    list.append_value([Some("b"), Some("\0")]);
    let lists = list.finish();
    let ty = Type::array_of(Scalar::Text);
    assert_eq!(refused(ty, Arc::new(lists.slice(1, 3))), [(2, "nul")]);
    assert_eq!(refused(ty, Arc::new(lists)), [(0, "nul"), (3, "nul")]);
}

#[test]
fn a_batch_that_is_not_what_its_fields_say_is_an_error() {
    let encoder = Encoder::new(&fields(&[Type::of(Scalar::Int32), Type::of(Scalar::Int32)]));
    let two: ArrayRef = Arc::new(Int32Array::from(vec![1, 2]));
    let one: ArrayRef = Arc::new(Int32Array::from(vec![1]));
    let text: ArrayRef = Arc::new(StringArray::from(vec!["1", "2"]));
    let mut list = ListBuilder::new(Int32Builder::new());
    list.append_value([Some(1)]);
    list.append_null();
    let list: ArrayRef = Arc::new(list.finish());
    let error = |columns: &[ArrayRef]| encoder.bind(columns).unwrap_err();
    assert!(matches!(error(&[Arc::clone(&two)]), Error::Columns { expected: 2, got: 1 }));
    assert!(matches!(error(&[Arc::clone(&two), one]), Error::Length { expected: 2, got: 1, .. }));
    assert!(matches!(error(&[Arc::clone(&two), text]), Error::Type { .. }));
    assert!(matches!(error(&[two, list]), Error::Type { .. }));
}

#[test]
fn each_code_is_in_the_docs() {
    let page = include_str!("../../../docs/types.md");
    for why in Why::ALL {
        assert!(page.contains(&format!("| `{}` |", why.code())), "{}", why.code());
        assert!(page.contains(why.reason()), "{}", why.reason());
    }
}

#[test]
fn a_vector_is_in_brackets_and_refused_where_pgvector_has_no_such_one() {
    let mut list = ListBuilder::new(Float32Builder::new());
    list.append_value([Some(1.5), Some(-2.0), Some(1e-10)]);
    list.append_value([Some(7.0)]);
    list.append_null();
    for bad in [None, Some(f32::NAN), Some(f32::INFINITY), Some(f32::NEG_INFINITY)] {
        list.append_value([Some(1.0), bad]);
    }
    list.append_value([None::<f32>; 0]);
    let columns: [ArrayRef; 1] = [Arc::new(list.finish())];
    let plain = Encoder::new(&fields(&[Type::array_of(Scalar::Float32)]));
    assert_eq!(plain.bind(&columns).unwrap().refused(), []);
    let encoder = plain.with_vectors(&[0]);
    let rows = encoder.bind(&columns).unwrap();
    let refused: Vec<_> = rows.refused().into_iter().map(|refused| (refused.row, refused.code)).collect();
    assert_eq!(refused, [3, 4, 5, 6, 7].map(|row| (row, "bad_vector")));
    let mut out = Vec::new();
    (0..3).for_each(|row| {
        rows.encode_row(row, &mut out);
    });
    assert_eq!(String::from_utf8(out).unwrap(), "\"[1.5,-2.0,1e-10]\"\n[7.0]\n\n");
}
