//! Sizes and spans of time as people write them in a recipe: `"64 MiB"`, `"10 s"`.
//!
//! Must not know: which settings are sizes or spans, and what their bounds are.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Visitor};
use serde::{Serialize, Serializer};

/// A setting that cannot be used: its key, what is wrong, what would be right. Never its value.
pub type SettingProblem = (&'static str, Cow<'static, str>);

/// A number of bytes: a whole number, or text with a unit (`B`, `KiB`, `MiB`, `GiB`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(pub u64);

/// A span of time: text with a unit (`ms`, `s`, `min`, `h`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

const BYTES: [(&str, u64); 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];
const TIMES_MS: [(&str, u64); 4] = [("h", 3_600_000), ("min", 60_000), ("s", 1000), ("ms", 1)];

/// A text that is neither a size nor a span.
#[derive(Debug, thiserror::Error)]
pub enum BadUnit {
    /// Not a size.
    #[error("not a size: write a whole number and B, KiB, MiB or GiB, e.g. \"64 MiB\"")]
    Size,
    /// Not a span.
    #[error("not a span of time: write a whole number and ms, s, min or h, e.g. \"10 s\"")]
    Span,
}

/// `12 MiB` → (12, "MiB").
fn split_unit(text: &str) -> Option<(u64, &str)> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    Some((text[..end].parse().ok()?, text[end..].trim_start()))
}

fn factor(units: &[(&str, u64)], unit: &str) -> Option<u64> {
    units.iter().find(|(name, _)| *name == unit).map(|(_, factor)| *factor)
}

impl FromStr for ByteSize {
    type Err = BadUnit;

    fn from_str(text: &str) -> Result<Self, BadUnit> {
        let (number, unit) = split_unit(text).ok_or(BadUnit::Size)?;
        let factor = if unit.is_empty() { Some(1) } else { factor(&BYTES, unit) };
        factor.and_then(|f| number.checked_mul(f)).map(ByteSize).ok_or(BadUnit::Size)
    }
}

impl FromStr for Span {
    type Err = BadUnit;

    fn from_str(text: &str) -> Result<Self, BadUnit> {
        let (number, unit) = split_unit(text).ok_or(BadUnit::Span)?;
        let ms = factor(&TIMES_MS, unit).and_then(|f| number.checked_mul(f)).ok_or(BadUnit::Span)?;
        Ok(Span(Duration::from_millis(ms)))
    }
}

/// The largest unit that leaves no rest.
fn whole(units: &[(&'static str, u64)], value: u64) -> (u64, &'static str) {
    let unit = units.iter().find(|(_, f)| value >= *f && value.is_multiple_of(*f));
    unit.map_or((value, units[units.len() - 1].0), |(name, f)| (value / f, *name))
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (number, unit) = whole(&BYTES, self.0);
        write!(f, "{number} {unit}")
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (number, unit) = whole(&TIMES_MS, u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX));
        write!(f, "{number} {unit}")
    }
}

impl Serialize for ByteSize {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

struct SizeVisitor;

impl Visitor<'_> for SizeVisitor {
    type Value = ByteSize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a size, e.g. \"64 MiB\" or a number of bytes")
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<ByteSize, E> {
        Ok(ByteSize(value))
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<ByteSize, E> {
        u64::try_from(value).map(ByteSize).map_err(|_| E::custom(BadUnit::Size))
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<ByteSize, E> {
        text.parse().map_err(E::custom)
    }
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SizeVisitor)
    }
}

struct SpanVisitor;

impl Visitor<'_> for SpanVisitor {
    type Value = Span;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a span of time, e.g. \"10 s\"")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Span, E> {
        text.parse().map_err(E::custom)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(SpanVisitor)
    }
}

impl JsonSchema for ByteSize {
    fn schema_name() -> Cow<'static, str> {
        "ByteSize".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["string", "integer"],
            "format": "size",
            "pattern": "^ *[0-9]+ *(B|KiB|MiB|GiB)? *$",
            "minimum": 0,
        })
    }

    fn inline_schema() -> bool {
        true
    }
}

impl JsonSchema for Span {
    fn schema_name() -> Cow<'static, str> {
        "Span".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "span", "pattern": "^ *[0-9]+ *(ms|s|min|h) *$" })
    }

    fn inline_schema() -> bool {
        true
    }
}

/// A count with commas: `27,004`.
pub fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Bytes for people: `512 B`, `1.5 MiB`.
pub fn size(bytes: u64) -> String {
    match BYTES.iter().find(|(_, factor)| bytes >= *factor && *factor > 1) {
        Some((unit, factor)) => format!("{:.1} {unit}", bytes as f64 / *factor as f64),
        None => format!("{bytes} B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_spans_are_read_back_from_their_text() {
        for text in ["0 B", "1 B", "16 MiB", "3 GiB", "1025 B"] {
            assert_eq!(text.parse::<ByteSize>().unwrap().to_string(), text);
        }
        for text in ["0 ms", "10 s", "1 min", "1500 ms"] {
            assert_eq!(text.parse::<Span>().unwrap().to_string(), text);
        }
        assert_eq!("64MiB".parse::<ByteSize>().unwrap(), ByteSize(64 << 20));
    }

    #[test]
    fn numbers_are_written_for_people() {
        assert_eq!(
            [grouped(0), grouped(999), grouped(1000), grouped(1_234_567)],
            ["0", "999", "1,000", "1,234,567"]
        );
        assert_eq!([size(0), size(1023), size(1536), size(5 << 30)], ["0 B", "1023 B", "1.5 KiB", "5.0 GiB"]);
    }

    #[test]
    fn a_size_without_a_known_unit_is_refused() {
        assert!("64 MB".parse::<ByteSize>().is_err());
        assert!("-1 B".parse::<ByteSize>().is_err());
        assert!("99999999999 GiB".parse::<ByteSize>().is_err());
        assert!("10".parse::<Span>().is_err());
    }

    #[test]
    fn a_value_of_the_wrong_kind_is_told_what_is_expected() {
        let error = serde_json::from_str::<Span>("10").unwrap_err();
        assert!(error.to_string().contains("expected a span of time, e.g. \"10 s\""), "{error}");
        let error = serde_json::from_str::<ByteSize>("true").unwrap_err();
        assert!(error.to_string().contains("expected a size, e.g. \"64 MiB\""), "{error}");
        let error = serde_json::from_str::<ByteSize>("-1").unwrap_err();
        assert!(error.to_string().contains("not a size"), "{error}");
    }
}
