//! Which texts are numbers that an unconstrained PostgreSQL `numeric` can hold.

use super::Why;
use crate::schema::{MAX_NUMERIC_SCALE, MAX_NUMERIC_WHOLE_DIGITS};

/// An exponent with more digits is out of range whatever is in front of it.
const MAX_EXPONENT_DIGITS: usize = 9;

/// `[+-]digits[.digits][e[+-]digits]` with a digit before or behind the point, or `NaN`, `Infinity`, `-Infinity`.
pub(super) fn check(text: &[u8]) -> Option<Why> {
    if matches!(text, b"NaN" | b"Infinity" | b"-Infinity") {
        return None;
    }
    let rest = unsigned(text);
    let (whole, rest) = digits(rest);
    let (fraction, rest) = match rest.split_first() {
        Some((b'.', rest)) => digits(rest),
        _ => (&rest[..0], rest),
    };
    let exponent = match rest.split_first() {
        None => &rest[..0],
        Some((b'e' | b'E', exponent)) if !exponent.is_empty() => exponent,
        Some(_) => return Some(malformed(text)),
    };
    let (exponent_digits, rest) = digits(unsigned(exponent));
    let without_digits = whole.is_empty() && fraction.is_empty();
    if without_digits || !rest.is_empty() || (exponent_digits.is_empty() && !exponent.is_empty()) {
        return Some(malformed(text));
    }
    (!fits(whole, fraction, exponent)).then_some(Why::OutOfRange)
}

fn malformed(text: &[u8]) -> Why {
    if text.contains(&0) { Why::Nul } else { Why::BadNumeric }
}

fn unsigned(text: &[u8]) -> &[u8] {
    match text {
        [b'+' | b'-', rest @ ..] => rest,
        _ => text,
    }
}

fn digits(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.iter().position(|b| !b.is_ascii_digit()).unwrap_or(text.len());
    text.split_at(end)
}

fn without_zeros(digits: &[u8]) -> &[u8] {
    let zeros = digits.iter().position(|digit| *digit != b'0').unwrap_or(digits.len());
    &digits[zeros..]
}

fn fits(whole: &[u8], fraction: &[u8], exponent: &[u8]) -> bool {
    let length = |digits: &[u8]| i64::try_from(digits.len()).unwrap_or(i64::MAX / 2);
    let exponent_digits = without_zeros(unsigned(exponent));
    if exponent_digits.len() > MAX_EXPONENT_DIGITS {
        return false;
    }
    let value = exponent_digits.iter().fold(0, |value, digit| value * 10 + i64::from(digit - b'0'));
    let exponent = if exponent.first() == Some(&b'-') { -value } else { value };

    // Zeros in front take no room: where the first other digit stands counts.
    let mut all = whole.iter().chain(fraction);
    let whole_digits = match all.position(|digit| *digit != b'0') {
        None => 0,
        Some(zeros) => length(whole) - i64::try_from(zeros).unwrap_or(i64::MAX / 2) + exponent,
    };
    whole_digits <= MAX_NUMERIC_WHOLE_DIGITS && length(fraction) - exponent <= MAX_NUMERIC_SCALE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_each_shape_are_accepted() {
        for text in [
            "0",
            "-1",
            "+1",
            "1.",
            ".5",
            "-1.50",
            "1e5",
            "1E+5",
            "1.5e-3",
            "007",
            "NaN",
            "Infinity",
            "-Infinity",
        ] {
            assert_eq!(check(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for text in [
            "", "-", ".", "1e", "1e+", "e5", "1,5", " 1", "1 ", "1_000", "0x1f", "--1", "1.2.3", "nan",
            "inf", "1e5.0", "١",
        ] {
            assert_eq!(check(text.as_bytes()), Some(Why::BadNumeric), "{text:?}");
        }
        assert_eq!(check(b"1\0"), Some(Why::Nul));
    }

    #[test]
    fn the_limits_of_numeric_are_exact() {
        for text in [
            "9".repeat(131_072),
            "1e131071".into(),
            "0.001e131074".into(),
            "0e999999999".into(),
            "1e-16383".into(),
        ] {
            assert_eq!(check(text.as_bytes()), None, "{:.20}", text);
        }
        for text in [
            "9".repeat(131_073),
            "1e131072".into(),
            "1e-16384".into(),
            "0.0e-16383".into(),
            "1e9999999999".into(),
        ] {
            assert_eq!(check(text.as_bytes()), Some(Why::OutOfRange), "{:.20}", text);
        }
    }
}
