//! Cells written by hand, and what becomes of them.

use super::*;
use crate::original::columns_json;
use crate::schema::Field;
use crate::source::cassandra::cql_parse::parse;
use crate::source::cassandra::cql_type::Udts;
use crate::source::cassandra::values::{DurationNanoseconds, Empty, Nul};

/// What became of some cells: each as JSON, the refused rows, and how many of zero length became NULL.
struct Outcome {
    shown: Vec<String>,
    refused: Vec<(u32, Why)>,
    empties: u64,
}

fn udts() -> Udts {
    let fields = |fields: &[(&str, &str)]| {
        fields.iter().map(|(name, ty)| ((*name).to_owned(), (*ty).to_owned())).collect()
    };
    Udts::from([("addr".into(), fields(&[("street", "text"), ("Zip \"code\"", "int")]))])
}

fn decode_with(ty: &str, cells: &[Option<&[u8]>], values: &Values, in_key: bool) -> Outcome {
    let decoder = Decoder::new(&parse(ty, &udts()).unwrap(), values, in_key).unwrap();
    let mut column = Column::new(decoder.ty());
    let (mut refused, mut empties) = (Vec::new(), 0);
    // In two steps, because a batch is filled from several pages.
    let (some, others) = cells.split_at(cells.len() / 2);
    decoder.extend(&mut column, some.iter().copied(), &mut refused, &mut empties).unwrap();
    decoder.extend(&mut column, others.iter().copied(), &mut refused, &mut empties).unwrap();
    let array = column.finish().unwrap();
    assert_eq!(array.len(), cells.len());
    let field = [Field::nullable("c", decoder.ty())];
    let shown = (0..cells.len()).map(|row| {
        let (json, _) = columns_json(&field, std::slice::from_ref(&array), row);
        json["{\"c\":".len()..json.len() - 1].to_owned()
    });
    let refused = refused.iter().map(|refused| (refused.row, refused.why)).collect();
    Outcome { shown: shown.collect(), refused, empties }
}

fn decode(ty: &str, cells: &[Option<&[u8]>]) -> Outcome {
    decode_with(ty, cells, &Values::default(), false)
}

/// One cell that has a value.
fn one(ty: &str, cell: &[u8]) -> String {
    let outcome = decode(ty, &[Some(cell)]);
    assert_eq!(outcome.refused, [], "{ty} {cell:?}");
    outcome.shown[0].clone()
}

/// The text of the document in a column of json.
fn document(ty: &str, cell: &[u8]) -> String {
    serde_json::from_str(&one(ty, cell)).unwrap()
}

/// Why one cell has no value.
fn why(ty: &str, cell: &[u8]) -> Option<Why> {
    let outcome = decode(ty, &[None, Some(cell)]);
    assert_eq!(outcome.shown[0], "null");
    assert!(outcome.refused.is_empty() || outcome.shown[1] == "null");
    outcome.refused.first().map(|(row, why)| {
        assert_eq!(*row, 1);
        *why
    })
}

/// `[i32 length][bytes]` for each part; `None` is NULL.
fn parts(parts: &[Option<&[u8]>]) -> Vec<u8> {
    let mut cell = Vec::new();
    for part in parts {
        let length = part.map_or(-1, |part| i32::try_from(part.len()).unwrap());
        cell.extend_from_slice(&length.to_be_bytes());
        cell.extend_from_slice(part.unwrap_or_default());
    }
    cell
}

fn collection(count: i32, elements: &[Option<&[u8]>]) -> Vec<u8> {
    [&count.to_be_bytes()[..], &parts(elements)].concat()
}

#[test]
fn each_type_without_parts_is_a_value_of_our_own() {
    let id: Vec<u8> = (0..16).collect();
    let mapped = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 1, 2, 3, 4];
    for (ty, cell, expected) in [
        ("ascii", &b"abc"[..], "\"abc\""),
        ("text", "h\u{e9}llo".as_bytes(), "\"h\u{e9}llo\""),
        ("tinyint", &[0x80], "-128"),
        ("smallint", &[0x80, 0], "-32768"),
        ("int", &[0x80, 0, 0, 0], "-2147483648"),
        ("bigint", &[0x80, 0, 0, 0, 0, 0, 0, 0], "-9223372036854775808"),
        ("counter", &[0, 0, 0, 0, 0, 0, 0, 5], "5"),
        ("varint", &[0xff, 0x7f], "\"-129\""),
        ("decimal", &[0, 0, 0, 4, 0x12, 0xd6, 0x44], "\"123.4500\""),
        ("float", &[0x3f, 0xc0, 0, 0], "1.5"),
        ("double", &[0x7f, 0xf8, 0, 0, 0, 0, 0, 0], "\"NaN\""),
        ("boolean", &[1], "true"),
        ("uuid", &id, "\"00010203-0405-0607-0809-0a0b0c0d0e0f\""),
        ("timeuuid", &id, "\"00010203-0405-0607-0809-0a0b0c0d0e0f\""),
        ("inet", &[127, 0, 0, 1], "\"127.0.0.1\""),
        ("inet", &mapped, "\"::ffff:1.2.3.4\""),
        ("timestamp", &[0, 0, 0, 0, 0, 0, 0, 1], "\"1970-01-01 00:00:00.001+00\""),
        ("date", &[0x80, 0, 0, 0], "\"1970-01-01\""),
        ("time", &[0, 0, 0, 0, 0, 0, 0x03, 0xe8], "\"00:00:00.000001\""),
        ("duration", &[2, 4, 0xff, 0, 0, 0, 0, 0, 0, 0x07, 0xd0], "\"1 mon 2 days 00:00:00.000001\""),
        ("blob", &[0, 255], "\"\\\\x00ff\""),
    ] {
        assert_eq!(one(ty, cell), expected, "{ty}");
        assert_eq!(decode(ty, &[None]).shown, ["null"]);
        assert_eq!(
            one(&format!("list<{ty}>"), &collection(2, &[Some(cell), None])),
            format!("[{expected},null]")
        );
    }
}

#[test]
fn a_cell_of_the_wrong_length_is_refused_and_its_row_stays_in_line() {
    for ty in
        ["tinyint", "smallint", "int", "bigint", "float", "double", "boolean", "uuid", "inet", "timestamp"]
            .into_iter()
            .chain(["date", "time", "list<int>", "vector<float, 2>", "addr", "map<int, int>"])
    {
        assert_eq!(why(ty, &[1, 2, 3]), Some(Why::BadCell), "{ty}");
    }
    let outcome = decode("int", &[Some(&[0, 0, 0, 1]), Some(&[1]), Some(&[0, 0, 0, 3]), Some(&[2; 5])]);
    assert_eq!(outcome.shown, ["1", "null", "3", "null"]);
    assert_eq!(outcome.refused, [(1, Why::BadCell), (3, Why::BadCell)]);
}

#[test]
fn a_value_of_zero_length_is_null_and_counted_or_refused_and_in_a_key_always_refused() {
    let reject = Values { empty: Empty::Reject, ..Values::default() };
    for native in Native::ALL {
        let ty = native.name();
        let is_value = matches!(native, Native::Ascii | Native::Text | Native::Blob);
        let outcome = decode(ty, &[Some(b"")]);
        assert_eq!(outcome.refused, []);
        assert_eq!((outcome.shown[0] == "null", outcome.empties), (!is_value, u64::from(!is_value)), "{ty}");
        for (values, in_key) in [(&reject, false), (&Values::default(), true)] {
            let outcome = decode_with(ty, &[Some(b"")], values, in_key);
            assert_eq!(outcome.refused.len(), usize::from(!is_value), "{ty}");
            assert_eq!(outcome.empties, 0);
        }
        let list = collection(1, &[Some(b"")]);
        for ty in [format!("list<{ty}>"), format!("frozen<tuple<frozen<list<{ty}>>>>")] {
            let cell = if ty.starts_with("list") { list.clone() } else { parts(&[Some(&list)]) };
            assert_eq!(decode(&ty, &[Some(&cell)]).empties, u64::from(!is_value), "{ty}");
            let outcome = decode_with(&ty, &[Some(&cell)], &reject, false);
            assert_eq!(
                outcome.refused.first().map(|(_, why)| *why),
                (!is_value).then_some(Why::Empty),
                "{ty}"
            );
        }
    }
}

#[test]
fn a_nul_in_a_text_is_refused_left_out_or_replaced() {
    let cells = [Some(&b"ok"[..]), Some(b"\0a\0"), None, Some("\u{e9}".as_bytes())];
    let outcome = decode("text", &cells);
    assert_eq!(outcome.shown, ["\"ok\"", "null", "null", "\"\u{e9}\""]);
    assert_eq!(outcome.refused, [(1, Why::Nul)]);
    for (nul, expected) in [(Nul::Strip, "\"a\""), (Nul::Replace, "\"\u{fffd}a\u{fffd}\"")] {
        let values = Values { nul, ..Values::default() };
        let outcome = decode_with("text", &cells, &values, false);
        assert_eq!((outcome.shown[1].as_str(), outcome.refused.len()), (expected, 0));
        let tuple = parts(&[Some(b"\0a\0")]);
        let outcome = decode_with("tuple<text>", &[Some(&tuple)], &values, false);
        assert_eq!(serde_json::from_str::<String>(&outcome.shown[0]).unwrap(), format!("[{expected}]"));
        // Two keys could become one.
        let (tuple, list) = (parts(&[Some(b"\0a")]), collection(1, &[Some(b"\0a")]));
        for (key, cell) in
            [("text", &b"\0a"[..]), ("tuple<text>", &tuple[..]), ("frozen<list<text>>", &list[..])]
        {
            let (ty, map) = (format!("map<{key}, text>"), collection(1, &[Some(cell), Some(b"\0")]));
            assert_eq!(decode_with(&ty, &[Some(&map)], &values, false).refused, [(0, Why::Nul)], "{ty}");
        }
        let map = collection(1, &[Some(b"a"), Some(b"\0a")]);
        assert!(decode_with("map<text, text>", &[Some(&map)], &values, false).refused.is_empty());
    }
    assert_eq!(why("tuple<text>", &parts(&[Some(b"\0")])), Some(Why::Nul));
}

#[test]
fn texts_that_are_utf8_only_together_are_each_refused() {
    let outcome = decode("text", &[None, None, Some(b"a"), Some(b"\xc3"), Some(b"\xa9"), Some(b"b")]);
    assert_eq!(outcome.shown, ["null", "null", "\"a\"", "null", "null", "\"b\""]);
    assert_eq!(outcome.refused, [(3, Why::BadUtf8), (4, Why::BadUtf8)]);
    assert_eq!(why("list<text>", &collection(2, &[Some(b"\xc3"), Some(b"\xa9")])), Some(Why::BadUtf8));
}

#[test]
fn a_time_is_refused_cut_or_a_number_where_it_is_finer_than_a_microsecond() {
    let nanos = 47_655_123_456_789_i64.to_be_bytes();
    let cells = [Some(&nanos[..])];
    assert_eq!(why("time", &nanos), Some(Why::SubMicrosecond));
    for (time_nanoseconds, expected) in
        [(TimeNanoseconds::Truncate, "\"13:14:15.123456\""), (TimeNanoseconds::Bigint, "47655123456789")]
    {
        let values = Values { time_nanoseconds, ..Values::default() };
        assert_eq!(decode_with("time", &cells, &values, false).shown, [expected]);
        let list = collection(1, &cells);
        assert_eq!(decode_with("set<time>", &[Some(&list)], &values, false).shown, [format!("[{expected}]")]);
    }
    assert_eq!(document("tuple<time>", &parts(&cells)), "[\"13:14:15.123456789\"]");
}

#[test]
fn a_duration_is_refused_or_cut_where_it_is_finer_than_a_microsecond() {
    // -1999 ns
    let cell = [0, 0, 0x8f, 0x9d];
    assert_eq!(why("duration", &cell), Some(Why::SubMicrosecond));
    let values = Values { duration_nanoseconds: DurationNanoseconds::Truncate, ..Values::default() };
    assert_eq!(decode_with("duration", &[Some(&cell)], &values, false).shown, ["\"-00:00:00.000001\""]);
    assert_eq!(document("tuple<duration>", &parts(&[Some(&cell)])), "[\"-00:00:00.000001999\"]");
}

#[test]
fn a_list_with_one_bad_element_is_refused_as_a_whole() {
    let good = collection(2, &[Some(&[0, 0, 0, 1]), None]);
    let bad = collection(2, &[Some(&[0, 0, 0, 1]), Some(&[1])]);
    let outcome =
        decode("list<int>", &[Some(&good), Some(&bad), None, Some(&good), Some(&collection(0, &[]))]);
    assert_eq!(outcome.shown, ["[1,null]", "null", "null", "[1,null]", "[]"]);
    assert_eq!(outcome.refused, [(1, Why::BadCell)]);
}

#[test]
fn a_map_is_an_object_if_its_keys_have_one_text_and_else_an_array_of_pairs() {
    let one = [0, 0, 0, 1];
    let cell = collection(2, &[Some(b"a\"\n"), Some(&one), Some(b""), None]);
    assert_eq!(document("map<text, int>", &cell), "{\"a\\\"\\n\":1,\"\":null}");
    let cell = collection(1, &[Some(&one), Some(&one)]);
    assert_eq!(document("map<int, int>", &cell), "{\"1\":1}");
    assert_eq!(document("map<inet, blob>", &cell), "{\"0.0.0.1\":\"\\\\x00000001\"}");
    assert_eq!(document("map<float, int>", &cell), "[[1e-45,1]]");
    assert_eq!(document("map<boolean, int>", &collection(1, &[Some(&[1]), None])), "{\"true\":null}");
    let list = collection(1, &[Some(&one)]);
    let cell = collection(1, &[Some(&list), Some(&list)]);
    assert_eq!(document("map<frozen<list<int>>, frozen<set<int>>>", &cell), "[[[1],[1]]]");
    for ty in ["map<int, int>", "map<float, int>"] {
        assert_eq!(why(ty, &collection(1, &[Some(b""), Some(&one)])), Some(Why::EmptyKey), "{ty}");
        assert_eq!(why(ty, &collection(1, &[None, Some(&one)])), Some(Why::BadCell), "{ty}");
    }
}

#[test]
fn a_map_within_another_value_is_not_lost_for_a_key_of_zero_length() {
    let map = collection(1, &[Some(b""), None]);
    assert_eq!(why("tuple<map<int, int>>", &parts(&[Some(&map)])), Some(Why::EmptyKey));
    let within = |part| collection(1, &[Some(&parts(&[part])), Some(b"")]);
    assert_eq!(why("map<tuple<int>, int>", &within(Some(b""))), Some(Why::EmptyKey));
    assert_eq!(document("map<tuple<int>, int>", &within(None)), "[[[null],null]]");
}

#[test]
fn a_users_type_is_an_object_and_fields_added_later_are_null() {
    let zip = [0, 0, 0x30, 0x39];
    assert_eq!(
        document("addr", &parts(&[Some(b"x"), Some(&zip)])),
        "{\"street\":\"x\",\"Zip \\\"code\\\"\":12345}"
    );
    assert_eq!(document("addr", &parts(&[None])), "{\"street\":null,\"Zip \\\"code\\\"\":null}");
    assert_eq!(why("addr", &parts(&[None, None, None])), Some(Why::BadCell));
    assert_eq!(document("tuple<int, frozen<addr>>", &parts(&[Some(&zip)])), "[12345,null]");
}

#[test]
fn a_vector_of_floats_is_an_array_and_any_other_is_json() {
    let floats = [0x3f, 0x80, 0, 0, 0x7f, 0x80, 0, 0];
    assert_eq!(one("vector<float, 2>", &floats), "[1.0,\"Infinity\"]");
    assert_eq!(why("vector<float, 3>", &floats), Some(Why::BadCell));
    assert_eq!(document("vector<int, 2>", &[0, 0, 0, 1, 0, 0, 0, 2]), "[1,2]");
    assert_eq!(document("vector<text, 2>", b"\x01p\x04quux"), "[\"p\",\"quux\"]");
    assert_eq!(document("vector<smallint, 1>", &[2, 0, 7]), "[7]");
    let nested = [0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4];
    assert_eq!(document("vector<frozen<vector<int, 2>>, 2>", &nested), "[[1,2],[3,4]]");
    assert_eq!(why("vector<frozen<vector<int, 2>>, 2>", &nested[1..]), Some(Why::BadCell));
}

#[test]
fn numbers_inside_json_have_all_their_digits() {
    let cell = parts(&[Some(&i64::MIN.to_be_bytes()), Some(&[0, 0, 0, 20, 1]), Some(&[0x7f, 0xc0, 0, 0])]);
    assert_eq!(
        document("tuple<bigint, decimal, float>", &cell),
        "[-9223372036854775808,0.00000000000000000001,\"NaN\"]"
    );
    assert_eq!(why("tuple<decimal>", &parts(&[Some(&[0x7f, 0xff, 0xff, 0xff, 1])])), Some(Why::OutOfRange));
}

#[test]
fn a_short_cell_cannot_become_an_endless_document() {
    let udts = Udts::from([("wide".into(), (0..1000).map(|n| (format!("f{n}"), "int".into())).collect())]);
    let ty = parse("list<frozen<wide>>", &udts).unwrap();
    let decoder = Decoder::new(&ty, &Values::default(), false).unwrap();
    // 2000 values of four bytes each, with a thousand fields each.
    let cell = collection(2000, &vec![Some(&b""[..]); 2000]);
    let mut out = Vec::new();
    let rules = Rules { values: Values::default(), in_key: false };
    assert_eq!(Json::new(&mut out, 100_000, rules).cell(&ty, &cell), Err(Why::TooLong));
    assert!(out.len() < 150_000);
    assert_eq!(decoder.ty(), Type::of(Scalar::Json));
}

#[test]
fn a_class_of_the_servers_own_is_refused_by_name_and_another_column_is_an_error() {
    let ty = parse("list<'org.apache.cassandra.db.marshal.EmptyType'>", &udts()).unwrap();
    let error = Decoder::new(&ty, &Values::default(), false).unwrap_err().to_string();
    assert!(error.contains("org.apache.cassandra.db.marshal.EmptyType"), "{error}");
    let decoder = Decoder::new(&parse("int", &udts()).unwrap(), &Values::default(), false).unwrap();
    let mut column = Column::new(Type::of(Scalar::Text));
    assert!(decoder.extend(&mut column, [None].into_iter(), &mut Vec::new(), &mut 0).is_err());
}
