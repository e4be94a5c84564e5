//! `varint` and `decimal` as exact decimal digits, within what PostgreSQL's `numeric` holds. Must not know columns.

use super::refuse::Why;
use crate::append::append;
use crate::schema::{MAX_NUMERIC_SCALE, MAX_NUMERIC_WHOLE_DIGITS};
use crate::text_form;

/// A number with more zeros than that in front of its digits or behind them is written with an exponent, which says
/// the same: a few bytes can stand for more than a hundred thousand zeros.
const MAX_ZEROS: i64 = 1000;

/// Appends the digits of a `varint`: two's complement, the highest byte first. Nothing is appended in an error.
pub(super) fn varint(cell: &[u8], out: &mut Vec<u8>) -> Result<(), Why> {
    if cell.is_empty() { Err(Why::Empty) } else { write(cell, 0, out) }
}

/// Appends the digits of a `decimal`: an i32 scale, and a varint that is divided by ten as often. Zeros at the end
/// stay. Nothing is appended in an error.
pub(super) fn decimal(cell: &[u8], out: &mut Vec<u8>) -> Result<(), Why> {
    match cell.split_first_chunk::<4>() {
        Some((scale, unscaled)) if !unscaled.is_empty() => {
            write(unscaled, i64::from(i32::from_be_bytes(*scale)), out)
        }
        _ => Err(Why::of_length(cell)),
    }
}

/// `unscaled` has at least one byte.
#[inline]
fn write(unscaled: &[u8], scale: i64, out: &mut Vec<u8>) -> Result<(), Why> {
    let negative = unscaled[0] & 0x80 != 0;
    let fill = if negative { 0xff } else { 0 };
    let length = unscaled.len();
    if length <= 8 {
        let mut wide = [fill; 8];
        wide[8 - length..].copy_from_slice(unscaled);
        let digits = i64::from_be_bytes(wide).unsigned_abs();
        if let Ok(scale @ 0..=MAX_SHORT_SCALE) = usize::try_from(scale) {
            short(negative, digits, scale, out);
            return Ok(());
        }
        return place(negative, itoa::Buffer::new().format(digits).as_bytes(), scale, out);
    }
    if length <= 16 {
        let mut wide = [fill; 16];
        wide[16 - length..].copy_from_slice(unscaled);
        let digits = i128::from_be_bytes(wide).unsigned_abs();
        return place(negative, itoa::Buffer::new().format(digits).as_bytes(), scale, out);
    }
    place(negative, &long_digits(unscaled, negative, scale)?, scale, out)
}

/// Digits behind the point of numbers that are written by [`short`]: with all of a u64's they fit into its room.
const MAX_SHORT_SCALE: usize = 18;

/// The usual number, put together from its end and appended at once.
#[inline]
fn short(negative: bool, digits: u64, scale: usize, out: &mut Vec<u8>) {
    const ROOM: usize = 32;
    // What is behind the room is never written: it lets `append` copy without a look at the length.
    let mut text = [0; 2 * ROOM];
    let (mut at, mut left) = (ROOM, digits);
    for _ in 0..scale / 2 {
        at -= 2;
        text[at..at + 2].copy_from_slice(&text_form::pair((left % 100) as u32));
        left /= 100;
    }
    if scale % 2 == 1 {
        at -= 1;
        text[at] = b'0' | (left % 10) as u8;
        left /= 10;
    }
    if scale > 0 {
        at -= 1;
        text[at] = b'.';
    }
    while left >= 100 {
        at -= 2;
        text[at..at + 2].copy_from_slice(&text_form::pair((left % 100) as u32));
        left /= 100;
    }
    at -= 1;
    text[at] = b'0' | (left % 10) as u8;
    if left >= 10 {
        at -= 1;
        text[at] = b'0' | (left / 10) as u8;
    }
    if negative {
        at -= 1;
        text[at] = b'-';
    }
    append(&text[at..], ROOM - at, out);
}

/// Writes `digits`, which have no zero in front unless they are one, with the point where `scale` says.
#[inline]
fn place(negative: bool, digits: &[u8], scale: i64, out: &mut Vec<u8>) -> Result<(), Why> {
    let length = digits.len() as i64;
    let is_zero = digits == b"0";
    if scale > MAX_NUMERIC_SCALE || (!is_zero && length - scale > MAX_NUMERIC_WHOLE_DIGITS) {
        return Err(Why::OutOfRange);
    }
    if negative {
        out.push(b'-');
    }
    let zeros = if is_zero && scale < 0 { 0 } else { (scale - length).max(-scale) };
    match usize::try_from(scale) {
        _ if zeros > MAX_ZEROS => {
            out.extend_from_slice(digits);
            out.push(b'e');
            text_form::integer(-scale, out);
        }
        Ok(0) => out.extend_from_slice(digits),
        Ok(scale) if digits.len() > scale => {
            let (whole, fraction) = digits.split_at(digits.len() - scale);
            out.extend_from_slice(whole);
            out.push(b'.');
            out.extend_from_slice(fraction);
        }
        Ok(scale) => {
            out.extend_from_slice(b"0.");
            out.resize(out.len() + scale - digits.len(), b'0');
            out.extend_from_slice(digits);
        }
        Err(_) => {
            out.extend_from_slice(digits);
            out.resize(out.len() + usize::try_from(zeros).unwrap_or(0), b'0');
        }
    }
    Ok(())
}

/// The digits of a number of any length, unless they are more than fit at that scale: that is seen from the length
/// before any work is done.
fn long_digits(unscaled: &[u8], negative: bool, scale: i64) -> Result<Vec<u8>, Why> {
    let fill = if negative { 0xff } else { 0 };
    let from = unscaled.iter().position(|byte| *byte != fill).unwrap_or(unscaled.len() - 1);
    // At least one byte, and the one with the sign: the highest bit of the magnitude is in the first two.
    let bytes = &unscaled[from..];
    let least_bits = (bytes.len() as i64 - 1) * 8;
    let least_digits = least_bits * 30_102 / 100_000;
    if scale > MAX_NUMERIC_SCALE || least_digits - scale > MAX_NUMERIC_WHOLE_DIGITS {
        return Err(Why::OutOfRange);
    }
    let mut limbs = magnitude(bytes, negative);
    // Nine digits at a time, the lowest first.
    let mut nines = Vec::with_capacity(limbs.len() * 32 / 29 + 1);
    while !limbs.is_empty() {
        let mut rest = 0;
        for limb in limbs.iter_mut().rev() {
            let part = rest << 32 | u64::from(*limb);
            *limb = (part / 1_000_000_000) as u32;
            rest = part % 1_000_000_000;
        }
        nines.push(rest);
        let zeros = limbs.iter().rev().take_while(|limb| **limb == 0).count();
        limbs.truncate(limbs.len() - zeros);
    }
    let mut digits = Vec::with_capacity(nines.len() * 9);
    let mut nines = nines.iter().rev();
    text_form::integer(*nines.next().unwrap_or(&0), &mut digits);
    for nine in nines {
        let start = digits.len();
        digits.resize(start + 9, b'0');
        let mut buffer = itoa::Buffer::new();
        let text = buffer.format(*nine).as_bytes();
        digits[start + 9 - text.len()..].copy_from_slice(text);
    }
    Ok(digits)
}

/// Without the sign, as parts of 32 bits, the lowest first, none of them zero at the end.
fn magnitude(bytes: &[u8], negative: bool) -> Vec<u32> {
    let mut limbs = Vec::with_capacity(bytes.len() / 4 + 2);
    let mut carry = negative;
    for chunk in bytes.rchunks(4) {
        let mut wide = if negative { [0xff; 4] } else { [0; 4] };
        wide[4 - chunk.len()..].copy_from_slice(chunk);
        let mut limb = u32::from_be_bytes(wide);
        if negative {
            (limb, carry) = (!limb).overflowing_add(u32::from(carry));
        }
        limbs.push(limb);
    }
    if carry {
        limbs.push(1);
    }
    let zeros = limbs.iter().rev().take_while(|limb| **limb == 0).count();
    limbs.truncate(limbs.len() - zeros);
    limbs
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(write: impl FnOnce(&mut Vec<u8>) -> Result<(), Why>) -> Result<String, Why> {
        let mut out = Vec::new();
        let result = write(&mut out);
        assert!(result.is_ok() || out.is_empty());
        result.map(|()| String::from_utf8(out).unwrap())
    }

    fn scaled(scale: i32, unscaled: &[u8]) -> Result<String, Why> {
        let cell = [&scale.to_be_bytes(), unscaled].concat();
        text(|out| decimal(&cell, out))
    }

    /// Two's complement of the decimal digits, by schoolbook arithmetic on them.
    fn bytes_of(digits: &str) -> Vec<u8> {
        let (negative, digits) = digits.strip_prefix('-').map_or((false, digits), |digits| (true, digits));
        let mut bytes = vec![0_u8];
        for digit in digits.bytes() {
            let mut carry = u32::from(digit - b'0');
            for byte in &mut bytes {
                carry += u32::from(*byte) * 10;
                *byte = carry as u8;
                carry >>= 8;
            }
            if carry > 0 {
                bytes.push(carry as u8);
            }
        }
        bytes.push(0);
        if negative {
            let mut carry = 1;
            for byte in &mut bytes {
                let sum = u32::from(!*byte) + carry;
                *byte = sum as u8;
                carry = sum >> 8;
            }
        }
        bytes.reverse();
        bytes
    }

    #[test]
    fn the_point_stands_where_the_scale_says_and_zeros_stay() {
        for (scale, digits, expected) in [
            (0, "0", "0"),
            (5, "0", "0.00000"),
            (-7, "0", "0"),
            (2, "12345", "123.45"),
            (4, "1234500", "123.4500"),
            (3, "-5", "-0.005"),
            (1, "-5", "-0.5"),
            (3, "123", "0.123"),
            (-3, "-12", "-12000"),
            (
                2,
                "123456789012345678901234567890123456789012345678",
                "1234567890123456789012345678901234567890123456.78",
            ),
        ] {
            assert_eq!(scaled(scale, &bytes_of(digits)).unwrap(), expected);
        }
    }

    #[test]
    fn the_limits_of_numeric_are_exact_and_checked_before_anything_is_written() {
        let one = [1];
        assert_eq!(scaled(16_383, &one).unwrap(), "1e-16383");
        assert_eq!(scaled(16_384, &one), Err(Why::OutOfRange));
        assert_eq!(scaled(16_384, &[0]), Err(Why::OutOfRange));
        assert_eq!(scaled(16_383, &[0]).unwrap(), "0e-16383");
        assert_eq!(scaled(-131_071, &one).unwrap(), "1e131071");
        assert_eq!(scaled(-131_072, &one), Err(Why::OutOfRange));
        assert_eq!(scaled(i32::MAX, &one), Err(Why::OutOfRange));
        assert_eq!(scaled(i32::MIN, &one), Err(Why::OutOfRange));
        assert_eq!(scaled(i32::MIN, &[0]).unwrap(), "0");
        assert_eq!(scaled(0, &vec![0x7f; 60_000]), Err(Why::OutOfRange));
        assert_eq!(scaled(-100_000, &[0x7f; 16_000]), Err(Why::OutOfRange));
        assert_eq!(scaled(0, &[&[0; 60_000][..], &[42]].concat()).unwrap(), "42");
        assert_eq!(scaled(1, &[0xff; 60_000]).unwrap(), "-0.1");
    }

    #[test]
    fn what_is_no_number_is_refused() {
        assert_eq!(text(|out| varint(&[], out)), Err(Why::Empty));
        assert_eq!(text(|out| decimal(&[], out)), Err(Why::Empty));
        for cell in [&[0][..], &[0, 0, 0], &[0, 0, 0, 2]] {
            assert_eq!(text(|out| decimal(cell, out)), Err(Why::BadCell), "{cell:?}");
        }
    }

    proptest! {
        #[test]
        fn numbers_of_64_bits_are_written_at_once_as_piece_by_piece(value: i64, shift in 0_u32..64, scale in 0_usize..19) {
            let value = value >> shift;
            let (mut at_once, mut pieces) = (b"x".to_vec(), b"x".to_vec());
            short(value < 0, value.unsigned_abs(), scale, &mut at_once);
            place(value < 0, value.unsigned_abs().to_string().as_bytes(), scale as i64, &mut pieces).unwrap();
            prop_assert_eq!(at_once, pieces);
        }

        #[test]
        fn every_128_bit_number_has_its_own_digits(value: i128, padding in 0_usize..40) {
            let fill = if value < 0 { 0xff } else { 0 };
            let cell = [vec![fill; padding], value.to_be_bytes().to_vec()].concat();
            prop_assert_eq!(text(|out| varint(&cell, out)), Ok(value.to_string()));
        }

        #[test]
        fn numbers_of_any_length_have_their_own_digits(digits in "-?[1-9][0-9]{0,400}", scale in -20_i64..420) {
            let negative = digits.starts_with('-');
            let bare = digits.trim_start_matches('-');
            let expected = match usize::try_from(scale) {
                Err(_) => format!("{bare}{}", "0".repeat(scale.unsigned_abs() as usize)),
                Ok(0) => bare.to_owned(),
                Ok(scale) => {
                    let padded = format!("{bare:0>width$}", width = scale + 1);
                    format!("{}.{}", &padded[..padded.len() - scale], &padded[padded.len() - scale..])
                }
            };
            let expected = format!("{}{expected}", if negative { "-" } else { "" });
            prop_assert_eq!(scaled(scale as i32, &bytes_of(&digits)), Ok(expected));
        }
    }
}
