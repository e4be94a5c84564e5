//! The text of one value as PostgreSQL writes it itself (`DateStyle` ISO, `IntervalStyle` postgres, zone UTC),
//! so that what we load, what we keep of a reject and what a query shows look the same.
//!
//! Total: every bit pattern of every type has a form, also those that PostgreSQL would not take. Must not know:
//! what surrounds a value (CSV, JSON, an array), and which values are refused.

use arrow_buffer::IntervalMonthDayNano;

const DAY_MICROS: i64 = 86_400_000_000;

/// `true` or `false`.
pub fn boolean(value: bool, out: &mut Vec<u8>) {
    out.extend_from_slice(if value { b"true" } else { b"false" });
}

/// Decimal digits, `-` in front where it is negative.
pub fn integer<I: itoa::Integer>(value: I, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// The shortest text that reads back as the same single; `NaN`, `Infinity`, `-Infinity`.
pub fn float32(value: f32, out: &mut Vec<u8>) {
    match not_finite(f64::from(value)) {
        Some(word) => out.extend_from_slice(word.as_bytes()),
        None => out.extend_from_slice(zmij::Buffer::new().format_finite(value).as_bytes()),
    }
}

/// The shortest text that reads back as the same double; `NaN`, `Infinity`, `-Infinity`.
pub fn float64(value: f64, out: &mut Vec<u8>) {
    match not_finite(value) {
        Some(word) => out.extend_from_slice(word.as_bytes()),
        None => out.extend_from_slice(zmij::Buffer::new().format_finite(value).as_bytes()),
    }
}

/// `\x` and two lower-case digits a byte.
pub fn bytes(value: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"\\x");
    hex(value, out);
}

/// Two lower-case digits a byte.
pub fn hex(value: &[u8], out: &mut Vec<u8>) {
    out.reserve(value.len() * 2);
    for chunk in value.chunks(32) {
        let mut digits = [0; 64];
        for (pair, byte) in digits.chunks_exact_mut(2).zip(chunk) {
            pair.copy_from_slice(&hex_pair(*byte));
        }
        out.extend_from_slice(&digits[..chunk.len() * 2]);
    }
}

/// `8-4-4-4-12` lower-case digits. `value` has 16 bytes; more are not looked at.
pub fn uuid(value: &[u8], out: &mut Vec<u8>) {
    let mut digits = [0; 32];
    for (pair, byte) in digits.chunks_exact_mut(2).zip(value) {
        pair.copy_from_slice(&hex_pair(*byte));
    }
    let mut text = [b'-'; 36];
    for (to, from) in [(0..8, 0..8), (9..13, 8..12), (14..18, 12..16), (19..23, 16..20), (24..36, 20..32)] {
        text[to].copy_from_slice(&digits[from]);
    }
    out.extend_from_slice(&text);
}

/// `2013-01-31`, `0044-03-15 BC`, `12013-01-31`; the largest and smallest i32 are `infinity` and `-infinity`.
pub fn date(days: i32, out: &mut Vec<u8>) {
    match days {
        i32::MAX => out.extend_from_slice(b"infinity"),
        i32::MIN => out.extend_from_slice(b"-infinity"),
        _ => {
            let era = civil(i64::from(days), out);
            out.extend_from_slice(era);
        }
    }
}

/// `05:54:00`, with as many decimals as needed.
pub fn time(micros: i64, out: &mut Vec<u8>) {
    if micros < 0 {
        out.push(b'-');
    }
    clock(micros.unsigned_abs(), out);
}

/// `2013-01-31 05:54:00.5+00`, ` BC` behind it before year 1; the largest and smallest i64 are `infinity` and
/// `-infinity`.
pub fn timestamp(micros: i64, out: &mut Vec<u8>) {
    match micros {
        i64::MAX => out.extend_from_slice(b"infinity"),
        i64::MIN => out.extend_from_slice(b"-infinity"),
        _ => {
            let era = civil(micros.div_euclid(DAY_MICROS), out);
            out.push(b' ');
            clock(micros.rem_euclid(DAY_MICROS).unsigned_abs(), out);
            out.extend_from_slice(b"+00");
            out.extend_from_slice(era);
        }
    }
}

/// `1 year 2 mons -3 days +04:05:06.5`: each part has its own sign, and a `+` where the part before is negative.
pub fn interval(value: IntervalMonthDayNano, out: &mut Vec<u8>) {
    let parts = [(value.months / 12, "year"), (value.months % 12, "mon"), (value.days, "day")];
    let mut negative_before = false;
    let mut empty = true;
    for (number, unit) in parts {
        if number == 0 {
            continue;
        }
        out.extend_from_slice(match (empty, negative_before && number > 0) {
            (true, _) => b"",
            (false, false) => b" ",
            (false, true) => b" +",
        });
        integer(number, out);
        out.push(b' ');
        out.extend_from_slice(unit.as_bytes());
        if number != 1 {
            out.push(b's');
        }
        negative_before = number < 0;
        empty = false;
    }
    let nanos = value.nanoseconds;
    if nanos == 0 && !empty {
        return;
    }
    out.extend_from_slice(if empty { b"" } else { b" " });
    if nanos < 0 {
        out.push(b'-');
    } else if negative_before {
        out.push(b'+');
    }
    let nanos = nanos.unsigned_abs();
    hours_minutes_seconds(nanos / 1_000_000_000, out);
    let nanos = (nanos % 1_000_000_000) as u32;
    if nanos > 0 {
        // Nine digits and a zero.
        fraction([nanos / 10_000_000, nanos / 100_000, nanos / 1000, nanos / 10, nanos % 10 * 10], out);
    }
}

fn not_finite(value: f64) -> Option<&'static str> {
    if value.is_finite() {
        None
    } else if value.is_nan() {
        Some("NaN")
    } else if value > 0.0 {
        Some("Infinity")
    } else {
        Some("-Infinity")
    }
}

#[inline]
fn hex_pair(byte: u8) -> [u8; 2] {
    // Arithmetic instead of a table: the compiler makes it many bytes at a time.
    let digit = |nibble: u8| nibble + if nibble < 10 { b'0' } else { b'a' - 10 };
    [digit(byte >> 4), digit(byte & 15)]
}

/// The two last decimal digits.
#[inline]
pub(crate) fn pair(value: u32) -> [u8; 2] {
    let digit = |digit: u32| b'0' | (digit & 15) as u8;
    [digit(value / 10 % 10), digit(value % 10)]
}

/// Writes `year-month-day` of the proleptic Gregorian calendar and answers what must stand at the end.
///
/// The algorithm (H. Hinnant, "chrono-compatible low-level date algorithms") counts years from March, in eras
/// of 400 years, so that the leap day is a year's last day.
#[inline]
fn civil(days: i64, out: &mut Vec<u8>) -> &'static [u8] {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097) as u32;
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + i64::from(year_of_era) + i64::from(month <= 2);

    // There is no year 0: the year before 1 is 1 BC.
    let (year, end): (u64, &[u8]) =
        if year > 0 { (year.unsigned_abs(), b"") } else { ((1 - year).unsigned_abs(), b" BC") };
    let mut text = *b"0000-00-00";
    text[5..7].copy_from_slice(&pair(month));
    text[8..10].copy_from_slice(&pair(day));
    if year < 10_000 {
        let year = year as u32;
        text[0..2].copy_from_slice(&pair(year / 100));
        text[2..4].copy_from_slice(&pair(year));
        out.extend_from_slice(&text);
    } else {
        integer(year, out);
        out.extend_from_slice(&text[4..]);
    }
    end
}

/// `hh:mm:ss` and the fraction of a number of microseconds.
#[inline]
fn clock(micros: u64, out: &mut Vec<u8>) {
    hours_minutes_seconds(micros / 1_000_000, out);
    let micros = (micros % 1_000_000) as u32;
    if micros > 0 {
        fraction([micros / 10_000, micros / 100, micros], out);
    }
}

#[inline]
fn hours_minutes_seconds(seconds: u64, out: &mut Vec<u8>) {
    let hours = seconds / 3600;
    let in_hour = (seconds % 3600) as u32;
    let mut text = *b"00:00:00";
    text[3..5].copy_from_slice(&pair(in_hour / 60));
    text[6..8].copy_from_slice(&pair(in_hour % 60));
    if hours < 100 {
        text[0..2].copy_from_slice(&pair(hours as u32));
        out.extend_from_slice(&text);
    } else {
        integer(hours, out);
        out.extend_from_slice(&text[2..]);
    }
}

/// `.` and the two last digits of each number, without zeros at the end. Not for 0.
#[inline]
fn fraction<const N: usize>(pairs: [u32; N], out: &mut Vec<u8>) {
    let mut text = [[b'0'; 2]; N];
    for (digits, value) in text.iter_mut().zip(pairs) {
        *digits = pair(value);
    }
    let digits = text.as_flattened();
    let zeros = digits.iter().rev().take_while(|digit| **digit == b'0').count();
    out.push(b'.');
    out.extend_from_slice(&digits[..digits.len() - zeros]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn dates_before_year_1_are_bc_and_there_is_no_year_0() {
        assert_eq!(text(|o| date(0, o)), "1970-01-01");
        assert_eq!(text(|o| date(-719_162, o)), "0001-01-01");
        assert_eq!(text(|o| date(-719_163, o)), "0001-12-31 BC");
        assert_eq!(text(|o| date(-735_160, o)), "0044-03-15 BC");
        assert_eq!(text(|o| date(2_932_897, o)), "10000-01-01");
        assert_eq!(text(|o| date(i32::MAX, o)), "infinity");
        assert_eq!(text(|o| date(i32::MIN, o)), "-infinity");
        assert_eq!(text(|o| date(i32::MIN + 1, o)), "5877642-06-24 BC");
    }

    #[test]
    fn every_day_of_eight_centuries_follows_the_one_before() {
        let (mut year, mut month, mut day) = (1600, 1, 1);
        for days in -135_140..157_000 {
            assert_eq!(text(|o| date(days, o)), format!("{year:04}-{month:02}-{day:02}"));
            let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            let length = match month {
                2 => 28 + i32::from(leap),
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            day += 1;
            if day > length {
                (month, day) = (month + 1, 1);
            }
            if month > 12 {
                (year, month) = (year + 1, 1);
            }
        }
    }

    #[test]
    fn timestamps_are_utc_with_as_many_decimals_as_needed() {
        assert_eq!(text(|o| timestamp(0, o)), "1970-01-01 00:00:00+00");
        assert_eq!(text(|o| timestamp(-1, o)), "1969-12-31 23:59:59.999999+00");
        assert_eq!(text(|o| timestamp(1_500_000, o)), "1970-01-01 00:00:01.5+00");
        assert_eq!(text(|o| timestamp(-62_135_596_800_000_001, o)), "0001-12-31 23:59:59.999999+00 BC");
        assert_eq!(text(|o| timestamp(i64::MAX - 1, o)), "294247-01-10 04:00:54.775806+00");
        assert_eq!(text(|o| timestamp(i64::MIN + 1, o)), "290309-12-21 19:59:05.224193+00 BC");
        assert_eq!(text(|o| timestamp(i64::MAX, o)), "infinity");
    }

    #[test]
    fn times_have_a_form_also_outside_the_day() {
        assert_eq!(text(|o| time(86_399_999_999, o)), "23:59:59.999999");
        assert_eq!(text(|o| time(86_400_000_000, o)), "24:00:00");
        assert_eq!(text(|o| time(-1_000_000, o)), "-00:00:01");
        assert_eq!(text(|o| time(i64::MIN, o)), "-2562047788:00:54.775808");
    }

    #[test]
    fn each_part_of_an_interval_has_its_own_sign() {
        let form = |months, days, nanoseconds| {
            text(|o| interval(IntervalMonthDayNano { months, days, nanoseconds }, o))
        };
        assert_eq!(form(0, 0, 0), "00:00:00");
        assert_eq!(form(1, 2, 11_045_000_006_000), "1 mon 2 days 03:04:05.000006");
        assert_eq!(form(14, 0, 0), "1 year 2 mons");
        assert_eq!(form(-1, 1, -1_000_000_000), "-1 mons +1 day -00:00:01");
        assert_eq!(form(0, -1, 1_000_000_000), "-1 days +00:00:01");
        assert_eq!(form(0, 0, -500_000_000), "-00:00:00.5");
        assert_eq!(form(0, 0, 1), "00:00:00.000000001");
        assert_eq!(
            form(i32::MIN, i32::MIN, i64::MIN),
            "-178956970 years -8 mons -2147483648 days -2562047:47:16.854775808"
        );
    }

    #[test]
    fn floats_are_the_shortest_that_read_back() {
        assert_eq!(text(|o| float64(0.1, o)), "0.1");
        assert_eq!(text(|o| float32(0.1, o)), "0.1");
        assert_eq!(text(|o| float64(f64::NAN, o)), "NaN");
        assert_eq!(text(|o| float32(f32::NEG_INFINITY, o)), "-Infinity");
        for value in [5e-324, f64::MAX, -0.0, 1e16, 123_456_789.123] {
            let back: f64 = text(|o| float64(value, o)).parse().unwrap();
            assert_eq!(back.to_bits(), value.to_bits());
        }
    }

    #[test]
    fn bytes_and_uuids_are_lower_case_hex() {
        assert_eq!(text(|o| bytes(&[0, 255, 10], o)), "\\x00ff0a");
        assert_eq!(text(|o| bytes(&[], o)), "\\x");
        assert_eq!(text(|o| bytes(&[0xab; 70], o)), format!("\\x{}", "ab".repeat(70)));
        let id: Vec<u8> = (0..16).collect();
        assert_eq!(text(|o| uuid(&id, o)), "00010203-0405-0607-0809-0a0b0c0d0e0f");
    }
}
