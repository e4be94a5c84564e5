//! One cell's text as a value, except for dates and times. Pure. A cell is UTF-8 here already; `None` is no value.

use std::net::IpAddr;
use std::str;

use serde::de::IgnoredAny;

/// As PostgreSQL's `boolean`, without its abbreviations.
pub(super) fn boolean(text: &[u8]) -> Option<bool> {
    let text = text.trim_ascii();
    let is_one_of = |words: [&str; 6]| words.iter().any(|word| word.as_bytes().eq_ignore_ascii_case(text));
    if is_one_of(["t", "true", "1", "y", "yes", "on"]) {
        Some(true)
    } else if is_one_of(["f", "false", "0", "n", "no", "off"]) {
        Some(false)
    } else {
        None
    }
}

/// Digits with an optional sign.
pub(super) fn integer(text: &[u8]) -> Option<i64> {
    let text = text.trim_ascii();
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    if digits.is_empty() {
        return None;
    }
    let mut value: u64 = 0;
    for digit in digits {
        let digit = digit.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value.checked_mul(10)?.checked_add(u64::from(digit))?;
    }
    if negative { 0i64.checked_sub_unsigned(value) } else { i64::try_from(value).ok() }
}

/// The nearest double; not what is too large for one, or too small.
pub(super) fn float64(text: &[u8]) -> Option<f64> {
    let text = str::from_utf8(text.trim_ascii()).ok()?;
    let value: f64 = text.parse().ok()?;
    is_near(text, value.is_infinite(), value == 0.0).then_some(value)
}

/// The nearest single; not what is too large for one, or too small.
pub(super) fn float32(text: &[u8]) -> Option<f32> {
    let text = str::from_utf8(text.trim_ascii()).ok()?;
    let value: f32 = text.parse().ok()?;
    is_near(text, value.is_infinite(), value == 0.0).then_some(value)
}

/// Whether a text that became infinite or 0 said so.
fn is_near(text: &str, infinite: bool, zero: bool) -> bool {
    let mantissa = text.split(['e', 'E']).next().unwrap_or_default();
    let says_digits = || mantissa.bytes().any(|byte| byte.is_ascii_digit());
    let says_other_than_zero = || mantissa.bytes().any(|byte| matches!(byte, b'1'..=b'9'));
    !(infinite && says_digits() || zero && says_other_than_zero())
}

/// A decimal number as it was written, or one of the words of the contract.
pub(super) fn numeric(text: &[u8]) -> Option<&[u8]> {
    let text = text.trim_ascii();
    let unsigned = |text: &'_ [u8]| usize::from(matches!(text.first(), Some(b'+' | b'-')));
    let digits = |text: &'_ [u8]| text.iter().take_while(|byte| byte.is_ascii_digit()).count();

    let mut at = unsigned(text);
    let whole = digits(&text[at..]);
    at += whole;
    let mut fraction = 0;
    if text.get(at) == Some(&b'.') {
        fraction = digits(&text[at + 1..]);
        at += 1 + fraction;
    }
    if whole + fraction == 0 {
        return numeric_word(text);
    }
    if let Some(b'e' | b'E') = text.get(at) {
        at += 1 + unsigned(&text[at + 1..]);
        let exponent = digits(&text[at..]);
        if exponent == 0 {
            return None;
        }
        at += exponent;
    }
    (at == text.len()).then_some(text)
}

fn numeric_word(text: &[u8]) -> Option<&'static [u8]> {
    let is_one_of = |words: &[&str]| words.iter().any(|word| word.as_bytes().eq_ignore_ascii_case(text));
    if is_one_of(&["nan"]) {
        Some(b"NaN")
    } else if is_one_of(&["infinity", "inf", "+infinity", "+inf"]) {
        Some(b"Infinity")
    } else if is_one_of(&["-infinity", "-inf"]) {
        Some(b"-Infinity")
    } else {
        None
    }
}

/// An address with an optional prefix length, as it was written.
pub(super) fn inet(text: &[u8]) -> Option<&[u8]> {
    let text = text.trim_ascii();
    let (address, prefix) = match text.iter().position(|byte| *byte == b'/') {
        None => (text, None),
        Some(at) => (&text[..at], Some(&text[at + 1..])),
    };
    let address: IpAddr = str::from_utf8(address).ok()?.parse().ok()?;
    if let Some(prefix) = prefix {
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let plain = prefix.len() <= 3 && prefix.iter().all(u8::is_ascii_digit);
        if !plain || integer(prefix)? > longest {
            return None;
        }
    }
    Some(text)
}

/// A JSON document, as it was written.
pub(super) fn json(text: &[u8]) -> Option<&[u8]> {
    // Nothing is built, and depth takes memory, not stack.
    serde_json::from_slice::<IgnoredAny>(text).is_ok().then_some(text)
}

/// `\x` and pairs of digits, appended to `out`; nothing is appended when it is not so.
pub(super) fn hexadecimal(text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let digits = text.trim_ascii().strip_prefix(b"\\x")?;
    let (pairs, []) = digits.as_chunks::<2>() else { return None };
    let before = out.len();
    for [high, low] in pairs {
        let (high, low) = (nibble(*high), nibble(*low));
        if high > 15 || low > 15 {
            out.truncate(before);
            return None;
        }
        out.push(high << 4 | low);
    }
    Some(())
}

/// With dashes at the usual places or without any, with or without braces.
pub(super) fn uuid(text: &[u8]) -> Option<[u8; 16]> {
    let mut text = text.trim_ascii();
    if let [b'{', inner @ .., b'}'] = text {
        text = inner;
    }
    // Where the pairs of digits are.
    const DASHED: [usize; 16] = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34];
    let dashed = text.len() == 36 && [8, 13, 18, 23].into_iter().all(|at| text[at] == b'-');
    if !dashed && text.len() != 32 {
        return None;
    }
    let mut bytes = [0; 16];
    let mut wrong = 0;
    for (number, byte) in bytes.iter_mut().enumerate() {
        let at = if dashed { DASHED[number] } else { 2 * number };
        let (high, low) = (nibble(text[at]), nibble(text[at + 1]));
        wrong |= high | low;
        *byte = high << 4 | low & 15;
    }
    (wrong <= 15).then_some(bytes)
}

/// The value of a hexadecimal digit; 255 when it is none.
fn nibble(digit: u8) -> u8 {
    const NIBBLES: [u8; 256] = {
        let mut table = [255; 256];
        let mut value = 0;
        while value < 16 {
            table[b"0123456789abcdef"[value] as usize] = value as u8;
            table[b"0123456789ABCDEF"[value] as usize] = value as u8;
            value += 1;
        }
        table
    };
    NIBBLES[usize::from(digit)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_boolean_is_one_of_twelve_words() {
        for text in ["t", "TRUE", "1", "y", "Yes", " on "] {
            assert_eq!(boolean(text.as_bytes()), Some(true), "{text}");
        }
        for text in ["f", "False", "0", "N", "no", "off"] {
            assert_eq!(boolean(text.as_bytes()), Some(false), "{text}");
        }
        for text in ["", " ", "2", "tr", "truee", "nope"] {
            assert_eq!(boolean(text.as_bytes()), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_integer_is_read_back(value: i64) {
            prop_assert_eq!(integer(value.to_string().as_bytes()), Some(value));
            let padded = format!(" {value:+022} ");
            prop_assert_eq!(integer(padded.as_bytes()), Some(value));
        }

        #[test]
        fn every_float_is_read_back(double: f64, single: f32) {
            prop_assert_eq!(float64(double.to_string().as_bytes()).unwrap().to_bits(), double.to_bits());
            let single_text = format!("{single:e}");
            prop_assert_eq!(float32(single_text.as_bytes()).unwrap().to_bits(), single.to_bits());
        }

        #[test]
        fn every_uuid_is_read_back(bytes: [u8; 16]) {
            let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            let at = |range| &digits[range];
            let dashed = [at(0..8), at(8..12), at(12..16), at(16..20), at(20..32)].join("-");
            for text in [dashed.to_uppercase(), format!("{{{dashed}}}"), dashed, digits] {
                prop_assert_eq!(uuid(text.as_bytes()), Some(bytes));
            }
        }

        #[test]
        fn every_run_of_bytes_is_read_back(bytes: Vec<u8>) {
            let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            let mut out = b"before".to_vec();
            let text = format!("\\x{digits}");
            prop_assert!(hexadecimal(text.as_bytes(), &mut out).is_some());
            prop_assert_eq!(&out[6..], &bytes);
        }
    }

    #[test]
    fn what_is_no_integer_of_64_bits_is_refused() {
        for text in ["", "-", "+", "1.0", "1e3", "0x10", "1 2", "9223372036854775808", "-9223372036854775809"]
        {
            assert_eq!(integer(text.as_bytes()), None, "{text}");
        }
        assert_eq!(integer(b"99999999999999999999999"), None);
    }

    #[test]
    fn a_float_that_overflows_or_vanishes_is_refused() {
        assert_eq!(float64(b"1e400"), None);
        assert_eq!(float64(b"-1e-400"), None);
        assert_eq!(float32(b"1e39"), None);
        assert_eq!(float64(b"0e999"), Some(0.0));
        assert_eq!(float64(b"-Infinity"), Some(f64::NEG_INFINITY));
        assert!(float32(b"nan").unwrap().is_nan());
        assert_eq!(float64(b"12abc"), None);
        assert_eq!(float64(b""), None);
    }

    #[test]
    fn a_numeric_is_kept_as_it_was_written() {
        for text in ["0", "-1.50", "+.5", "5.", "12345678901234567890.123456789", "1.5E+03", "1e-2"] {
            assert_eq!(numeric(text.as_bytes()), Some(text.as_bytes()));
        }
        assert_eq!(numeric(b" 7.0 "), Some(&b"7.0"[..]));
        assert_eq!(numeric(b"nan"), Some(&b"NaN"[..]));
        assert_eq!(numeric(b"-inf"), Some(&b"-Infinity"[..]));
        for text in ["", ".", "-", "1,5", "1.2.3", "1e", "e5", "1e+", "0x1", "1_000", "--1"] {
            assert_eq!(numeric(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn an_address_may_have_a_prefix_length() {
        for text in ["10.0.0.1", "10.0.0.0/8", "::1", "2001:db8::/128", "10.0.0.1/032"] {
            assert_eq!(inet(text.as_bytes()), Some(text.as_bytes()), "{text}");
        }
        for text in ["", "10.0.0", "10.0.0.256", "10.0.0.1/33", "::1/129", "10.0.0.1/", "10.0.0.1/+8", "host"]
        {
            assert_eq!(inet(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn a_json_document_is_checked_at_any_depth() {
        assert!(json(br#" {"a": [1, -2.5e3, "x", null, true]} "#).is_some());
        let deep = [vec![b'['; 100_000], vec![b']'; 100_000]].concat();
        assert!(json(&deep).is_some());
        for text in ["", "{", "{'a': 1}", "[1,]", "nul", "1 2", "NaN"] {
            assert_eq!(json(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn bytes_and_uuids_with_other_than_digits_are_refused() {
        let mut out = vec![1];
        for text in ["", "00", "\\x0", "\\xzz", "\\x00 11", "x00"] {
            assert_eq!(hexadecimal(text.as_bytes(), &mut out), None, "{text}");
        }
        assert_eq!(out, [1]);
        for text in [
            "",
            "123e4567-e89b-12d3-a456-42661417400",
            "123e4567-e89b-12d3-a456-42661417400g",
            "123e4567e-89b-12d3-a456-426614174000",
            "{123e4567-e89b-12d3-a456-426614174000",
        ] {
            assert_eq!(uuid(text.as_bytes()), None, "{text}");
        }
    }
}
