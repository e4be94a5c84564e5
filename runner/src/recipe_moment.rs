//! Dates and times of TOML as values of our types.

use toml::value::{Date, Datetime, Offset, Time};

use crate::transform::Constant;

/// A date, a time or both. Without an offset, UTC.
pub(crate) fn moment(value: &Datetime) -> Result<Constant, &'static str> {
    const NOWHERE: &str = "there is no such date or time";
    let time = value.time.map(micros).transpose()?;
    let days = value.date.map(days).transpose()?;
    match (days, time) {
        (Some(days), None) => i32::try_from(days).map(Constant::Date).map_err(|_| NOWHERE),
        (None, Some(micros)) => Ok(Constant::Time(micros)),
        (Some(days), Some(micros)) => {
            let minutes = match value.offset {
                Some(Offset::Custom { minutes }) => i64::from(minutes),
                Some(Offset::Z) | None => 0,
            };
            Ok(Constant::Timestamp(days * 86_400_000_000 + micros - minutes * 60_000_000))
        }
        (None, None) => Err(NOWHERE),
    }
}

/// Days since 1970-01-01.
fn days(date: Date) -> Result<i64, &'static str> {
    let part = |n: u8| i8::try_from(n).unwrap_or_default();
    let year = i16::try_from(date.year).unwrap_or_default();
    let date = jiff::civil::Date::new(year, part(date.month), part(date.day));
    let date = date.map_err(|_| "there is no such date")?;
    let span = date.since((jiff::Unit::Day, jiff::civil::date(1970, 1, 1)));
    Ok(i64::from(span.map_err(|_| "there is no such date")?.get_days()))
}

/// Microseconds since midnight.
fn micros(time: Time) -> Result<i64, &'static str> {
    let nanos = time.nanosecond.unwrap_or_default();
    if !nanos.is_multiple_of(1000) {
        return Err("a time has no more than six digits behind the second");
    }
    let second = time.second.unwrap_or_default();
    if second > 59 {
        return Err("a minute has no more than 60 seconds here");
    }
    let seconds = (i64::from(time.hour) * 60 + i64::from(time.minute)) * 60 + i64::from(second);
    Ok(seconds * 1_000_000 + i64::from(nanos / 1000))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Constant, &'static str> {
        moment(&text.parse().unwrap())
    }

    #[test]
    fn dates_and_times_are_counted_from_1970_and_midnight_in_utc() {
        assert_eq!(read("1970-01-02"), Ok(Constant::Date(1)));
        assert_eq!(read("1969-12-31"), Ok(Constant::Date(-1)));
        assert_eq!(read("2000-02-29"), Ok(Constant::Date(11_016)));
        assert_eq!(read("0001-01-01"), Ok(Constant::Date(-719_162)));
        assert_eq!(read("00:00:01.5"), Ok(Constant::Time(1_500_000)));
        assert_eq!(read("1970-01-01T00:00:01"), Ok(Constant::Timestamp(1_000_000)));
        assert_eq!(read("1970-01-01T01:00:00+01:00"), Ok(Constant::Timestamp(0)));
        assert_eq!(read("1969-12-31T23:59:59.999999Z"), Ok(Constant::Timestamp(-1)));
        assert_eq!(read("2013-03-10T02:30:00-05:00"), Ok(Constant::Timestamp(1_362_900_600_000_000)));
    }

    #[test]
    fn what_we_could_not_keep_exactly_is_refused() {
        assert!(read("00:00:00.0000001").is_err());
        assert!(read("23:59:60").is_err());
    }
}
