//! Points and spans of time. Pure. Must not know columns.

use arrow_buffer::IntervalMonthDayNano;

use super::parts::take_vint;
use super::refuse::Why;
use super::scalar::fixed;
use crate::schema::DATES;
use crate::text_form;

const DAY_NANOS: i64 = 86_400_000_000_000;

/// Microseconds since 1970 of a `timestamp`, which are milliseconds.
#[inline]
pub(super) fn timestamp(cell: &[u8]) -> Result<i64, Why> {
    // No product of 1000 is one of the two numbers that mean infinity.
    i64::from_be_bytes(fixed(cell)?).checked_mul(1000).ok_or(Why::OutOfRange)
}

/// Microseconds since 1970 of a time of writing, which clients may set to anything.
pub(super) fn written(cell: &[u8]) -> Result<i64, Why> {
    match i64::from_be_bytes(fixed(cell)?) {
        // These would be infinity, which it is not.
        i64::MIN | i64::MAX => Err(Why::OutOfRange),
        micros => Ok(micros),
    }
}

/// Days since 1970 of a `date`, where 1970-01-01 is 2^31.
pub(super) fn date(cell: &[u8]) -> Result<i32, Why> {
    let days = (u32::from_be_bytes(fixed(cell)?) ^ 1 << 31).cast_signed();
    if DATES.contains(&days) { Ok(days) } else { Err(Why::OutOfRange) }
}

/// Nanoseconds since midnight of a `time`.
pub(super) fn time(cell: &[u8]) -> Result<i64, Why> {
    let nanos = i64::from_be_bytes(fixed(cell)?);
    if (0..DAY_NANOS).contains(&nanos) { Ok(nanos) } else { Err(Why::OutOfRange) }
}

/// Whole microseconds; the rest is cut off, towards zero, or an error.
pub(super) fn micros(nanos: i64, truncate: bool) -> Result<i64, Why> {
    if truncate || nanos % 1000 == 0 { Ok(nanos / 1000) } else { Err(Why::SubMicrosecond) }
}

/// The text of nanoseconds since midnight, with all the digits that it needs.
pub(super) fn time_text(nanos: i64, out: &mut Vec<u8>) {
    // The hours, minutes and seconds of an interval without other parts look the same.
    text_form::interval(IntervalMonthDayNano::new(0, 0, nanos), out);
}

/// Months, days and nanoseconds of a `duration`: three numbers with their signs in the lowest bit.
pub(super) fn duration(cell: &[u8]) -> Result<IntervalMonthDayNano, Why> {
    if cell.is_empty() {
        return Err(Why::Empty);
    }
    let mut rest = cell;
    let months = i32::try_from(signed(&mut rest)?).map_err(|_| Why::BadCell)?;
    let days = i32::try_from(signed(&mut rest)?).map_err(|_| Why::BadCell)?;
    let nanos = signed(&mut rest)?;
    if rest.is_empty() { Ok(IntervalMonthDayNano::new(months, days, nanos)) } else { Err(Why::BadCell) }
}

fn signed(rest: &mut &[u8]) -> Result<i64, Why> {
    let number = take_vint(rest)?;
    Ok((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_ends_where_its_microseconds_do() {
        let of = |millis: i64| timestamp(&millis.to_be_bytes());
        assert_eq!(of(-1), Ok(-1000));
        assert_eq!(of(i64::MAX / 1000), Ok(i64::MAX / 1000 * 1000));
        assert_eq!(of(i64::MAX / 1000 + 1), Err(Why::OutOfRange));
        assert_eq!(of(i64::MIN), Err(Why::OutOfRange));
        assert_eq!(timestamp(&[]), Err(Why::Empty));
        assert_eq!(timestamp(&[0; 7]), Err(Why::BadCell));
    }

    #[test]
    fn a_date_outside_of_postgresqls_is_refused_and_never_becomes_infinity() {
        let of = |days: i64| date(&u32::try_from(days + (1 << 31)).unwrap().to_be_bytes());
        assert_eq!(of(0), Ok(0));
        assert_eq!(of(-1), Ok(-1));
        assert_eq!(of(i64::from(DATES.start)), Ok(DATES.start));
        assert_eq!(of(i64::from(DATES.end) - 1), Ok(DATES.end - 1));
        for days in [i64::from(DATES.start) - 1, DATES.end.into(), i32::MIN.into(), i32::MAX.into()] {
            assert_eq!(of(days), Err(Why::OutOfRange), "{days}");
        }
    }

    #[test]
    fn a_time_is_within_a_day_and_whole_microseconds_unless_cut() {
        let of = |nanos: i64| time(&nanos.to_be_bytes());
        assert_eq!(of(DAY_NANOS - 1), Ok(DAY_NANOS - 1));
        assert_eq!((of(DAY_NANOS), of(-1)), (Err(Why::OutOfRange), Err(Why::OutOfRange)));
        assert_eq!((micros(1999, false), micros(1999, true)), (Err(Why::SubMicrosecond), Ok(1)));
        assert_eq!((micros(-2000, false), micros(-1999, true)), (Ok(-2), Ok(-1)));
        let mut text = Vec::new();
        time_text(47_655_123_456_789, &mut text);
        assert_eq!(text, b"13:14:15.123456789");
        text.clear();
        time_text(0, &mut text);
        assert_eq!(text, b"00:00:00");
    }

    #[test]
    fn a_duration_is_three_numbers_each_with_its_sign() {
        assert_eq!(duration(&[2, 4, 6]), Ok(IntervalMonthDayNano::new(1, 2, 3)));
        assert_eq!(duration(&[1, 3, 5]), Ok(IntervalMonthDayNano::new(-1, -2, -3)));
        let months = [0xf0, 0xff, 0xff, 0xff, 0xff, 0, 0];
        assert_eq!(duration(&months), Ok(IntervalMonthDayNano::new(i32::MIN, 0, 0)));
        assert_eq!(duration(&[0xf1, 0, 0, 0, 0, 0, 0]), Err(Why::BadCell));
        assert_eq!(duration(&[]), Err(Why::Empty));
        assert_eq!((duration(&[2, 4]), duration(&[2, 4, 6, 8])), (Err(Why::BadCell), Err(Why::BadCell)));
    }
}
