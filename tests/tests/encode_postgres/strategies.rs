//! Values that are worth a try: of each type the ordinary ones, the extremes, and what quoting could get wrong.

use std::net::{Ipv4Addr, Ipv6Addr};

use etl::schema::Scalar;
use etl_tests::versions::Version;
use proptest::prelude::*;

use super::Row;
use super::cell::Cell;

/// A value and an array of each type, in the order of `Scalar::ALL`.
pub(crate) fn row(version: Option<Version>) -> impl Strategy<Value = Row> {
    let pair = |scalar| {
        let list = prop::collection::vec(prop::option::weighted(0.8, cell(scalar, version)), 0..4);
        (prop::option::weighted(0.9, cell(scalar, version)), prop::option::weighted(0.9, list))
    };
    Scalar::ALL.into_iter().map(pair).collect::<Vec<_>>()
}

/// A value of one type, that a version takes.
pub(crate) fn cell(scalar: Scalar, version: Option<Version>) -> BoxedStrategy<Cell> {
    match scalar {
        Scalar::Boolean => any::<bool>().prop_map(Cell::Boolean).boxed(),
        Scalar::Int16 => edges([i16::MIN, -1, 0, i16::MAX]).prop_map(Cell::Int16).boxed(),
        Scalar::Int32 => edges([i32::MIN, -1, 0, i32::MAX]).prop_map(Cell::Int32).boxed(),
        Scalar::Int64 => edges([i64::MIN, -1, 0, i64::MAX]).prop_map(Cell::Int64).boxed(),
        Scalar::Float32 => float32(),
        Scalar::Float64 => float64(),
        Scalar::Numeric => numeric(version),
        Scalar::Text => text().prop_map(Cell::Text).boxed(),
        Scalar::Bytes => prop::collection::vec(any::<u8>(), 0..50).prop_map(Cell::Bytes).boxed(),
        Scalar::Uuid => any::<[u8; 16]>().prop_map(Cell::Uuid).boxed(),
        Scalar::Date => date(),
        Scalar::Time => {
            prop_oneof![Just(0), Just(86_400_000_000), 0..86_400_000_000_i64].prop_map(Cell::Time).boxed()
        }
        Scalar::Timestamp => timestamp(),
        Scalar::Interval => interval(),
        Scalar::Inet => inet(),
        Scalar::Json => json(),
    }
}

fn edges<T: Arbitrary + Clone + 'static>(edges: impl Into<Vec<T>>) -> BoxedStrategy<T> {
    prop_oneof![1 => prop::sample::select(edges.into()), 3 => any::<T>()].boxed()
}

fn float32() -> BoxedStrategy<Cell> {
    let edges = [
        0.0,
        -0.0,
        f32::MAX,
        f32::MIN_POSITIVE,
        f32::from_bits(1),
        f32::INFINITY,
        f32::NEG_INFINITY,
        f32::NAN,
    ];
    let any_bits = any::<u32>().prop_map(f32::from_bits);
    prop_oneof![1 => prop::sample::select(edges.to_vec()), 3 => any_bits].prop_map(Cell::Float32).boxed()
}

fn float64() -> BoxedStrategy<Cell> {
    let edges =
        [0.0, -0.0, f64::MAX, f64::MIN_POSITIVE, 5e-324, f64::INFINITY, f64::NEG_INFINITY, f64::NAN, 1e16];
    let any_bits = any::<u64>().prop_map(f64::from_bits);
    prop_oneof![1 => prop::sample::select(edges.to_vec()), 3 => any_bits].prop_map(Cell::Float64).boxed()
}

fn text() -> BoxedStrategy<String> {
    let traps = [
        "", "\\.", "\\.\n", "\n\\.\n", "\\.x", "\\N", "NULL", "null", "\"", "\"\"", ",", "\n", "\r", "\r\n",
        " a ", "{}", "{a}", "\\", "\\\\", "\\x00", "\u{feff}", "\u{1}",
    ];
    prop_oneof![
        2 => prop::sample::select(traps.to_vec()).prop_map(String::from),
        3 => "[a,\"\n\r\\\\. \t\u{b}'{}é😀NULnul]{0,20}",
        2 => "[a-z ]{0,30}",
        1 => "[^\u{0}]{0,10}",
        1 => ("[a\"\n]{1,3}", 500..3000_usize).prop_map(|(text, times)| text.repeat(times)),
    ]
    .boxed()
}

fn numeric(version: Option<Version>) -> BoxedStrategy<Cell> {
    let mut written = vec![
        ("1e5", "100000"),
        ("1.50", "1.50"),
        (".5", "0.5"),
        ("+1", "1"),
        ("007", "7"),
        ("1.", "1"),
        ("-0", "0"),
        ("1.25E-3", "0.00125"),
        ("-12e+2", "-1200"),
        ("NaN", "NaN"),
        ("0.000", "0.000"),
    ];
    // Since PostgreSQL 14.
    if version != Some(Version::Eleven) {
        written.extend([("Infinity", "Infinity"), ("-Infinity", "-Infinity")]);
    }
    let cell =
        |(text, canonical): (&str, &str)| Cell::Numeric { text: text.into(), canonical: canonical.into() };
    let number = |text: String| Cell::Numeric { canonical: text.clone(), text };
    prop_oneof![
        prop::sample::select(written).prop_map(cell),
        "-?[1-9][0-9]{0,40}".prop_map(number),
        "-?(0|[1-9][0-9]{0,30})\\.[0-9]{0,20}[1-9]".prop_map(number),
        "[1-9][0-9]{300}\\.[0-9]{300}".prop_map(number),
    ]
    .boxed()
}

fn date() -> BoxedStrategy<Cell> {
    let edges =
        [i32::MIN, i32::MAX, -2_440_588, 2_145_042_905, -719_162, -719_163, 0, -1, 2_932_896, 2_932_897];
    prop_oneof![prop::sample::select(edges.to_vec()), -2_440_588..2_145_042_906_i32, -800_000..100_000_i32]
        .prop_map(Cell::Date)
        .boxed()
}

fn timestamp() -> BoxedStrategy<Cell> {
    let first = -210_866_803_200_000_000_i64;
    let year_1 = -62_135_596_800_000_000;
    let edges = [i64::MIN, i64::MAX, first, first + 1, i64::MAX - 1, year_1, year_1 - 1, 0, -1, 100_000];
    prop_oneof![
        prop::sample::select(edges.to_vec()),
        first..i64::MAX,
        (-100_000_000_000_i64..100_000_000_000).prop_map(|seconds| seconds * 1_000_000),
    ]
    .prop_map(Cell::Timestamp)
    .boxed()
}

fn interval() -> BoxedStrategy<Cell> {
    let most = i64::MAX / 1000;
    let micros =
        prop_oneof![2 => prop::sample::select(vec![0, 1, -1, most, -most, 500_000]), 1 => -most..=most];
    let small = |edges: Vec<i32>| prop_oneof![prop::sample::select(edges), -20..20_i32, any::<i32>()];
    let extremes = || small(vec![0, 1, -1, i32::MIN, i32::MAX]);
    (extremes(), extremes(), micros)
        .prop_map(|(months, days, micros)| Cell::Interval(months, days, micros))
        .boxed()
}

fn inet() -> BoxedStrategy<Cell> {
    let cell = |address: String, bits: u8, prefix: Option<u8>| {
        let canonical = format!("{address}/{}", prefix.unwrap_or(bits));
        let text = if prefix.is_some() { canonical.clone() } else { address };
        Cell::Inet { text, canonical }
    };
    let v4 = (any::<[u8; 4]>(), prop::option::of(0..=32_u8));
    let group = || prop_oneof![Just(0_u16), any::<u16>()];
    let v6 = (prop::array::uniform7(group()), prop::option::of(0..=128_u8));
    prop_oneof![
        v4.prop_map(move |(address, prefix)| cell(Ipv4Addr::from(address).to_string(), 32, prefix)),
        v6.prop_map(move |([a, b, c, d, e, f, g], prefix)| {
            cell(Ipv6Addr::new(0x2001, a, b, c, d, e, f, g).to_string(), 128, prefix)
        }),
    ]
    .boxed()
}

fn json() -> BoxedStrategy<Cell> {
    let fixed =
        ["null", "{}", "[1, 2]", "{\"a\": \"\\u0000\"}", " {\"b\":\n1,\r\n\"a\":\"x\"} ", "\"\\\\.\""];
    prop_oneof![
        prop::sample::select(fixed.to_vec()).prop_map(String::from),
        text().prop_map(|text| serde_json::Value::from(text).to_string()),
    ]
    .prop_map(Cell::Json)
    .boxed()
}
