//! What the checks of a guest's answer refuse.

use arrow_array::Array;
use arrow_array::cast::AsArray;
use proptest::prelude::*;

use super::*;
use crate::schema::Type;

const LIMIT: ByteSize = ByteSize(1 << 20);

fn bytes(offsets: &[i32]) -> Vec<u8> {
    offsets.iter().flat_map(|o| o.to_le_bytes()).collect()
}

fn field(ty: Type) -> Field {
    Field::nullable("x", ty)
}

fn column(validity: &[u8], offsets: &[i32], data: &[u8]) -> ColumnOut {
    ColumnOut { validity: validity.to_vec(), offsets: bytes(offsets), data: data.to_vec() }
}

fn output(rows: u32, origin: &[u32], rejects: &[(u32, &str)], columns: Vec<ColumnOut>) -> Output {
    let rejects = rejects.iter().map(|(row, reason)| RejectOut { row: *row, reason: (*reason).into() });
    Output { rows, origin: origin.to_vec(), columns, rejects: rejects.collect() }
}

fn lie(answer: Result<Answer, Why>) -> String {
    match answer.unwrap_err() {
        Why::Lie(problem) => problem,
        other => panic!("{other:?}"),
    }
}

fn rows(origin: &Option<UInt32Array>) -> Option<Vec<u32>> {
    origin.as_ref().map(|o| o.values().to_vec())
}

#[test]
fn an_empty_origin_means_the_rows_that_were_not_rejected() {
    let answer = check(output(3, &[], &[], vec![]), &[], 3, LIMIT).unwrap();
    assert_eq!((rows(&answer.origin), answer.repeats), (None, false));
    let answer = check(output(2, &[], &[(1, "no")], vec![]), &[], 3, LIMIT).unwrap();
    assert_eq!(rows(&answer.origin), Some(vec![0, 2]));
}

#[test]
fn no_rows_without_an_origin_means_all_filtered() {
    let answer = check(output(0, &[], &[], vec![]), &[], 3, LIMIT).unwrap();
    assert_eq!(rows(&answer.origin), Some(vec![]));
}

#[test]
fn an_origin_may_leave_out_repeat_and_reorder_rows() {
    let answer = check(output(4, &[2, 0, 0, 2], &[(1, "no")], vec![]), &[], 4, LIMIT).unwrap();
    assert_eq!((rows(&answer.origin), answer.repeats), (Some(vec![2, 0, 0, 2]), true));
    let same = check(output(3, &[0, 1, 2], &[], vec![]), &[], 3, LIMIT).unwrap();
    assert!(same.origin.is_none());
}

#[test]
fn rejects_come_in_the_order_of_their_rows() {
    let answer = check(output(1, &[], &[(2, "b"), (0, "a")], vec![]), &[], 3, LIMIT).unwrap();
    assert_eq!(answer.rejects, [(0, "a".to_owned()), (2, "b".to_owned())]);
}

#[test]
fn a_reason_is_cut_between_characters_and_escaped() {
    let long = "ä".repeat(101) + "\0";
    let answer = check(output(0, &[], &[(0, &long)], vec![]), &[], 1, LIMIT).unwrap();
    assert_eq!(answer.rejects[0].1, "ä".repeat(100));
    let answer = check(output(0, &[], &[(0, "a\0")], vec![]), &[], 1, LIMIT).unwrap();
    assert_eq!(answer.rejects[0].1, "a\\u{0}");
}

#[test]
fn a_boolean_in_an_array_counts_as_a_byte() {
    let of = |count: i32, limit: u64| {
        let bits = vec![0; count.unsigned_abs().div_ceil(8) as usize];
        let columns = vec![column(&[], &[0, count], &[]), column(&[], &[], &bits)];
        check(output(1, &[], &[], columns), &[field(Type::array_of(Scalar::Boolean))], 1, ByteSize(limit))
    };
    assert!(of(100, 100).is_ok());
    assert!(matches!(of(101, 100).unwrap_err(), Why::Output(what) if what.contains("more than 100 B")));
}

#[test]
fn columns_of_fixed_width_must_have_exactly_their_bytes() {
    use Scalar::{Boolean, Date, Float32, Float64, Int16, Int32, Int64, Interval, Time, Timestamp, Uuid};
    let widths = [(Int16, 2), (Int32, 4), (Int64, 8), (Float32, 4), (Float64, 8), (Date, 4), (Time, 8)];
    let wide = [(Timestamp, 8), (Interval, 16), (Uuid, 16)];
    for (scalar, width) in widths.into_iter().chain(wide) {
        let of = |len| {
            check(
                output(3, &[], &[], vec![column(&[], &[], &vec![1; len])]),
                &[field(Type::of(scalar))],
                3,
                LIMIT,
            )
        };
        assert_eq!(of(3 * width).unwrap().columns[0].data_type(), &scalar.arrow());
        for len in [0, 3 * width - 1, 3 * width + 1] {
            assert_eq!(lie(of(len)), format!("column `x`: data of {len} bytes, where {} belong", 3 * width));
        }
        let with_offsets = column(&[], &[0, 1, 2, 3], &vec![1; 3 * width]);
        let answer = check(output(3, &[], &[], vec![with_offsets]), &[field(Type::of(scalar))], 3, LIMIT);
        assert!(lie(answer).contains("offsets of 16 bytes, where 0 belong"));
    }
    let bits = |len: usize| {
        let columns = vec![column(&[], &[], &vec![0xff; len])];
        check(output(9, &[], &[], columns), &[field(Type::of(Boolean))], 9, LIMIT)
    };
    assert_eq!(bits(2).unwrap().columns[0].len(), 9);
    assert!(lie(bits(1)).contains("data of 1 bytes, where 2 belong"));
}

#[test]
fn a_list_and_its_elements_are_checked_together() {
    let of = |outer: ColumnOut, elements: ColumnOut| {
        check(output(2, &[], &[], vec![outer, elements]), &[field(Type::array_of(Scalar::Text))], 2, LIMIT)
    };
    let good = of(column(&[0b01], &[0, 2, 2], &[]), column(&[0b10], &[0, 0, 2], b"ab")).unwrap();
    assert_eq!(good.columns[0].data_type(), &Type::array_of(Scalar::Text).arrow());
    let first = good.columns[0].as_list::<i32>().value(0);
    assert_eq!(first.as_string::<i32>(), &StringArray::from(vec![None, Some("ab")]));
    let text = || column(&[], &[0, 1], b"a");
    assert!(lie(of(column(&[], &[0, 1, 1], b"z"), text())).contains("data of 1 bytes, where 0 belong"));
    assert!(lie(of(column(&[], &[0, 1, 9], &[]), text())).contains("elements: offsets of 8 bytes"));
    assert!(lie(of(column(&[], &[0, 1, -1], &[]), text())).contains("less than 1"));
    assert!(lie(of(column(&[], &[], &[]), text())).contains("offsets of 0 bytes"));
    let two_missing =
        check(output(2, &[], &[], vec![text()]), &[field(Type::array_of(Scalar::Text))], 2, LIMIT);
    assert!(lie(two_missing).contains("1 columns; its plan makes 2"));
}

#[test]
fn no_rows_need_no_offsets() {
    for offsets in [&[][..], &[0]] {
        let answer = check(
            output(0, &[], &[], vec![column(&[], offsets, &[])]),
            &[field(Type::of(Scalar::Text))],
            3,
            LIMIT,
        );
        assert_eq!(answer.unwrap().columns[0].len(), 0);
    }
}

#[test]
fn text_like_types_are_utf8_and_bytes_are_not() {
    let of = |scalar| {
        check(output(1, &[], &[], vec![column(&[], &[0, 2], b"a\xff")]), &[field(Type::of(scalar))], 1, LIMIT)
    };
    for scalar in [Scalar::Text, Scalar::Numeric, Scalar::Inet, Scalar::Json] {
        assert_eq!(lie(of(scalar)), "column `x`: row 0 is not UTF-8");
    }
    assert!(of(Scalar::Bytes).is_ok());
}

#[test]
fn buffers_of_any_alignment_are_taken() {
    let mut data = [0_u8; 17];
    data[1..9].copy_from_slice(&7_i64.to_le_bytes());
    let shifted = Buffer::from_slice_ref(&data[1..17]);
    let array = primitive::<Int64Type>(shifted.to_vec(), 2, None).unwrap();
    assert_eq!(array.as_primitive::<Int64Type>().value(0), 7);
}

fn any_column() -> impl Strategy<Value = ColumnOut> {
    let offset = prop_oneof![4 => 0_i32..6, 1 => any::<i32>()];
    let offsets = prop_oneof![
        prop::collection::vec(offset, 0..6).prop_map(|mut o| {
            o.sort_unstable();
            bytes(&o)
        }),
        prop::collection::vec(any::<u8>(), 0..24),
    ];
    let few = || prop::collection::vec(any::<u8>(), 0..3);
    (
        few(),
        offsets,
        prop::collection::vec(prop_oneof![Just(b'a'), Just(0xc3), Just(0xa4), any::<u8>()], 0..34),
    )
        .prop_map(|(validity, offsets, data)| ColumnOut { validity, offsets, data })
}

proptest! {
    /// Whatever a guest answers: an error, or arrays that can be read to the last cell.
    #[test]
    fn no_answer_makes_an_array_that_cannot_be_read(
        out in 0_u32..5, rows in 0_u32..5, origin in prop::collection::vec(0_u32..6, 0..6),
        rejected in prop::collection::vec(0_u32..6, 0..3), scalar in 0_usize..16, array: bool, nullable: bool,
        columns in prop::collection::vec(any_column(), 1..3),
    ) {
        let ty = Type { scalar: Scalar::ALL[scalar], array };
        let field = Field { name: "x".into(), ty, nullable };
        let rejects: Vec<(u32, &str)> = rejected.iter().map(|row| (*row, "r")).collect();
        if let Ok(answer) = check(output(out, &origin, &rejects, columns), &[field], rows, LIMIT) {
            let made = &answer.columns[0];
            prop_assert_eq!(made.len(), out as usize);
            prop_assert!(nullable || made.null_count() == 0);
            prop_assert!(made.to_data().validate_full().is_ok());
            let emitted = rows_of(&answer, out);
            prop_assert!(emitted.iter().all(|row| *row < rows && !rejected.contains(row)));
        }
    }
}

fn rows_of(answer: &Answer, out: u32) -> Vec<u32> {
    rows(&answer.origin).unwrap_or_else(|| (0..out).collect())
}
