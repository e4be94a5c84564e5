//! The original of a reject: one row's columns as a JSON object, without loss, for people and for a repair.
//!
//! Numbers that JSON readers keep whole are numbers; all else is the text that PostgreSQL would show. Must not
//! know: why the row is a reject.

use std::collections::BTreeMap;

use arrow_array::{Array, ArrayRef};
use serde_json::value::RawValue;

use crate::reject::{Keep, MAX_ORIGINAL_BYTES, Original, Reject};
use crate::schema::Field;
use crate::text_form;
use crate::values::{Cells, Nulls, Values};

/// Row `row` of `columns` as a JSON object (for PostgreSQL's `json`, not `jsonb`: a text may hold `\u0000`), and
/// whether something was cut so that it stays within [`MAX_ORIGINAL_BYTES`]. A cut object is valid JSON: long
/// texts end early, long arrays have fewer elements, and columns for which there is no room are missing.
pub fn columns_json(fields: &[Field], columns: &[ArrayRef], row: usize) -> (String, bool) {
    let whole = object(fields, columns, row, Share::All);
    // Only a row that is too large is written twice: then each column may use its part of what is left, so
    // that one long text does not push out all behind it.
    let (bytes, cut) = if whole.1 { object(fields, columns, row, Share::Fair) } else { whole };
    // Each piece is UTF-8 and cut at characters.
    (String::from_utf8(bytes).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned()), cut)
}

/// Takes away what is not to be kept of a reject's row; `keys` are the columns of its source's primary key.
pub fn keep_only(reject: &mut Reject, keep: Keep, keys: &[String]) {
    let original = std::mem::replace(&mut reject.original, Original::Nothing);
    reject.original = match (keep, original) {
        (Keep::Full, original) => original,
        (Keep::Keys, Original::Columns(json)) => {
            keys_alone(&json, keys).map_or(Original::Nothing, Original::Columns)
        }
        (Keep::Keys | Keep::None, _) => Original::Nothing,
    };
    // What was never to be kept is not missing.
    reject.cut &= reject.original != Original::Nothing;
}

/// The columns `keys` of a JSON object, as they are written there; `None` where it has none of them.
fn keys_alone(json: &str, keys: &[String]) -> Option<String> {
    let columns: BTreeMap<String, &RawValue> = serde_json::from_str(json).ok()?;
    let mut out = Vec::with_capacity(json.len().min(256));
    for (name, value) in keys.iter().filter_map(|key| Some((key, columns.get(key)?))) {
        out.push(if out.is_empty() { b'{' } else { b',' });
        out.push(b'"');
        name.chars().for_each(|character| escape(character, &mut out));
        out.extend_from_slice(b"\":");
        out.extend_from_slice(value.get().as_bytes());
    }
    if out.is_empty() {
        return None;
    }
    out.push(b'}');
    String::from_utf8(out).ok()
}

#[derive(Clone, Copy, PartialEq)]
enum Share {
    All,
    Fair,
}

fn object(fields: &[Field], columns: &[ArrayRef], row: usize, share: Share) -> (Vec<u8>, bool) {
    let mut json = Json { out: Vec::with_capacity(256), limit: 0, cut: false };
    json.out.push(b'{');
    let count = fields.len().min(columns.len());
    for (index, (field, column)) in fields.iter().zip(columns).enumerate() {
        let room = (MAX_ORIGINAL_BYTES - 1).saturating_sub(json.out.len());
        let parts = if share == Share::Fair { count - index } else { 1 };
        json.limit = json.out.len() + room / parts;
        json.column(field, column.as_ref(), row);
        if json.cut && share == Share::All {
            break;
        }
    }
    json.out.push(b'}');
    (json.out, json.cut)
}

/// Appends pieces as long as they end before `limit`.
struct Json {
    out: Vec<u8>,
    limit: usize,
    cut: bool,
}

impl Json {
    /// `"name":value`, or nothing where there is no room.
    fn column(&mut self, field: &Field, array: &dyn Array, row: usize) {
        let start = self.out.len();
        let first = start == 1;
        let cut_before = std::mem::replace(&mut self.cut, false);
        if !first {
            self.out.push(b',');
        }
        self.text(&field.name);
        self.out.push(b':');
        // A name is written whole or not at all: a cut one would be another column's.
        let written = !self.cut && self.cell(field, array, row) && self.out.len() <= self.limit;
        if !written {
            self.out.truncate(start);
            self.cut = true;
        }
        self.cut |= cut_before;
    }

    fn cell(&mut self, field: &Field, array: &dyn Array, row: usize) -> bool {
        // A column that is not of its field's type has no value to show.
        let cells = if row < array.len() { Cells::of(field.ty, array) } else { None };
        let Some(cells) = cells else { return false };
        if Nulls::of(array).is_null(row) {
            self.out.extend_from_slice(b"null");
            return true;
        }
        match cells {
            Cells::Scalars(values) => self.value(&values, row),
            Cells::Lists { offsets, nulls, elements } => {
                let at = |index: usize| usize::try_from(offsets[index]).unwrap_or(0);
                self.list(at(row)..at(row + 1), nulls, &elements);
            }
        }
        true
    }

    fn list(&mut self, range: std::ops::Range<usize>, nulls: Nulls, elements: &Values) {
        // The closing bracket has its place before any element.
        self.limit = self.limit.saturating_sub(1);
        self.out.push(b'[');
        let first = range.start;
        for index in range {
            let start = self.out.len();
            if index > first {
                self.out.push(b',');
            }
            if nulls.is_null(index) {
                self.out.extend_from_slice(b"null");
            } else {
                self.value(elements, index);
            }
            if self.out.len() > self.limit {
                self.out.truncate(start);
                self.cut = true;
            }
            if self.cut {
                break;
            }
        }
        self.limit += 1;
        self.out.push(b']');
    }

    fn value(&mut self, values: &Values, index: usize) {
        match values {
            Values::Boolean(values) => text_form::boolean(values.value(index), &mut self.out),
            Values::Int16(values) => text_form::integer(values[index], &mut self.out),
            Values::Int32(values) => text_form::integer(values[index], &mut self.out),
            Values::Int64(values) => text_form::integer(values[index], &mut self.out),
            // JSON has no NaN and no infinity.
            Values::Float32(values) if values[index].is_finite() => {
                text_form::float32(values[index], &mut self.out);
            }
            Values::Float64(values) if values[index].is_finite() => {
                text_form::float64(values[index], &mut self.out);
            }
            Values::Float32(values) => self.quoted(|out| text_form::float32(values[index], out)),
            Values::Float64(values) => self.quoted(|out| text_form::float64(values[index], out)),
            Values::Numeric(values) | Values::Text(values) => self.text(values.value(index)),
            Values::Bytes(values) => self.bytes(values.value(index)),
            Values::Uuid(values) => self.quoted(|out| text_form::uuid(values.value(index), out)),
            Values::Date(values) => self.quoted(|out| text_form::date(values[index], out)),
            Values::Time(values) => self.quoted(|out| text_form::time(values[index], out)),
            Values::Timestamp(values) => self.quoted(|out| text_form::timestamp(values[index], out)),
            Values::Interval(values) => self.quoted(|out| text_form::interval(values[index], out)),
        }
    }

    fn quoted(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        self.out.push(b'"');
        write(&mut self.out);
        self.out.push(b'"');
    }

    /// `"\\x…"`, cut between two bytes.
    fn bytes(&mut self, value: &[u8]) {
        self.out.extend_from_slice(b"\"\\\\x");
        let room = self.limit.saturating_sub(self.out.len() + 1) / 2;
        self.cut |= value.len() > room;
        text_form::hex(&value[..value.len().min(room)], &mut self.out);
        self.out.push(b'"');
    }

    /// A JSON string, cut between two characters.
    fn text(&mut self, text: &str) {
        self.out.push(b'"');
        for character in text.chars() {
            let start = self.out.len();
            escape(character, &mut self.out);
            // The closing quote must fit too.
            if self.out.len() >= self.limit {
                self.out.truncate(start);
                self.cut = true;
                break;
            }
        }
        self.out.push(b'"');
    }
}

/// One character inside of a JSON string.
pub fn escape(character: char, out: &mut Vec<u8>) {
    match character {
        '"' => out.extend_from_slice(b"\\\""),
        '\\' => out.extend_from_slice(b"\\\\"),
        '\n' => out.extend_from_slice(b"\\n"),
        '\r' => out.extend_from_slice(b"\\r"),
        '\t' => out.extend_from_slice(b"\\t"),
        '\0'..='\x1f' => {
            out.extend_from_slice(b"\\u00");
            text_form::hex(&[u8::try_from(character).unwrap_or(0)], out);
        }
        _ => out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::builder::{ListBuilder, StringBuilder};
    use arrow_array::{BinaryArray, Float64Array, Int64Array, StringArray, TimestampMicrosecondArray};
    use proptest::prelude::*;

    use super::*;
    use crate::schema::{Scalar, Type};

    fn texts(values: &[&str]) -> (Vec<Field>, Vec<ArrayRef>) {
        let field = |i| Field::nullable(format!("c{i}"), Type::of(Scalar::Text));
        let column = |value: &&str| Arc::new(StringArray::from(vec![*value])) as ArrayRef;
        ((0..values.len()).map(field).collect(), values.iter().map(column).collect())
    }

    #[test]
    fn a_row_is_an_object_with_numbers_exact_and_the_rest_as_text() {
        let mut list = ListBuilder::new(StringBuilder::new());
        list.append_value([Some("a\"b"), None, Some("\0")]);
        let columns: Vec<(&str, Type, ArrayRef)> = vec![
            ("big", Type::of(Scalar::Int64), Arc::new(Int64Array::from(vec![i64::MIN]))),
            ("nan", Type::of(Scalar::Float64), Arc::new(Float64Array::from(vec![f64::NAN]))),
            ("half", Type::of(Scalar::Float64), Arc::new(Float64Array::from(vec![0.5]))),
            ("price", Type::of(Scalar::Numeric), Arc::new(StringArray::from(vec!["1.50"]))),
            ("none", Type::of(Scalar::Text), Arc::new(StringArray::from(vec![None::<&str>]))),
            ("raw", Type::of(Scalar::Bytes), Arc::new(BinaryArray::from(vec![b"\x00\xff".as_slice()]))),
            ("at", Type::of(Scalar::Timestamp), Arc::new(TimestampMicrosecondArray::from(vec![0]))),
            ("list", Type::array_of(Scalar::Text), Arc::new(list.finish())),
        ];
        let fields: Vec<Field> = columns.iter().map(|(name, ty, _)| Field::nullable(*name, *ty)).collect();
        let arrays: Vec<ArrayRef> = columns.into_iter().map(|(_, _, array)| array).collect();
        let (json, cut) = columns_json(&fields, &arrays, 0);
        assert!(!cut);
        assert_eq!(
            json,
            r#"{"big":-9223372036854775808,"nan":"NaN","half":0.5,"price":"1.50","none":null,"raw":"\\x00ff","#
                .to_owned()
                + r#""at":"1970-01-01 00:00:00+00","list":["a\"b",null,"\u0000"]}"#
        );
    }

    #[test]
    fn a_long_text_is_cut_and_the_columns_behind_it_stay() {
        let long = "ä".repeat(MAX_ORIGINAL_BYTES);
        let (fields, columns) = texts(&["a", &long, "z"]);
        let (json, cut) = columns_json(&fields, &columns, 0);
        assert!(cut && json.len() <= MAX_ORIGINAL_BYTES);
        let value: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(value["c2"], "z");
        assert!(long.starts_with(value["c1"].as_str().unwrap()));
    }

    #[test]
    fn an_object_that_just_fits_is_whole() {
        // {"c0":"…"}
        let (fields, columns) = texts(&[&"x".repeat(MAX_ORIGINAL_BYTES - 9)]);
        let (json, cut) = columns_json(&fields, &columns, 0);
        assert_eq!((json.len(), cut), (MAX_ORIGINAL_BYTES, false));
        let (fields, columns) = texts(&[&"x".repeat(MAX_ORIGINAL_BYTES - 8)]);
        let (json, cut) = columns_json(&fields, &columns, 0);
        assert_eq!((json.len(), cut), (MAX_ORIGINAL_BYTES, true));
    }

    #[test]
    fn what_is_not_to_be_kept_is_taken_away() {
        let keys = ["b\"".to_owned(), "a".to_owned()];
        let kept = |keep, original: Original| {
            let position = crate::position::Position::FILE_START;
            let (stage, reason) = (crate::reject::Stage::Read, "".into());
            let mut reject = Reject { position, stage, code: "ragged", reason, original, cut: true };
            keep_only(&mut reject, keep, &keys);
            (reject.original, reject.cut)
        };
        let columns =
            || Original::Columns(r#"{"a":12345678901234567890.10,"b\"":"\u0000","c":"private"}"#.into());
        let bytes = || Original::Bytes(b"1,private".to_vec());
        assert_eq!(kept(Keep::Full, columns()), (columns(), true));
        assert_eq!(kept(Keep::Full, bytes()), (bytes(), true));
        let exact = Original::Columns(r#"{"b\"":"\u0000","a":12345678901234567890.10}"#.into());
        assert_eq!(kept(Keep::Keys, columns()), (exact, true));
        assert_eq!(kept(Keep::Keys, Original::Columns(r#"{"c":1}"#.into())), (Original::Nothing, false));
        assert_eq!(kept(Keep::Keys, bytes()), (Original::Nothing, false));
        assert_eq!(kept(Keep::None, columns()), (Original::Nothing, false));
    }

    proptest! {
        #[test]
        fn it_is_always_json_within_the_bound_and_whole_unless_cut(
            values in proptest::collection::vec(("[a\u{0}\n\"\\\\é😀]{0,6}", 0_usize..8000), 1..40),
        ) {
            let values: Vec<String> = values.into_iter().map(|(text, times)| text.repeat(times)).collect();
            let texts_of: Vec<&str> = values.iter().map(String::as_str).collect();
            let (fields, columns) = texts(&texts_of);
            let (json, cut) = columns_json(&fields, &columns, 0);
            prop_assert!(json.len() <= MAX_ORIGINAL_BYTES);
            let object: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&json).unwrap();
            let mut shorter = object.len() < values.len();
            for (name, value) in &object {
                let original = &values[name[1..].parse::<usize>().unwrap()];
                let kept = value.as_str().unwrap();
                prop_assert!(original.starts_with(kept));
                shorter |= kept.len() < original.len();
            }
            prop_assert_eq!(cut, shorter);
        }
    }
}
