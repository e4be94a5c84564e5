//! Rows through functions, as the runner would send them.
#![allow(missing_docs, unreachable_pub, clippy::unwrap_used, reason = "modules within a test")]

use etl_sdk::batch::{Batch, Column, Writer};
use etl_sdk::{
    Date, Displayed, Field, Inet, Input, Interval, Json, Numeric, Output, Reject, Scalar, Scaled, Setting,
    Time, Timestamp, ToColumn, Type, Uuid,
};

/// Values there and back, and nothing else.
macro_rules! there_and_back {
    ($($name:ident: $type:ty, $scalar:ident, [$($value:expr),*];)*) => {$(
        #[test]
        fn $name() {
            let (ty, list) = (Type::of(Scalar::$scalar), Type::array_of(Scalar::$scalar));
            let values: Vec<Option<$type>> = vec![$(Some($value)),*];
            // Nine rows and more, so that a bitmap has a second byte; NULLs first, last and in between.
            let mut cells = vec![None];
            cells.extend(values.iter().cycle().take(9).copied());
            cells.extend([None, values[0], None]);
            let mut column = Writer::<Option<$type>>::default();
            let mut lists = Writer::<Option<Vec<Option<$type>>>>::default();
            for round in 0..2 {
                for cell in &cells {
                    column.push(*cell);
                    lists.push(cell.is_some().then(|| cells[..round].to_vec()));
                }
                let types = [ty, list];
                let batch = Batch::new(cells.len(), &types, vec![column.finish(), lists.finish()]).unwrap();
                let (read, read_lists) =
                    (batch.reader::<Option<$type>>(0).unwrap(), batch.reader::<Option<Vec<Option<$type>>>>(1).unwrap());
                for (row, cell) in cells.iter().enumerate() {
                    assert_eq!(read.get(row), Ok(*cell));
                    assert_eq!(read_lists.get(row), Ok(cell.is_some().then(|| cells[..round].to_vec())));
                }
            }
        }
    )*};
}

there_and_back! {
    boolean_goes_there_and_back: bool, Boolean, [true, false, false];
    int16_goes_there_and_back: i16, Int16, [0, i16::MIN, i16::MAX];
    int32_goes_there_and_back: i32, Int32, [0, i32::MIN, i32::MAX];
    int64_goes_there_and_back: i64, Int64, [0, i64::MIN, i64::MAX];
    float32_goes_there_and_back: f32, Float32, [0.1, f32::INFINITY, f32::MIN_POSITIVE];
    float64_goes_there_and_back: f64, Float64, [0.1, f64::NEG_INFINITY, 5e-324];
    numeric_goes_there_and_back: Numeric<&str>, Numeric, [Numeric("-12.50"), Numeric("NaN")];
    text_goes_there_and_back: &str, Text, ["", "ada", "日本 🦀"];
    bytes_go_there_and_back: &[u8], Bytes, [b"", b"\0\xff"];
    uuid_goes_there_and_back: Uuid, Uuid, [Uuid([0; 16]), Uuid([0xfe; 16])];
    date_goes_there_and_back: Date, Date, [Date(0), Date::INFINITY, Date::NEG_INFINITY];
    time_goes_there_and_back: Time, Time, [Time(0), Time(86_399_999_999)];
    timestamp_goes_there_and_back: Timestamp, Timestamp, [Timestamp(-1), Timestamp::INFINITY, Timestamp::NEG_INFINITY];
    interval_goes_there_and_back: Interval, Interval, [
        Interval { months: -1, days: i32::MAX, nanoseconds: i64::MIN }, Interval::from_minutes(-90)
    ];
    inet_goes_there_and_back: Inet<&str>, Inet, [Inet("::1"), Inet("10.0.0.0/8")];
    json_goes_there_and_back: Json<&str>, Json, [Json("{}"), Json("null")];
}

#[test]
fn a_column_without_null_has_no_bitmap_and_its_buffers_are_canonical() {
    let mut column = Writer::<Option<&str>>::default();
    column.push("a");
    assert_eq!(column.finish().validity, [0u8; 0]);
    column.push("ab");
    column.push(None::<&str>);
    column.push(Some("c"));
    let wanted = Column {
        validity: vec![0b101],
        offsets: [0u32, 2, 2, 3].iter().flat_map(|o| o.to_le_bytes()).collect(),
        data: b"abc".into(),
        elements: None,
    };
    assert_eq!(column.finish(), wanted);
}

fn texts<T: ToColumn<Writer = W>, W: etl_sdk::batch::ColumnWriter>(
    values: impl IntoIterator<Item = T>,
) -> String {
    let mut column = Writer::<T>::default();
    values.into_iter().for_each(|value| column.push(value));
    String::from_utf8(column.finish().data).unwrap()
}

#[test]
fn scaled_numbers_are_written_exactly() {
    assert_eq!(texts([Scaled::<2>(0), Scaled(5), Scaled(-5), Scaled(1250)]), "0.000.05-0.0512.50");
    assert_eq!(texts([Scaled::<0>(0), Scaled(-7), Scaled(i64::MAX)]), format!("0-7{}", i64::MAX));
    assert_eq!(texts([Scaled::<2>(i64::MIN)]), "-92233720368547758.08");
    assert_eq!(texts([Scaled::<30>(i64::MIN)]), "-0.000000000009223372036854775808");
    assert_eq!(texts([Displayed(1), Displayed(-2)]), "1-2");
}

mod split {
    use super::*;
    #[derive(Input)]
    pub struct In<'a> {
        words: Vec<&'a str>,
        count: Option<i16>,
    }
    #[derive(Output)]
    pub struct Word<'a> {
        word: &'a str,
    }
    #[etl_sdk::transform]
    pub fn words<'a>(row: In<'a>) -> Result<Vec<Word<'a>>, Reject> {
        match row.count {
            Some(0) => Err(Reject::new("count is 0")),
            _ => Ok(row.words.into_iter().map(|word| Word { word }).collect()),
        }
    }
}

#[test]
fn origin_follows_rows_and_nulls_reject_with_their_column() {
    let types = [Type::array_of(Scalar::Text), Type::of(Scalar::Int16)];
    let fields = [Field::nullable("words", types[0]), Field::nullable("count", types[1])];
    let mut planned = split::__etl_plan(&fields, &[]).unwrap();
    let (mut words, mut counts) =
        (Writer::<Option<Vec<Option<&str>>>>::default(), Writer::<Option<i16>>::default());
    let rows = [
        (Some(vec![Some("a"), Some("b")]), Some(1i16)),
        (None, Some(1)),
        (Some(vec![]), None),
        (Some(vec![Some("c"), None]), None),
        (Some(vec![Some("d")]), Some(0)),
        (Some(vec![Some("e")]), None),
    ];
    for (list, count) in rows.clone() {
        words.push(list);
        counts.push(count);
    }
    let batch = Batch::new(rows.len(), &types, vec![words.finish(), counts.finish()]).unwrap();
    for _ in 0..2 {
        let output = planned.transform(&batch).unwrap();
        assert_eq!((output.rows, &output.origin[..]), (3, &[0, 0, 5][..]));
        assert_eq!(output.columns[0].data, b"abe");
        let rejects: Vec<_> = output.rejects.iter().map(|(row, reject)| (*row, reject.reason())).collect();
        assert_eq!(rejects, [(1, "words is null"), (3, "words has a null element"), (4, "count is 0")]);
    }
}

mod sums {
    use super::*;
    use etl_sdk::{Out, Plan, batch};
    fn plan(input: &[Field], settings: &[Setting]) -> Result<(Plan, i64), String> {
        let add: i64 = settings[0].value.parse().map_err(|_| "`add` is no number")?;
        let reads = (0..input.len() as u32).collect();
        Ok((Plan { reads, output: vec![Out::New(Field::required("sum", Type::of(Scalar::Int64)))] }, add))
    }
    fn transform(add: &mut i64, batch: &Batch<'_>) -> Result<batch::Output, String> {
        let (left, right) = (batch.reader::<i64>(0)?, batch.reader::<i64>(1)?);
        let mut sums = Writer::<i64>::default();
        for row in 0..batch.rows() {
            sums.push(left.get(row).unwrap() + right.get(row).unwrap() + *add);
        }
        Ok(batch::Output { rows: batch.rows(), columns: vec![sums.finish()], ..batch::Output::default() })
    }
    etl_sdk::batches!(plan, transform);
}

#[test]
fn whole_batches_keep_a_state_and_say_which_type_they_wanted() {
    let int64 = Field::required("a", Type::of(Scalar::Int64));
    let setting = Setting { name: "add".into(), value: "100".into() };
    let mut planned = sums::__etl_plan(&[int64.clone(), int64], &[setting]).unwrap();
    let mut ones = Writer::<i64>::default();
    ones.push(1i64);
    let ones = ones.finish();
    let types = [Type::of(Scalar::Int64), Type::of(Scalar::Timestamp)];
    let batch = Batch::new(1, &types, vec![ones.clone(), ones.clone()]).unwrap();
    assert_eq!(planned.transform(&batch).unwrap_err(), "column 1 of the batch is timestamp, not int64");
    let types = [Type::of(Scalar::Int64); 2];
    let batch = Batch::new(1, &types, vec![ones.clone(), ones]).unwrap();
    assert_eq!(planned.transform(&batch).unwrap().columns[0].data, 102i64.to_le_bytes());
}

#[test]
fn a_batch_of_broken_columns_is_refused() {
    let text = |offsets: &[i32], data: &[u8]| Column {
        offsets: offsets.iter().flat_map(|o| o.to_le_bytes()).collect(),
        data: data.into(),
        ..Column::default()
    };
    for (what, column) in [
        ("12 bytes of offsets for 1 rows", text(&[0, 1, 2], b"ab")),
        ("data of 3 bytes, not 2", text(&[0, 2], b"abc")),
        ("offsets that do not ascend from 0", text(&[0, -1], b"")),
        ("text that is not UTF-8", text(&[0, 1], b"\xff")),
        ("validity of 2 bytes, not 1", Column { validity: vec![1, 1], ..text(&[0, 1], b"a") }),
    ] {
        let error = Batch::new(1, &[Type::of(Scalar::Text)], vec![column]).unwrap_err();
        assert_eq!(error, format!("column 0 (text): {what}"));
    }
    let cut = text(&[0, 1, 2], "é".as_bytes());
    assert!(Batch::new(2, &[Type::of(Scalar::Text)], vec![cut]).unwrap_err().contains("within a character"));
    let short = Column { data: vec![0; 7], ..Column::default() };
    assert!(Batch::new(1, &[Type::of(Scalar::Int64)], vec![short]).is_err());
}

#[cfg(feature = "jiff")]
mod dated {
    use super::*;
    #[derive(Input, Output)]
    pub struct Row {
        at: Option<jiff::Timestamp>,
    }
    #[etl_sdk::transform]
    pub fn map(row: Row) -> Result<Row, Reject> {
        Ok(row)
    }
    #[test]
    fn an_instant_that_jiff_cannot_hold_rejects_its_row() {
        let types = [Type::of(Scalar::Timestamp)];
        let mut planned = __etl_plan(&[Field::nullable("at", types[0])], &[]).unwrap();
        let mut at = Writer::<Option<Timestamp>>::default();
        at.push(Timestamp(1_357_000_000_000_001));
        at.push(Timestamp::INFINITY);
        at.push(None::<Timestamp>);
        let batch = Batch::new(3, &types, vec![at.finish()]).unwrap();
        let output = planned.transform(&batch).unwrap();
        assert_eq!(output.rejects, [(1, "at is out of range".into())]);
        assert_eq!(output.columns[0].data[..8], 1_357_000_000_000_001i64.to_le_bytes());
        assert_eq!((output.rows, output.columns[0].validity.as_slice()), (2, [1u8].as_slice()));
    }
}

/// A slip in an author's test: the columns are in another order than the struct's fields.
#[test]
#[should_panic(expected = "a column of type bytes cannot be read as text")]
fn bytes_are_never_read_as_text() {
    use etl_sdk::FromColumn;
    let mut column = Writer::<&[u8]>::default();
    column.push(b"\xff".as_slice());
    let types = [Type::of(Scalar::Bytes)];
    let batch = Batch::new(1, &types, vec![column.finish()]).unwrap();
    assert!(batch.reader::<&str>(0).is_err());
    let _ = <&str as FromColumn>::view(batch.checked(0));
}

#[cfg(all(feature = "rust_decimal", feature = "uuid"))]
mod exact {
    use super::*;
    #[derive(Input, Output)]
    pub struct Row {
        price: rust_decimal::Decimal,
        key: uuid::Uuid,
    }
    #[etl_sdk::transform]
    pub fn map(row: Row) -> Result<Row, Reject> {
        Ok(row)
    }
    #[test]
    fn decimals_stay_exact_or_reject_and_uuids_stay() {
        let types = [Type::of(Scalar::Numeric), Type::of(Scalar::Uuid)];
        let fields = [Field::nullable("price", types[0]), Field::nullable("key", types[1])];
        let mut planned = __etl_plan(&fields, &[]).unwrap();
        let (mut prices, mut keys) = (Writer::<Numeric<&str>>::default(), Writer::<Uuid>::default());
        let numbers = ["-12.50", "NaN", "79228162514264337593543950335", "0.12345678901234567890123456789"];
        let scientific = ["1e5", "-1.50E-3", "2.5e+1", "1e28", "1e29", "1.2345678901234567890123456789e28"];
        // One digit more than fits, which must not be rounded.
        let long =
            ["79228162514264337593543950335.5e1", "0.12345678901234567890123456789e-1", "1e", "e5", "1e-29"];
        for price in [&numbers[..], &scientific, &long].concat() {
            prices.push(Numeric(price));
            keys.push(Uuid([7; 16]));
        }
        let batch = Batch::new(15, &types, vec![prices.finish(), keys.finish()]).unwrap();
        let output = planned.transform(&batch).unwrap();
        let out_of_range = Reject::from("price is out of range");
        assert_eq!(output.rejects, [1, 3, 8, 10, 11, 12, 13, 14].map(|row| (row, out_of_range.clone())));
        let exact = ["-12.50", "79228162514264337593543950335", "100000", "-0.00150", "25"];
        let large = ["10000000000000000000000000000", "12345678901234567890123456789"];
        assert_eq!(output.columns[0].data, [&exact[..], &large].concat().concat().as_bytes());
        assert_eq!(output.columns[1].data, [7; 16 * 7]);
    }
}
