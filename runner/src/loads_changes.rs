//! What a column does to values without a word: a precision rounds, a length cuts or pads. Beside the table of what
//! loads into what, which the checks before a run ask as well.
//!
//! Must not know: a real table's columns, and whether the recipe allows it.

use std::fmt;

use crate::loads::{Loads, loads};
use crate::schema::{Scalar, Type};

/// What becomes of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Digits are lost.
    Rounded,
    /// Blanks at the end are lost, or what is behind a fixed length.
    Cut,
    /// Blanks are added at the end.
    Padded,
}

/// Behind "would be".
impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Change::Rounded => "rounded",
            Change::Cut => "cut",
            Change::Padded => "padded",
        })
    }
}

/// What becomes of values of type `from` in a column of type `pg_type_name` (as in [`loads`]) with the type modifier
/// `modifier` (`pg_attribute.atttypmod`, -1 for none); `None` where each stays as it is, or is refused by the server.
/// Text counts as a value only in columns of text: what other types make of it is their reading of it.
pub fn changes(from: Type, pg_type_name: &str, modifier: i32) -> Option<Change> {
    match (from.array, pg_type_name.strip_prefix('_')) {
        (false, None) => scalar(from.scalar, pg_type_name, modifier),
        (true, Some(element)) => scalar(from.scalar, element, modifier),
        (true, None) => match (from.scalar, pg_type_name) {
            (Scalar::Float64, "vector" | "halfvec") | (Scalar::Float32, "halfvec") => Some(Change::Rounded),
            _ => None,
        },
        (false, Some(_)) => None,
    }
}

/// Digits behind the second that our values have.
const MICROSECONDS: i32 = 6;
/// What PostgreSQL adds to a length or a packed precision (`VARHDRSZ`).
const HEADER: i32 = 4;
/// The characters of a uuid's text.
const UUID_CHARS: i32 = 36;

fn scalar(from: Scalar, target: &str, modifier: i32) -> Option<Change> {
    use Scalar::{
        Float32, Float64, Int16, Int32, Int64, Interval, Json, Numeric, Text, Time, Timestamp, Uuid,
    };
    let sized = modifier >= HEADER;
    match (from, target) {
        (Numeric | Float32 | Float64, "numeric") if sized => Some(Change::Rounded),
        (Int16 | Int32 | Int64, "numeric") if sized && numeric_scale(modifier) < 0 => Some(Change::Rounded),
        (Int16 | Int32 | Int64 | Float32 | Float64 | Numeric, "float4" | "float8") => {
            matches!(loads(Type::of(from), target), Loads::No { .. }).then_some(Change::Rounded)
        }
        (Timestamp, "timestamp" | "timestamptz") | (Time, "time")
            if (0..MICROSECONDS).contains(&modifier) =>
        {
            Some(Change::Rounded)
        }
        (Interval, "interval") if modifier >= 0 && !is_whole_interval(modifier) => Some(Change::Rounded),
        (Uuid, "bpchar") if modifier == UUID_CHARS + HEADER => None,
        (_, "bpchar") if sized && !matches!(loads(Type::of(from), target), Loads::No { .. }) => {
            Some(Change::Padded)
        }
        (Text | Json, "varchar") if sized => Some(Change::Cut),
        (Text, "name" | "char") => Some(Change::Cut),
        _ => None,
    }
}

/// The digits behind the point, eleven bits with a sign since PostgreSQL 15; before it was never negative.
fn numeric_scale(modifier: i32) -> i32 {
    (((modifier - HEADER) & 0x7ff) ^ 1024) - 1024
}

/// Whether an interval keeps all its fields (the upper bits) and all digits of its seconds (the lower ones).
fn is_whole_interval(modifier: i32) -> bool {
    const ALL_FIELDS: i32 = 0x7fff;
    (modifier >> 16) & ALL_FIELDS == ALL_FIELDS && modifier & 0xffff >= MICROSECONDS
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(from: Scalar, target: &str, modifier: i32) -> Option<Change> {
        changes(Type::of(from), target, modifier)
    }

    /// `numeric(precision, scale)`.
    fn numeric(precision: i32, scale: i32) -> i32 {
        ((precision << 16) | (scale & 0x7ff)) + HEADER
    }

    #[test]
    fn a_precision_rounds_what_is_finer() {
        for from in [Scalar::Numeric, Scalar::Float32, Scalar::Float64] {
            assert_eq!(of(from, "numeric", numeric(12, 2)), Some(Change::Rounded));
            assert_eq!(of(from, "numeric", -1), None);
        }
        assert_eq!(of(Scalar::Int64, "numeric", numeric(12, 0)), None);
        assert_eq!(of(Scalar::Int64, "numeric", numeric(12, -2)), Some(Change::Rounded));
        for target in ["timestamp", "timestamptz"] {
            assert_eq!(of(Scalar::Timestamp, target, 3), Some(Change::Rounded));
            assert_eq!((of(Scalar::Timestamp, target, 6), of(Scalar::Timestamp, target, -1)), (None, None));
            assert_eq!(of(Scalar::Date, target, 0), None);
        }
        assert_eq!((of(Scalar::Time, "time", 0), of(Scalar::Time, "time", 6)), (Some(Change::Rounded), None));
        assert_eq!(
            changes(Type::array_of(Scalar::Numeric), "_numeric", numeric(5, 1)),
            Some(Change::Rounded)
        );
    }

    #[test]
    fn an_interval_keeps_its_fields_and_digits_or_is_told_of() {
        let all = 0x7fff << 16;
        assert_eq!(of(Scalar::Interval, "interval", -1), None);
        assert_eq!(of(Scalar::Interval, "interval", all | 0xffff), None);
        assert_eq!(of(Scalar::Interval, "interval", all | 6), None);
        assert_eq!(of(Scalar::Interval, "interval", all | 3), Some(Change::Rounded));
        // `interval year`
        assert_eq!(of(Scalar::Interval, "interval", (4 << 16) | 0xffff), Some(Change::Rounded));
    }

    #[test]
    fn lengths_cut_and_pad_texts() {
        assert_eq!(of(Scalar::Text, "bpchar", 9), Some(Change::Padded));
        assert_eq!(of(Scalar::Int32, "bpchar", 9), Some(Change::Padded));
        assert_eq!(of(Scalar::Text, "bpchar", -1), None);
        assert_eq!(
            (of(Scalar::Uuid, "bpchar", 40), of(Scalar::Uuid, "bpchar", 41)),
            (None, Some(Change::Padded))
        );
        assert_eq!(of(Scalar::Bytes, "bpchar", 9), None);
        assert_eq!(of(Scalar::Text, "varchar", 9), Some(Change::Cut));
        assert_eq!((of(Scalar::Text, "varchar", -1), of(Scalar::Int64, "varchar", 9)), (None, None));
        assert_eq!(of(Scalar::Text, "text", -1), None);
    }

    #[test]
    fn floats_that_are_too_narrow_round() {
        for (from, target) in [
            (Scalar::Float64, "float4"),
            (Scalar::Numeric, "float8"),
            (Scalar::Int64, "float8"),
            (Scalar::Int32, "float4"),
        ] {
            assert_eq!(of(from, target, -1), Some(Change::Rounded));
        }
        for (from, target) in
            [(Scalar::Float32, "float4"), (Scalar::Float64, "float8"), (Scalar::Int16, "float4")]
        {
            assert_eq!(of(from, target, -1), None);
        }
    }

    #[test]
    fn vectors_round_what_is_wider_than_their_elements() {
        let of = |scalar, target| changes(Type::array_of(scalar), target, 3);
        assert_eq!(of(Scalar::Float32, "vector"), None);
        assert_eq!(of(Scalar::Float64, "vector"), Some(Change::Rounded));
        assert_eq!(of(Scalar::Float32, "halfvec"), Some(Change::Rounded));
    }

    #[test]
    fn text_that_is_parsed_is_no_value_of_ours() {
        for target in ["numeric", "timestamptz", "time", "interval", "float4"] {
            assert_eq!(of(Scalar::Text, target, 5), None);
        }
    }

    #[test]
    fn no_modifier_is_too_odd() {
        for from in Scalar::ALL {
            for target in ["numeric", "timestamp", "time", "interval", "bpchar", "varchar", "x"] {
                for modifier in [i32::MIN, -2, 0, 3, i32::MAX] {
                    let _ = of(from, target, modifier);
                }
            }
        }
    }
}
