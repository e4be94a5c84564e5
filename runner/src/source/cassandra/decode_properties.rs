//! The decoder against the driver: values that the driver encoded, shown by a writer of its own here; and bytes that
//! nobody encoded.

use std::borrow::Cow;
use std::sync::Arc;

use proptest::prelude::*;
use scylla::frame::response::result::{CollectionType, ColumnType, NativeType, UserDefinedType};
use scylla::serialize::value::SerializeValue;
use scylla::serialize::writers::CellWriter;
use scylla::value::{
    CqlDate, CqlDecimal, CqlDuration, CqlTime, CqlTimestamp, CqlTimeuuid, CqlValue, CqlVarint,
};

use super::*;
use crate::original::columns_json;
use crate::schema::{DATES, Field};
use crate::source::cassandra::cql_type::UdtField;
use crate::text_form;

/// Types that the driver's values have, without `uuid`: its crate is not ours, and `timeuuid` is written alike.
fn natives() -> impl Strategy<Value = CqlType> {
    let known: Vec<Native> =
        Native::ALL.into_iter().filter(|n| !matches!(n, Native::Uuid | Native::Counter)).collect();
    proptest::sample::select(known).prop_map(CqlType::Native)
}

fn types() -> impl Strategy<Value = CqlType> {
    let key = |ty: &CqlType| matches!(ty, CqlType::Native(native) if *native != Native::Duration);
    natives().prop_recursive(3, 12, 3, move |inner| {
        let boxed = inner.clone().prop_map(Box::new);
        let some = proptest::collection::vec(inner, 1..4);
        prop_oneof![
            boxed.clone().prop_map(|element| CqlType::List { element, frozen: true }),
            boxed.clone().prop_map(|element| CqlType::Set { element, frozen: true }),
            (natives().prop_filter("a key", key), boxed.clone()).prop_map(|(key, value)| CqlType::Map {
                key: Box::new(key),
                value,
                frozen: true
            }),
            some.clone().prop_map(|parts| CqlType::Tuple { parts, frozen: true }),
            some.prop_map(|types| {
                let fields = types.into_iter().enumerate();
                let fields = fields.map(|(n, ty)| UdtField { name: format!("field \"{n}\""), ty }).collect();
                CqlType::Udt { name: "u".into(), fields, frozen: true }
            }),
            (boxed, 1_u32..4).prop_map(|(element, dimensions)| CqlType::Vector {
                element,
                dimensions,
                frozen: true
            }),
        ]
    })
}

/// A value, and the JSON of it.
type Shown = (CqlValue, String);

fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap()
}

fn form(write: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut out = Vec::new();
    write(&mut out);
    quoted(&String::from_utf8(out).unwrap())
}

fn float(value: f64, shortest: String) -> String {
    if value.is_nan() {
        quoted("NaN")
    } else if value.is_infinite() {
        quoted(if value > 0.0 { "Infinity" } else { "-Infinity" })
    } else {
        shortest
    }
}

fn native_value(native: Native) -> BoxedStrategy<Shown> {
    use CqlValue as V;
    match native {
        Native::Ascii => "[ -~]{0,8}".prop_map(|t| (V::Ascii(t.clone()), quoted(&t))).boxed(),
        Native::Text => {
            "[a\"\\\\\n\u{1}\u{e9}\u{1f600}]{0,6}".prop_map(|t| (V::Text(t.clone()), quoted(&t))).boxed()
        }
        Native::TinyInt => any::<i8>().prop_map(|n| (V::TinyInt(n), n.to_string())).boxed(),
        Native::SmallInt => any::<i16>().prop_map(|n| (V::SmallInt(n), n.to_string())).boxed(),
        Native::Int => any::<i32>().prop_map(|n| (V::Int(n), n.to_string())).boxed(),
        Native::BigInt | Native::Counter => any::<i64>().prop_map(|n| (V::BigInt(n), n.to_string())).boxed(),
        Native::VarInt => any::<i128>()
            .prop_map(|n| (V::Varint(CqlVarint::from_signed_bytes_be(n.to_be_bytes().into())), n.to_string()))
            .boxed(),
        Native::Decimal => (any::<i64>(), 0_i32..30)
            .prop_map(|(n, scale)| {
                let bytes = n.to_be_bytes().to_vec();
                let digits = format!("{:0>width$}", n.unsigned_abs(), width = scale as usize + 1);
                let (whole, fraction) = digits.split_at(digits.len() - scale as usize);
                let point = if scale > 0 { "." } else { "" };
                let text = format!("{}{whole}{point}{fraction}", if n < 0 { "-" } else { "" });
                (V::Decimal(CqlDecimal::from_signed_be_bytes_and_exponent(bytes, scale)), text)
            })
            .boxed(),
        Native::Float => any::<u32>()
            .prop_map(f32::from_bits)
            .prop_map(|n| (V::Float(n), float(n.into(), text(|o| text_form::float32(n, o)))))
            .boxed(),
        Native::Double => any::<u64>()
            .prop_map(f64::from_bits)
            .prop_map(|n| (V::Double(n), float(n, text(|o| text_form::float64(n, o)))))
            .boxed(),
        Native::Boolean => any::<bool>().prop_map(|b| (V::Boolean(b), b.to_string())).boxed(),
        Native::Uuid | Native::TimeUuid => any::<[u8; 16]>()
            .prop_map(CqlTimeuuid::from_bytes)
            .prop_map(|id| (V::Timeuuid(id), quoted(&id.to_string())))
            .boxed(),
        Native::Inet => any::<std::net::IpAddr>().prop_map(|a| (V::Inet(a), quoted(&a.to_string()))).boxed(),
        Native::Timestamp => (i64::MIN / 1000..=i64::MAX / 1000)
            .prop_map(|n| (V::Timestamp(CqlTimestamp(n)), form(|o| text_form::timestamp(n * 1000, o))))
            .boxed(),
        Native::Date => DATES
            .prop_map(|d| {
                (V::Date(CqlDate((i64::from(d) + (1 << 31)) as u32)), form(|o| text_form::date(d, o)))
            })
            .boxed(),
        Native::Time => (0_i64..86_400_000_000)
            .prop_map(|n| (V::Time(CqlTime(n * 1000)), form(|o| text_form::time(n, o))))
            .boxed(),
        Native::Duration => (any::<i32>(), any::<i32>(), i64::MIN / 1000..=i64::MAX / 1000)
            .prop_map(|(months, days, micros)| {
                let nanoseconds = micros * 1000;
                let span = arrow_buffer::IntervalMonthDayNano { months, days, nanoseconds };
                let value = CqlDuration { months, days, nanoseconds };
                (V::Duration(value), form(|o| text_form::interval(span, o)))
            })
            .boxed(),
        Native::Blob => proptest::collection::vec(any::<u8>(), 0..6)
            .prop_map(|b| {
                let digits: String = b.iter().map(|byte| format!("{byte:02x}")).collect();
                (V::Blob(b), quoted(&format!("\\x{digits}")))
            })
            .boxed(),
    }
}

fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut out = Vec::new();
    write(&mut out);
    String::from_utf8(out).unwrap()
}

fn list_of(element: &CqlType, count: std::ops::Range<usize>) -> BoxedStrategy<(Vec<CqlValue>, String)> {
    proptest::collection::vec(value(element), count)
        .prop_map(|shown| {
            let (values, texts): (Vec<_>, Vec<_>) = shown.into_iter().unzip();
            (values, format!("[{}]", texts.join(",")))
        })
        .boxed()
}

/// Values of several types, each of which may be NULL.
fn optional(types: Vec<CqlType>) -> BoxedStrategy<Vec<Option<Shown>>> {
    types.iter().map(|ty| proptest::option::of(value(ty))).collect::<Vec<_>>().boxed()
}

fn or_null(shown: &Option<Shown>) -> &str {
    shown.as_ref().map_or("null", |(_, text)| text)
}

fn value(ty: &CqlType) -> BoxedStrategy<Shown> {
    match ty {
        CqlType::Native(native) => native_value(*native),
        CqlType::List { element, .. } => {
            list_of(element, 0..3).prop_map(|(values, text)| (CqlValue::List(values), text)).boxed()
        }
        CqlType::Set { element, .. } => {
            list_of(element, 0..3).prop_map(|(values, text)| (CqlValue::Set(values), text)).boxed()
        }
        CqlType::Vector { element, dimensions, .. } => {
            let count = *dimensions as usize;
            let list = list_of(element, count..count + 1);
            list.prop_map(|(values, text)| (CqlValue::Vector(values), text)).boxed()
        }
        CqlType::Map { key, value: of, .. } => {
            let pairs = matches!(**key, CqlType::Native(Native::Float | Native::Double | Native::Decimal));
            proptest::collection::vec((value(key), value(of)), 0..3)
                .prop_map(move |shown| {
                    let texts =
                        shown.iter().map(|((_, key), (_, value))| match (pairs, key.starts_with('"')) {
                            (true, _) => format!("[{key},{value}]"),
                            (false, true) => format!("{key}:{value}"),
                            (false, false) => format!("\"{key}\":{value}"),
                        });
                    let text = texts.collect::<Vec<_>>().join(",");
                    let values = shown.into_iter().map(|((key, _), (value, _))| (key, value)).collect();
                    (CqlValue::Map(values), if pairs { format!("[{text}]") } else { format!("{{{text}}}") })
                })
                .boxed()
        }
        CqlType::Tuple { parts, .. } => optional(parts.clone())
            .prop_map(|shown| {
                let text = shown.iter().map(or_null).collect::<Vec<_>>().join(",");
                let values = shown.into_iter().map(|part| part.map(|(value, _)| value)).collect();
                (CqlValue::Tuple(values), format!("[{text}]"))
            })
            .boxed(),
        CqlType::Udt { name, fields, .. } => {
            let (name, names) = (name.clone(), fields.iter().map(|f| f.name.clone()).collect::<Vec<_>>());
            optional(fields.iter().map(|field| field.ty.clone()).collect())
                .prop_map(move |shown| {
                    let named = names.iter().zip(&shown);
                    let texts = named.map(|(name, part)| format!("{}:{}", quoted(name), or_null(part)));
                    let text = format!("{{{}}}", texts.collect::<Vec<_>>().join(","));
                    let values = shown.into_iter().map(|part| part.map(|(value, _)| value));
                    let fields = names.iter().cloned().zip(values).collect();
                    (CqlValue::UserDefinedType { keyspace: "k".into(), name: name.clone(), fields }, text)
                })
                .boxed()
        }
        CqlType::Custom(_) => unreachable!("no such type is made"),
    }
}

fn driver_type(ty: &CqlType) -> ColumnType<'static> {
    let boxed = |ty: &CqlType| Box::new(driver_type(ty));
    let collection = |typ| ColumnType::Collection { frozen: false, typ };
    match ty {
        CqlType::Native(native) => ColumnType::Native(match native {
            Native::Ascii => NativeType::Ascii,
            Native::Text => NativeType::Text,
            Native::TinyInt => NativeType::TinyInt,
            Native::SmallInt => NativeType::SmallInt,
            Native::Int => NativeType::Int,
            Native::BigInt => NativeType::BigInt,
            Native::Counter => NativeType::Counter,
            Native::VarInt => NativeType::Varint,
            Native::Decimal => NativeType::Decimal,
            Native::Float => NativeType::Float,
            Native::Double => NativeType::Double,
            Native::Boolean => NativeType::Boolean,
            Native::Uuid => NativeType::Uuid,
            Native::TimeUuid => NativeType::Timeuuid,
            Native::Inet => NativeType::Inet,
            Native::Timestamp => NativeType::Timestamp,
            Native::Date => NativeType::Date,
            Native::Time => NativeType::Time,
            Native::Duration => NativeType::Duration,
            Native::Blob => NativeType::Blob,
        }),
        CqlType::List { element, .. } => collection(CollectionType::List(boxed(element))),
        CqlType::Set { element, .. } => collection(CollectionType::Set(boxed(element))),
        CqlType::Map { key, value, .. } => collection(CollectionType::Map(boxed(key), boxed(value))),
        CqlType::Tuple { parts, .. } => ColumnType::Tuple(parts.iter().map(driver_type).collect()),
        CqlType::Udt { name, fields, .. } => {
            let field_types = fields.iter().map(|f| (Cow::Owned(f.name.clone()), driver_type(&f.ty)));
            let definition = UserDefinedType {
                name: Cow::Owned(name.clone()),
                keyspace: "k".into(),
                field_types: field_types.collect(),
            };
            ColumnType::UserDefinedType { frozen: false, definition: Arc::new(definition) }
        }
        CqlType::Vector { element, dimensions, .. } => {
            ColumnType::Vector { typ: boxed(element), dimensions: *dimensions as u16 }
        }
        CqlType::Custom(_) => unreachable!("no such type is made"),
    }
}

fn encoded(ty: &CqlType, value: &CqlValue) -> Vec<u8> {
    let mut cell = Vec::new();
    value.serialize(&driver_type(ty), CellWriter::new(&mut cell)).unwrap();
    let length = cell.drain(..4).fold(0, |length, byte| length << 8 | usize::from(byte));
    assert_eq!(length, cell.len());
    cell
}

/// What the row of a column shows, where a document and a number of any length are texts.
fn shown_in_column(ty: &CqlType, text: &str) -> String {
    let is_numeric = |ty: &CqlType| matches!(ty, CqlType::Native(Native::VarInt | Native::Decimal));
    match ty {
        CqlType::Native(_) if is_numeric(ty) => quoted(text),
        CqlType::Native(_) => text.to_owned(),
        CqlType::List { element, .. } | CqlType::Set { element, .. } if is_numeric(element) => {
            let inner = text[1..text.len() - 1].split(',').filter(|text| !text.is_empty());
            format!("[{}]", inner.map(quoted).collect::<Vec<_>>().join(","))
        }
        CqlType::List { element, .. } | CqlType::Set { element, .. }
            if matches!(**element, CqlType::Native(_)) =>
        {
            text.to_owned()
        }
        CqlType::Vector { element, .. } if **element == CqlType::Native(Native::Float) => text.to_owned(),
        _ => quoted(text),
    }
}

proptest! {
    #[test]
    fn what_the_driver_encodes_is_decoded_without_loss(
        (ty, shown) in types().prop_flat_map(|ty| {
            let value = proptest::collection::vec(value(&ty), 1..4);
            (Just(ty), value)
        }),
    ) {
        let cells: Vec<Vec<u8>> = shown.iter().map(|(value, _)| encoded(&ty, value)).collect();
        let decoder = Decoder::new(&ty, &Values::default(), true).unwrap();
        let mut column = Column::new(decoder.ty());
        let (mut refused, mut empties) = (Vec::new(), 0);
        let cells = cells.iter().map(|cell| Some(cell.as_slice()));
        decoder.extend(&mut column, cells, &mut refused, &mut empties).unwrap();
        prop_assert_eq!((&refused[..], empties), (&[][..], 0), "{}", ty);
        let array = column.finish().unwrap();
        let field = [Field::nullable("c", decoder.ty())];
        for (row, (_, text)) in shown.iter().enumerate() {
            let (json, _) = columns_json(&field, std::slice::from_ref(&array), row);
            prop_assert_eq!(json, format!("{{\"c\":{}}}", shown_in_column(&ty, text)), "{}", ty);
        }
    }

    #[test]
    fn any_bytes_are_a_value_or_refused_and_each_row_has_its_place(
        ty in types(),
        cells in proptest::collection::vec(proptest::option::of(bytes()), 0..8),
        in_key: bool,
    ) {
        check_any_bytes(&ty, &cells, in_key)?;
    }

    #[test]
    fn bytes_near_those_of_a_value_are_a_value_or_refused(
        (ty, shown, at, byte) in types().prop_flat_map(|ty| (Just(ty.clone()), value(&ty), any::<usize>(), any::<u8>())),
    ) {
        let whole = encoded(&ty, &shown.0);
        let mut changed = whole.clone();
        if let Some(place) = at.checked_rem(whole.len()) {
            changed[place] = byte;
        }
        let cut = whole[..at % (whole.len() + 1)].to_vec();
        check_any_bytes(&ty, &[Some(changed), Some(cut), Some(whole)], false)?;
    }
}

/// Small numbers are lengths and counts that may be right.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..40),
        proptest::collection::vec(prop_oneof![Just(0_u8), 0_u8..5, Just(255)], 0..40),
    ]
}

fn check_any_bytes(ty: &CqlType, cells: &[Option<Vec<u8>>], in_key: bool) -> Result<(), TestCaseError> {
    let decoder = Decoder::new(ty, &Values::default(), in_key).unwrap();
    let mut column = Column::new(decoder.ty());
    let (mut refused, mut empties) = (Vec::new(), 0);
    decoder.extend(&mut column, cells.iter().map(Option::as_deref), &mut refused, &mut empties).unwrap();
    let array = column.finish().unwrap();
    prop_assert_eq!(array.len(), cells.len());
    prop_assert!(!in_key || empties == 0);
    prop_assert!(refused.is_sorted_by_key(|refused| refused.row));
    for refused in &refused {
        prop_assert!(cells[refused.row as usize].is_some());
        prop_assert!(arrow_array::Array::is_null(&array, refused.row as usize));
    }
    if decoder.ty() == Type::of(Scalar::Json) {
        for document in arrow_array::cast::AsArray::as_string::<i32>(&array).iter().flatten() {
            prop_assert!(serde_json::from_str::<serde::de::IgnoredAny>(document).is_ok(), "{document}");
        }
    }
    Ok(())
}
